"""What `POST …/v2/promote` answers and does, row by row of what is known of Artifactory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.integration.sandbox import oci

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_sandbox.pytest_plugin import RunningSandbox

PLATFORMS = ("linux/amd64", "linux/arm64")
BOTH = {"targetRepo": "docker-qa", "dockerRepository": "payments/api"}


def promote(client: httpx.Client, repository: str = "docker-dev", **fields: object) -> httpx.Response:
    return client.post(f"/api/docker/{repository}/v2/promote", json={**BOTH, **fields})


def error(response: httpx.Response) -> tuple[int, str]:
    [only] = response.json()["errors"]
    assert only["status"] == response.status_code
    return response.status_code, only["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/artifactory/api/docker/docker-dev/v2/promote",
        "/api/docker/docker-dev/v2/promote",
        "/v2/docker-dev/promote",
        "/artifactory/v2/docker-dev/promote",
    ],
)
def test_every_way_to_a_repository_leads_to_promote(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, path: str
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    root = artifactory_sandbox.url.removesuffix("/artifactory")
    response = client.post(f"{root}{path}", json={**BOTH, "tag": "1.0", "copy": True})
    assert (response.status_code, response.text) == (200, "Promotion ended successfully")
    assert artifactory_sandbox.digest("docker-qa/payments/api:1.0") == digest


def test_success_is_one_line_of_plain_text_without_a_newline(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    response = promote(client, tag="1.0")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    assert response.content == b"Promotion ended successfully"


def test_a_promotion_that_does_not_ask_for_a_copy_moves(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    assert promote(client, tag="1.0").status_code == 200
    assert artifactory_sandbox.digest("docker-qa/payments/api:1.0") == digest
    assert artifactory_sandbox.digest("docker-dev/payments/api:1.0") is None
    assert client.get("/api/storage/docker-dev/payments/api").status_code == 404


@pytest.mark.parametrize("copy", [True, "true", "True"])
def test_a_copy_leaves_the_source_as_it_was(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, copy: object
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    assert promote(client, tag="1.0", copy=copy).status_code == 200
    assert artifactory_sandbox.digest("docker-dev/payments/api:1.0") == digest
    assert artifactory_sandbox.digest("docker-qa/payments/api:1.0") == digest


@pytest.mark.parametrize("fields", [{}, {"tag": None}, {"tag": ""}, {"tag": "", "targetTag": ""}])
def test_no_tag_promotes_every_tag_of_the_image(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, fields: dict[str, Any]
) -> None:
    expected = {tag: artifactory_sandbox.push_image(f"docker-dev/payments/api:{tag}") for tag in ("1.0", "1.1", "2.0")}
    artifactory_sandbox.push_image("docker-dev/payments/api/extra:1.0")
    assert promote(client, **fields, copy=True).status_code == 200
    assert artifactory_sandbox.tags("docker-qa", "payments/api") == list(expected)
    for tag, digest in expected.items():
        assert artifactory_sandbox.digest(f"docker-qa/payments/api:{tag}") == digest
    assert artifactory_sandbox.tags("docker-qa", "payments/api/extra") == []


def test_target_image_and_target_tag_name_the_promoted_image(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    response = promote(client, tag="1.0", targetTag="stable", targetDockerRepository="released/api", copy=True)
    assert response.status_code == 200
    assert artifactory_sandbox.digest("docker-qa/released/api:stable") == digest
    assert artifactory_sandbox.properties("docker-qa/released/api:stable")["docker.manifest"] == ["stable"]
    assert artifactory_sandbox.properties("docker-qa/released/api:stable")["docker.repoName"] == ["released/api"]


@pytest.mark.parametrize("empty", [None, ""])
def test_empty_target_fields_mean_the_source_names(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, empty: str | None
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    response = promote(client, tag="1.0", targetTag=empty, targetDockerRepository=empty, copy=True)
    assert response.status_code == 200
    assert artifactory_sandbox.digest("docker-qa/payments/api:1.0") == digest


def test_an_image_or_tag_that_is_not_there_is_404(artifactory_sandbox: RunningSandbox, client: httpx.Client) -> None:
    artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    assert error(promote(client, tag="9.9")) == (404, "Unable to find 'payments/api:9.9'. Promotion aborted")
    assert error(promote(client, dockerRepository="nothing", tag="1.0")) == (
        404,
        "Unable to find 'nothing:1.0'. Promotion aborted",
    )
    assert error(promote(client, dockerRepository="nothing"))[0] == 404


def test_a_digest_is_no_tag_and_leaves_the_target_tag_alone(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    held = artifactory_sandbox.push_image("docker-prod/payments/api:1.0", content="other")
    for target in ("", "1.0"):
        status, message = error(promote(client, tag=digest, targetTag=target, copy=True))
        assert (status, message) == (404, f"Unable to find 'payments/api:{digest}'. Promotion aborted")
    assert artifactory_sandbox.digest("docker-prod/payments/api:1.0") == held


def test_an_image_name_that_repeats_the_repository_key_is_404(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    status, message = error(promote(client, dockerRepository="docker-dev/payments/api", tag="1.0"))
    assert (status, message) == (404, "Unable to find 'docker-dev/payments/api:1.0'. Promotion aborted")


@pytest.mark.parametrize("repository", ["unknown", "generic-local"])
def test_a_repository_that_is_unknown_or_not_docker_is_400_on_either_side(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, repository: str
) -> None:
    artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    expected = (400, f"Unsupported V2 repository request for '{repository}'")
    assert error(promote(client, repository, tag="1.0")) == expected
    assert error(promote(client, targetRepo=repository, tag="1.0")) == expected


@pytest.mark.parametrize("kind", ["remote", "virtual"])
def test_a_remote_or_virtual_repository_is_400_on_either_side_and_federated_is_like_local(
    artifactory_sandbox_factory: Callable[..., RunningSandbox], kind: str
) -> None:
    sandbox = artifactory_sandbox_factory(
        {"repositories": {"docker-dev": {}, "docker-qa": {"class": "federated"}, "other": {"class": kind}}}
    )
    digest = sandbox.push_image("docker-dev/payments/api:1.0")
    with httpx.Client(base_url=sandbox.url, auth=("admin", "password")) as client:
        assert error(promote(client, targetRepo="other", tag="1.0"))[0] == 400
        assert error(promote(client, "other", tag="1.0"))[0] == 400
        assert promote(client, tag="1.0").status_code == 200
    assert sandbox.digest("docker-qa/payments/api:1.0") == digest


@pytest.mark.parametrize(
    "fields",
    [
        {"targetRepo": None},
        {"targetRepo": ""},
        {"dockerRepository": None},
        {"targetTag": "new"},
        {"tag": "1.0", "targetTag": "sha256:abc"},
        {"tag": "1.0", "targetTag": "a+b"},
        {"tag": "1.0", "targetTag": "../../etc"},
        {"tag": "1.0", "targetTag": "x" * 129},
        {"tag": "1.0", "targetTag": "_uploads"},
        {"tag": "1.0", "targetDockerRepository": "Upper/Case"},
        {"tag": "1.0", "targetDockerRepository": "../escape"},
        {"tag": "1.0", "targetDockerRepository": "a" * 10_000},
        {"tag": ["1.0"]},
        {"tag": True},
        {"tag": "1.0", "copy": "perhaps"},
        {"tag": "1.0", "copy": 1.5},
    ],
)
def test_fields_that_make_no_sense_are_400_and_change_nothing(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, fields: dict[str, Any]
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    status, message = error(promote(client, **fields))
    assert status == 400
    assert len(message) < 500
    assert artifactory_sandbox.digest("docker-dev/payments/api:1.0") == digest
    assert artifactory_sandbox.tags("docker-qa", "payments/api") == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"[" * 60_000, b"\xff\xfe"])
def test_a_body_that_is_no_json_object_is_400_in_artifactorys_shape(client: httpx.Client, body: bytes) -> None:
    assert error(client.post("/api/docker/docker-dev/v2/promote", content=body))[0] == 400


def test_a_body_of_megabytes_is_413_in_artifactorys_shape(client: httpx.Client) -> None:
    assert error(client.post("/api/docker/docker-dev/v2/promote", content=b" " * 2_000_000))[0] == 413


def test_unknown_fields_and_tags_that_are_numbers_are_tolerated(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:7")
    assert promote(client, tag=7, copy=True, somethingElse={"a": 1}).status_code == 200
    assert artifactory_sandbox.digest("docker-qa/payments/api:7") == digest


def test_an_existing_target_tag_is_overridden_without_a_question(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    artifactory_sandbox.push_image("docker-qa/payments/api:1.0", content="old", platforms=PLATFORMS)
    artifactory_sandbox.set_properties("docker-qa/payments/api:1.0", {"approved": "yes"})
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0", content="new")
    assert promote(client, tag="1.0", copy=True).status_code == 200
    assert artifactory_sandbox.digest("docker-qa/payments/api:1.0") == digest
    assert "approved" not in artifactory_sandbox.properties("docker-qa/payments/api:1.0")


def test_layers_that_another_tag_shares_stay_when_a_tag_is_overridden(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    kept = artifactory_sandbox.push_image("docker-qa/payments/api:0.9", content="old")
    artifactory_sandbox.push_image("docker-qa/payments/api:1.0", content="old")
    artifactory_sandbox.push_image("docker-dev/payments/api:1.0", content="new")
    assert promote(client, tag="1.0").status_code == 200
    manifest = client.get(f"/api/docker/docker-qa/v2/payments/api/manifests/{kept}").json()
    for part in (manifest["config"], *manifest["layers"]):
        assert client.get(f"/api/docker/docker-qa/v2/payments/api/blobs/{part['digest']}").status_code == 200


def test_within_one_repository_a_promotion_retags(artifactory_sandbox: RunningSandbox, client: httpx.Client) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:pending", platforms=PLATFORMS)
    retag = {"targetRepo": "docker-dev", "tag": "pending", "targetTag": "1.0"}
    assert promote(client, **retag, copy=True).status_code == 200
    assert artifactory_sandbox.tags("docker-dev", "payments/api") == ["1.0", "pending"]
    assert promote(client, **retag).status_code == 200
    assert artifactory_sandbox.tags("docker-dev", "payments/api") == ["1.0"]
    assert artifactory_sandbox.digest("docker-dev/payments/api:1.0") == digest


def test_a_promotion_onto_itself_is_400(artifactory_sandbox: RunningSandbox, client: httpx.Client) -> None:
    artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    assert error(promote(client, targetRepo="docker-dev", tag="1.0"))[0] == 400
    assert error(promote(client, targetRepo="docker-dev"))[0] == 400
    assert artifactory_sandbox.digest("docker-dev/payments/api:1.0") is not None


@pytest.mark.parametrize("copy", [True, False])
def test_an_index_takes_its_children_along_with_their_digests(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, copy: bool
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0", platforms=PLATFORMS)
    before = client.get(f"/api/docker/docker-dev/v2/payments/api/manifests/{digest}").json()
    assert promote(client, tag="1.0", targetTag="2.0", copy=copy).status_code == 200
    assert artifactory_sandbox.digest("docker-qa/payments/api:2.0") == digest
    assert artifactory_sandbox.tags("docker-qa", "payments/api") == ["2.0"]
    for child in before["manifests"]:
        manifest = client.get(f"/api/docker/docker-qa/v2/payments/api/manifests/{child['digest']}")
        assert manifest.status_code == 200
        for part in (manifest.json()["config"], *manifest.json()["layers"]):
            assert client.head(f"/api/docker/docker-qa/v2/payments/api/blobs/{part['digest']}").status_code == 200
        folder = client.get(f"/api/storage/docker-qa/payments/api/{child['digest']}").json()
        assert {"uri": "/manifest.json", "folder": False} in folder["children"]
    status = 200 if copy else 404
    assert client.get("/api/storage/docker-dev/payments/api").status_code == status


def test_indexes_of_indexes_are_promoted_and_deleted_however_deep_they_are(client: httpx.Client) -> None:
    root, contents = "/api/docker/docker-dev/v2/payments/api", oci.Contents()
    children = [contents.manifest(), contents.manifest()]
    for _ in range(1000):
        children = [children[1], contents.index(children)]
    for content in contents.blobs.values():
        query = {"digest": oci.digest_of(content)}
        assert client.post(f"{root}/blobs/uploads/", params=query, content=content).status_code == 201
    for digest, content in contents.manifests.items():
        assert client.put(f"{root}/manifests/{digest}", content=content).status_code == 201
    assert client.put(f"{root}/manifests/1.0", content=content).status_code == 201
    assert promote(client, tag="1.0", copy=True).status_code == 200
    for repository in ("docker-dev", "docker-qa"):
        image = f"/api/docker/{repository}/v2/payments/api/manifests"
        assert all(client.head(f"{image}/{digest}").status_code == 200 for digest in list(contents.manifests)[:10])
        assert client.delete(f"{image}/{digest}").status_code == 202
        assert client.get(f"/api/storage/{repository}/payments").status_code == 404


def test_moving_an_index_leaves_children_that_another_tag_needs(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0", platforms=PLATFORMS)
    artifactory_sandbox.tag("docker-dev/payments/api:1.0", "docker-dev/payments/api:latest")
    assert promote(client, tag="1.0").status_code == 200
    for child in client.get(f"/api/docker/docker-dev/v2/payments/api/manifests/{digest}").json()["manifests"]:
        url = f"/api/docker/docker-dev/v2/payments/api/manifests/{child['digest']}"
        assert client.get(url).status_code == 200


def test_properties_travel_and_name_the_new_place(artifactory_sandbox: RunningSandbox, client: httpx.Client) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    artifactory_sandbox.set_properties("docker-dev/payments/api:1.0", {"test.status": "passed", "team": ["a", "b"]})
    assert promote(client, tag="1.0", targetTag="2.0", copy=True).status_code == 200
    properties = artifactory_sandbox.properties("docker-qa/payments/api:2.0")
    assert properties["test.status"] == ["passed"]
    assert properties["team"] == ["a", "b"]
    assert properties["docker.manifest"] == ["2.0"]
    assert properties["docker.repoName"] == ["payments/api"]
    assert properties["docker.manifest.digest"] == [digest]
    assert artifactory_sandbox.properties("docker-dev/payments/api:1.0")["docker.manifest"] == ["1.0"]


def test_signature_tags_stay_behind(artifactory_sandbox: RunningSandbox, client: httpx.Client) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    signature = f"{digest.replace(':', '-')}.sig"
    artifactory_sandbox.push_image(f"docker-dev/payments/api:{signature}")
    assert promote(client, tag="1.0", copy=True).status_code == 200
    assert artifactory_sandbox.tags("docker-qa", "payments/api") == ["1.0"]


CI = {"users": {"admin": {"password": "password", "admin": True}, "ci": {"password": "secret"}}}


@pytest.mark.parametrize(
    ("source", "target", "fields", "word"),
    [
        ([], ["deploy", "delete"], {"copy": True}, "Forbidden"),
        (["read"], ["read"], {"copy": True}, "Forbidden"),
        (["read", "deploy"], ["deploy", "delete"], {}, "to move 'docker-dev:payments/api/1.0'"),
        (["read", "delete"], ["read", "deploy"], {"targetTag": "old"}, "to override 'docker-qa:payments/api/old'"),
    ],
)
def test_a_missing_permission_is_403_before_anything_changes(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
    source: list[str],
    target: list[str],
    fields: dict[str, Any],
    word: str,
) -> None:
    permissions = [
        {"repositories": ["docker-dev"], "users": {"ci": source}},
        {"repositories": ["docker-qa"], "users": {"ci": target}},
    ]
    sandbox = artifactory_sandbox_factory({**CI, "permissions": permissions})
    digest = sandbox.push_image("docker-dev/payments/api:1.0")
    old = sandbox.push_image("docker-qa/payments/api:old")
    with httpx.Client(base_url=sandbox.url, auth=("ci", "secret")) as client:
        status, message = error(promote(client, tag="1.0", **fields))
    assert status == 403
    assert word in message
    assert sandbox.digest("docker-dev/payments/api:1.0") == digest
    assert sandbox.tags("docker-qa", "payments/api") == ["old"]
    assert sandbox.digest("docker-qa/payments/api:old") == old


def test_read_on_the_source_and_deploy_on_the_target_are_enough_for_a_copy(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    permissions = [
        {"repositories": ["docker-dev"], "users": {"ci": ["read"]}},
        {"repositories": ["docker-qa"], "users": {"ci": ["deploy"]}},
    ]
    sandbox = artifactory_sandbox_factory({**CI, "permissions": permissions})
    digest = sandbox.push_image("docker-dev/payments/api:1.0")
    with httpx.Client(base_url=sandbox.url, auth=("ci", "secret")) as client:
        assert promote(client, tag="1.0", copy=True).status_code == 200
    assert sandbox.digest("docker-qa/payments/api:1.0") == digest
