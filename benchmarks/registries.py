"""The two registries that are measured side by side, each a process of its own, and one client for both."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ADMIN = "Basic " + base64.b64encode(b"admin:password").decode()
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
STEP = 1024 * 1024
_METRIC = re.compile(rb'^artifactory_sandbox_requests_total\{.*route="(\w*)".*\} (\d+)', re.MULTILINE)
_CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry that answers on this machine.

    :param prefix: what stands before image names in the distribution API: `/v2/` and the repository, if any.
    """

    port: int
    prefix: str
    process: int

    def connect(self) -> Connection:
        """Open a connection."""
        return Connection(self)

    def resident(self) -> int:
        """Return how many bytes of memory the process holds."""
        return int(psutil.Process(self.process).memory_info().rss)

    def forget_peak(self) -> None:
        """Begin to watch the memory's peak anew (proc(5), `clear_refs`)."""
        with open(f"/proc/{self.process}/clear_refs", "w") as file:  # noqa: PTH123
            file.write("5")

    def peak(self) -> int:
        """Return the most memory that the process has held since then, in bytes."""
        with open(f"/proc/{self.process}/status") as file:  # noqa: PTH123
            line = next(line for line in file if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


class Connection:
    """One HTTP connection, kept open, with as little work as possible on this side."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._http = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=600)
        self._http.connect()
        self._http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """End it."""
        self._http.close()

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send a request and read its answer; the path is the server's own."""
        self._http.request(method, path, body or None, {"Authorization": ADMIN, "Accept": MANIFEST, **(headers or {})})
        response = self._http.getresponse()
        return response.status, response.headers, response.read()

    def answered(self, *routes: str) -> int:
        """Return how many requests the sandbox has answered, those for this number left out.

        :param routes: the names of the routes that count; all if none.
        """
        status, _, body = self.request("GET", "/sandbox/metrics")
        if status != 200:
            raise RuntimeError(f"the metrics answered {status}: {body[:300]!r}")
        counts = [(route.decode(), int(count)) for route, count in _METRIC.findall(body)]
        return sum(count for route, count in counts if (route in routes if routes else route != "metrics"))

    def push_blob(self, image: str, digest: str, chunk: bytes, count: int) -> None:
        """Push a chunk as often as told, as one blob."""
        path = self._expect(202, "POST", f"{self._registry.prefix}{image}/blobs/uploads/")
        self._http.putrequest("PATCH", path, skip_accept_encoding=True)
        headers = {"Content-Length": str(len(chunk) * count), "Content-Type": "application/octet-stream"}
        for name, value in {"Authorization": ADMIN, **headers}.items():
            self._http.putheader(name, value)
        self._http.endheaders()
        for _ in range(count):
            self._http.send(chunk)
        response = self._http.getresponse()
        response.read()
        path = _path(response.headers["Location"])
        self._expect(201, "PUT", f"{path}{'&' if '?' in path else '?'}digest={digest}")

    def pull_blob(self, image: str, digest: str, buffer: bytearray) -> int:
        """Pull a blob into nothing and return its size."""
        self._http.request("GET", f"{self._registry.prefix}{image}/blobs/{digest}", headers={"Authorization": ADMIN})
        response, size = self._http.getresponse(), 0
        while count := response.readinto(buffer):
            size += count
        return size

    def push_image(self, image: str, tag: str, layers: list[dict[str, object]]) -> str:
        """Push a manifest over layers that are there, with a config of its own; return its path."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {}, "image": image}).encode()
        self.push_blob(image, digest_of(config), config, 1)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", digest_of(config), len(config)),
            "layers": layers,
        }
        path = f"{self._registry.prefix}{image}/manifests/{tag}"
        self._expect(201, "PUT", path, json.dumps(manifest).encode(), {"Content-Type": MANIFEST})
        return path

    def _expect(
        self, status: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> str:
        found, answered, text = self.request(method, path, body, headers)
        if found != status:
            raise RuntimeError(f"{method} {path} answered {found}, not {status}: {text[:300]!r}")
        return _path(answered["Location"] or "")


def digest_of(content: bytes, count: int = 1) -> str:
    """Return the digest of a content that is repeated."""
    found = hashlib.sha256()
    for _ in range(count):
        found.update(content)
    return f"sha256:{found.hexdigest()}"


def descriptor(media_type: str, digest: str, size: int) -> dict[str, object]:
    """Return an OCI descriptor."""
    return {"mediaType": media_type, "digest": digest, "size": size}


@contextmanager
def sandbox(data: Path, repository: str = "docker-dev", *, tls: tuple[Path, Path] | None = None) -> Iterator[Registry]:
    """Run the sandbox on a data directory, with HTTPS where a certificate and its key are given."""
    line = [sys.executable, "-m", "artifactory_sandbox", "serve", "--data", str(data), "--port", "0"]
    if tls:
        line += ["--tls", *map(str, tls)]
    with _process(line, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101
        url = process.stdout.readline().decode().split()[4]
        yield Registry(urlsplit(url).port or 0, f"/v2/{repository}/", process.pid)


def has_docker_registry() -> bool:
    """Tell whether Debian's docker-registry is installed."""
    return shutil.which("docker-registry") is not None


@contextmanager
def docker_registry(data: Path) -> Iterator[Registry]:
    """Run Debian's docker-registry on a directory."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    data.mkdir(parents=True)
    config = data / "config.yml"
    config.write_text(_CONFIG.format(root=data / "root", port=port))
    with _process(["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL) as process:
        registry = Registry(port, "/v2/", process.pid)
        _wait(registry)
        yield registry


def _wait(registry: Registry) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            registry.connect().close()
        except ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("docker-registry did not start")


@contextmanager
def _process(line: list[str], stdout: int) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(line, stdout=stdout, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            yield process
        finally:
            process.terminate()


def _path(location: str) -> str:
    parts = urlsplit(location)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
