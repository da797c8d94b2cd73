from __future__ import annotations

import hashlib
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.integration.artifactory.authentication.tokens import granted
from tests.integration.artifactory.authority import Authority
from tests.integration.gateway import Gateway, Reply

from artifactory_provider.artifactory.authentication import RefreshableToken
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import TRANSIENT, ConnectionFailed, InvalidSettings, TlsFailed
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.hooks.artifactory import ArtifactoryHook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_sandbox.pytest_plugin import RunningSandbox

    MakeSettings = Callable[..., ServerSettings]


@pytest.fixture
def gateway(sandbox: RunningSandbox, server_tls: ssl.SSLContext) -> Iterator[Gateway]:
    """Here the gateway speaks HTTPS, with a certificate of an authority that nobody knows."""
    with Gateway(f"http://{sandbox.registry}", tls=server_tls).running() as gateway:
        yield gateway


async def test_a_certificate_of_an_unknown_authority_is_not_trusted_and_no_reason_to_ask_again(
    settings: MakeSettings, gateway: Gateway
) -> None:
    async with ArtifactoryClient(settings()) as client:
        with pytest.raises(TlsFailed, match=r"is not trusted .* Name your authority's file as ca_file") as caught:
            await client.version()
    assert not isinstance(caught.value, TRANSIENT)
    assert gateway.requests == []


async def test_a_private_authority_is_trusted_when_its_file_is_named(
    settings: MakeSettings, authority: Authority
) -> None:
    async with ArtifactoryClient(settings(ca_file=str(authority.file))) as client:
        assert await client.version()


async def test_nothing_is_verified_when_that_is_switched_off(settings: MakeSettings) -> None:
    async with ArtifactoryClient(settings(verify=False)) as client:
        assert await client.version()


async def test_a_certificate_for_another_name_is_not_trusted(
    settings: MakeSettings, authority: Authority, gateway: Gateway
) -> None:
    url = f"https://localhost:{gateway.port}/artifactory"
    async with ArtifactoryClient(settings(base_url=url, ca_file=str(authority.file))) as client:
        with pytest.raises(TlsFailed, match="localhost"):
            await client.version()


async def test_a_client_certificate_is_sent_where_the_server_wants_one(
    settings: MakeSettings, authority: Authority, server_tls: ssl.SSLContext
) -> None:
    server_tls.verify_mode = ssl.CERT_REQUIRED
    server_tls.load_verify_locations(authority.file)
    ours = authority.issue("airflow")
    made = settings(ca_file=str(authority.file), client_certificate=str(ours.certificate), client_key=str(ours.key))
    async with ArtifactoryClient(made) as client:
        assert await client.version()


async def test_a_certificate_that_is_renewed_counts_for_a_client_that_is_open(
    settings: MakeSettings, authority: Authority, server_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    """Half replaced, the new certificate beside the old key, the old pair is used still."""
    trusted = Authority(tmp_path, "trusted-later")
    server_tls.verify_mode = ssl.CERT_REQUIRED
    server_tls.load_verify_locations(authority.file)
    ours, renewed = authority.issue("airflow"), trusted.issue("renewed")
    made = settings(
        ca_file=str(authority.file), client_certificate=str(ours.certificate), client_key=str(ours.key), timeout=5
    )
    async with ArtifactoryClient(made) as client:
        assert await client.version()
        ours.certificate.write_bytes(renewed.certificate.read_bytes())
        assert await client.version()
        ours.key.write_bytes(renewed.key.read_bytes())
        with pytest.raises((TlsFailed, ConnectionFailed)):
            await client.version()
        server_tls.load_verify_locations(trusted.file)
        assert await client.version()


async def test_all_requests_over_tls_use_one_connection_again_and_again(
    settings: MakeSettings, authority: Authority, gateway: Gateway
) -> None:
    async with ArtifactoryClient(settings(ca_file=str(authority.file))) as client:
        for _ in range(3):
            assert await client.version()
    assert len({seen.connection for seen in gateway.requests}) == 1


async def test_a_place_of_a_blob_that_speaks_https_is_trusted_like_the_server(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, authority: Authority, image: str
) -> None:
    """The server speaks HTTP, and sends its blobs from elsewhere."""
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    source, target = ImageReference("docker-dev", image, "1"), ImageReference("docker-qa", image, "1")
    with Gateway(f"http://{sandbox.registry}").running() as plain:
        elsewhere = {"Location": f"{gateway.origin}/elsewhere"}
        plain.rule("GET", "/blobs/", reply=Reply(307, b"", elsewhere), does_work=False)
        plain.rule("POST", "/uploads/", reply=Reply(202, b"", {"Location": "/artifactory/upload"}), does_work=False)
        plain.rule("PUT", "/upload", reply=Reply(201), does_work=False)
        gateway.rule("GET", "/elsewhere", reply=Reply(200, b"a layer"), does_work=False)
        layer = f"sha256:{hashlib.sha256(b'a layer').hexdigest()}"
        async with ArtifactoryClient(settings(base_url=plain.url)) as client:
            assert await client.descriptor(source.pinned(digest))
            with pytest.raises(TlsFailed, match="is not trusted"):
                await client.copy_blob(source, target, layer)
        async with ArtifactoryClient(settings(base_url=plain.url, ca_file=str(authority.file))) as client:
            await client.copy_blob(source, target, layer)
        assert plain.count("PUT", "/upload") == 1


async def test_the_authorities_of_the_environment_are_trusted(
    settings: MakeSettings, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with ArtifactoryClient(settings()) as client:
        assert await client.version()


async def test_tokens_are_asked_for_over_the_same_tls_as_everything_else(
    settings: MakeSettings,
    sandbox: RunningSandbox,
    gateway: Gateway,
    authority: Authority,
    server_tls: ssl.SSLContext,
) -> None:
    server_tls.verify_mode = ssl.CERT_REQUIRED
    server_tls.load_verify_locations(authority.file)
    ours = authority.issue("airflow")
    issued = granted(sandbox, refreshable=True)
    made = settings(
        ca_file=str(authority.file),
        client_certificate=str(ours.certificate),
        client_key=str(ours.key),
        authentication=RefreshableToken(refresh_token=issued["refresh_token"]),
    )
    async with ArtifactoryClient(made) as client:
        assert await client.version()
    assert gateway.count("POST", "^/access/api/v1/tokens$") == 1


def test_the_sandboxes_own_https_is_trusted_with_its_authority(
    connect: Callable[..., None], authority: Authority, tmp_path: Path
) -> None:
    issued = authority.issue("sandbox")
    data = tmp_path / "data"
    program: list[str | Path] = [sys.executable, "-m", "artifactory_sandbox", "serve", "--data", data, "--port", "0"]
    line = [*program, "--tls", issued.certificate, issued.key]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[4]
            connect(host=url, password="password", extra={"ca_file": str(authority.file)})
            hook = ArtifactoryHook()
            assert url.startswith("https://")
            assert hook.test_connection()[0]
            assert hook.run("api/system/ping").text == "OK"
            connect(host=url, password="password")
            is_well, said = ArtifactoryHook().test_connection()
            assert not is_well
            assert "is not trusted" in said
        finally:
            process.terminate()


async def test_a_server_that_wants_a_client_certificate_and_gets_none_is_a_typed_error(
    settings: MakeSettings, authority: Authority, server_tls: ssl.SSLContext
) -> None:
    """Of TLS or of the connection: what shows of it depends on the server's version and haste."""
    server_tls.verify_mode = ssl.CERT_REQUIRED
    server_tls.load_verify_locations(authority.file)
    async with ArtifactoryClient(settings(ca_file=str(authority.file))) as client:
        with pytest.raises((TlsFailed, ConnectionFailed)):
            await client.version()


async def test_a_client_key_with_a_password_is_an_error_and_no_question_on_the_terminal(
    settings: MakeSettings, authority: Authority
) -> None:
    ours = authority.issue("airflow", key_password=b"s3cret")
    made = settings(client_certificate=str(ours.certificate), client_key=str(ours.key))
    with pytest.raises(InvalidSettings, match="check ca_file, client_certificate and client_key"):
        async with ArtifactoryClient(made):
            pass


async def test_https_to_a_server_that_speaks_http_says_so(settings: MakeSettings, sandbox: RunningSandbox) -> None:
    async with ArtifactoryClient(settings(base_url=f"https://{sandbox.registry}/artifactory")) as client:
        with pytest.raises(TlsFailed, match="Check that the URL's https is right"):
            await client.version()


def test_the_hooks_run_trusts_and_authenticates_in_the_same_way(
    connect: Callable[..., None], authority: Authority, server_tls: ssl.SSLContext
) -> None:
    server_tls.verify_mode = ssl.CERT_REQUIRED
    server_tls.load_verify_locations(authority.file)
    ours = authority.issue("airflow")
    tls = {
        "ca_file": str(authority.file),
        "client_certificate": str(ours.certificate),
        "client_key": str(ours.key),
    }
    connect(extra=tls)
    assert ArtifactoryHook().run("api/system/ping").text == "OK"
    connect(extra={**tls, "verify": False, "ca_file": None})
    assert ArtifactoryHook().run("api/system/ping").text == "OK"


def test_the_hooks_run_trusts_the_authorities_of_the_environment_that_the_client_trusts(
    connect: Callable[..., None], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert ArtifactoryHook().test_connection()[0]
    assert ArtifactoryHook().run("api/system/ping").text == "OK"


def test_requests_ca_bundle_counts_for_neither_way_of_asking_and_both_say_so(
    connect: Callable[..., None], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    advice = "as SSL_CERT_FILE in the environment (REQUESTS_CA_BUNDLE does not count)"
    assert advice in ArtifactoryHook().test_connection()[1]
    with pytest.raises(TlsFailed, match="is not trusted") as caught:
        ArtifactoryHook().run("api/system/ping")
    assert advice in str(caught.value)


def test_the_hooks_run_and_the_client_share_one_context(
    connect: Callable[..., None], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str | None] = []
    make = ssl.create_default_context

    def noted(*, cafile: str | None = None) -> ssl.SSLContext:
        made.append(cafile)
        return make(cafile=cafile)

    monkeypatch.setattr(ssl, "create_default_context", noted)
    connect(extra={"ca_file": str(authority.file)})
    for _ in range(2):
        assert ArtifactoryHook().test_connection()[0]
        assert ArtifactoryHook().run("api/system/ping").text == "OK"
    assert made == [str(authority.file)]


def test_the_hooks_run_refuses_an_untrusted_certificate_with_advice(connect: Callable[..., None]) -> None:
    with pytest.raises(TlsFailed, match="ca_file"):
        ArtifactoryHook().run("api/system/ping")
