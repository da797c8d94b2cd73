from __future__ import annotations

import gc
import os
import shutil
import signal
import ssl
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.artifactory.authority import Authority

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import InvalidSettings
from artifactory_provider.artifactory.settings import ServerSettings

if TYPE_CHECKING:
    from collections.abc import Callable

HTTPS, HTTP = "https://example.com/artifactory", "http://example.com/artifactory"


def settings(**changes: Any) -> ServerSettings:
    return ServerSettings(**{"base_url": HTTPS, **changes})


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The authorities' files of all contexts that are made from now on."""
    files: list[str | None] = []
    make = ssl.create_default_context

    def noted(*, cafile: str | None = None) -> ssl.SSLContext:
        files.append(cafile)
        return make(cafile=cafile)

    monkeypatch.setattr(ssl, "create_default_context", noted)
    return files


def subjects(context: ssl.SSLContext) -> list[Any]:
    return [certificate["subject"] for certificate in context.get_ca_certs()]


def test_all_that_speak_tls_in_the_same_way_share_one_context(authority: Authority) -> None:
    ours = authority.issue("airflow")
    ways: list[dict[str, Any]] = [
        {},
        {"verify": False},
        {"ca_file": str(authority.file)},
        {"client_certificate": str(ours.certificate), "client_key": str(ours.key)},
    ]
    contexts = [settings(**way).tls_context() for way in ways]
    assert [settings(base_url="https://other.example.com", timeout=7, **way).tls_context() for way in ways] == contexts
    assert len(set(contexts)) == len(ways)


async def test_opening_a_client_again_makes_no_context(made: list[str | None], authority: Authority) -> None:
    for _ in range(3):
        async with ArtifactoryClient(settings(ca_file=str(authority.file))):
            pass
    assert made == [str(authority.file)]


async def test_no_context_is_made_for_a_server_without_tls(made: list[str | None]) -> None:
    async with ArtifactoryClient(settings(base_url=HTTP)):
        pass
    assert made == []


@pytest.mark.parametrize("base_url", [HTTPS, HTTP])
async def test_files_that_are_named_and_missing_are_told_when_the_client_opens(base_url: str) -> None:
    with pytest.raises(InvalidSettings, match="check ca_file"):
        async with ArtifactoryClient(settings(base_url=base_url, ca_file="/nowhere/ca.pem")):
            pass


def replace(path: Path, source: Path) -> None:
    """Put another file in a file's place, as those do who project certificates."""
    new = path.with_suffix(".new")
    shutil.copyfile(source, new)
    new.replace(path)


def overwrite(path: Path, source: Path) -> None:
    """Write other content into the same file."""
    path.write_bytes(source.read_bytes())


@pytest.mark.parametrize("change", [replace, overwrite])
@pytest.mark.parametrize("named", ["ca_file", "SSL_CERT_FILE"])
def test_authorities_that_change_count_without_a_restart(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, change: Callable[..., None]
) -> None:
    other = Authority(tmp_path, "other")
    file = tmp_path / "trusted.pem"
    shutil.copyfile(authority.file, file)
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    ours = settings(ca_file=str(file)) if named == "ca_file" else settings()
    before = ours.tls_context()
    change(file, other.file)
    after = ours.tls_context()
    assert subjects(before) != subjects(after)
    assert subjects(after) == [((("commonName", "other"),),)]
    assert ours.tls_context() is after


def test_the_environment_counts_when_it_changes(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    before = settings().tls_context()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert ((("commonName", "authority"),),) in subjects(settings().tls_context())
    monkeypatch.undo()
    assert settings().tls_context() is before


def test_a_file_that_cannot_be_read_any_more_is_told_at_the_next_opening(authority: Authority) -> None:
    ours = settings(ca_file=str(authority.file))
    ours.tls_context()
    authority.file.unlink()
    with pytest.raises(InvalidSettings, match="check ca_file"):
        ours.tls_context()


@pytest.mark.parametrize("field", ["ca_file", "client_certificate"])
def test_a_path_that_is_none_is_a_settings_error(field: str) -> None:
    with pytest.raises(InvalidSettings, match="check ca_file, client_certificate and client_key"):
        settings(**{field: "a\0b"}).tls_context()


def test_threads_that_open_clients_at_a_time_share_one_context(made: list[str | None], authority: Authority) -> None:
    ours = settings(ca_file=str(authority.file))
    with ThreadPoolExecutor(16) as threads:
        contexts = set(threads.map(lambda _: ours.tls_context(), range(64)))
    assert len(contexts) == len(made) == 1


def test_contexts_that_nobody_uses_any_more_are_forgotten(authority: Authority, tmp_path: Path) -> None:
    kept = []
    for number in range(100):
        file = tmp_path / f"{number}.pem"
        shutil.copyfile(authority.file, file)
        kept.append(weakref.ref(settings(ca_file=str(file)).tls_context()))
    gc.collect()
    assert 1 <= sum(one() is not None for one in kept) <= 32


FORKED = """
import os, threading
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.artifactory.tls import _contexts
settings = ServerSettings(base_url="https://example.com")
settings.tls_context()
held, done = threading.Event(), threading.Event()
def hold():
    with _contexts._lock:
        held.set()
        done.wait()
threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if not child:
    settings.tls_context()
    os._exit(7)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
done.set()
raise SystemExit(code)
"""


def test_a_forked_process_does_not_wait_for_a_thread_that_it_does_not_have() -> None:
    plugins = Path(__file__).parents[3] / "plugins"
    with subprocess.Popen(
        [sys.executable, "-c", FORKED], env={**os.environ, "PYTHONPATH": str(plugins)}, start_new_session=True
    ) as process:
        try:
            assert process.wait(60) == 7
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
