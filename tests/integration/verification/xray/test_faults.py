"""Whatever Xray does instead of answering is a verdict with a reason: no pass, and no end of the others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.gateway import Reply, html
from tests.integration.verification.xray.asking_xray import (
    CHECK,
    CONFIG,
    GUARDED,
    STATUS,
    SUMMARY,
    VIOLATIONS,
    WATCHES,
    look_at,
)

from artifactory_provider.verification import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

OTHER = "b" * 64


@pytest.fixture(scope="module")
def sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    """A sandbox whose Xray has watches."""
    return artifactory_sandbox_factory(CONFIG)


@pytest.fixture
def digest(sandbox: RunningSandbox, image: str) -> str:
    """An image that passes."""
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.add_finding(digest)
    return digest


def change(edit: Callable[[Any], Any]) -> Callable[[Reply], Reply]:
    """Return what changes the JSON of an answer on its way."""

    def apply(reply: Reply) -> Reply:
        document = json.loads(reply.body)
        edited = edit(document)
        return Reply(reply.status, json.dumps(document if edited is None else edited).encode(), reply.headers)

    return apply


def artifact(**general: Any) -> Callable[[Any], Any]:
    """Return what changes what a summary says of its first artifact."""
    return lambda document: document["artifacts"][0]["general"].update(general)


EVERYWHERE = {
    "absent": (Reply(404, b"404 page not found"), {State.UNREADABLE}),
    "forbidden": (Reply(403, b'{"error": "Forbidden"}'), {State.UNREADABLE}),
    "failing": (Reply(500, b'{"error": "Internal server error"}'), {State.PENDING}),
    "overloaded": (Reply(429), {State.PENDING}),
    "restarting": (html(503, "Service unavailable"), {State.PENDING}),
    "unauthorized": (Reply(401), {State.UNREADABLE}),
    "login page": (html(), {State.UNREADABLE}),
    "html 404": (html(404, "Not found"), {State.UNREADABLE}),
    "redirect": (Reply(302, headers={"Location": "https://login.example.com/"}), {State.UNREADABLE}),
    "empty": (Reply(200), {State.UNREADABLE}),
    "null": (Reply(200, b"null"), {State.UNREADABLE}),
    "number": (Reply(200, b"1"), {State.UNREADABLE}),
    "list": (Reply(200, b"[1, null, {}, []]"), {State.UNREADABLE}),
    "object": (Reply(200, b'{"": {}}'), {State.UNREADABLE}),
    "garbage": (Reply(200, b"\x00\xff\xfe garbage"), {State.UNREADABLE}),
    "truncated": (Reply(200, b'{"artifacts": [{"general": {"sha2'), {State.UNREADABLE}),
    "nested": (Reply(200, b"[" * 200_000), {State.UNREADABLE}),
    "huge": (Reply(200, b'{"artifacts": [], "errors": [], "x": "' + b"x" * 10_000_000 + b'"}'), {State.UNREADABLE}),
}


@pytest.mark.parametrize("fault", EVERYWHERE)
@pytest.mark.parametrize("endpoint", [SUMMARY, STATUS, VIOLATIONS, WATCHES])
@pytest.mark.usefixtures("digest")
async def test_whatever_comes_instead_of_an_answer_is_no_pass(
    client: ArtifactoryClient, gateway: Gateway, image: str, fault: str, endpoint: str
) -> None:
    reply, states = EVERYWHERE[fault]
    [fine] = await look_at(client, GUARDED, [image])
    assert fine.state is State.PASSED
    gateway.rule("*", endpoint, reply=reply, does_work=False)
    [found] = await look_at(client, GUARDED, [image])
    assert found.state in states


@pytest.mark.parametrize("endpoint", [SUMMARY, STATUS, VIOLATIONS, WATCHES])
@pytest.mark.parametrize("ending", ["reset", "cut"])
@pytest.mark.usefixtures("digest")
async def test_an_answer_that_breaks_off_is_waited_for_again(
    client: ArtifactoryClient, gateway: Gateway, image: str, endpoint: str, ending: Any
) -> None:
    gateway.rule("*", endpoint, ending=ending)
    [found] = await look_at(client, GUARDED, [image])
    assert found.state is State.PENDING


async def test_without_xray_the_reason_says_what_to_check(
    client: ArtifactoryClient, gateway: Gateway, image: str, digest: str
) -> None:
    gateway.rule("POST", "/xray/", reply=Reply(404, b"404 page not found"), does_work=False)
    [found] = await look_at(client, CHECK, [image])
    assert digest == found.reference.digest
    assert "There is no Xray here: POST /xray/api/v1/summary/artifact answered 404." in found.reason


@pytest.mark.parametrize(
    ("edit", "state", "words"),
    [
        (artifact(sha256=OTHER), State.UNREADABLE, "tells of bbbbbbbb…"),
        (artifact(sha256=None), State.UNREADABLE, "cannot be read"),
        (artifact(sha256="xyz"), State.UNREADABLE, "cannot be read"),
        (artifact(path=None), State.UNREADABLE, "cannot be read"),
        (artifact(path="docker-dev"), State.UNREADABLE, "cannot be read"),
        (lambda answer: answer["artifacts"].clear(), State.PENDING, "does not mention"),
        (lambda _: {"artifacts": None, "errors": None}, State.PENDING, "does not mention"),
        (lambda answer: answer["artifacts"][0].pop("issues"), State.UNREADABLE, "cannot be read"),
        (lambda answer: answer["artifacts"][0].update(issues="none"), State.UNREADABLE, "cannot be read"),
        (lambda answer: answer["artifacts"][0].update(issues=[None]), State.UNREADABLE, "cannot be read"),
        (
            lambda answer: answer["artifacts"][0].update(issues=[{}]),
            State.FAILED,
            "an issue without a name (no",
        ),
        (lambda answer: answer["artifacts"][0].update(issues=[{"severity": ["Low"]}]), State.FAILED, "(no severity)"),
        (lambda answer: answer["artifacts"][0].pop("general"), State.UNREADABLE, "cannot be read"),
        (lambda answer: answer["artifacts"].insert(0, None), State.PASSED, "done"),
        (lambda answer: answer["artifacts"][0].update(issues=None), State.PASSED, "done"),
        (lambda answer: answer.pop("errors") and None, State.PASSED, "done"),
        (lambda answer: answer.update(artifacts={}), State.UNREADABLE, "instead of a summary"),
        (lambda answer: answer.update(artifacts={"a": 1}), State.UNREADABLE, "instead of a summary"),
        (lambda answer: answer.update(errors="none"), State.UNREADABLE, "instead of a summary"),
        (lambda _: {"error": "no"}, State.UNREADABLE, "instead of a summary"),
    ],
)
@pytest.mark.usefixtures("digest")
async def test_a_summary_that_is_not_about_the_digest_or_not_as_documented_is_no_pass(
    client: ArtifactoryClient,
    gateway: Gateway,
    image: str,
    edit: Callable[[Any], Any],
    state: State,
    words: str,
) -> None:
    gateway.rule("POST", SUMMARY, reply=change(lambda answer: _kept(edit(answer))))
    gateway.rule("POST", STATUS, reply=Reply(404), does_work=False) if state is State.PENDING else None
    [found] = await look_at(client, CHECK, [image])
    assert found.state is state
    assert words in found.reason


def _kept(edited: Any) -> Any:
    """Return what an edit wants to be sent instead; most change the document itself, and return what is no document."""
    return edited if isinstance(edited, dict) and ({"artifacts", "error"} & set(edited)) else None


@pytest.mark.usefixtures("digest")
async def test_a_digest_is_the_same_in_capital_letters(client: ArtifactoryClient, gateway: Gateway, image: str) -> None:
    def shout(answer: Any) -> None:
        general = answer["artifacts"][0]["general"]
        general["sha256"] = general["sha256"].upper()

    gateway.rule("POST", SUMMARY, reply=change(shout))
    [found] = await look_at(client, CHECK, [image])
    assert found.state is State.PASSED


async def test_two_things_told_of_one_digest_are_no_evidence(
    client: ArtifactoryClient, gateway: Gateway, image: str, digest: str
) -> None:
    def twice(issues: list[Any]) -> Callable[[Any], Any]:
        def edit(answer: Any) -> None:
            answer["artifacts"].append({**answer["artifacts"][0], "issues": issues})

        return edit

    def also_missing(answer: Any) -> None:
        answer["errors"].append({"identifier": digest[7:], "error": "not indexed"})

    low = [{"issue_id": "XRAY-1", "severity": "Low", "cves": []}]
    for edit, state in (
        (twice([]), State.PASSED),
        (twice(low), State.UNREADABLE),
        (twice([None]), State.UNREADABLE),
        (also_missing, State.UNREADABLE),
    ):
        gateway.forget_rules()
        gateway.rule("POST", SUMMARY, reply=change(edit))
        [found] = await look_at(client, CHECK, [image])
        assert found.state is state


async def test_many_are_told_by_their_digests_and_not_by_the_order_of_the_answer(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    images = [f"{image}-{number}" for number in range(5)]
    digests = [sandbox.push_image(f"docker-dev/{name}:1") for name in images]
    for number, digest in enumerate(digests):
        bad = [{"issue_id": f"XRAY-{number}", "severity": "High", "cves": []}]
        sandbox.add_finding(digest, issues=bad if number % 2 else [])
    gateway.rule("POST", SUMMARY, reply=change(lambda answer: answer["artifacts"].reverse()))
    found = await look_at(client, CHECK, images)
    assert [one.state for one in found] == [State.FAILED if number % 2 else State.PASSED for number in range(5)]
    assert "XRAY-3" in found[3].reason


@pytest.mark.parametrize(
    ("edit", "state"),
    [
        (lambda answer: answer.pop("overall"), State.UNREADABLE),
        (lambda answer: answer["overall"].update(status=None), State.UNREADABLE),
        (lambda answer: answer["overall"].update(status="QUEUED"), State.UNREADABLE),
        (lambda answer: answer["overall"].update(status="done"), State.UNREADABLE),
        (lambda answer: answer["overall"].update(status="PENDING"), State.PENDING),
        (lambda answer: answer.pop("details"), State.UNREADABLE),
        (lambda answer: answer["details"].pop("sca"), State.UNREADABLE),
        (lambda answer: answer["details"].update(sca="DONE"), State.UNREADABLE),
        (lambda answer: answer["details"].update(sca={"status": 1}), State.UNREADABLE),
        (lambda answer: answer["overall"].update(time="yesterday"), State.PASSED),
        (lambda answer: answer["overall"].update(time=None), State.PASSED),
    ],
)
@pytest.mark.usefixtures("digest")
async def test_a_status_that_is_not_as_documented_is_no_pass(
    client: ArtifactoryClient, gateway: Gateway, image: str, edit: Callable[[Any], Any], state: State
) -> None:
    gateway.rule("POST", STATUS, reply=change(lambda answer: edit(answer) and None))
    [found] = await look_at(client, CHECK, [image])
    assert found.state is state


@pytest.mark.usefixtures("digest")
async def test_an_xray_that_tells_no_status_is_no_pass(client: ArtifactoryClient, gateway: Gateway, image: str) -> None:
    gateway.rule("POST", STATUS, reply=Reply(404, b'{"error": "not found"}'), does_work=False)
    [found] = await look_at(client, CHECK, [image])
    assert (found.state, found.verdicts[0][1].value) == (State.UNREADABLE, "no status")
    assert "3.80.9" in found.reason


@pytest.mark.parametrize(
    "edit",
    [
        lambda watches: watches.clear(),
        lambda watches: watches[0]["general_data"].update(active="true"),
        lambda watches: watches[0].pop("general_data"),
        lambda watches: watches[0].pop("project_resources"),
        lambda watches: watches[0]["project_resources"].update(resources=None),
        lambda watches: watches[0]["project_resources"].update(resources=[{"type": "all-builds"}, "all-repos"]),
        lambda watches: watches[0]["general_data"].update(name=1),
    ],
)
@pytest.mark.usefixtures("digest")
async def test_a_watch_that_cannot_be_read_watches_nothing(
    client: ArtifactoryClient, gateway: Gateway, image: str, edit: Callable[[Any], Any]
) -> None:
    gateway.rule("GET", WATCHES, reply=change(lambda answer: edit(answer) and None))
    [found] = await look_at(client, GUARDED, [image])
    assert (found.state, found.verdicts[0][1].value) == (State.UNREADABLE, "no watch")


BAD: dict[str, Reply] = {
    "refused": Reply(400, b'{"error": "bad"}'),
    "failing": Reply(500, b'{"error": "bad"}'),
    "garbage": Reply(200, b'{"artifacts": [{'),
    "forbidden": Reply(403),
    "huge": Reply(200, b'{"artifacts": [], "x": "' + b"x" * 9_000_000 + b'"}'),
}


@pytest.mark.parametrize("fault", BAD)
async def test_one_image_that_spoils_the_answer_for_many_spoils_it_for_itself_alone(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, fault: str
) -> None:
    images = [f"{image}-{number}" for number in range(20)]
    digests = [sandbox.push_image(f"docker-dev/{name}:1") for name in images]
    for digest in digests:
        sandbox.add_finding(digest)
    bad = digests[13][7:].encode()
    gateway.rule("POST", SUMMARY, reply=BAD[fault], does_work=False, fits=lambda seen: bad in seen.body)
    found = await look_at(client, CHECK, images)
    expected = State.PENDING if fault == "failing" else State.UNREADABLE
    assert [one.state for one in found] == [expected if number == 13 else State.PASSED for number in range(20)]


async def test_one_image_whose_status_or_violations_cannot_be_had_spoils_them_for_itself_alone(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    images = [f"{image}-{number}" for number in range(6)]
    for name in images:
        sandbox.add_finding(sandbox.push_image(f"docker-dev/{name}:1"))
    for endpoint in (STATUS, VIOLATIONS):
        gateway.forget_rules()
        gateway.rule(
            "POST", endpoint, reply=html(), does_work=False, fits=lambda seen: f"{image}-4/".encode() in seen.body
        )
        found = await look_at(client, GUARDED, images)
        assert [one.state for one in found] == [
            State.UNREADABLE if number == 4 else State.PASSED for number in range(6)
        ]


async def test_an_xray_that_fails_for_all_is_not_asked_about_each(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    images = [f"{image}-{number}" for number in range(40)]
    for name in images:
        sandbox.push_image(f"docker-dev/{name}:1")
    for reply, most in ((Reply(404), 7), (Reply(500), 7 * 3), (Reply(503), 3), (Reply(401), 1)):
        gateway.forget_rules()
        gateway.requests.clear()
        gateway.rule("POST", "/xray/", reply=reply, does_work=False)
        found = await look_at(client, CHECK, images)
        assert State.PASSED not in {one.state for one in found}
        assert gateway.count("POST", "/xray/") <= most
