from __future__ import annotations

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.integration.gateway import Gateway

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import TRANSIENT, ConnectionFailed, InvalidSettings, TlsFailed
from artifactory_provider.hooks.artifactory import ArtifactoryHook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_sandbox.pytest_plugin import RunningSandbox

    MakeSettings = Callable[..., ServerSettings]


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that lasts as long as a test."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        certificate = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), True)
        self.file.write_bytes(certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, key_password: bytes | None = None) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = self._builder(subject, key).add_extension(names, False).sign(self._key, hashes.SHA256())
        issued = Issued(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        issued.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        protection = (
            serialization.BestAvailableEncryption(key_password) if key_password else serialization.NoEncryption()
        )
        private = serialization.PrivateFormat.PKCS8
        issued.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, private, protection))
        return issued

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def server_tls(authority: Authority) -> ssl.SSLContext:
    issued = authority.issue("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.certificate, issued.key)
    return context


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


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
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


def test_the_hooks_run_refuses_an_untrusted_certificate_with_advice(connect: Callable[..., None]) -> None:
    with pytest.raises(TlsFailed, match="ca_file"):
        ArtifactoryHook().run("api/system/ping")
