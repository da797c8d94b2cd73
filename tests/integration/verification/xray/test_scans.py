"""What becomes of an image by what Xray says of its digest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.integration.verification.xray.asking_xray import (
    CHECK,
    CONFIG,
    GUARDED,
    STATUS,
    SUMMARY,
    VIOLATIONS,
    ask,
    bodies,
    dev,
    issue,
    look_at,
)

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.verification import State, XrayCheck, verify_many

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.fixture(scope="module")
def sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    """A sandbox whose Xray has watches."""
    return artifactory_sandbox_factory(CONFIG)


@pytest.mark.parametrize(
    ("status", "state", "words"),
    [
        ("DONE", State.PASSED, "scan is done, with nothing at or above High"),
        ("NOT_SCANNED", State.PENDING, "no summary of .* NOT_SCANNED"),
        ("PENDING", State.PENDING, "no summary of .* PENDING"),
        ("SCANNING", State.PENDING, r"not done \(overall SCANNING, sca SCANNING\): its end is waited for"),
        ("FAILED", State.UNREADABLE, "no result that counts .* See in Xray why the scan has failed"),
        ("PARTIAL", State.UNREADABLE, "no result that counts .* which part was not scanned"),
        ("NOT_SUPPORTED", State.UNREADABLE, "Xray cannot scan this kind of artifact"),
    ],
)
async def test_only_a_scan_that_is_done_passes(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, status: str, state: State, words: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.add_finding(digest, status=status)
    verdict = await ask(client, image)
    assert verdict.state is state
    assert re.search(words, verdict.reason), verdict.reason
    assert (verdict.since is not None) == (status not in {"NOT_SCANNED", "PENDING", "NOT_SUPPORTED"})


async def test_an_image_that_xray_was_never_told_of_is_waited_for(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    verdict = await ask(client, image)
    assert (verdict.state, verdict.value) == (State.PENDING, "NOT_SCANNED")
    assert "not indexed/cached in Xray" in verdict.reason


@pytest.mark.parametrize(
    ("parts", "state"),
    [
        ({}, State.PASSED),
        ({"sca": "SCANNING"}, State.PENDING),
        ({"sca": "FAILED"}, State.UNREADABLE),
        ({"exposures": "PENDING"}, State.PASSED),
        ({"violations": "PENDING"}, State.PASSED),
    ],
)
async def test_the_part_that_finds_vulnerabilities_has_to_be_done_too(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, parts: dict[str, str], state: State
) -> None:
    sandbox.add_finding(sandbox.push_image(f"docker-dev/{image}:1"), parts=parts)
    assert (await ask(client, image)).state is state


@pytest.mark.parametrize("limit", ["Unknown", "Information", "Low", "Medium", "High", "Critical"])
async def test_what_is_at_or_above_the_severity_fails_and_what_is_below_passes(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, limit: str
) -> None:
    order = ["Unknown", "Information", "Low", "Medium", "High", "Critical"]
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    for severity in order:
        sandbox.add_finding(digest, issues=[issue("XRAY-1", severity)])
        verdict = await ask(client, image, XrayCheck(severity=limit))
        fails = order.index(severity) >= order.index(limit)
        assert verdict.state is (State.FAILED if fails else State.PASSED), severity
        assert ("XRAY-1" in verdict.reason) is fails


@pytest.mark.parametrize("severity", ["Major", "high", "", None, "Scanned - No Issues"])
async def test_a_severity_that_is_no_word_of_xrays_counts_as_the_worst(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, severity: str | None
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.add_finding(digest, issues=[issue("XRAY-1", severity)])
    assert (await ask(client, image, XrayCheck(severity="Critical"))).state is State.FAILED


async def test_the_worst_findings_are_named_and_the_others_counted(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    many = [issue(f"XRAY-{number}", cve=f"CVE-2024-{number:04}") for number in range(1, 300)]
    worst = [issue("XRAY-0", "Critical"), issue("a\nb" * 400, "Critical"), issue("low", "Low")]
    sandbox.add_finding(sandbox.push_image(f"docker-dev/{image}:1"), issues=[*many, *worst])
    verdict = await ask(client, image)
    assert (verdict.state, verdict.value) == (State.FAILED, "301 findings")
    assert "XRAY-0 (Critical)" in verdict.reason
    assert "CVE-2024-0001 (High)" in verdict.reason
    assert "and 297 more" in verdict.reason
    assert "low" not in verdict.reason


async def test_an_exception_covers_its_finding_until_its_last_day_and_the_verdict_names_it(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.add_finding(digest, issues=[issue("XRAY-1", cve="CVE-2024-0001"), issue("XRAY-2")])

    def check(*entries: tuple[str, str]) -> XrayCheck:
        given = [{"id": name, "owner": "security", "expires": day} for name, day in entries]
        return XrayCheck(exceptions=tuple(given))

    verdict = await ask(client, image, check(("cve-2024-0001", "2999-01-01"), ("XRAY-2", "2999-01-01")))
    assert verdict.state is State.PASSED
    assert "Excepted: cve-2024-0001 (of security, until 2999-01-01), XRAY-2 (of security" in verdict.reason
    verdict = await ask(client, image, check(("CVE-2024-0001", "2020-01-01"), ("XRAY-2", "2999-01-01")))
    assert (verdict.state, verdict.value) == (State.FAILED, "1 finding")
    assert "CVE-2024-0001 (High)" in verdict.reason
    assert "Expired is the exception for CVE-2024-0001 (of security, until 2020-01-01)." in verdict.reason
    verdict = await ask(client, image, check(("XRAY-2", "2999-01-01")))
    assert (verdict.state, verdict.value) == (State.FAILED, "1 finding")
    assert "Expired" not in verdict.reason


async def test_the_evidence_is_about_the_digest_wherever_it_was_scanned(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", content=image)
    sandbox.push_image(f"docker-qa/{image}:1", content=image)
    sandbox.add_finding(f"docker-qa/{image}/**")
    assert (await ask(client, image)).state is State.PASSED
    sandbox.add_finding(f"docker-qa/{image}/**", status="SCANNING")
    assert (await ask(client, image)).state is State.PENDING


async def test_a_scan_of_what_the_tag_showed_before_counts_for_nothing(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    before = sandbox.push_image(f"docker-dev/{image}:1", content="before")
    sandbox.add_finding(before)
    assert (await ask(client, image)).state is State.PASSED
    sandbox.push_image(f"docker-dev/{image}:1", content=f"after {image}")
    assert (await ask(client, image)).state is State.PENDING


async def test_five_hundred_images_that_wait_cost_few_requests(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    gateway.is_quick = True
    references = [dev(image, f"t{number}") for number in range(500)]
    digests = [sandbox.push_image(f"docker-dev/{image}:{reference.tag}") for reference in references]
    for check in (CHECK, GUARDED):
        gateway.requests.clear()
        found = await look_at(client, check, references)
        assert {one.state for one in found} == {State.PENDING}
        assert len(bodies(gateway, SUMMARY)) == 10
        assert len(gateway.requests) <= 15
    for digest in digests[:3]:
        sandbox.add_finding(digest)
    sandbox.add_finding(digests[3], issues=[issue("XRAY-1")])
    gateway.requests.clear()
    found = await look_at(client, CHECK, references)
    expected = [State.PASSED] * 3 + [State.FAILED] + [State.PENDING] * 496
    assert [one.state for one in found] == expected
    assert len(bodies(gateway, STATUS)) == 3
    gateway.requests.clear()
    found = await look_at(client, XrayCheck(watch="prod"), references)
    assert [one.state for one in found] == expected
    assert (len(bodies(gateway, STATUS)), len(bodies(gateway, VIOLATIONS))) == (3, 1)


async def test_several_checks_of_one_look_share_what_xray_answers(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.add_finding(sandbox.push_image(f"docker-dev/{image}:1"))
    checks = [XrayCheck(severity="High"), XrayCheck(severity="Low")]
    async with Ledger(client) as ledger:
        [found] = await verify_many(ledger, [dev(image)], checks)
    assert found.state is State.PASSED
    assert (len(bodies(gateway, SUMMARY)), len(bodies(gateway, STATUS))) == (1, 1)


async def test_it_needs_no_more_than_read(settings: Callable[..., Any], sandbox: RunningSandbox, image: str) -> None:
    sandbox.add_finding(sandbox.push_image(f"docker-dev/{image}:1"))
    async with ArtifactoryClient(settings(username="reader")) as client:
        assert (await ask(client, image)).state is State.PASSED
