"""Another service is asked over real HTTP: whatever it answers, only a clear pass is one."""

from __future__ import annotations

import asyncio
import datetime
import json
import ssl
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.artifactory.authority import Authority
from tests.integration.gateway import Gateway, Reply, html
from tests.integration.raw_server import raw_server

from artifactory_provider.artifactory.authentication import Basic, Bearer
from artifactory_provider.artifactory.errors import (
    ConnectionFailed,
    RateLimited,
    RequestNotSent,
    RequestTimedOut,
    ServerFailed,
)
from artifactory_provider.artifactory.manifests import OCI_MANIFEST, Descriptor
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.verification import Evidence, HttpCheck, HttpService, State, Subject, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.verification import Verdict
    from artifactory_sandbox.pytest_plugin import RunningSandbox

PASSED, FAILED, PENDING = "status == 'passed'", "status == 'failed'", "status == 'running'"
PASSWORD = "s3cret-of-the-service"
ONE = HttpCheck(
    conn_id="load", endpoint="results/{digest}", passed=PASSED, failed=FAILED, pending=PENDING, message="text"
)
MANY = HttpCheck(
    conn_id="load", endpoint="results", method="POST", many=True, passed=PASSED, failed=FAILED, pending=PENDING
)


@pytest.fixture
def service() -> Iterator[Gateway]:
    """A service that answers what it is told to."""
    with Gateway("http://127.0.0.1:9").running() as service:
        yield service


def answering(value: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


def subject(number: int = 1) -> Subject:
    digest = f"sha256:{number:064x}"
    return Subject(ImageReference("docker-dev", "team/app", str(number), digest), Descriptor(digest, OCI_MANIFEST))


async def judge(
    client: ArtifactoryClient, check: HttpCheck, service: HttpService | str, *subjects: Subject
) -> Sequence[Verdict]:
    async def connect(conn_id: str) -> HttpService:
        assert conn_id == check.conn_id
        return service if isinstance(service, HttpService) else HttpService(base_url=service)

    async with Ledger(client) as ledger:
        evidence = Evidence(ledger, connect=connect)
        verdicts = await check.find_verdicts(evidence, subjects or [subject()])
        await evidence.close()
    return verdicts


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        ({"status": "passed"}, State.PASSED, "load says passed."),
        ({"status": "passed", "text": "150 tests."}, State.PASSED, "load says passed: 150 tests."),
        ({"status": "failed", "text": "login"}, State.FAILED, "load says failed: login."),
        ({"status": "running", "text": {"done": 3}}, State.PENDING, 'load says pending: {"done": 3}.'),
        ({"status": "Passed"}, State.PENDING, "load gives no answer that is known; passed is waited for."),
        ({}, State.PENDING, "load gives no answer that is known; passed is waited for."),
        ([], State.PENDING, "load gives no answer that is known; passed is waited for."),
    ],
)
async def test_the_expressions_say_what_the_answer_means(
    client: ArtifactoryClient, service: Gateway, answer: Any, state: State, reason: str
) -> None:
    service.rule("GET", "^/results/sha256%3A0+1$", does_work=False, reply=answering(answer))
    [verdict] = await judge(client, ONE, service.origin)
    assert (verdict.state, verdict.reason) == (state, reason)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"passed": "ok", "failed": "ok"}, State.FAILED),
        ({"passed": "ok", "pending": "ok", "failed": None}, State.PENDING),
        ({"passed": "text"}, State.PENDING),
        ({"passed": "length(nothing) == `0`"}, State.UNREADABLE),
        ({"message": "length(nothing)"}, State.UNREADABLE),
    ],
)
async def test_an_answer_that_says_two_things_or_that_expressions_do_not_fit_is_no_pass(
    client: ArtifactoryClient, service: Gateway, changes: dict[str, Any], state: State
) -> None:
    service.rule("*", "", does_work=False, reply=answering({"ok": True, "text": "true"}))
    check = HttpCheck(**{"conn_id": "load", "endpoint": "{digest}", "passed": "ok", **changes})
    [verdict] = await judge(client, check, service.origin)
    assert verdict.state is state


HUGE = b'{"status": "passed", "rest": "' + b"x" * 1024 * 1024 + b'"}'


@pytest.mark.parametrize(
    ("reply", "state", "reason"),
    [
        (html(), State.UNREADABLE, "load answered with an HTML page instead of a JSON object or list"),
        (Reply(200, b"passed", {"Content-Type": "text/plain"}), State.UNREADABLE, "answered with text/plain instead"),
        (Reply(200), State.UNREADABLE, "answered with an empty body instead"),
        (answering("passed"), State.UNREADABLE, "instead of a JSON object"),
        (answering(True), State.UNREADABLE, "instead of a JSON object"),
        (Reply(200, b'{"status": "passed", "n": NaN}'), State.UNREADABLE, "instead of a JSON object"),
        (Reply(200, b'{"status": "passed"'), State.UNREADABLE, "instead of a JSON object"),
        (Reply(200, b"[" * 100_000), State.UNREADABLE, "instead of a JSON object"),
        (Reply(200, HUGE), State.UNREADABLE, "load answered with more than 1 MiB."),
        (answering({"status": "passed"}, 201), State.UNREADABLE, "no answer that says passed or failed"),
        (answering({"status": "passed"}, 202), State.PENDING, "load answered 202; there is no verdict yet."),
        (Reply(204), State.UNREADABLE, "load answered 204"),
        (answering({"status": "passed"}, 301, Location="/other"), State.UNREADABLE, "redirects (301)"),
        (answering({"message": "bad"}, 400), State.UNREADABLE, "load answered 400: bad; that is no answer"),
        (answering({"message": "who?"}, 401), State.UNREADABLE, "check login and password of connection 'load'"),
        (answering({"status": "passed"}, 403), State.UNREADABLE, "check login and password of connection 'load'"),
        (Reply(404), State.PENDING, "load answered 404; there is no verdict yet."),
        (answering({"message": "2 of 9"}, 422), State.FAILED, "load answered 422: 2 of 9."),
        (answering({"status": "passed"}, 500), State.PENDING, "load answered 500; it is asked again."),
        (html(502, "Bad Gateway"), State.PENDING, "load answered 502: Bad Gateway; it is asked again."),
        (Reply(429, b"", {"Retry-After": "17"}), State.PENDING, "load answered 429, and asks to wait 17 s"),
    ],
)
async def test_only_an_answer_that_says_so_passes(
    client: ArtifactoryClient, service: Gateway, reply: Reply, state: State, reason: str
) -> None:
    service.rule("*", "", does_work=False, reply=reply)
    checks = (
        HttpCheck(conn_id="load", endpoint="{digest}", passed=PASSED, failed_statuses=(422,)),
        HttpCheck(
            conn_id="load", endpoint="", method="POST", many=True, passed=PASSED, failed_statuses=(422,), results="@"
        ),
    )
    for check in checks:
        verdicts = await judge(client, check, service.origin, subject(1), subject(2))
        assert [verdict.state for verdict in verdicts] == [state] * 2
        assert reason in verdicts[0].reason
        assert all(verdict.reason.isprintable() for verdict in verdicts)


@pytest.mark.parametrize(
    ("reply", "kind", "wait"),
    [
        (Reply(429, b"", {"Retry-After": "17"}), RateLimited, 17),
        (Reply(503, b"", {"Retry-After": "120"}), ServerFailed, 120),
        (Reply(500), ServerFailed, None),
    ],
)
async def test_who_waits_learns_for_how_long(
    client: ArtifactoryClient, service: Gateway, reply: Reply, kind: type[Exception], wait: float | None
) -> None:
    service.rule("*", "", does_work=False, reply=reply)
    [verdict] = await judge(client, ONE, service.origin)
    assert isinstance(verdict.error, kind)
    assert verdict.error is not None
    assert verdict.error.retry_after == wait


async def test_a_date_to_wait_until_is_understood(client: ArtifactoryClient, service: Gateway) -> None:
    later = format_datetime(datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1), usegmt=True)
    service.rule("*", "", does_work=False, reply=Reply(429, b"", {"Retry-After": later}))
    [verdict] = await judge(client, ONE, service.origin)
    assert verdict.error is not None
    assert 3000 < (verdict.error.retry_after or 0) <= 3600


async def test_a_service_that_never_answers_or_breaks_off_is_asked_again_later(
    client: ArtifactoryClient, service: Gateway
) -> None:
    alone = HttpCheck(conn_id="load", endpoint="{digest}", passed=PASSED, timeout=0.2)
    many = HttpCheck(conn_id="load", endpoint="all", method="PUT", many=True, passed=PASSED, timeout=0.2)
    for ending, kind in (("never", RequestTimedOut), ("reset", ConnectionFailed), ("cut", ConnectionFailed)):
        service.forget_rules()
        service.rule("*", "", does_work=False, reply=answering({"status": "passed"}), ending=ending)  # type: ignore[arg-type]
        for check, request in ((alone, "GET /sha256%3A"), (many, "PUT /all")):
            verdicts = await judge(client, check, service.origin, subject(1), subject(2))
            assert [verdict.state for verdict in verdicts] == [State.PENDING] * 2
            assert all(isinstance(verdict.error, kind) for verdict in verdicts)
            assert all(verdict.reason.startswith(f"load: {request}") for verdict in verdicts)


async def test_a_body_without_an_end_ends_with_the_time(client: ArtifactoryClient) -> None:
    def answer(_head: bytes) -> bytes:
        return b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"status": "passed"}' + b" " * 100_000

    check = HttpCheck(conn_id="load", endpoint="{digest}", passed=PASSED, timeout=0.5)
    with raw_server(answer, pause=0.001) as url:
        [verdict] = await judge(client, check, url)
    assert verdict.state is State.PENDING
    assert isinstance(verdict.error, RequestTimedOut)


async def test_a_service_that_is_not_there_is_looked_for_once(client: ArtifactoryClient) -> None:
    with Gateway("http://127.0.0.1:9").running() as gone:
        url = gone.origin
    verdicts = await judge(client, ONE, url, *map(subject, range(50)))
    assert {verdict.state for verdict in verdicts} == {State.PENDING}
    assert {type(verdict.error) for verdict in verdicts} == {RequestNotSent}


@pytest.mark.parametrize("status", [302, 401, 403, 429, 503])
async def test_a_service_that_answers_nobody_is_asked_no_more_in_this_look(
    client: ArtifactoryClient, service: Gateway, status: int
) -> None:
    service.rule("*", "", does_work=False, reply=Reply(status))
    verdicts = await judge(client, ONE, service.origin, *map(subject, range(100)))
    assert not any(verdict.state is State.PASSED for verdict in verdicts)
    assert len(service.requests) <= 8


async def test_one_digest_that_the_service_cannot_tell_of_spoils_no_other(
    client: ArtifactoryClient, service: Gateway
) -> None:
    service.rule("GET", "2$", does_work=False, reply=Reply(500))
    service.rule("GET", "", does_work=False, reply=answering({"status": "passed"}))
    verdicts = await judge(client, ONE, service.origin, *map(subject, (1, 2, 3)))
    assert [verdict.state for verdict in verdicts] == [State.PASSED, State.PENDING, State.PASSED]


async def test_credentials_and_headers_go_to_the_service_and_to_no_place_that_it_names(
    client: ArtifactoryClient, service: Gateway
) -> None:
    with Gateway("http://127.0.0.1:9").running() as elsewhere:
        service.rule("GET", "", does_work=False, reply=Reply(307, b"", {"Location": elsewhere.origin}))
        known = HttpService(
            base_url=f"{service.origin}/api/", authentication=Basic("ci", PASSWORD), headers={"X-Key": "k" * 20}
        )
        await judge(client, ONE, known)
        assert elsewhere.requests == []
    [seen] = service.requests
    assert seen.path == f"/api/results/sha256%3A{1:064x}"
    assert seen.headers["Authorization"].startswith("Basic ")
    assert seen.headers["X-Key"] == "k" * 20
    assert seen.headers["Accept"] == "application/json"


async def test_a_certificate_that_nobody_vouches_for_ends_it_before_anything_is_sent(
    client: ArtifactoryClient, tmp_path: Path
) -> None:
    authority = Authority(tmp_path, "authority")
    issued = authority.issue("service")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(issued.certificate, issued.key)
    with Gateway("http://127.0.0.1:9", tls=tls).running() as service:
        service.rule("GET", "", does_work=False, reply=answering({"status": "passed"}))
        verdicts = await judge(client, ONE, service.origin, *map(subject, range(20)))
        assert {verdict.state for verdict in verdicts} == {State.UNREADABLE}
        assert "is not trusted" in verdicts[0].reason
        assert service.requests == []
        trusting = HttpService(base_url=service.origin, ca_file=str(authority.file))
        [verdict] = await judge(client, ONE, trusting)
        assert verdict.state is State.PASSED


@pytest.mark.parametrize("status", [200, 400, 401, 422, 500])
async def test_a_service_that_repeats_what_it_was_sent_makes_no_secret_known(
    client: ArtifactoryClient, service: Gateway, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    key = "key-of-the-service"
    basic = Basic("ci", PASSWORD)
    sent = f"{basic.headers()} {key} {PASSWORD}"
    service.rule("*", "", does_work=False, reply=answering({"message": sent, "text": sent}, status))
    check = HttpCheck(conn_id="load", endpoint="{digest}", passed=PASSED, message="text", failed_statuses=(422,))
    known = HttpService(base_url=service.origin, authentication=basic, headers={"X-Key": key})
    [verdict] = await judge(client, check, known)
    shown = f"{verdict.as_dict()} {verdict.error!r} {caplog.text}"
    assert "***" in verdict.reason
    assert not any(secret in shown for secret in (key, PASSWORD, *basic.secrets()))


async def test_what_a_service_says_is_short_and_printable(client: ArtifactoryClient, service: Gateway) -> None:
    service.rule("*", "", does_work=False, reply=answering({"status": "failed", "text": "a\n\x1b[31m" * 10_000}))
    [verdict] = await judge(client, ONE, service.origin)
    assert verdict.state is State.FAILED
    assert verdict.reason.isprintable()
    assert len(verdict.reason) <= 600


async def test_a_body_names_the_digest_and_is_json(client: ArtifactoryClient, service: Gateway) -> None:
    service.rule("PUT", "^/results$", does_work=False, reply=answering({"status": "passed"}))
    body = '{"image": "{repository}/{image}:{tag}", "digest": "{digest}"}'
    check = HttpCheck(conn_id="load", endpoint="/results", method="PUT", body=body, passed=PASSED)
    [verdict] = await judge(client, check, service.origin)
    assert verdict.state is State.PASSED
    [seen] = service.requests
    assert seen.headers["Content-Type"] == "application/json"
    assert json.loads(seen.body) == {"image": "docker-dev/team/app:1", "digest": f"sha256:{1:064x}"}


def of(number: int, status: str = "passed") -> dict[str, Any]:
    return {"digest": subject(number).digest, "status": status}


@pytest.mark.parametrize(
    ("results", "answer"),
    [
        ("@", {subject(1).digest: of(1), subject(2).digest: of(2, "failed"), subject(9).digest: of(9)}),
        ("@", [of(1), of(2, "failed"), of(9)]),
        ("data.results", {"data": {"results": [of(2, "failed"), of(1), {"status": "passed"}, None, "passed"]}}),
        (
            "changes[].{digest: artifact.digest, status: state}",
            {"changes": [{"artifact": of(1), "state": "passed"}, {"artifact": of(2), "state": "failed"}]},
        ),
        ("results[?suite == 'load']", {"results": [{**of(1), "suite": "load"}, {**of(2, "failed"), "suite": "load"}]}),
    ],
)
async def test_one_call_asks_about_many_and_a_digest_that_is_not_told_of_waits(
    client: ArtifactoryClient, service: Gateway, results: str, answer: Any
) -> None:
    service.rule("POST", "^/results$", does_work=False, reply=answering(answer))
    check = HttpCheck(
        conn_id="load", endpoint="results", method="POST", many=True, passed=PASSED, failed=FAILED, results=results
    )
    verdicts = await judge(client, check, service.origin, *map(subject, (1, 2, 3)))
    assert [verdict.state for verdict in verdicts] == [State.PASSED, State.FAILED, State.PENDING]
    assert verdicts[2].reason == "load does not tell of this digest yet."
    [seen] = service.requests
    listed = json.loads(seen.body)["subjects"]
    assert [one["digest"] for one in listed] == [subject(number).digest for number in (1, 2, 3)]
    assert listed[0] == {"repository": "docker-dev", "image": "team/app", "tag": "1", "digest": subject(1).digest}


@pytest.mark.parametrize(
    ("told", "state"),
    [
        (["passed", "passed"], State.PASSED),
        (["passed", "failed"], State.FAILED),
        (["failed", "passed"], State.FAILED),
        (["passed", "running"], State.PENDING),
        (["passed", "?"], State.PENDING),
    ],
)
async def test_of_a_digest_that_is_told_of_twice_the_worse_counts(
    client: ArtifactoryClient, service: Gateway, told: list[str], state: State
) -> None:
    service.rule("POST", "", does_work=False, reply=answering([of(1, status) for status in told]))
    [verdict] = await judge(client, MANY, service.origin)
    assert verdict.state is state


@pytest.mark.parametrize("results", ["length(@)", "missing", "length(missing)"])
async def test_an_answer_about_many_that_has_no_results_in_it_tells_of_none(
    client: ArtifactoryClient, service: Gateway, results: str
) -> None:
    service.rule("POST", "", does_work=False, reply=answering([of(1)]))
    check = HttpCheck(conn_id="load", endpoint="r", method="POST", many=True, passed=PASSED, results=results)
    [verdict] = await judge(client, check, service.origin)
    assert verdict.state is State.UNREADABLE


async def test_thousands_are_asked_about_in_a_few_calls(client: ArtifactoryClient, service: Gateway) -> None:
    service.rule("POST", "", does_work=False, reply=answering([of(number) for number in range(0, 1200, 2)]))
    verdicts = await judge(client, MANY, service.origin, *map(subject, range(1200)))
    assert [verdict.state for verdict in verdicts] == [State.PASSED, State.PENDING] * 600
    assert [len(json.loads(seen.body)["subjects"]) for seen in service.requests] == [500, 500, 200]


async def test_one_at_a_time_no_more_than_eight_are_under_way(client: ArtifactoryClient, service: Gateway) -> None:
    under_way: list[int] = []
    most = 0

    def begin() -> None:
        nonlocal most
        under_way.append(1)
        most = max(most, len(under_way))

    def end(_: Reply) -> Reply:
        under_way.pop()
        return answering({"status": "passed"})

    service.rule("GET", "", does_work=False, before=begin, pause=0.01, reply=end)
    verdicts = await judge(client, ONE, service.origin, *map(subject, range(40)))
    assert {verdict.state for verdict in verdicts} == {State.PASSED}
    assert 1 < most <= 8


def test_the_hook_reads_the_connection_and_asks(
    connect: Callable[..., None],
    sandbox: RunningSandbox,
    service: Gateway,
    image: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    fields = {
        "conn_type": "http",
        "host": service.origin,
        "login": "ci",
        "password": PASSWORD,
        "extra": {"X-Key": "k", "timeout": 3, "allow_redirects": True},
    }
    monkeypatch.setenv("AIRFLOW_CONN_LOAD", json.dumps(fields))
    service.rule("GET", f"/results/sha256%3A{digest.removeprefix('sha256:')}$", does_work=False, reply=answering(of(1)))
    hook, reference = ArtifactoryHook(), ImageReference("docker-dev", image, "1")
    found = hook.verify(reference, [ONE])
    assert (found.state, found.reference.digest) == (State.PASSED, digest)
    [seen] = service.requests
    assert seen.headers["Authorization"] == Basic("ci", PASSWORD).headers()["Authorization"]
    assert seen.headers["X-Key"] == "k"
    assert "timeout" not in seen.headers
    other = HttpCheck(conn_id="nowhere", endpoint="{digest}", passed=PASSED)
    with pytest.raises(Exception, match="There is no connection 'nowhere': make it, of type HTTP"):
        hook.verify(reference, [ONE, other])


async def test_a_verdict_counts_only_while_the_tag_shows_the_digest_that_it_is_about(
    client: ArtifactoryClient, sandbox: RunningSandbox, service: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", content="before")
    move = lambda: sandbox.push_image(f"docker-dev/{image}:1", content="after")  # noqa: E731 - a name for it
    service.rule("GET", "", does_work=False, before=move, reply=answering({"status": "passed"}))

    async def reach(_conn_id: str) -> HttpService:
        await asyncio.sleep(0)
        return HttpService(base_url=service.origin, authentication=Bearer("token"))

    found = await verify(client, ImageReference("docker-dev", image, "1"), [ONE], connect=reach)
    assert found.state is State.SUPERSEDED
