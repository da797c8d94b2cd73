"""What promoting does in other versions and settings of Artifactory than the default ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import artifactory
import httpx
import pytest
from dohq_artifactory.exception import ArtifactoryException
from tests.integration.sandbox import oci
from tests.integration.sandbox.test_oci_conformance import push
from tests.integration.sandbox.test_promotion import error, promote

from artifactory_sandbox.config import ConfigError, Switches, parse_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_sandbox.pytest_plugin import RunningSandbox

PLATFORMS = ("linux/amd64", "linux/arm64")


def client_of(sandbox: RunningSandbox) -> httpx.Client:
    return httpx.Client(base_url=sandbox.url, auth=("admin", "password"))


@pytest.mark.parametrize(
    ("version", "on"),
    [
        ("7.94.0", {"rename_children", "delete_shared_layers"}),
        ("7.94.1", {"strict_target_tags", "rename_children", "delete_shared_layers"}),
        ("7.111.0", {"strict_target_tags", "delete_shared_layers"}),
        ("7.117.1", {"strict_target_tags"}),
    ],
)
def test_each_switch_turns_in_the_version_that_the_release_notes_name(version: str, on: set[str]) -> None:
    switches = parse_config({"version": version}).switches
    assert {name for name in Switches.model_fields if getattr(switches, name)} == on
    assert parse_config({"version": version, "switches": {"rename_children": True}}).switches.rename_children
    assert not parse_config({"version": version, "switches": {"rename_children": False}}).switches.rename_children


def test_a_switch_that_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"switches\.nothing: unknown key"):
        parse_config({"switches": {"nothing": True}})


@pytest.mark.parametrize("tag", ["a+b", "sha256:abc", "1.0+build.7"])
def test_before_7_94_1_a_target_tag_might_break_ocis_grammar(
    artifactory_sandbox_factory: Callable[..., RunningSandbox], tag: str
) -> None:
    sandbox = artifactory_sandbox_factory({"version": "7.94.0"})
    sandbox.push_image("docker-dev/app:1.0")
    with client_of(sandbox) as client:
        promoted = promote(client, dockerRepository="app", tag="1.0", targetTag=tag, copy=True)
        assert promoted.status_code == 200
        assert sandbox.tags("docker-qa", "app") == [tag]
        for wrong in ("../../etc", "a/b", f"sha256:{'0' * 64}", "_uploads", "x" * 129):
            assert error(promote(client, dockerRepository="app", tag="1.0", targetTag=wrong))[0] == 400


def test_before_7_111_0_the_children_of_a_list_get_tags_of_their_own_under_a_new_tag(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    sandbox = artifactory_sandbox_factory({"version": "7.110.9"})
    digest = sandbox.push_image("docker-dev/app:1.0", platforms=PLATFORMS)
    with client_of(sandbox) as client:
        assert promote(client, dockerRepository="app", tag="1.0", copy=True).status_code == 200
        assert sandbox.tags("docker-qa", "app") == ["1.0"]
        assert promote(client, dockerRepository="app", tag="1.0", targetTag="2.0", copy=True).status_code == 200
        assert promote(client, "docker-qa", targetRepo="docker-staging", dockerRepository="app").status_code == 200
        expected = ["1.0", "2.0", "2.0-linux-amd64", "2.0-linux-arm64"]
        assert sandbox.tags("docker-staging", "app") == expected
        index = client.get(f"/api/docker/docker-staging/v2/app/manifests/{digest}").json()
        for child, tag in zip(index["manifests"], expected[2:], strict=True):
            assert sandbox.digest(f"docker-staging/app:{tag}") == child["digest"]
            assert client.get(f"/api/docker/docker-staging/v2/app/manifests/{child['digest']}").status_code == 200


def test_before_7_117_1_an_override_takes_layers_away_from_other_tags(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    sandbox = artifactory_sandbox_factory({"version": "7.117.0"})
    old = sandbox.push_image("docker-qa/app:0.9", content="old")
    sandbox.push_image("docker-qa/app:1.0", content="old")
    sandbox.push_image("docker-dev/app:1.0", content="new")
    with client_of(sandbox) as client:
        manifest = client.get(f"/api/docker/docker-qa/v2/app/manifests/{old}").json()
        assert promote(client, dockerRepository="app", tag="1.0").status_code == 200
        assert sandbox.digest("docker-qa/app:0.9") == old
        lost = client.get(f"/api/docker/docker-qa/v2/app/blobs/{manifest['config']['digest']}")
        assert (lost.status_code, lost.json()["errors"][0]["code"]) == (404, "BLOB_UNKNOWN")
        new = client.get("/api/docker/docker-qa/v2/app/manifests/1.0").json()
        for part in (new["config"], *new["layers"]):
            assert client.get(f"/api/docker/docker-qa/v2/app/blobs/{part['digest']}").status_code == 200


@pytest.mark.parametrize("kind", ["remote", "virtual"])
def test_a_promotion_from_or_to_a_remote_or_virtual_repository_may_succeed_silently_and_do_nothing(
    artifactory_sandbox_factory: Callable[..., RunningSandbox], kind: str
) -> None:
    repositories = {"docker-dev": {}, "docker-qa": {}, "other": {"class": kind, "members": ["docker-dev"]}}
    sandbox = artifactory_sandbox_factory({"repositories": repositories, "switches": {"silent_promotion": True}})
    digest = sandbox.push_image("docker-dev/payments/api:1.0")
    with client_of(sandbox) as client:
        for source, target in (("docker-dev", "other"), ("other", "docker-qa")):
            response = promote(client, source, targetRepo=target, tag="1.0")
            assert (response.status_code, response.text) == (200, "Promotion ended successfully")
        assert error(promote(client, "unknown", tag="1.0"))[0] == 400
    assert sandbox.digest("docker-dev/payments/api:1.0") == digest
    assert sandbox.tags("docker-qa", "payments/api") == []


@pytest.mark.parametrize("is_carried", [False, True])
def test_signatures_and_referrers_stay_behind_unless_the_switch_carries_them(
    artifactory_sandbox_factory: Callable[..., RunningSandbox], is_carried: bool
) -> None:
    sandbox = artifactory_sandbox_factory({"switches": {"carry_attachments": is_carried}})
    contents = oci.Contents()
    child = contents.manifest()
    top = contents.index([child], tag="1.0")
    referrers = [contents.artifact(subject=top), contents.artifact(subject=child)]
    names = [f"{part['digest'].replace(':', '-')}.{kind}" for part, kind in ((top, "sig"), (child, "sbom"))]
    for name in names:
        contents.artifact(tag=name)
    with client_of(sandbox) as client:
        push(client, "/api/docker/docker-dev/v2/app", contents)
        assert promote(client, dockerRepository="app", tag="1.0", copy=True).status_code == 200
        found = [
            entry["digest"]
            for part in (top, child)
            for entry in client.get(f"/api/docker/docker-qa/v2/app/referrers/{part['digest']}").json()["manifests"]
        ]
    assert found == ([referrer["digest"] for referrer in referrers] if is_carried else [])
    assert sandbox.tags("docker-qa", "app") == sorted(["1.0", *names] if is_carried else ["1.0"])


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_manifest_pushed_over_an_index_replaces_it_unless_the_switch_keeps_the_list(
    artifactory_sandbox_factory: Callable[..., RunningSandbox], is_kept: bool
) -> None:
    sandbox = artifactory_sandbox_factory({"switches": {"keep_list": is_kept}})
    index = sandbox.push_image("docker-dev/app:1.0", platforms=PLATFORMS)
    single = oci.image()
    single.tags = {"1.0": next(iter(single.manifests))}
    with client_of(sandbox) as client:
        url = "/api/docker/docker-dev/v2/app"
        push(client, url, single)
        names = {child["uri"] for child in client.get("/api/storage/docker-dev/app/1.0").json()["children"]}
        assert {"/list.manifest.json", "/manifest.json"} <= names if is_kept else "/list.manifest.json" not in names
        expected = index if is_kept else single.tags["1.0"]
        assert client.head(f"{url}/manifests/1.0").headers["docker-content-digest"] == expected
        only_single = client.head(f"{url}/manifests/1.0", headers={"Accept": oci.MANIFEST})
        assert only_single.headers["docker-content-digest"] == single.tags["1.0"]
        assert promote(client, dockerRepository="app", tag="1.0", copy=True).status_code == 200
        assert sandbox.digest("docker-qa/app:1.0") == expected


def test_dohq_artifactory_promotes(artifactory_sandbox: RunningSandbox) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0", platforms=PLATFORMS)
    path = artifactory.ArtifactoryPath(artifactory_sandbox.url, auth=("admin", "password"))
    path.promote_docker_image("docker-dev", "docker-qa", "payments/api", "1.0", copy=True)
    assert artifactory_sandbox.digest("docker-qa/payments/api:1.0") == digest
    path.promote_docker_image(
        "docker-dev", "docker-qa", "payments/api", "1.0", target_docker_repo="released/api", target_tag="stable"
    )
    assert artifactory_sandbox.digest("docker-qa/released/api:stable") == digest
    assert artifactory_sandbox.digest("docker-dev/payments/api:1.0") is None
    with pytest.raises(ArtifactoryException, match="Unable to find 'payments/api:9'"):
        path.promote_docker_image("docker-dev", "docker-qa", "payments/api", "9")


def test_dohq_artifactory_reads_files_and_their_properties(artifactory_sandbox: RunningSandbox) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    url = f"{artifactory_sandbox.url}/docker-dev/payments/api/1.0/manifest.json"
    path = artifactory.ArtifactoryPath(url, auth=("admin", "password"))
    assert path.stat().sha256 == digest.removeprefix("sha256:")
    path.properties = {"test.status": ["passed"]}
    assert artifactory_sandbox.properties("docker-dev/payments/api:1.0") == {"test.status": ["passed"]}
    found = path.aql("items.find", {"repo": "docker-dev", "@test.status": "passed"})
    assert [one["name"] for one in found] == ["manifest.json"]


def test_dohq_artifactory_walks_from_a_repositorys_root(artifactory_sandbox: RunningSandbox) -> None:
    for name in ("payments/api", "web"):
        artifactory_sandbox.push_image(f"docker-dev/{name}:1.0")
    root = artifactory.ArtifactoryPath(f"{artifactory_sandbox.url}/docker-dev", auth=("admin", "password"))
    assert root.is_dir()
    assert sorted(path.name for path in root) == ["payments", "web"]
    assert len(list(root.glob("**/manifest.json"))) == 2
