"""The ways to reach a repository, and what its class makes of it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.integration.sandbox import oci
from tests.integration.sandbox.oci import MANIFEST, digest_of
from tests.integration.sandbox.test_oci_conformance import push

from artifactory_sandbox.config import ConfigError, parse_config
from artifactory_sandbox.server import listen

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_sandbox.pytest_plugin import RunningSandbox

ADMIN = ("admin", "password")
PLATFORMS = ("linux/amd64", "linux/arm64")
LAYERED = {
    "docker-dev": {},
    "docker-qa": {"class": "federated"},
    "hub": {"class": "remote", "members": ["docker-qa"]},
    "docker": {"class": "virtual", "members": ["docker-dev", "hub"]},
    "empty": {"class": "virtual"},
}


@pytest.fixture
def layered(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    return artifactory_sandbox_factory({"repositories": LAYERED})


def test_a_sub_domain_reaches_its_repository_and_answers_point_back_to_it(
    artifactory_sandbox: RunningSandbox,
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    host = f"docker-dev.{artifactory_sandbox.registry.replace('127.0.0.1', 'localhost')}"
    with httpx.Client(base_url=f"http://{artifactory_sandbox.registry}", headers={"Host": host}) as client:
        challenge = client.get("/v2/").headers["www-authenticate"]
        assert challenge.startswith(f'Bearer realm="http://{host}/artifactory/api/docker/docker-dev/v2/token"')
        client.auth = ADMIN
        assert client.get("/v2/").status_code == 200
        assert client.get("/v2/payments/api/manifests/1.0").headers["docker-content-digest"] == digest
        started = client.post("/v2/payments/api/blobs/uploads/")
        assert started.headers["location"].startswith(f"http://{host}/v2/payments/api/blobs/uploads/")
        assert client.get("/v2/_catalog").json() == {"repositories": ["payments/api"]}
        body = {"targetRepo": "docker-qa", "dockerRepository": "payments/api", "tag": "1.0"}
        assert client.post("/v2/promote", json=body).text == "Promotion ended successfully"
    assert artifactory_sandbox.digest("docker-qa/payments/api:1.0") == digest


def test_a_port_of_its_own_reaches_one_repository_alone(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    with closing(listen("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sandbox = artifactory_sandbox_factory({"repositories": {"docker-dev": {"port": port}, "docker-qa": {}}})
    digest = sandbox.push_image("docker-dev/payments/api:1.0")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=ADMIN) as client:
        assert client.get("/v2/payments/api/manifests/1.0").headers["docker-content-digest"] == digest
        location = client.post("/v2/payments/api/blobs/uploads/", params={"digest": digest_of(b"a")}, content=b"a")
        assert client.get(location.headers["location"]).content == b"a"
        body = {"targetRepo": "docker-qa", "dockerRepository": "payments/api", "tag": "1.0"}
        assert client.post("/v2/promote", json=body).status_code == 200


def test_the_link_to_the_next_tags_lacks_the_repository_key_unless_that_is_put_right(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    expected = {False: "</v2/app/tags/list?last=1&n=1>", True: "</v2/docker-dev/app/tags/list?last=1&n=1>"}
    for is_right, link in expected.items():
        sandbox = artifactory_sandbox_factory({"switches": {"link_with_repository": is_right}})
        for tag in ("a", "b"):
            sandbox.push_image(f"docker-dev/app:{tag}")
        page = httpx.get(f"http://{sandbox.registry}/v2/docker-dev/app/tags/list?n=1", auth=ADMIN)
        assert page.headers["link"] == f'{link}; rel="next"'


def test_a_virtual_repository_reads_through_to_its_members_in_their_order(layered: RunningSandbox) -> None:
    first = layered.push_image("docker-dev/app:1.0", content="first")
    layered.push_image("docker-qa/app:1.0", content="second")
    hidden = layered.push_image("docker-qa/app:2.0", content="third", platforms=PLATFORMS)
    layered.push_image("docker-qa/other:1.0")
    with httpx.Client(base_url=layered.url, auth=ADMIN) as client:
        root = "/api/docker/docker/v2"
        for tag, digest in {"1.0": first, "2.0": hidden}.items():
            found = client.get(f"{root}/app/manifests/{tag}")
            assert found.headers["docker-content-digest"] == digest
            parts = found.json().get("layers", [])
            assert all(client.get(f"{root}/app/blobs/{part['digest']}").status_code == 200 for part in parts)
        assert client.get(f"{root}/app/tags/list").json()["tags"] == ["1.0", "2.0"]
        assert client.get(f"{root}/_catalog").json()["repositories"] == ["app", "other"]
        manifest = client.get("/api/storage/docker/app/2.0/list.manifest.json").json()
        assert manifest["checksums"]["sha256"] == hidden.removeprefix("sha256:")
        properties = client.get("/api/storage/docker/app/1.0/manifest.json?properties").json()["properties"]
        assert properties["docker.manifest.digest"] == [first]
        assert client.get("/docker/app/1.0/manifest.json").headers["x-checksum-sha256"] in first
        folders = {child["uri"] for child in client.get("/api/storage/docker/app").json()["children"]}
        assert {"/1.0", "/2.0"} <= folders
        assert client.get(f"{root}/nothing/tags/list").status_code == 404
        assert client.get("/api/docker/empty/v2/app/manifests/1.0").status_code == 404
        assert client.get("/api/docker/hub/v2/app/manifests/2.0").headers["docker-content-digest"] == hidden


def test_a_virtual_repository_shows_what_several_members_hold_once_and_only_what_the_user_may_read(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    permission = {"repositories": ["docker", "docker-qa"], "users": {"reader": ["read"]}}
    users = {"admin": {"password": "password", "admin": True}, "reader": {"password": "password"}}
    sandbox = artifactory_sandbox_factory({"repositories": LAYERED, "users": users, "permissions": [permission]})
    sandbox.push_image("docker-dev/app:secret")
    contents = oci.artifacts_with_subject()
    [(subject, referring)] = contents.referrers.items()
    with httpx.Client(base_url=f"http://{sandbox.registry}/v2/", auth=ADMIN) as client:
        for repository in ("docker-dev", "docker-qa"):
            push(client, f"{repository}/app", contents)
        found = client.get(f"docker/app/referrers/{subject}").json()["manifests"]
        assert sorted(one["digest"] for one in found) == sorted(one["digest"] for one in referring)
    for user, secret in {"admin": ["/secret"], "reader": []}.items():
        folder = httpx.get(f"{sandbox.url}/api/storage/docker/app", auth=(user, "password")).json()
        tags = sorted(one["uri"] for one in folder["children"] if ":" not in one["uri"])
        assert tags == sorted([*(f"/{tag}" for tag in contents.tags), *secret])


@pytest.mark.parametrize("key", ["docker", "hub"])
def test_nothing_is_changed_through_a_remote_or_virtual_repository(layered: RunningSandbox, key: str) -> None:
    layered.push_image("docker-dev/app:1.0")
    root = f"/api/docker/{key}/v2/app"
    with httpx.Client(base_url=layered.url, auth=ADMIN) as client:
        assert client.post(f"{root}/blobs/uploads/").status_code == 405
        put = client.put(f"{root}/manifests/1.0", content=b"{}", headers={"Content-Type": MANIFEST})
        assert (put.status_code, put.json()["errors"][0]["code"]) == (405, "UNSUPPORTED")
        assert client.delete(f"{root}/manifests/1.0").status_code == 405
        assert client.put(f"/api/storage/{key}/app/1.0?properties=a=b").status_code == 400
        assert client.delete(f"/{key}/app/1.0").status_code == 400
    assert layered.digest("docker-dev/app:1.0") is not None


def test_a_member_that_may_not_be_read_is_not_there(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    users = {"admin": {"password": "password", "admin": True}, "ci": {"password": "secret"}}
    permissions = [{"repositories": ["docker-dev"], "users": {"ci": ["read"]}}]
    sandbox = artifactory_sandbox_factory({"repositories": LAYERED, "users": users, "permissions": permissions})
    for reference in ("docker-dev/app:1.0", "docker-qa/app:2.0"):
        sandbox.push_image(reference)
    with httpx.Client(base_url=sandbox.url, auth=("ci", "secret")) as client:
        assert client.get("/api/docker/docker/v2/app/tags/list").json()["tags"] == ["1.0"]
        assert client.get("/api/docker/docker/v2/app/manifests/2.0").status_code == 404
        assert client.get("/api/docker/hub/v2/app/manifests/2.0").status_code == 403
        assert client.get("/api/docker/docker/v2/_catalog").json()["repositories"] == ["app"]


@pytest.mark.parametrize(
    ("repositories", "problem"),
    [
        ({"a": {"class": "virtual", "members": ["b"]}, "b": {}}, "no repository above it is called 'b'"),
        ({"a": {"class": "virtual", "members": ["a"]}}, "no repository above it is called 'a'"),
        ({"a": {}, "b": {"members": ["a"]}}, "only virtual and remote repositories have members"),
        ({"a": {"port": 0}}, "repositories.a.port"),
    ],
)
def test_repositories_that_cannot_be_are_refused_by_name(repositories: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse_config({"repositories": repositories})
