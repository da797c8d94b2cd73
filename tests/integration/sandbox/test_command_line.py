"""The program as people and init systems run it."""

from __future__ import annotations

import hashlib
import io
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, NamedTuple

import httpx
import pytest

from artifactory_sandbox.access import hash_password
from artifactory_sandbox.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]
PROGRAM = (sys.executable, "-m", "artifactory_sandbox")
ADMIN = ("admin", "password")
SHORT = 20
MANIFESTS = """
- name: controller
  dmap:
    "sha256:aaaa": ["v1.9.0", "v1.10.0"]
    "sha256:bbbb": ["v1.2.0"]
- name: nested/name
  dmap:
    "sha256:aaaa": ["v1"]
    "sha256:cccc": [7]
"""


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command line as the program does, without a process of its own."""

    def run(*arguments: str | Path) -> Done:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Done(code, *capsys.readouterr())

    return run


@contextmanager
def served(data: Path, *arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    line = [*PROGRAM, "serve", "--data", str(data), "--port", "0", *map(str, arguments)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, ready_url(process.stdout)
        finally:
            process.kill()


def ready_url(output: IO[str] | None) -> str:
    assert output is not None
    match = re.fullmatch(r"Artifactory sandbox ready at (\S+) \(data in .+\)\n", output.readline())
    assert match is not None
    return match[1]


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    path = tmp_path / "images.yaml"
    path.write_text(MANIFESTS, encoding="utf-8")
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_at_once_with_exit_code_0(tmp_path: Path, number: signal.Signals) -> None:
    with served(tmp_path / "data") as (process, url), httpx.Client() as client:
        assert client.get(f"{url}/api/system/ping").text == "OK"
        process.send_signal(number)
        assert process.wait(SHORT) == 0


def test_what_was_acknowledged_outlives_kill_9(tmp_path: Path) -> None:
    content = b"0123456789" * 1000
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    image = "api/docker/docker-dev/v2/app"
    with served(tmp_path / "data") as (process, url):
        started = httpx.post(f"{url}/{image}/blobs/uploads/", auth=ADMIN).headers["location"]
        assert httpx.patch(started, content=content, auth=ADMIN).status_code == 202
        process.kill()
        process.wait(SHORT)
    upload = started.rpartition("/")[2]
    with served(tmp_path / "data") as (process, url):
        location = f"{url}/{image}/blobs/uploads/{upload}"
        assert httpx.get(location, auth=ADMIN).headers["range"] == f"0-{len(content) - 1}"
        assert httpx.put(location, params={"digest": digest}, auth=ADMIN).status_code == 201
        process.kill()
        process.wait(SHORT)
    with served(tmp_path / "data") as (_, url):
        assert httpx.get(f"{url}/{image}/blobs/{digest}", auth=ADMIN).content == content


@pytest.mark.parametrize(
    ("host", "password", "is_told"),
    [
        ("0.0.0.0", None, True),  # noqa: S104
        ("0.0.0.0", "by its hash", True),  # noqa: S104
        ("0.0.0.0", "another", False),  # noqa: S104
        ("127.0.0.1", None, False),
        ("localhost", None, False),
    ],
)
def test_a_default_password_is_told_of_where_others_can_reach_it(
    tmp_path: Path, host: str, password: str | None, is_told: bool
) -> None:
    arguments = ["--host", host]
    if password is not None:
        shown = hash_password("password") if password == "by its hash" else password
        (tmp_path / "config.yaml").write_text(f"users: {{admin: {{password: '{shown}', admin: true}}}}")
        arguments += ["--config", str(tmp_path / "config.yaml")]
    line = [*PROGRAM, "serve", "--data", str(tmp_path / "data"), "--port", "0", *arguments]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        ready_url(process.stdout)
        process.terminate()
        told = process.communicate(timeout=SHORT)[1]
    assert ("admin still has the default password" in told) is is_told
    assert told.count("\n") == is_told


def test_a_port_that_is_taken_is_one_clear_sentence(command: Command, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("serve", "--data", tmp_path / "data", "--port", str(port))
    assert done.returncode == 2
    assert done.stderr == (
        f"artifactory-sandbox: port {port} on 127.0.0.1 is taken: choose another with --port, or 0\n"
    )


def test_a_data_directory_that_cannot_be_used_is_one_clear_sentence(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = command("serve", "--data", tmp_path / "file" / "data", "--port", "0")
    assert done.returncode == 2
    assert done.stderr.startswith("artifactory-sandbox: cannot use the data directory")
    assert done.stderr.count("\n") == 1


def test_a_data_directory_that_is_no_sandboxs_is_one_clear_sentence(command: Command, tmp_path: Path) -> None:
    (tmp_path / "metadata.sqlite").write_bytes(b"this is not a database" * 100)
    done = command("serve", "--data", tmp_path, "--port", "0")
    assert done.returncode == 2
    assert "file is not a database" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("users: {admin: {password: x, admn: true}}", "users.admin.admn: unknown key"),
        ("repositories: {docker-dev: {class: lokal}}", "repositories.docker-dev.class"),
        ("repositories: {'../etc': {}}", "a repository key is"),
        ("permissions: [{repositories: [nowhere]}]", "no repository is called 'nowhere'"),
        ("permissions: [{repositories: [ANY], users: {bob: [read]}}]", "no user is called 'bob'"),
        ("permissions: [{repositories: [ANY], users: {admin: [fly]}}]", "permissions.0.users.admin.0"),
        ("version: latest", "version"),
        ("- a list", "expected sections"),
        ("{", "is not YAML"),
    ],
)
def test_a_configuration_that_is_wrong_is_one_clear_sentence_that_names_the_place(
    command: Command, tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    done = command("serve", "--data", tmp_path / "data", "--port", "0", "--config", path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"artifactory-sandbox: {path}")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_configuration_file_that_is_missing_is_one_clear_sentence(command: Command, tmp_path: Path) -> None:
    done = command("serve", "--data", tmp_path / "data", "--config", tmp_path / "none.yaml")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "No such file" in done.stderr


@pytest.mark.parametrize(("more", "who"), [((), "seed"), (("--user", "ci"), "ci")])
def test_what_is_seeded_was_pushed_by_whom_the_command_names(
    command: Command, tmp_path: Path, manifests: Path, more: tuple[str, ...], who: str
) -> None:
    with served(tmp_path / "data") as (_, url):
        command("seed", "--data", tmp_path / "data", "--repository", "docker-dev", *more, manifests)
        query = 'items.find({"repo": "docker-dev", "name": "manifest.json"}).include("created_by", "modified_by")'
        found = httpx.post(f"{url}/api/search/aql", content=query, auth=ADMIN).json()["results"]
        assert {(one["created_by"], one["modified_by"]) for one in found} == {(who, who)}


def test_seeding_fills_a_running_sandbox_and_says_what_it_did(
    command: Command, tmp_path: Path, manifests: Path
) -> None:
    with served(tmp_path / "data") as (_, url):
        done = command("seed", "--data", tmp_path / "data", "--repository", "docker-dev", manifests)
        assert (done.returncode, done.stdout) == (
            0,
            "Seeded docker-dev: 5 tags of 2 images, 3 distinct digests.\n",
        )
        image = f"{url}/api/docker/docker-dev/v2"
        assert httpx.get(f"{image}/controller/tags/list", auth=ADMIN).json()["tags"] == ["v1.10.0", "v1.2.0", "v1.9.0"]
        digests = {
            name: httpx.head(f"{image}/{name}", auth=ADMIN).headers["docker-content-digest"]
            for name in (
                "controller/manifests/v1.9.0",
                "controller/manifests/v1.10.0",
                "controller/manifests/v1.2.0",
                "nested/name/manifests/v1",
                "nested/name/manifests/7",
            )
        }
    first, second, other, elsewhere, number = digests.values()
    assert first == second == elsewhere
    assert len({first, other, number}) == 3


def test_seeding_takes_the_chosen_images_and_their_highest_versions(
    command: Command, tmp_path: Path, manifests: Path
) -> None:
    choice = ("--image", "contr*", "--tags-per-image", "1")
    done = command("seed", "--data", tmp_path, "--repository", "docker-qa", *choice, manifests)
    assert done.stdout == "Seeded docker-qa: 1 tags of 1 images, 1 distinct digests.\n"
    with served(tmp_path) as (_, url):
        tags = httpx.get(f"{url}/api/docker/docker-qa/v2/controller/tags/list", auth=ADMIN).json()["tags"]
    assert tags == ["v1.10.0"]


def test_a_file_of_comments_alone_seeds_nothing_and_is_no_mistake(
    command: Command, tmp_path: Path, manifests: Path
) -> None:
    comments = tmp_path / "none-yet.yaml"
    comments.write_text("# Images of the next release.\n# - name: controller\n", encoding="utf-8")
    line = ("seed", "--data", tmp_path / "data", "--repository", "docker-dev")
    assert command(*line, comments) == (0, "Seeded docker-dev: 0 tags of 0 images, 0 distinct digests.\n", "")
    assert "5 tags of 2 images" in command(*line, comments, manifests).stdout


PUSHED_IN_THE_PAST = """
- name: controller
  dmap: {"sha256:cccc": ["v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0"], "sha256:dddd": [1.1]}
  created:
    v1.0.0: 2026-10-01
    v1.1.0: 2026-10-02T12:00:00+02:00
    v1.2.0: "2026-10-03 00:00:00.250"
    1.1: 2026-10-04T00:00:00Z
"""


def test_a_seed_with_moments_was_pushed_then_and_stays_so_when_it_is_seeded_again(
    command: Command, tmp_path: Path
) -> None:
    path = tmp_path / "images.yaml"
    path.write_text(PUSHED_IN_THE_PAST, encoding="utf-8")
    begun = datetime.now(UTC)
    command("seed", "--data", tmp_path / "data", "--repository", "docker-dev", path)
    path.write_text(PUSHED_IN_THE_PAST.replace("2026", "2025"), encoding="utf-8")
    command("seed", "--data", tmp_path / "data", "--repository", "docker-dev", path)
    with served(tmp_path / "data") as (_, url):
        items = {
            tag: httpx.get(f"{url}/api/storage/docker-dev/controller/{tag}/manifest.json", auth=ADMIN).json()
            for tag in ("v1.0.0", "v1.1.0", "v1.2.0", "1.1", "v1.3.0")
        }
    undated = items.pop("v1.3.0")
    assert datetime.fromisoformat(undated["created"]) >= begun - timedelta(milliseconds=1)
    for field in ("created", "lastModified", "lastUpdated"):
        assert [item[field] for item in items.values()] == [
            "2026-10-01T00:00:00.000Z",
            "2026-10-02T10:00:00.000Z",
            "2026-10-03T00:00:00.250Z",
            "2026-10-04T00:00:00.000Z",
        ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--repository", "generic-local"), "no local Docker repository; there are: docker-dev, docker-qa"),
        (("--repository", "unknown"), "no local Docker repository"),
        (("--repository", "docker-dev", "--image", "none*"), "no image matches none*"),
    ],
)
def test_a_seed_that_cannot_be_is_one_clear_sentence(
    command: Command, tmp_path: Path, manifests: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = command("seed", "--data", tmp_path / "data", *arguments, manifests)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [("check",), ("gc",), ("export", "--repository", "docker-dev", "out")])
def test_a_directory_without_data_is_not_said_to_be_well_and_not_made(
    command: Command, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = command(*arguments, "--data", tmp_path / "data")
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds no data of a sandbox" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--repository", "unknown", "out"), "'unknown' has no image: nothing was exported"),
        (
            ("--repository", "docker-dev", "--image", "none*", "out"),
            "'docker-dev' has no image none*: nothing was exported",
        ),
        (("--repository", "docker-dev", "file"), "cannot write to file: Not a directory"),
    ],
)
def test_an_export_that_cannot_be_is_one_clear_sentence(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    manifests: Path,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    command("seed", "--data", "data", "--repository", "docker-dev", manifests)
    done = command("export", "--data", "data", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_password_is_not_hashed(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    done = command("hash-password")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there was none" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just text",
        "- name: a",
        "- {name: A/B, dmap: {}}",
        "- {name: a, dmap: {x: [_uploads]}}",
        "{",
        "- 1",
        "- {name: a, dmap: {x: [v1]}, created: yesterday}",
        "- {name: a, dmap: {x: [v1]}, created: {v1: yesterday}}",
        "- {name: a, dmap: {x: [v1]}, created: {v2: 2026-10-01}}",
    ],
)
def test_a_promotion_manifest_that_is_none_is_one_clear_sentence(command: Command, tmp_path: Path, text: str) -> None:
    path = tmp_path / "images.yaml"
    path.write_text(text, encoding="utf-8")
    done = command("seed", "--data", tmp_path / "data", "--repository", "docker-dev", path)
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [("--help",), ("serve", "--help"), ("seed", "--help"), ("--version",)])
def test_help_and_version_print_and_end_well(command: Command, arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "artifactory-sandbox" in done.stdout


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_that_is_none_is_refused(command: Command, tmp_path: Path, port: str) -> None:
    done = command("serve", "--data", tmp_path, "--port", port)
    assert done.returncode == 2
    assert "a port is a number" in done.stderr
