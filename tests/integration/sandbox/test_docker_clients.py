"""Real Docker clients against the sandbox: digests stay, whichever way an image goes."""

from __future__ import annotations

import json
import subprocess
import tempfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from artifactory_sandbox.pytest_plugin import RunningSandbox

pytestmark = pytest.mark.docker_clients

PLATFORMS = ("linux/amd64", "linux/arm64")
DOCKER_OR_OCI = pytest.mark.parametrize("oci", [True, False], ids=["oci", "docker"])
SINGLE_OR_INDEX = pytest.mark.parametrize("platforms", [PLATFORMS[:1], PLATFORMS], ids=["single", "index"])


def run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def logged_in(artifactory_sandbox: RunningSandbox, tmp_path: Path) -> Path:
    """The file with the credentials that `skopeo login` has checked and stored."""
    credentials = tmp_path / "auth.json"
    login = ("--username", "admin", "--password", "password", "--tls-verify=false")
    run("skopeo", "login", "--authfile", credentials, *login, artifactory_sandbox.registry)
    return credentials


@pytest.fixture
def podman() -> Iterator[tuple[str, ...]]:
    """Podman with a storage of its own, under a path as short as podman insists on."""
    with tempfile.TemporaryDirectory(prefix="podman-") as storage:
        yield ("podman", "--storage-driver", "vfs", "--root", f"{storage}/root", "--runroot", f"{storage}/run")


@SINGLE_OR_INDEX
@DOCKER_OR_OCI
def test_skopeo_copies_an_image_out_and_in_again_with_the_same_digest(
    artifactory_sandbox: RunningSandbox, logged_in: Path, tmp_path: Path, platforms: tuple[str, ...], oci: bool
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0", platforms=platforms, oci=oci)
    registry, folder = f"docker://{artifactory_sandbox.registry}", f"dir:{tmp_path / 'image'}"
    flags = ("--all", "--preserve-digests", "--authfile", logged_in)
    run("skopeo", "copy", *flags, "--src-tls-verify=false", f"{registry}/docker-dev/payments/api:1.0", folder)
    run("skopeo", "copy", *flags, "--dest-tls-verify=false", folder, f"{registry}/docker-staging/copied:1.0")
    assert artifactory_sandbox.digest("docker-staging/copied:1.0") == digest


@SINGLE_OR_INDEX
def test_skopeo_copies_between_repositories_by_mounting(
    artifactory_sandbox: RunningSandbox, logged_in: Path, platforms: tuple[str, ...]
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0", platforms=platforms)
    registry = f"docker://{artifactory_sandbox.registry}"
    tls = ("--src-tls-verify=false", "--dest-tls-verify=false")
    source, target = f"{registry}/docker-dev/payments/api:1.0", f"{registry}/docker-qa/payments/api:1.0"
    run("skopeo", "copy", "--all", "--authfile", logged_in, *tls, source, target)
    assert artifactory_sandbox.digest("docker-qa/payments/api:1.0") == digest


def test_skopeo_inspects_lists_and_deletes(artifactory_sandbox: RunningSandbox, logged_in: Path) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    artifactory_sandbox.push_image("docker-dev/payments/api:1.1")
    image = f"docker://{artifactory_sandbox.registry}/docker-dev/payments/api"
    flags = ("--authfile", logged_in, "--tls-verify=false")
    inspected = json.loads(run("skopeo", "inspect", *flags, f"{image}:1.0"))
    assert inspected["Digest"] == digest
    assert inspected["RepoTags"] == ["1.0", "1.1"]
    assert (inspected["Os"], inspected["Architecture"]) == ("linux", "amd64")
    run("skopeo", "delete", *flags, f"{image}:1.0")
    assert json.loads(run("skopeo", "list-tags", *flags, image))["Tags"] == ["1.1"]


def test_skopeo_is_refused_without_and_with_wrong_credentials(
    artifactory_sandbox: RunningSandbox, tmp_path: Path
) -> None:
    artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    image = f"docker://{artifactory_sandbox.registry}/docker-dev/payments/api:1.0"
    nobody = ("skopeo", "inspect", "--tls-verify=false", "--authfile", str(tmp_path / "none.json"))
    expected = {(): "authentication", ("--creds", "admin:wrong"): "invalid username/password"}
    for credentials, words in expected.items():
        done = subprocess.run([*nobody, *credentials, image], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode != 0
        assert words in done.stderr.lower()


@SINGLE_OR_INDEX
def test_buildah_pulls_an_image_and_pushes_its_very_config(
    artifactory_sandbox: RunningSandbox, logged_in: Path, tmp_path: Path, platforms: tuple[str, ...]
) -> None:
    """Buildah compresses layers anew when it pushes, so the config, which names their contents, is compared."""
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0", platforms=platforms)
    storage = ("--storage-driver", "vfs", "--root", str(tmp_path / "root"), "--runroot", str(tmp_path / "run"))
    flags = ("--authfile", logged_in, "--tls-verify=false")
    image = f"{artifactory_sandbox.registry}/docker-dev/payments/api@{digest}"
    identifier = run("buildah", *storage, "pull", *flags, image).strip()
    target = f"{artifactory_sandbox.registry}/docker-qa/payments/api:1.0"
    run("buildah", *storage, "push", *flags, identifier, f"docker://{target}")
    inspect = ("skopeo", "inspect", "--raw", *flags)
    pushed = json.loads(run(*inspect, f"docker://{target}"))["config"]["digest"]
    pulled = json.loads(run(*inspect, f"docker://{image}"))
    names = [child["digest"] for child in pulled.get("manifests", [])] or [digest]
    place = f"docker://{artifactory_sandbox.registry}/docker-dev/payments/api"
    configs = [json.loads(run(*inspect, f"{place}@{name}"))["config"]["digest"] for name in names]
    assert pushed in configs


@SINGLE_OR_INDEX
@DOCKER_OR_OCI
def test_podman_pulls_tags_and_pushes_an_image(
    artifactory_sandbox: RunningSandbox,
    logged_in: Path,
    podman: tuple[str, ...],
    platforms: tuple[str, ...],
    oci: bool,
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0", platforms=platforms, oci=oci)
    flags = ("--quiet", "--authfile", logged_in, "--tls-verify=false")
    source = f"{artifactory_sandbox.registry}/docker-dev/payments/api:1.0"
    target = f"{artifactory_sandbox.registry}/docker-qa/payments/api:2.0"
    identifier = run(*podman, "pull", *flags, source).strip()
    [inspected] = json.loads(run(*podman, "image", "inspect", identifier))
    assert digest in {inspected["Digest"], *(name.rpartition("@")[2] for name in inspected["RepoDigests"])}
    run(*podman, "tag", source, target)
    run(*podman, "push", *flags, "--format", "oci" if oci else "v2s2", target)
    raw = run("skopeo", "inspect", "--raw", "--authfile", logged_in, "--tls-verify=false", f"docker://{target}")
    assert json.loads(raw)["config"]["digest"] == f"sha256:{identifier}"


@SINGLE_OR_INDEX
def test_podman_lists_the_tags_of_an_image(
    artifactory_sandbox: RunningSandbox, logged_in: Path, platforms: tuple[str, ...]
) -> None:
    for tag in ("1.0", "1.1"):
        artifactory_sandbox.push_image(f"docker-dev/payments/api:{tag}", platforms=platforms)
    image = f"{artifactory_sandbox.registry}/docker-dev/payments/api"
    flags = ("--list-tags", "--authfile", logged_in, "--tls-verify=false", "--format", "json")
    assert json.loads(run("podman", "search", *flags, image)) == [{"Name": image, "Tags": ["1.0", "1.1"]}]


@SINGLE_OR_INDEX
def test_skopeo_deletes_a_tag_whatever_it_stands_for(
    artifactory_sandbox: RunningSandbox, logged_in: Path, platforms: tuple[str, ...]
) -> None:
    artifactory_sandbox.push_image("docker-dev/payments/api:1.0", platforms=platforms)
    artifactory_sandbox.push_image("docker-dev/payments/api:1.1", content="other")
    image = f"docker://{artifactory_sandbox.registry}/docker-dev/payments/api"
    run("skopeo", "delete", "--authfile", logged_in, "--tls-verify=false", f"{image}:1.0")
    assert artifactory_sandbox.tags("docker-dev", "payments/api") == ["1.1"]
