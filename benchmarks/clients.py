"""What it costs to open a client: every waiting task opens one, and every call of a hook."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import ssl
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_sandbox.items import stamp
from artifactory_sandbox.names import Place
from artifactory_sandbox.sample_images import make_image
from artifactory_sandbox.seeding import store_image, write_contents
from benchmarks.registries import sandbox
from benchmarks.result import Result, at_most
from benchmarks.sandbox_promotions import opened

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

_ROUNDS = 15
_TIMES = 40
_IMAGE = ImageReference("docker-dev", "payments/api", "1.4.2")


def measure() -> Iterator[Result]:
    """Take the CPU of opening and closing a client over that of one HEAD, with default settings: HTTPS, then HTTP."""
    with tempfile.TemporaryDirectory() as root:
        data, certificate, key = Path(root, "sandbox"), Path(root, "server.pem"), Path(root, "server.key")
        _fill(data)
        _issue(certificate, key)
        with sandbox(data, tls=(certificate, key)) as server, _trusted(certificate, Path(root, "trusted.pem")):
            yield at_most("client_open_vs_head", _ratio(f"https://127.0.0.1:{server.port}/artifactory"), 3)
        with sandbox(data) as server:
            yield at_most("client_open_vs_head_http", _ratio(f"http://127.0.0.1:{server.port}/artifactory"), 3)


def _ratio(url: str) -> float:
    settings = ServerSettings(base_url=url, authentication=Basic("admin", "password"))

    async def open_and_close() -> None:
        async with ArtifactoryClient(settings):
            pass

    async def compare() -> float:
        async with ArtifactoryClient(settings) as client:

            async def head() -> None:
                if await client.descriptor(_IMAGE) is None:
                    raise RuntimeError(f"there is no {_IMAGE}")

            await head()
            return statistics.median([await _cpu(open_and_close) / await _cpu(head) for _ in range(_ROUNDS)])

    return asyncio.run(compare())


async def _cpu(work: Callable[[], Awaitable[None]]) -> float:
    """Return the seconds of CPU that this process takes for some work, done again and again."""
    begun = time.process_time()
    for _ in range(_TIMES):
        await work()
    return time.process_time() - begun


def _fill(data: Path) -> None:
    with opened(data) as service:
        image = make_image(str(_IMAGE))
        write_contents(service, image)
        with service.database.writing() as tx:
            store_image(tx, service, Place(_IMAGE.repository, _IMAGE.image), str(_IMAGE.tag), image, stamp("admin"))


@contextmanager
def _trusted(certificate: Path, file: Path) -> Iterator[None]:
    """Trust one more certificate beside the system's authorities, which are read as well, as everywhere."""
    system = ssl.get_default_verify_paths().cafile
    file.write_bytes((Path(system).read_bytes() if system else b"") + certificate.read_bytes())
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(file)
    try:
        yield
    finally:
        del os.environ["SSL_CERT_FILE"]
        if before is not None:
            os.environ["SSL_CERT_FILE"] = before


def _issue(certificate: Path, key: Path) -> None:
    """Write a certificate for 127.0.0.1 that is its own authority, and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key.write_bytes(private.private_bytes(encoding, form, serialization.NoEncryption()))
