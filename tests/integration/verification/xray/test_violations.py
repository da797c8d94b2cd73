"""No violation of a watch or a policy: where something looks for one, and at the place of that very digest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.gateway import Reply
from tests.integration.verification.xray.asking_xray import (
    CONFIG,
    GUARDED,
    SUMMARY,
    VIOLATIONS,
    WATCHES,
    ask,
    bodies,
    issue,
    look_at,
    violation,
)

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.verification import State, XrayCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.fixture(scope="module")
def sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    """A sandbox whose Xray has watches."""
    return artifactory_sandbox_factory(CONFIG)


WATCHED: list[tuple[dict[str, Any], list[dict[str, Any]], State]] = [
    ({"watch": "prod"}, [], State.PASSED),
    ({"watch": "prod"}, [violation("XRAY-1")], State.FAILED),
    ({"watch": "prod"}, [violation("XRAY-1", severity="Low")], State.FAILED),
    ({"watch": "prod"}, [violation("XRAY-1", watch="other")], State.PASSED),
    ({"watch": "prod", "policy": "no-high"}, [violation("XRAY-1")], State.FAILED),
    ({"watch": "prod", "policy": "no-high"}, [violation("GPL-3.0", policy="licenses")], State.PASSED),
    ({"policy": "no-high"}, [violation("XRAY-1", watch="other")], State.FAILED),
    ({"policy": "no-high"}, [violation("XRAY-1", policy="licenses")], State.PASSED),
    ({"policy": "no-high"}, [violation("XRAY-1", matched_policies=[])], State.FAILED),
    ({"policy": "no-high"}, [violation("XRAY-1", matched_policies="no-high")], State.FAILED),
]


@pytest.mark.parametrize(("fields", "violations", "state"), WATCHED)
async def test_a_violation_of_the_watch_or_of_the_policy_fails(
    client: ArtifactoryClient,
    sandbox: RunningSandbox,
    image: str,
    fields: dict[str, Any],
    violations: list[dict[str, Any]],
    state: State,
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.add_finding(digest, violations=violations, issues=[issue("XRAY-9", "Critical")])
    verdict = await ask(client, image, XrayCheck(severity=None, **fields))
    assert verdict.state is state
    assert all(name in verdict.reason for name in fields.values())


async def test_severity_and_watch_are_asked_together_and_either_fails(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    check = XrayCheck(watch="prod")
    for issues, violations, state in (
        ([], [], State.PASSED),
        ([issue("XRAY-1")], [], State.FAILED),
        ([], [violation("XRAY-1")], State.FAILED),
    ):
        sandbox.add_finding(digest, issues=issues, violations=violations)
        assert (await ask(client, image, check)).state is state


async def test_an_exception_covers_a_violation_by_its_vulnerability_or_its_issue(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.add_finding(digest, violations=[violation("XRAY-1", properties=[{"cve": "CVE-2024-0001"}])])
    for name, state in (("CVE-2024-0001", State.PASSED), ("XRAY-1", State.PASSED), ("XRAY-2", State.FAILED)):
        entry = {"id": name, "owner": "security", "expires": "2999-01-01"}
        verdict = await ask(client, image, XrayCheck(severity=None, watch="prod", exceptions=(entry,)))
        assert verdict.state is state
        assert ("Excepted: " in verdict.reason) is (state is State.PASSED)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"watch": "misspelt"}, "There is no watch 'misspelt'"),
        ({"watch": "off"}, "'off' is switched off, or does not watch 'docker-dev'"),
        ({"watch": "elsewhere"}, "'elsewhere' is switched off, or does not watch 'docker-dev'"),
        ({"watch": "prod", "policy": "misspelt"}, "applies the policy 'misspelt'"),
        ({"policy": "unused"}, "applies the policy 'unused'"),
    ],
)
async def test_a_watch_that_watches_nothing_here_is_no_pass(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, fields: dict[str, Any], words: str
) -> None:
    sandbox.add_finding(sandbox.push_image(f"docker-dev/{image}:1"))
    verdict = await ask(client, image, XrayCheck(severity=None, **fields))
    assert (verdict.state, verdict.value) == (State.UNREADABLE, "no watch")
    assert words in verdict.reason


async def test_who_may_not_see_the_watches_says_so_himself(
    settings: Callable[..., Any], sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.add_finding(digest)
    trusting = XrayCheck(severity=None, watch="prod", check_watch=False)
    async with ArtifactoryClient(settings(username="reader")) as client:
        verdict = await ask(client, image, GUARDED)
        assert verdict.state is State.UNREADABLE
        assert "Manage Watches" in verdict.reason
        assert "check_watch" in verdict.reason
        gateway.requests.clear()
        assert (await ask(client, image, trusting)).state is State.PASSED
        assert gateway.count("GET", WATCHES) == 0
        sandbox.add_finding(digest, violations=[violation("XRAY-1")])
        assert (await ask(client, image, trusting)).state is State.FAILED


@pytest.mark.parametrize(
    ("part", "state"),
    [
        ("DONE", State.PASSED),
        ("NOT_SCANNED", State.PENDING),
        ("FAILED", State.UNREADABLE),
        ("NOT_SUPPORTED", State.UNREADABLE),
    ],
)
async def test_violations_that_xray_has_not_looked_for_yet_are_not_absent(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, part: str, state: State
) -> None:
    sandbox.add_finding(sandbox.push_image(f"docker-dev/{image}:1"), parts={"violations": part})
    assert (await ask(client, image, GUARDED)).state is state


async def test_for_violations_the_very_digest_has_to_be_scanned_at_its_own_place(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    """Violations belong to a path: until Xray knows the digest there, they are those of what was there before."""
    digest = sandbox.push_image(f"docker-dev/{image}:1", content=image)
    sandbox.push_image(f"docker-qa/{image}:1", content=image)
    sandbox.add_finding(f"docker-qa/{image}/**")
    assert (await ask(client, image, GUARDED)).state is State.PENDING
    sandbox.add_finding(digest)
    assert (await ask(client, image, GUARDED)).state is State.PASSED

    def stale(reply: Reply) -> Reply:
        return Reply(reply.status, reply.body.replace(digest[7:].encode(), b"a" * 64), reply.headers)

    gateway.rule("POST", SUMMARY, reply=stale)
    verdict = await ask(client, image, GUARDED)
    assert verdict.state is State.PENDING
    assert "Xray knows only what was at" in verdict.reason


async def test_violations_are_asked_for_with_a_watch_a_moment_and_the_artifacts_always(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.add_finding(sandbox.push_image(f"docker-dev/{image}:1"))
    for check, watch in ((GUARDED, "prod"), (XrayCheck(severity=None, policy="no-high"), None)):
        gateway.requests.clear()
        await ask(client, image, check)
        [body] = bodies(gateway, VIOLATIONS)
        assert body["filters"].get("watch_name") == watch
        assert body["filters"]["created_from"] == "2016-01-01T00:00:00Z"
        assert body["filters"]["resources"]["artifacts"] == [{"repo": "docker-dev", "path": f"{image}/1/manifest.json"}]


async def test_an_xray_that_tells_of_violations_without_end_is_not_waited_for_without_end(
    settings: Callable[..., Any], sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.add_finding(sandbox.push_image(f"docker-dev/{image}:1"))
    gateway.rule("POST", VIOLATIONS, ending="never", does_work=False)
    async with ArtifactoryClient(settings(timeout=0.5)) as client:
        assert (await ask(client, image, GUARDED)).state is State.PENDING
    assert gateway.count("POST", VIOLATIONS) == 1


PLACED = {"issue_id": "XRAY-1", "severity": "High", "watch_name": "prod", "properties": []}


def placed(*artifacts: Any) -> Reply:
    return violations({**PLACED, "impacted_artifacts": list(artifacts)})


def violations(*listed: Any, total: Any = None) -> Reply:
    body = {"total_violations": len(listed) if total is None else total, "violations": list(listed)}
    return Reply(200, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("reply", "state", "words"),
    [
        (violations(total=0), State.PASSED, "No violation"),
        (Reply(200, b'{"total_violations": 0, "violations": null}'), State.PASSED, "No violation"),
        (Reply(200, b'{"violations": []}'), State.UNREADABLE, "instead of a list of violations"),
        (violations(total="0"), State.UNREADABLE, "instead of a list of violations"),
        (violations(total=True), State.UNREADABLE, "instead of a list of violations"),
        (violations(total=-1), State.UNREADABLE, "instead of a list of violations"),
        (violations(PLACED, total=0), State.UNREADABLE, "instead of a list of violations"),
        (violations(None), State.UNREADABLE, "instead of a list of violations"),
        (Reply(200, b'{"total_violations": 0, "violations": {}}'), State.UNREADABLE, "instead of a list"),
        (violations(total=3), State.UNREADABLE, "lists 0 of 3 violations"),
        (violations(PLACED), State.FAILED, "1 violation: XRAY-1 (High)"),
        (violations({}), State.FAILED, "an issue without a name"),
        (violations({**PLACED, "watch_name": "other"}), State.PASSED, "No violation"),
        (violations({**PLACED, "impacted_artifacts": "docker-dev"}), State.FAILED, "XRAY-1"),
        (placed(None), State.FAILED, "XRAY-1"),
        (placed("default/docker-dev/else/1/"), State.UNREADABLE, "3.88.10"),
        (violations({**PLACED, "impact_artifacts": ["default/docker-dev/else/1/"]}), State.UNREADABLE, "3.88.10"),
        (placed({"path": "default/x/else/1/"}), State.UNREADABLE, "3.88.10"),
        (placed("default/docker-dev/IMAGE/1/"), State.FAILED, "XRAY-1"),
        (
            placed("art/docker-dev/IMAGE/1/manifest.json"),
            State.FAILED,
            "XRAY-1",
        ),
        (placed("default/IMAGE/1"), State.FAILED, "XRAY-1"),
        (
            placed({"path": "default/docker-dev/IMAGE/1/"}),
            State.FAILED,
            "XRAY-1",
        ),
        (violations(PLACED, total=5000), State.FAILED, "XRAY-1"),
    ],
)
async def test_violations_count_unless_they_are_surely_those_of_something_else(
    client: ArtifactoryClient,
    sandbox: RunningSandbox,
    gateway: Gateway,
    image: str,
    reply: Reply,
    state: State,
    words: str,
) -> None:
    sandbox.add_finding(sandbox.push_image(f"docker-dev/{image}:1"))
    body = reply.body.replace(b"IMAGE", image.encode())
    gateway.rule("POST", VIOLATIONS, reply=Reply(200, body), does_work=False)
    [found] = await look_at(client, GUARDED, [image])
    assert found.state is state
    assert words in found.reason


async def test_violations_that_name_no_place_are_asked_for_image_by_image(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    images = [f"{image}-{number}" for number in range(4)]
    digests = [sandbox.push_image(f"docker-dev/{name}:1") for name in images]
    for number, digest in enumerate(digests):
        told = {"issue_id": "XRAY-1", "severity": "High", "watch_name": "prod"}
        sandbox.add_finding(digest, violations=[told] if number == 2 else [])

    def hide_places(reply: Reply) -> Reply:
        answer = json.loads(reply.body)
        for one in answer["violations"]:
            del one["impacted_artifacts"]
        return Reply(reply.status, json.dumps(answer).encode(), reply.headers)

    gateway.rule("POST", VIOLATIONS, reply=hide_places)
    found = await look_at(client, GUARDED, images)
    assert [one.state for one in found] == [State.PASSED, State.PASSED, State.FAILED, State.PASSED]
