"""Who can read the data directory: the keys in it sign tokens."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from artifactory_sandbox.config import Config
from artifactory_sandbox.manifests import content_digest
from artifactory_sandbox.pytest_plugin import running_sandbox
from artifactory_sandbox.service import Service
from artifactory_sandbox.upkeep import check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE = "api/docker/docker-dev/v2/app"


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(path: Path) -> set[tuple[bool, int]]:
    """Return the modes of a directory and all in it, each with whether it is of a directory."""
    found = (one.stat().st_mode for one in (path, *path.rglob("*")))
    return {(stat.S_ISDIR(mode), stat.S_IMODE(mode)) for mode in found}


def use(data: Path) -> None:
    """Leave a finished and an unfinished upload, an image, and what SQLite writes beside its file."""
    content = b"content"
    with running_sandbox(data) as sandbox, httpx.Client(auth=("admin", "password")) as client:
        sandbox.push_image("docker-dev/app:1.0")
        uploads = f"{sandbox.url}/{IMAGE}/blobs/uploads/"
        assert client.post(uploads, params={"digest": content_digest(content)}, content=content).status_code == 201
        location = client.post(uploads).headers["location"]
        assert client.patch(location, content=content).status_code == 202
        assert {path.name for path in data.iterdir()} >= {"metadata.sqlite", "metadata.sqlite-wal", "lock"}
        assert modes(data) == {(True, 0o700), (False, 0o600)}


@pytest.mark.usefixtures("umask")
def test_no_one_but_its_owner_can_reach_a_data_directory_whatever_the_umask(tmp_path: Path) -> None:
    use(tmp_path / "data")


@pytest.mark.usefixtures("umask")
def test_the_command_line_makes_data_that_no_one_else_can_reach(tmp_path: Path) -> None:
    (tmp_path / "images.yaml").write_text("[{name: app, dmap: {'sha256:a': ['1.0']}}]", encoding="utf-8")
    line = [sys.executable, "-m", "artifactory_sandbox", "seed", "--repository", "docker-dev", "--data"]
    subprocess.run([*line, tmp_path / "data", tmp_path / "images.yaml"], check=True, capture_output=True)
    assert modes(tmp_path / "data") == {(True, 0o700), (False, 0o600)}


def test_a_data_directory_that_others_could_reach_is_closed_to_them_when_it_is_opened(tmp_path: Path) -> None:
    data = tmp_path / "data"
    use(data)
    for path in (data, *data.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    service = Service(data, Config())
    assert modes(data) == {(True, 0o700), (False, 0o600)}
    assert list(check(service)) == []
    service.close()


def test_an_empty_directory_that_is_given_is_closed_to_others(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    Service(data, Config()).close()
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_what_else_stands_in_a_directory_is_left_alone_and_the_data_in_it_is_closed(tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.touch()
    for path in (script, tmp_path):
        path.chmod(0o755)
    for _ in range(2):
        Service(tmp_path, Config()).close()
        assert {stat.S_IMODE(path.stat().st_mode) for path in (script, tmp_path)} == {0o755}
        ours = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir() if path != script}
        assert ours == {"metadata.sqlite": 0o600, "lock": 0o600, "blobs": 0o700, "uploads": 0o700}


def test_links_in_a_data_directory_lead_to_nothing_that_is_changed(tmp_path: Path) -> None:
    outside, data = tmp_path / "outside", tmp_path / "data"
    outside.touch()
    outside.chmod(0o644)
    Service(data, Config()).close()
    data.chmod(0o755)
    (data / "blobs").chmod(0o755)
    (data / "blobs" / "link").symlink_to(outside)
    Service(data, Config()).close()
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644
