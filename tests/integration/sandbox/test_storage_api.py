"""Items, folders and properties, where and as Artifactory has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx

    from artifactory_sandbox.pytest_plugin import RunningSandbox

TAG = "/api/storage/docker-dev/payments/api/1.0"
MANIFEST = f"{TAG}/manifest.json"


@pytest.fixture
def digest(artifactory_sandbox: RunningSandbox) -> str:
    return artifactory_sandbox.push_image("docker-dev/payments/api:1.0")


def error(response: httpx.Response) -> tuple[int, str]:
    [only] = response.json()["errors"]
    assert only["status"] == response.status_code
    return response.status_code, only["message"]


def test_a_file_shows_what_artifactory_shows_of_one(client: httpx.Client, digest: str) -> None:
    found = client.get(MANIFEST).json()
    assert found["repo"] == "docker-dev"
    assert found["path"] == "/payments/api/1.0/manifest.json"
    assert found["checksums"]["sha256"] == digest.removeprefix("sha256:")
    assert len(found["checksums"]["sha1"]) == 40
    assert len(found["checksums"]["md5"]) == 32
    assert found["size"] == str(len(client.get(found["downloadUri"]).content))
    assert found["created"].endswith("Z")
    assert client.get(found["uri"]).json() == found


def test_a_tag_is_a_folder_with_the_manifest_the_config_and_the_layers(client: httpx.Client, digest: str) -> None:
    manifest = client.get("/api/docker/docker-dev/v2/payments/api/manifests/1.0").json()
    parts = {part["digest"].replace(":", "__") for part in (manifest["config"], *manifest["layers"])}
    children = client.get(TAG).json()["children"]
    assert {child["uri"] for child in children} == {f"/{name}" for name in parts} | {"/manifest.json"}
    assert {child["folder"] for child in children} == {False}


def test_an_index_is_a_list_manifest_with_its_children_beside_it(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    artifactory_sandbox.push_image("docker-dev/payments/api:2.0", platforms=("linux/amd64", "linux/arm64"))
    names = [child["uri"] for child in client.get("/api/storage/docker-dev/payments/api/2.0").json()["children"]]
    assert names == ["/list.manifest.json"]
    index = client.get("/docker-dev/payments/api/2.0/list.manifest.json").json()
    folders = [child["uri"] for child in client.get("/api/storage/docker-dev/payments/api").json()["children"]]
    assert set(folders) == {"/2.0", *(f"/{child['digest']}" for child in index["manifests"])}


def test_the_top_of_a_repository_lists_its_images(client: httpx.Client, digest: str) -> None:
    for path in ("docker-dev", "docker-dev/"):
        assert client.get(f"/api/storage/{path}").json()["children"] == [{"uri": "/payments", "folder": True}]


@pytest.mark.parametrize("path", ["docker-dev/nothing", "docker-dev/payments/api/1.0/x", "unknown", "unknown/x"])
def test_an_item_that_is_not_there_is_404(client: httpx.Client, digest: str, path: str) -> None:
    assert error(client.get(f"/api/storage/{path}")) == (404, "Unable to find item")
    assert error(client.put(f"/api/storage/{path}/y?properties=a=b"))[0] == 404


def test_a_pushed_manifest_carries_the_docker_properties(client: httpx.Client, digest: str) -> None:
    properties = client.get(f"{MANIFEST}?properties").json()["properties"]
    assert properties["docker.manifest"] == ["1.0"]
    assert properties["docker.manifest.digest"] == [digest]
    assert properties["docker.repoName"] == ["payments/api"]
    assert properties["sha256"] == [digest.removeprefix("sha256:")]
    assert "docker.label.org.opencontainers.image.revision" in properties


def test_properties_are_set_filtered_and_deleted(client: httpx.Client, digest: str) -> None:
    response = client.put(f"{MANIFEST}?properties=test.status=passed,checked;team=payments")
    assert (response.status_code, response.content) == (204, b"")
    found = client.get(f"{MANIFEST}?properties=test.status,team").json()["properties"]
    assert found == {"team": ["payments"], "test.status": ["checked", "passed"]}
    assert client.put(f"{MANIFEST}?properties=test.status=failed").status_code == 204
    assert client.get(f"{MANIFEST}?properties=test.status").json()["properties"] == {"test.status": ["failed"]}
    assert client.delete(f"{MANIFEST}?properties=test.status,absent").status_code == 204
    assert error(client.get(f"{MANIFEST}?properties=test.status")) == (404, "No properties could be found.")


def test_separators_in_values_are_escaped_by_a_backslash(client: httpx.Client, digest: str) -> None:
    text = r"k=a\,b\=c\|d\\e;other=x|third=y"
    assert client.put(MANIFEST, params={"properties": text}).status_code == 204
    found = client.get(f"{MANIFEST}?properties=k,other,third").json()["properties"]
    assert found == {"k": ["a,b=c|d\\e"], "other": ["x"], "third": ["y"]}


@pytest.mark.parametrize("key", ["a b", "a/b", "a*b", "a(b", "a@b", "", "x" * 256])
def test_a_key_that_artifactory_forbids_is_400(client: httpx.Client, digest: str, key: str) -> None:
    assert error(client.put(MANIFEST, params={"properties": f"{key}=v"}))[0] == 400


@pytest.mark.parametrize("text", ["", "novalue", ";"])
def test_properties_that_are_none_are_400(client: httpx.Client, digest: str, text: str) -> None:
    assert error(client.put(MANIFEST, params={"properties": text}))[0] == 400


def test_a_folders_properties_reach_what_is_in_it_unless_told_otherwise(client: httpx.Client, digest: str) -> None:
    assert client.put(f"{TAG}?properties=alone=1&recursive=0").status_code == 204
    assert client.put(f"{TAG}?properties=all=1").status_code == 204
    assert set(client.get(f"{TAG}?properties").json()["properties"]) == {"alone", "all"}
    assert client.get(f"{MANIFEST}?properties=alone,all").json()["properties"] == {"all": ["1"]}
    assert client.delete(f"{TAG}?properties=all").status_code == 204
    assert client.get(f"{MANIFEST}?properties=all").status_code == 404


def test_properties_are_patched_as_one_document(client: httpx.Client, digest: str) -> None:
    url = MANIFEST.replace("/api/storage", "/api/metadata")
    assert client.patch(url, json={"props": {"kept": "1", "gone": "2", "team": ["a", "b"]}}).status_code == 204
    assert client.patch(url, json={"props": {"gone": None, "kept": "a,b=c"}}).status_code == 204
    found = client.get(f"{MANIFEST}?properties=kept,gone,team").json()["properties"]
    assert found == {"kept": ["a,b=c"], "team": ["a", "b"]}
    folder = TAG.replace("/api/storage", "/api/metadata")
    assert client.patch(f"{folder}?recursiveProperties=0", json={"props": {"alone": "1"}}).status_code == 204
    assert client.patch(folder, json={"props": {"all": "1"}}).status_code == 204
    assert client.get(f"{MANIFEST}?properties=alone,all").json()["properties"] == {"all": ["1"]}
    assert error(client.patch(f"{url}x", json={"props": {"a": "b"}})) == (404, "Unable to find item")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"props": []}',
        b'{"props": {"a": 1}}',
        b'{"props": {"a": {"b": "c"}}}',
        b'{"props": {"a": ["b", null]}}',
        b'{"props": {"a b": "c"}}',
        b'{"props": {"a": "\\ud800"}}',
        b"[" * 100_000,
    ],
)
def test_a_document_of_properties_that_makes_no_sense_is_400(client: httpx.Client, digest: str, body: bytes) -> None:
    assert error(client.patch(MANIFEST.replace("/api/storage", "/api/metadata"), content=body))[0] == 400


def test_a_file_is_downloaded_by_its_path_and_deleted_with_its_tag(client: httpx.Client, digest: str) -> None:
    url = "/docker-dev/payments/api/1.0/manifest.json"
    downloaded = client.get(url)
    assert downloaded.headers["x-checksum-sha256"] == digest.removeprefix("sha256:")
    assert client.delete("/docker-dev/payments/api/1.0").status_code == 204
    assert client.get(url).status_code == 404
    assert error(client.delete("/docker-dev/payments/api/1.0"))[0] == 404


def test_deleting_an_image_deletes_everything_below_it(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    artifactory_sandbox.push_image("docker-dev/payments/api:2.0", platforms=("linux/amd64", "linux/arm64"))
    artifactory_sandbox.push_image("docker-dev/payments/web:1.0")
    assert client.delete("/docker-dev/payments/api").status_code == 204
    assert client.get("/api/storage/docker-dev/payments/api").status_code == 404
    assert artifactory_sandbox.tags("docker-dev", "payments/web") == ["1.0"]


def test_nothing_that_a_manifest_or_an_index_needs_is_deleted_under_it(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    artifactory_sandbox.push_image("docker-dev/payments/api:2.0", platforms=("linux/amd64", "linux/arm64"))
    child = client.get("/docker-dev/payments/api/2.0/list.manifest.json").json()["manifests"][0]["digest"]
    assert error(client.delete(f"/docker-dev/payments/api/{child}"))[0] == 409
    layer = client.get("/docker-dev/payments/api/1.0/manifest.json").json()["layers"][0]["digest"]
    assert error(client.delete(f"/docker-dev/payments/api/1.0/{layer.replace(':', '__')}"))[0] == 409
    assert client.get(f"/api/docker/docker-dev/v2/payments/api/manifests/{child}").status_code == 200


def test_an_image_below_a_tags_folder_is_not_that_tags(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    artifactory_sandbox.push_image("docker-dev/payments:api")
    assert client.delete("/api/docker/docker-dev/v2/payments/manifests/api").status_code == 202
    assert artifactory_sandbox.digest("docker-dev/payments/api:1.0") == digest
    assert artifactory_sandbox.digest("docker-dev/payments:api") is None


def test_repositories_are_listed_filtered_and_described(client: httpx.Client) -> None:
    everything = client.get("/api/repositories").json()
    assert [one["key"] for one in everything] == [
        "docker-dev",
        "docker-qa",
        "docker-staging",
        "docker-prod",
        "generic-local",
    ]
    docker = client.get("/api/repositories?type=local&packageType=docker").json()
    assert len(docker) == 4
    assert {(one["type"], one["packageType"]) for one in docker} == {("LOCAL", "Docker")}
    assert client.get("/api/repositories?type=virtual").json() == []
    described = client.get("/api/repositories/docker-dev").json()
    assert (described["rclass"], described["packageType"]) == ("local", "docker")
    assert error(client.get("/api/repositories/unknown"))[0] == 400


def test_the_system_answers_as_artifactorys_does(client: httpx.Client) -> None:
    ping = client.get("/api/system/ping")
    assert (ping.text, ping.headers["content-type"].partition(";")[0]) == ("OK", "text/plain")
    assert ping.headers["x-jfrog-version"] == "Artifactory/7.117.1 711701900"
    assert client.get("/api/system/version").json()["version"] == "7.117.1"


def test_everything_answers_without_the_artifactory_context_too(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    root = artifactory_sandbox.url.removesuffix("/artifactory")
    for path in ("/api/system/version", MANIFEST, "/api/repositories"):
        assert client.get(f"{root}{path}").json() == client.get(path).json()


def test_urls_in_answers_are_those_of_the_proxy_in_front(client: httpx.Client, digest: str) -> None:
    headers = {"X-JFrog-Override-Base-Url": "https://artifacts.example.com"}
    found = client.get(MANIFEST, headers=headers).json()
    assert found["uri"] == f"https://artifacts.example.com/artifactory{MANIFEST}"
    started = client.post("/api/docker/docker-dev/v2/payments/api/blobs/uploads/", headers=headers)
    assert started.headers["location"].startswith("https://artifacts.example.com/artifactory/api/docker/docker-dev/v2/")
