"""How much of the sandbox one client can take: heads, time, connections, and what is kept of requests."""

from __future__ import annotations

import asyncio
import gc
import re
import select
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from artifactory_sandbox.blobs import BlobStore, Upload, Uploads
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.manifests import content_digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from artifactory_sandbox.pytest_plugin import RunningSandbox

BASIC = b"Authorization: Basic YWRtaW46cGFzc3dvcmQ=\r\n"
PING = b"GET /artifactory/api/system/ping HTTP/1.1\r\nHost: localhost\r\n"
IMAGE = "/api/docker/docker-dev/v2/app"
MEBIBYTE = 1024 * 1024
LONG = 20
# Long enough for a busy machine, on which a client may stand still without meaning it.
HEAD_SECONDS, IDLE_SECONDS = 1.0, 1.2
LINES = b"".join(b"X-%06d: %s\r\n" % (number, b"b" * 1000) for number in range(1030))
# What opens a request that never ends, what goes on with it, and the answer to it.
ENDLESS = {
    "a header": (PING + b"X-Long: ", b"a" * MEBIBYTE, 431),
    "headers": (PING, LINES, 431),
    "a path": (b"GET /artifactory/", b"a" * MEBIBYTE, 414),
    "a query": (b"GET /artifactory/api/system/ping?", b"a=b&" * (MEBIBYTE // 4), 414),
    "trailers": (
        b"POST /artifactory/api/security/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        LINES,
        431,
    ),
    "a chunk's extension": (
        b"POST /artifactory/api/security/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;",
        b"a" * MEBIBYTE,
        431,
    ),
}


@pytest.fixture(scope="module")
def strict(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    limits = {"head_seconds": HEAD_SECONDS, "idle_seconds": IDLE_SECONDS, "connections": 20}
    return artifactory_sandbox_factory({"limits": limits})


@contextmanager
def connected(sandbox: RunningSandbox, sent: bytes = b"") -> Iterator[socket.socket]:
    host, _, port = sandbox.registry.partition(":")
    with socket.create_connection((host, int(port)), timeout=LONG) as connection:
        connection.sendall(sent)
        yield connection


def read_to_end(connection: socket.socket) -> bytes:
    """Read until the server closes, be it by a reset."""
    received = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(MEBIBYTE):
            received += part
    return received


def status(answer: bytes) -> int:
    return int(answer[9:12])


def upload(sandbox: RunningSandbox, size: int, *headers: bytes) -> tuple[str, bytes]:
    """Begin an upload; return where it is, and the head of a request that sends so many bytes."""
    location = httpx.post(f"{sandbox.url}{IMAGE}/blobs/uploads/", auth=("admin", "password")).headers["location"]
    path = location.partition(sandbox.registry)[2].encode()
    head = b"PATCH %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%s" % (path, size, BASIC)
    return location, b"".join([head, *headers, b"\r\n"])


@pytest.mark.parametrize("name", ENDLESS)
def test_five_connections_with_a_hundred_megabytes_each_before_the_body_take_no_memory(
    tmp_path: Path, name: str
) -> None:
    begin, more, expected = ENDLESS[name]
    line = [sys.executable, "-m", "artifactory_sandbox", "serve", "--data", str(tmp_path), "--port", "0"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r":(\d+)/", process.stdout.readline())
            assert found is not None
            before = peak(process.pid)

            def send(port: int) -> bytes:
                with socket.create_connection(("127.0.0.1", port), timeout=LONG) as connection:
                    # The server hangs up on a client that goes on for seconds.
                    with suppress(ConnectionError):
                        connection.sendall(begin)
                        for _ in range(100):
                            connection.sendall(more)
                    return read_to_end(connection)

            with ThreadPoolExecutor(5) as pool:
                answers = list(pool.map(send, [int(found[1])] * 5))
            assert peak(process.pid) - before < 16 * MEBIBYTE
            assert {status(answer) for answer in answers if answer} == {expected}
        finally:
            process.kill()


def peak(process: int) -> int:
    """Return the most bytes of memory that a process has had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.parametrize(("size", "expected"), [(60 * 1024, 200), (70 * 1024, 431)])
def test_headers_of_64_kib_are_read_and_more_of_them_are_431(
    artifactory_sandbox: RunningSandbox, size: int, expected: int
) -> None:
    head = PING + b"".join(b"X-%04d: %s\r\n" % (number, b"b" * 1012) for number in range(size // 1024))
    with connected(artifactory_sandbox, head + b"Connection: close\r\n\r\n") as connection:
        assert status(read_to_end(connection)) == expected


@pytest.mark.parametrize(("size", "expected"), [(60 * 1024, 200), (70 * 1024, 414)])
def test_a_path_with_its_query_of_64_kib_is_read_and_a_longer_one_is_414(
    artifactory_sandbox: RunningSandbox, size: int, expected: int
) -> None:
    head = b"GET /artifactory/api/system/ping?%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % (b"a" * size)
    with connected(artifactory_sandbox, head) as connection:
        assert status(read_to_end(connection)) == expected


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"G", PING, PING + b"X-A: b"])
def test_a_connection_on_which_no_whole_head_comes_ends_with_408(strict: RunningSandbox, sent: bytes) -> None:
    with connected(strict, sent) as connection:
        assert status(read_to_end(connection)) == 408


def test_a_head_that_comes_byte_by_byte_has_no_more_time_than_others(strict: RunningSandbox) -> None:
    sent = 0
    with connected(strict, PING + b"X-A: ") as connection:
        while not select.select([connection], [], [], HEAD_SECONDS / 8)[0]:
            connection.sendall(b"a")
            sent += 1
        assert status(read_to_end(connection)) == 408
    assert sent < 100


def test_what_follows_an_answer_has_no_more_time_than_a_first_request(strict: RunningSandbox) -> None:
    sent = 0
    with connected(strict, PING + b"\r\n") as connection:
        assert status(connection.recv(MEBIBYTE)) == 200
        while not select.select([connection], [], [], HEAD_SECONDS / 8)[0]:
            connection.sendall(b"\r\n")  # an empty line before a request is allowed
            sent += 1
        assert status(read_to_end(connection)) == 408
    assert sent < 100


def test_an_upload_that_stands_still_is_408_and_can_be_taken_up_again(strict: RunningSandbox) -> None:
    location, head = upload(strict, 2 * MEBIBYTE)
    with connected(strict, head + b"x" * (MEBIBYTE + 1)) as connection:
        assert status(read_to_end(connection)) == 408
    with httpx.Client(auth=("admin", "password")) as client:
        begin = int(client.get(location).headers["range"].partition("-")[2])
        assert client.patch(location, content=b"x" * 10).headers["range"] == f"0-{begin + 10}"


def test_an_upload_that_is_slow_but_moves_may_take_as_long_as_it_takes(strict: RunningSandbox) -> None:
    pieces = 8
    _, head = upload(strict, pieces, b"Connection: close\r\n")
    with connected(strict, head) as connection:
        for _ in range(pieces):
            assert not select.select([connection], [], [], IDLE_SECONDS / 4)[0]
            connection.sendall(b"x")
        answer = read_to_end(connection)
    assert status(answer) == 202
    assert b"range: 0-7\r\n" in answer.lower()


def test_a_client_that_waits_to_be_asked_for_the_body_is_not_the_one_that_stands_still(strict: RunningSandbox) -> None:
    _, head = upload(strict, 1, b"Expect: 100-continue\r\n", b"Connection: close\r\n")
    strict.add_fault("latency", method="PATCH", seconds=2 * IDLE_SECONDS, count=1)
    with connected(strict, head) as connection:
        assert connection.recv(MEBIBYTE).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"x")
        assert status(read_to_end(connection)) == 202
    strict.clear_faults()


def test_a_slow_answer_is_not_the_clients_fault(strict: RunningSandbox) -> None:
    number = strict.add_fault("latency", path="*/api/system/version", seconds=2 * IDLE_SECONDS)
    response = httpx.get(f"{strict.url}/api/system/version", auth=("admin", "password"), timeout=LONG)
    assert (number, response.status_code) == (number, 200)
    strict.clear_faults()


def test_an_answer_that_nobody_reads_is_given_up(strict: RunningSandbox) -> None:
    content = b"x" * (64 * MEBIBYTE)
    digest = content_digest(content)
    auth = ("admin", "password")
    httpx.post(f"{strict.url}{IMAGE}/blobs/uploads/", params={"digest": digest}, content=content, auth=auth)
    get = f"GET /artifactory{IMAGE}/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\n".encode() + BASIC + b"\r\n"
    with connected(strict, get) as connection:
        broken = select.poll()
        broken.register(connection, select.POLLHUP | select.POLLERR)
        assert broken.poll(LONG * 1000)
        assert len(read_to_end(connection)) < len(content)


def test_more_connections_than_allowed_are_503_until_others_end(strict: RunningSandbox) -> None:
    host, _, port = strict.registry.partition(":")
    held = [socket.create_connection((host, int(port)), timeout=LONG) for _ in range(40)]
    answers = [status(read_to_end(connection)) for connection in held]
    assert answers.count(503) >= 20
    assert set(answers) == {408, 503}
    for connection in held:
        connection.close()
    assert httpx.get(f"{strict.url}/api/system/ping").status_code == 200


def test_requests_that_do_not_wait_for_answers_are_answered_to_a_bound_and_no_more_are_kept(
    artifactory_sandbox: RunningSandbox,
) -> None:
    last = PING + b"Connection: close\r\n\r\n"
    for number in (10, 50_000):
        with connected(artifactory_sandbox) as connection:
            with suppress(ConnectionError):
                connection.sendall((PING + b"\r\n") * (number - 1) + last)
            answers = read_to_end(connection).count(b"HTTP/1.1 200 OK")
        assert answers == 10 if number == 10 else answers <= 17


def test_nobody_gets_past_the_limits_by_asking_for_another_protocol(artifactory_sandbox: RunningSandbox) -> None:
    asked = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a2V5\r\n\r\n"
    with connected(artifactory_sandbox, PING + asked) as connection:
        assert status(connection.recv(MEBIBYTE)) == 200


@pytest.mark.parametrize("path", ["/access/api/v1/tokens", "/api/security/token", "/access/api/v1/oidc/token"])
def test_a_stranger_may_not_send_more_than_a_request_for_a_token_needs(
    artifactory_sandbox: RunningSandbox, path: str
) -> None:
    body = {"grant_type": "refresh_token", "refresh_token": "x" * 131_072}
    assert httpx.post(f"{artifactory_sandbox.url}{path}", json=body).status_code == 413
    body["refresh_token"] = "x" * 130_000
    assert httpx.post(f"{artifactory_sandbox.url}{path}", json=body).status_code == 400


def test_requests_with_long_paths_and_queries_are_remembered_in_a_bounded_memory(
    artifactory_sandbox: RunningSandbox,
) -> None:
    url = f"{artifactory_sandbox.url}/docker-dev/{'a' * 20_000}?{'b' * 20_000}"
    assert httpx.get(url).status_code == 401
    [record] = artifactory_sandbox.requests
    assert record.path.startswith("/artifactory/docker-dev/aaa")
    assert record.query.startswith("bbb")
    assert len(record.path) + len(record.query) == 4000


def test_any_number_of_unfinished_uploads_takes_a_bounded_memory_and_the_oldest_goes_on(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "uploads", BlobStore(tmp_path / "blobs"))
    first = uploads.start("docker-dev/app")

    async def finish() -> int:
        await first.append(stream(b"one "))
        for _ in range(3000):
            uploads.start("docker-dev/app")
        again = uploads.find(first.file.name, "docker-dev/app")
        await again.append(stream(b"two"), start=4)
        return await uploads.finish(again, content_digest(b"one two"))

    assert asyncio.run(finish()) == 7
    known = [one for one in gc.get_objects() if type(one) is Upload and one.file.is_relative_to(tmp_path)]
    assert len(known) <= 1001


def test_an_upload_that_is_being_written_is_not_forgotten_and_stays_closed_to_others(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "uploads", BlobStore(tmp_path / "blobs"))
    first = uploads.start("docker-dev/app")

    async def write_twice() -> None:
        async with first.lock():
            for _ in range(3000):
                uploads.start("docker-dev/app")
            await uploads.find(first.file.name, "docker-dev/app").append(stream(b"x"))

    with pytest.raises(Refusal, match="another request"):
        asyncio.run(write_twice())


async def stream(content: bytes) -> AsyncIterator[bytes]:
    yield content


def test_one_request_sets_and_removes_a_bounded_number_of_properties(client: httpx.Client) -> None:
    for count, expected in ((1000, 404), (1001, 400)):
        names = ",".join(f"k{number}" for number in range(count))
        document = {"props": dict.fromkeys(names.split(","))}
        values = names.replace(",", "=1;") + "=1"
        place = "docker-dev/app/1.0/manifest.json"
        answers = [
            client.put(f"/api/storage/{place}", params={"properties": values}),
            client.put(f"/api/storage/{place}", params={"properties": f"k={names}"}),
            client.delete(f"/api/storage/{place}", params={"properties": names}),
            client.patch(f"/api/metadata/{place}", json=document),
        ]
        assert {answer.status_code for answer in answers} == {expected}


def test_an_item_holds_a_bounded_number_of_properties_and_can_always_lose_some(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    artifactory_sandbox.push_image("docker-dev/app:1.0")
    place = "/api/storage/docker-dev/app/1.0/manifest.json"
    many = ";".join(f"k{number}=1" for number in range(900))
    assert client.put(place, params={"properties": many}).status_code == 204
    refused = client.put(place, params={"properties": f"more={','.join(map(str, range(200)))}"})
    assert refused.status_code == 400
    assert "more than 1000 properties" in refused.text
    assert "more" not in artifactory_sandbox.properties("docker-dev/app:1.0")
    artifactory_sandbox.set_properties("docker-dev/app:1.0", {"past": list(map(str, range(300)))})
    assert client.delete(place, params={"properties": "k1,k2"}).status_code == 204
    assert "k1" not in artifactory_sandbox.properties("docker-dev/app:1.0")
