"""`hook.run()` and the session of `hook.get_conn()` ask in the way of the client, and keep its limits."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tests.integration.conftest import PASSWORD
from tests.integration.gateway import Gateway, Reply
from tests.integration.raw_server import raw_server

from artifactory_provider.artifactory.errors import (
    ConnectionFailed,
    InvalidSettings,
    RequestTimedOut,
    UnexpectedAnswer,
)
from artifactory_provider.hooks.artifactory import ArtifactoryHook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from artifactory_sandbox.pytest_plugin import RunningSandbox

MIB = 1024 * 1024
VERSION = "api/system/version"


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


@pytest.fixture
def elsewhere(sandbox: RunningSandbox) -> Iterator[Gateway]:
    """Another server."""
    with Gateway(f"http://{sandbox.registry}").running() as gateway:
        gateway.rule("*", "", reply=Reply(200, b"elsewhere"), does_work=False)
        yield gateway


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_is_cut_off_where_no_answer_of_the_api_ends(gateway: Gateway, packed: bool, stream: bool) -> None:
    body = gzip.compress(b"\0" * 160 * MIB) if packed else b"\0" * 40 * MIB
    headers = {"Content-Encoding": "gzip"} if packed else {}
    gateway.rule("GET", VERSION, reply=Reply(200, body, headers), does_work=False)
    tracemalloc.start()
    try:
        with pytest.raises(UnexpectedAnswer, match="answered with more than 33554432 bytes"):
            ArtifactoryHook().run(VERSION, extra_options={"stream": stream})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 140 * MIB


def test_whoever_expects_more_or_less_says_how_much(gateway: Gateway) -> None:
    gateway.rule("GET", VERSION, reply=Reply(200, b"\0" * 40 * MIB), does_work=False)
    assert len(ArtifactoryHook().run(VERSION, extra_options={"largest": 40 * MIB}).content) == 40 * MIB
    with pytest.raises(UnexpectedAnswer, match="answered with more than 1000 bytes"):
        ArtifactoryHook().run(VERSION, extra_options={"largest": 1000})


@pytest.mark.parametrize("options", [{}, {"stream": True}, {"timeout": 0.5}, {"timeout": (5, 0.5)}])
def test_a_server_that_sends_byte_by_byte_has_no_more_time_than_any_other(
    connect: Callable[..., None], options: dict[str, Any]
) -> None:
    """Each byte comes in time; all of them would take a minute."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6000\r\n\r\n" + b"x" * 6000
    with raw_server(lambda _: answer, pause=0.01) as url:
        connect(host=url, extra={"timeout": 0.5})
        with pytest.raises(RequestTimedOut, match=r"had no answer within 0\.5 s"):
            ArtifactoryHook().run(VERSION, extra_options=options)


@pytest.mark.parametrize("timeout", [0, -1, (0, 1), (1, float("inf"))])
def test_no_time_at_all_and_endless_time_are_refused(gateway: Gateway, timeout: Any) -> None:
    with pytest.raises(InvalidSettings, match="is a number of seconds greater than 0"):
        ArtifactoryHook().run(VERSION, extra_options={"timeout": timeout})
    assert gateway.requests == []


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_a_request_whose_connection_breaks_is_sent_once(gateway: Gateway, method: str) -> None:
    gateway.rule(method, "/api/", ending="reset", does_work=False)
    with pytest.raises(ConnectionFailed):
        ArtifactoryHook(method=method).run("api/x")
    assert len(gateway.requests) == 1


BODIES: dict[str, tuple[Callable[[], dict[str, Any]], bytes]] = {
    "text": (lambda: {"data": "text ü"}, "text ü".encode()),
    "bytes": (lambda: {"data": b"bytes"}, b"bytes"),
    "form": (lambda: {"data": {"a": "b c"}}, b"a=b+c"),
    "json": (lambda: {"json": {"a": 1}}, b'{"a": 1}'),
    "file": (lambda: {"data": io.BytesIO(b"x" * 200_000)}, b"x" * 200_000),
    "parts": (lambda: {"data": iter([b"first, ", b"second, ", "third"])}, b"first, second, third"),
    "empty file": (lambda: {"data": io.BytesIO()}, b""),
    "nothing": (dict, b""),
}


@pytest.mark.parametrize("kind", BODIES)
def test_every_kind_of_body_arrives(gateway: Gateway, kind: str) -> None:
    make, sent = BODIES[kind]
    for method in ("PUT", "POST"):
        gateway.rule(method, "/api/x", reply=Reply(200), does_work=False)
        assert ArtifactoryHook(method=method).run("api/x", **make()).status_code == 200
        assert gateway.requests[-1].body == sent


def test_files_are_sent_as_forms(gateway: Gateway) -> None:
    gateway.rule("POST", "/api/x", reply=Reply(200), does_work=False)
    ArtifactoryHook(method="POST").run("api/x", files={"f": ("name.txt", b"content")})
    assert gateway.requests[-1].headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert b"content" in gateway.requests[-1].body


def test_a_header_of_ones_own_does_not_come_beside_that_of_the_connection(gateway: Gateway) -> None:
    ArtifactoryHook().run(VERSION, headers={"authorization": "Bearer mine", "x-mine": "1"})
    headers = gateway.requests[-1].headers
    assert [value for name, value in headers.items() if name.lower() == "authorization"] == [headers["Authorization"]]
    assert headers["Authorization"].startswith("Basic ")
    assert headers["X-Mine"] == "1"


@pytest.mark.parametrize("fields", [{}, {"login": None, "password": "AKCp8key"}, {"login": None, "password": "eyJ.x"}])
def test_credentials_go_to_the_server_of_the_connection_alone(
    connect: Callable[..., None], gateway: Gateway, elsewhere: Gateway, fields: dict[str, Any]
) -> None:
    connect(**fields)
    gateway.rule("GET", "/moved", reply=Reply(302, b"", {"Location": f"{elsewhere.origin}/there"}), does_work=False)
    with ArtifactoryHook().get_conn() as session:
        assert session.get(f"{elsewhere.origin}/").text == "elsewhere"
        assert session.get(f"{gateway.url}/moved").text == "elsewhere"
    secret = fields.get("password", PASSWORD)
    assert gateway.requests
    assert len(elsewhere.requests) == 2
    for seen in elsewhere.requests:
        assert {"authorization", "x-jfrog-art-api"}.isdisjoint(name.lower() for name in seen.headers)
        assert secret not in str(seen)


def test_a_session_gives_what_a_session_gives(gateway: Gateway) -> None:
    url = f"{gateway.url}/{VERSION}"
    with ArtifactoryHook().get_conn(headers={"X-Mine": "1"}) as session:
        answer = session.get(url, params={"a": "b"}, stream=True)
        assert b'"version"' in b"".join(answer.iter_content(3))
        assert session.get(url).json()["version"]
        assert (answer.status_code, answer.reason, answer.ok) == (200, "OK", True)
        assert answer.url == f"{url}?a=b"
        assert answer.elapsed.total_seconds() > 0
        assert answer.headers["content-type"].startswith("application/")
        missing = session.get(f"{gateway.url}/api/repositories/nowhere")
        with pytest.raises(requests.HTTPError, match="400 Client Error: Bad Request"):
            missing.raise_for_status()
        assert "Authorization" not in answer.request.headers
    assert all(seen.headers["X-Mine"] == "1" for seen in gateway.requests)


def test_headers_that_come_more_than_once_all_arrive() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nLink: <a>\r\nLink: <b>\r\n\r\n"
    with raw_server(lambda _: answer) as url, ArtifactoryHook().get_conn() as session:
        assert session.get(url).headers["Link"] == "<a>, <b>"


async def test_in_asynchronous_code_an_error_arrives_as_itself(gateway: Gateway) -> None:
    gateway.rule("GET", VERSION, reply=Reply(200, b"x" * 2000), does_work=False)
    with pytest.raises(UnexpectedAnswer):
        ArtifactoryHook().run(VERSION, extra_options={"largest": 1000})
