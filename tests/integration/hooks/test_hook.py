from __future__ import annotations

import asyncio
import base64
import datetime
import logging
import socket
import traceback
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from airflow.providers.http.hooks.http import HttpHook
from tests.integration.conftest import PASSWORD
from tests.integration.gateway import Reply, html

from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    AuthenticationFailed,
    ConnectionFailed,
    ImageNotFound,
    InvalidSettings,
    NotFound,
    RateLimited,
    RequestNotSent,
    RequestTimedOut,
    ServerFailed,
    UnexpectedAnswer,
)
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.promotion.request import Promotion
from artifactory_provider.verification import PropertyCheck
from artifactory_provider.verification.verdicts import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

    Connect = Callable[..., None]

PING = "api/system/ping"
VERSION = "api/system/version"
BASIC = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
EXTRA_SECRET = "s3cret-of-something-else"
ODD_EXTRAS = {
    "X-Secret": EXTRA_SECRET,
    "headers": {"Authorization": EXTRA_SECRET},
    "flag": True,
    "number": 7,
    "nested": {"a": [1, None]},
    "nothing": None,
    "verify_ssl": False,
    "trust_env": True,
    "allow_redirects": True,
    "check_response": False,
    "proxies": {"http": "http://127.0.0.1:9"},
    "srv_lookup": True,
    "timeout": "30",
}


@pytest.fixture(autouse=True)
def connection(connect: Connect) -> None:
    connect()


def test_it_is_an_http_hook_of_a_connection_type_of_its_own() -> None:
    assert issubclass(ArtifactoryHook, HttpHook)
    assert ArtifactoryHook.conn_type == "artifactory"
    assert ArtifactoryHook().artifactory_conn_id == ArtifactoryHook.default_conn_name == "artifactory_default"


@pytest.mark.parametrize("conn_type", ["artifactory", "http", "generic", "something-unregistered"])
def test_the_type_of_the_connection_does_not_matter(connect: Connect, conn_type: str) -> None:
    connect(conn_type=conn_type)
    assert ArtifactoryHook().test_connection()[0] is True
    assert ArtifactoryHook().run(PING).text == "OK"


def test_a_connection_with_host_port_and_schema_apart_works(connect: Connect, gateway: Gateway) -> None:
    connect(host="127.0.0.1", port=gateway.port, schema="http")
    assert ArtifactoryHook().test_connection()[0] is True


def test_pin_select_promote_and_verify_work_from_synchronous_code(sandbox: RunningSandbox, image: str) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1.0.0")
    sandbox.set_properties(f"docker-dev/{image}:1.0.0", {"test.status": "passed"})
    source = ImageReference("docker-dev", image, "1.0.0")
    hook = ArtifactoryHook()
    assert hook.pin(source) == digest
    assert hook.verify(source, [PropertyCheck()]).state is State.PASSED
    record = hook.promote(Promotion(source=source, target=ImageReference("docker-qa", image, "1.0.0")))
    assert record.target.digest == digest
    for candidate in (image, f"{image}:1.0.0", f"{image}:1.0.0@{digest}"):
        assert hook.select("docker-qa", candidate) == ImageReference("docker-qa", image, "1.0.0", digest)
    long_ago = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
    assert hook.select("docker-qa", image, created_before=long_ago) is None


@pytest.mark.parametrize("candidate", ["", "App", "app:", "app@sha256:1", f"app@sha256:{'a' * 64}", "app:1:2", "a b"])
def test_a_candidate_that_is_no_image_is_refused_before_anything_is_sent(gateway: Gateway, candidate: str) -> None:
    with pytest.raises(InvalidReference):
        ArtifactoryHook().select("docker-dev", candidate)
    assert gateway.requests == []


@pytest.mark.parametrize("tag", ["", ":1.0.0"])
def test_an_image_whose_name_repeats_the_repository_key_is_told_so(
    sandbox: RunningSandbox, image: str, tag: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0.0")
    with pytest.raises(ImageNotFound, match=f"repeats the repository key: give the image as '{image}'"):
        ArtifactoryHook().select("docker-dev", f"docker-dev/{image}{tag}")


async def test_asynchronous_code_opens_the_client_itself(sandbox: RunningSandbox, image: str) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    async with ArtifactoryHook().client() as client:
        found = await client.descriptor(ImageReference("docker-dev", image, "1"))
    assert found is not None
    assert found.digest == digest


async def test_a_synchronous_method_in_asynchronous_code_says_what_to_call_instead() -> None:
    with pytest.raises(RuntimeError, match=r"async with hook\.client\(\)"):
        ArtifactoryHook().pin(ImageReference("docker-dev", "app", "1"))


def test_the_test_button_shows_the_version_or_what_to_do(connect: Connect) -> None:
    worked, message = ArtifactoryHook().test_connection()
    assert worked
    assert "Artifactory 7." in message
    connect(password="wrong")
    worked, message = ArtifactoryHook().test_connection()
    assert not worked
    assert message.endswith("expired: check login and password or token of the connection.")
    connect(host="")
    worked, message = ArtifactoryHook().test_connection()
    assert (worked, "The host is missing" in message) == (False, True)


@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_the_test_button_warns_of_keys_that_mean_nothing(connect: Connect, password: str) -> None:
    connect(extra={"timeot": 7, "timeout": 30}, password=password)
    worked, message = ArtifactoryHook().test_connection()
    assert worked is (password == PASSWORD)
    assert message.endswith("nothing here: 'timeot' (is timeout meant?).")


def test_keys_that_mean_nothing_are_logged_once(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    connect(extra={"docker_ulr": EXTRA_SECRET})
    for _ in range(3):
        ArtifactoryHook().run(PING)
    assert caplog.text.count("Connection 'artifactory_default': The extra") == 1
    assert "'docker_ulr' (is docker_url meant?)" in caplog.text
    assert EXTRA_SECRET not in caplog.text


def test_a_connection_from_a_uri_works(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    place = f"admin:{quote(PASSWORD, safe='')}@127.0.0.1:{gateway.port}/artifactory"
    for uri in (f"http://{place}", f"artifactory://http://{place}"):
        monkeypatch.setenv("AIRFLOW_CONN_ARTIFACTORY_DEFAULT", uri)
        assert ArtifactoryHook().test_connection()[0]


def test_extras_never_become_headers_and_never_change_what_they_do_not_name(connect: Connect, gateway: Gateway) -> None:
    connect(extra=ODD_EXTRAS)
    hook = ArtifactoryHook()
    hook.run(VERSION)
    hook.test_connection()
    assert len(gateway.requests) == 3
    for seen in gateway.requests:
        sent = {name.lower() for name in seen.headers}
        assert sent <= {"host", "user-agent", "accept", "accept-encoding", "connection", "authorization"}
        assert EXTRA_SECRET not in str(seen.headers)


def test_both_ways_of_asking_send_the_same_credentials(gateway: Gateway) -> None:
    ArtifactoryHook().run(VERSION)
    ArtifactoryHook().test_connection()
    for seen in gateway.requests:
        assert seen.headers["Authorization"] == f"Basic {BASIC}"


@pytest.mark.parametrize(
    ("changes", "header", "value"),
    [
        ({"login": None, "password": "eyJ.token"}, "Authorization", "Bearer eyJ.token"),
        ({"login": None, "password": "AKCp8key"}, "X-JFrog-Art-Api", "AKCp8key"),
        ({"login": None, "password": None}, None, None),
    ],
)
def test_each_kind_of_credentials_is_sent_in_its_own_header(
    connect: Connect, gateway: Gateway, changes: dict[str, Any], header: str | None, value: str | None
) -> None:
    gateway.rule("GET", VERSION, reply=Reply(200, b'{"version": "7"}'), does_work=False)
    connect(**changes)
    ArtifactoryHook().run(VERSION)
    ArtifactoryHook().test_connection()
    for seen in gateway.requests:
        found = {name: seen.headers[name] for name in ("Authorization", "X-JFrog-Art-Api") if name in seen.headers}
        assert found == ({} if header is None else {header: value})


def test_a_netrc_of_the_worker_changes_nothing(
    connect: Connect, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login robot password from-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    for fields in ({}, {"login": None, "password": None}):
        connect(**fields)
        ArtifactoryHook().run(PING)
    assert [seen.headers.get("Authorization") for seen in gateway.requests] == [f"Basic {BASIC}", None]


def test_run_sends_any_request_with_body_headers_and_parameters(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    ArtifactoryHook().run("api/repositories", data={"type": "local"}, headers={"X-Mine": "1"})
    body = {"targetRepo": "docker-qa", "dockerRepository": image, "tag": "1", "copy": True}
    answer = ArtifactoryHook(method="POST").run("api/docker/docker-dev/v2/promote", json=body)
    assert answer.text == "Promotion ended successfully"
    assert gateway.requests[0].path == "/artifactory/api/repositories?type=local"
    assert gateway.requests[0].headers["X-Mine"] == "1"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(401), AuthenticationFailed),
        (Reply(404), NotFound),
        (Reply(429, headers={"Retry-After": "9"}), RateLimited),
        (html(502, "Bad Gateway"), ServerFailed),
        (Reply(302, headers={"Location": "http://127.0.0.1:9/"}), UnexpectedAnswer),
    ],
)
def test_run_raises_typed_errors_and_asks_once(gateway: Gateway, reply: Reply, kind: type[ArtifactoryError]) -> None:
    gateway.rule("GET", VERSION, reply=reply, does_work=False)
    with pytest.raises(kind, match=f"GET /artifactory/api/system/version answered {reply.status}") as caught:
        ArtifactoryHook().run(VERSION)
    assert caught.value.status == reply.status
    assert len(gateway.requests) == 1


def test_run_leaves_the_check_to_whom_wants_it(gateway: Gateway) -> None:
    gateway.rule("GET", VERSION, reply=Reply(404), does_work=False)
    assert ArtifactoryHook().run(VERSION, extra_options={"check_response": False}).status_code == 404


@pytest.mark.parametrize("options", [{}, {"timeout": None}, {"timeout": 0.3}, {"timeout": (5, 0.3)}])
def test_run_always_has_a_time_limit(connect: Connect, gateway: Gateway, options: dict[str, Any]) -> None:
    connect(extra={"timeout": 0.3})
    gateway.rule("GET", VERSION, ending="never")
    with pytest.raises(RequestTimedOut, match="no answer within"):
        ArtifactoryHook().run(VERSION, extra_options=options)


def test_run_names_a_server_that_is_not_there_or_breaks_off(connect: Connect, gateway: Gateway) -> None:
    gateway.rule("GET", VERSION, ending="reset")
    with pytest.raises(ConnectionFailed, match=r"broke \(.*unknown"):
        ArtifactoryHook().run(VERSION)
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        connect(host=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ConnectionFailed, match="Check host and port"):
            ArtifactoryHook().run(VERSION)


def test_run_uses_the_connections_proxy_and_no_other(
    connect: Connect, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(host="http://registry.test/artifactory", extra={"proxy": gateway.origin})
    assert ArtifactoryHook().run(PING).text == "OK"
    connect(host="http://registry.test/artifactory", extra={"proxy": "http://user:s3cret@127.0.0.1:9"})
    with pytest.raises(RequestNotSent, match="Check the proxy") as caught:
        ArtifactoryHook().run(PING)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    monkeypatch.setenv("HTTP_PROXY", gateway.origin)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    connect(host="http://registry.test/artifactory")
    assert ArtifactoryHook().run(PING).text == "OK"


def test_run_leaves_no_connection_open() -> None:
    """Sandbox and gateway live in this process, too: each open connection would count four times."""
    files = Path("/proc/self/fd")
    before = len(list(files.iterdir()))
    for _ in range(20):
        ArtifactoryHook().run(PING)
    assert len(list(files.iterdir())) <= before + 20


def test_the_url_of_an_endpoint_is_known_before_anything_was_asked(gateway: Gateway) -> None:
    assert ArtifactoryHook().url_from_endpoint("/api/x") == f"{gateway.url}/api/x"


def test_an_unknown_connection_is_named() -> None:
    with pytest.raises(Exception, match="nowhere"):
        ArtifactoryHook("nowhere").settings()


def echo(reply: Reply) -> Reply:
    """Answer as debugging proxies do: with what was sent."""
    return Reply(502, f"You sent Authorization: Basic {BASIC} ({PASSWORD})".encode(), {"Content-Type": "text/plain"})


@pytest.mark.parametrize("way", ["run", "client"])
def test_no_secret_is_in_any_error_traceback_log_or_repr(
    connect: Connect, gateway: Gateway, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    connect(extra={**ODD_EXTRAS, "ca_file": "/nowhere/ca.pem"})
    hook = ArtifactoryHook(method="POST")
    shown = [repr(hook), repr(hook.settings()), str(vars(hook))]
    connect(extra=ODD_EXTRAS)
    gateway.rule("*", "/api/", times=1, ending="reset", does_work=False)
    gateway.rule("*", "/api/", times=1, reply=Reply(401), does_work=False)
    gateway.rule("*", "/api/", reply=echo, does_work=False)
    promotion = Promotion(source=ImageReference("docker-dev", "a", "1"), target=ImageReference("docker-qa", "a", "1"))
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            with pytest.raises(ArtifactoryError) as caught:
                hook.run(VERSION) if way == "run" else _ask_once(promotion)
            shown += ["".join(traceback.format_exception(caught.value)), repr(caught.value), str(vars(caught.value))]
    shown.append(caplog.text)
    for secret in (PASSWORD, BASIC, EXTRA_SECRET):
        assert secret not in "\n".join(shown)
    assert "You sent Authorization: Basic *** (***)" in "\n".join(shown)


def _ask_once(promotion: Promotion) -> None:
    """Send one promotion request, which is never repeated."""

    async def ask() -> None:
        async with ArtifactoryHook().client() as client:
            await client.promote(promotion.source, promotion.target)

    asyncio.run(ask())


def test_settings_that_cannot_work_are_named_with_the_connection(connect: Connect) -> None:
    connect(extra={"ca_file": "/nowhere/ca.pem"})
    with pytest.raises(InvalidSettings, match="check ca_file"):
        ArtifactoryHook().pin(ImageReference("docker-dev", "app", "1"))
    connect(host="https://admin:pw@example.com")
    with pytest.raises(InvalidSettings, match=r"Connection 'artifactory_default'.*login and password instead"):
        ArtifactoryHook().run(PING)
