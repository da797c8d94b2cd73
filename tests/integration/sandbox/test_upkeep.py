"""Looking after a sandbox: checking, freeing, exporting, measuring, logging, and HTTPS."""

from __future__ import annotations

import datetime
import ipaddress
import json
import re
import socket
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from artifactory_sandbox.cli import main
from artifactory_sandbox.config import Config
from artifactory_sandbox.pytest_plugin import running_sandbox
from artifactory_sandbox.service import Service
from artifactory_sandbox.upkeep import check

if TYPE_CHECKING:
    from pathlib import Path

    from artifactory_sandbox.pytest_plugin import RunningSandbox

ADMIN = ("admin", "password")
PLATFORMS = ["linux/amd64", "linux/arm64"]
UPLOADS = "/api/docker/docker-dev/v2/app/blobs/uploads/"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with an index under two tags, a deleted image, a blob in flight and an unfinished upload."""
    with running_sandbox(tmp_path / "data") as sandbox:
        sandbox.push_image("docker-dev/team/app:1.0", content="kept", platforms=PLATFORMS)
        sandbox.tag("docker-dev/team/app:1.0", "docker-dev/team/app:2.0")
        sandbox.push_image("docker-dev/other:1.0", content="gone")
        sandbox.delete("docker-dev/other:1.0")
        location = httpx.post(f"{sandbox.url}{UPLOADS}", auth=ADMIN).headers["location"]
        httpx.patch(location, content=b"half", auth=ADMIN)
    return sandbox.data


def files(data: Path) -> set[Path]:
    return {file for part in ("blobs", "uploads") for file in (data / part).rglob("*") if file.is_file()}


def run(capsys: pytest.CaptureFixture[str], command: str, data: Path, *arguments: str) -> tuple[int, str, str]:
    code = main([command, "--data", str(data), *arguments])
    return code, *capsys.readouterr()


def test_what_is_whole_is_found_to_be_well(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    assert run(capsys, "check", data) == (0, "All is well.\n", "")


def test_missing_and_altered_contents_are_found(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    with running_sandbox(data) as sandbox:
        digest = sandbox.digest("docker-dev/team/app:1.0") or ""
        index = json.loads(sandbox.service.blobs.read(digest))
        first, second = (entry["digest"] for entry in index["manifests"])
        config = json.loads(sandbox.service.blobs.read(first))["config"]["digest"]
        sandbox.service.blobs.path(second).unlink()
        sandbox.service.blobs.path(config).write_bytes(b"x")
    code, out, _ = run(capsys, "check", data)
    assert code == 1
    assert f"{second}: the content is missing" in out
    assert f"{config}: the content has been altered" in out
    assert out.endswith("2 problems.\n")


def test_a_manifest_whose_parts_are_not_in_its_image_is_found(artifactory_sandbox: RunningSandbox) -> None:
    artifactory_sandbox.push_image("docker-dev/app:1.0", platforms=PLATFORMS)
    with artifactory_sandbox.service.database.writing() as tx:
        tx.execute("DELETE FROM items WHERE name LIKE 'sha256\\_\\_%' ESCAPE '\\' AND path LIKE 'app/sha256:%'")
        tx.execute("DELETE FROM items WHERE id = (SELECT min(id) FROM items WHERE path LIKE 'app/sha256:%')")
    problems = list(check(artifactory_sandbox.service))
    assert any(
        problem.startswith("docker-dev:app/1.0/list.manifest.json: the manifest sha256:") for problem in problems
    )
    assert any("the blob sha256:" in problem for problem in problems)


def test_garbage_is_collected_and_nothing_else(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    before = files(data)
    code, out, _ = run(capsys, "gc", data)
    after = files(data)
    assert code == 0
    assert after < before
    assert out == f"Removed {len(before - after)} files, {re.findall('[0-9]+', out)[1]} bytes.\n"
    assert list((data / "uploads").iterdir()) == []
    assert run(capsys, "check", data)[:2] == (0, "All is well.\n")
    assert run(capsys, "gc", data)[1] == "Removed 0 files, 0 bytes.\n"


def test_garbage_is_not_collected_under_a_running_server(
    capsys: pytest.CaptureFixture[str], artifactory_sandbox: RunningSandbox
) -> None:
    code, _, err = run(capsys, "gc", artifactory_sandbox.data)
    assert code == 2
    assert err.endswith("stop the sandbox first\n")
    assert run(capsys, "check", artifactory_sandbox.data)[0] == 0


def test_no_server_starts_while_garbage_is_collected(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    service = Service(data, Config(), is_alone=True)
    try:
        code, _, err = run(capsys, "serve", data, "--port", "0")
    finally:
        service.close()
    assert code == 2
    assert "another process is using the data directory" in err


@pytest.mark.docker_clients
def test_an_export_is_read_by_other_tools(capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path) -> None:
    target = tmp_path / "layout"
    code, out, _ = run(capsys, "export", data, "--repository", "docker-dev", "--image", "team/*", str(target))
    assert (code, out) == (0, f"Exported 2 tags to {target}.\n")
    line = ["skopeo", "copy", "--all", f"oci:{target}:team/app:2.0", f"dir:{tmp_path / 'copy'}"]
    subprocess.run(line, check=True, capture_output=True)
    copied = (tmp_path / "copy" / "manifest.json").read_bytes()
    with running_sandbox(data) as sandbox:
        assert copied == sandbox.service.blobs.read(sandbox.digest("docker-dev/team/app:2.0") or "")


def test_requests_are_counted_by_route_and_status(artifactory_sandbox: RunningSandbox, client: httpx.Client) -> None:
    for path in ("/api/docker/docker-dev/v2/app/manifests/1.0", "/api/docker/docker-dev/v2/app/manifests/2.0"):
        assert client.head(path).status_code == 404
    metrics = client.get("/sandbox/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = metrics.text.splitlines()
    assert 'artifactory_sandbox_requests_total{method="HEAD",route="get_manifest",status="404"} 2' in lines
    assert all(re.fullmatch(r"# TYPE \w+ (counter|gauge)|\w+(\{[^}]*\})? [0-9.]+", line) for line in lines)
    assert httpx.get(f"{artifactory_sandbox.url}/sandbox/metrics").status_code == 401


def serve(data: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    line = [sys.executable, "-m", "artifactory_sandbox", "serve", "--data", str(data), "--port", "0", *arguments]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().split()[4]


def test_the_log_has_a_line_for_each_request_and_no_secret(tmp_path: Path) -> None:
    process, url = serve(tmp_path, "--verbose")
    try:
        token = httpx.get(f"{url}/v2/token", auth=ADMIN).json()["token"]
        created = httpx.post(f"{url}/access/api/v1/tokens", json={"refreshable": True}, auth=ADMIN).json()
        secrets = [token, created["access_token"], created["refresh_token"], "password", "s3cret"]
        httpx.get(f"{url}/api/repositories", headers={"Authorization": f"Bearer {token}"}, params={"x": "s3cret"})
        httpx.get(f"{url}/api/repositories", auth=("admin", "s3cret"))
        address = urlsplit(url)
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as connection:
            connection.sendall(b"s3cret is no HTTP\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    finally:
        process.terminate()
    _, err = process.communicate(timeout=20)
    *lines, last = [json.loads(line) for line in err.splitlines()]
    assert last["message"] == "Invalid HTTP request received."
    told = [(line["method"], line["path"], line["status"], line["user"]) for line in lines]
    assert told == [
        ("GET", "/artifactory/v2/token", 200, "admin"),
        ("POST", "/artifactory/access/api/v1/tokens", 200, "admin"),
        ("GET", "/artifactory/api/repositories", 200, "admin"),
        ("GET", "/artifactory/api/repositories", 401, ""),
    ]
    assert not [secret for secret in secrets if secret in err]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "tls.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(tmp_path / "tls.crt"), str(tmp_path / "tls.key")


def test_with_a_certificate_the_sandbox_speaks_https(tmp_path: Path, certificate: tuple[str, str]) -> None:
    process, url = serve(tmp_path / "data", "--tls", *certificate)
    try:
        trusting = ssl.create_default_context(cafile=certificate[0])
        with httpx.Client(base_url=url, auth=ADMIN, verify=trusting) as client:
            assert url.startswith("https://127.0.0.1:")
            assert client.post(UPLOADS).headers["location"].startswith(url.removesuffix("/artifactory"))
            client.post("/sandbox/faults", json={"effect": "reset", "count": 1})
            with pytest.raises(httpx.TransportError):
                client.get("/api/repositories")
            assert client.get("/api/repositories").status_code == 200
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_a_certificate_that_cannot_be_used_is_one_clear_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, certificate: tuple[str, str]
) -> None:
    for wrong in (str(tmp_path / "missing"), __file__):
        code, _, err = run(capsys, "serve", tmp_path / "data", "--port", "0", "--tls", certificate[0], wrong)
        assert code == 2
        assert err.startswith(f"artifactory-sandbox: cannot use {certificate[0]} with {wrong}: ")
        assert err.count("\n") == 1
