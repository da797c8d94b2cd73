"""What becomes of an image by what Xray says of it, and by what Xray does instead of saying something."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.integration.conftest import PASSWORD
from tests.integration.gateway import Reply, html

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.manifests import OCI_INDEX, OCI_MANIFEST
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.verification import State, Verdict, Verification, XrayCheck, verify_many

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

SUMMARY, STATUS, VIOLATIONS, WATCHES = "/summary/artifact", "/artifact/status", "/v1/violations", "/v2/watches"
PLATFORMS = ("linux/amd64", "linux/arm64")
CHECK = XrayCheck()
GUARDED = XrayCheck(severity=None, watch="prod")


@pytest.fixture(scope="module")
def sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    """A sandbox whose Xray has watches."""
    watches = {
        "prod": {"repositories": ["docker-dev"], "policies": ["no-high", "licenses"]},
        "off": {"active": False},
        "elsewhere": {"repositories": ["docker-prod"], "policies": ["unused"]},
    }
    users = {"admin": {"password": PASSWORD, "admin": True}, "reader": {"password": PASSWORD}}
    permissions = [{"repositories": ["docker-dev"], "users": {"reader": ["read"]}}]
    return artifactory_sandbox_factory({"xray": {"watches": watches}, "users": users, "permissions": permissions})


def dev(image: str, tag: str = "1") -> ImageReference:
    return ImageReference("docker-dev", image, tag)


def issue(name: str, severity: str | None = "High", *, cve: str | None = None) -> dict[str, Any]:
    return {"issue_id": name, "severity": severity, "cves": [{"cve": cve}] if cve else []}


def violation(name: str, *, watch: str = "prod", policy: str = "no-high", **fields: Any) -> dict[str, Any]:
    return {**issue(name), "watch_name": watch, "matched_policies": [{"policy": policy}], **fields}


async def look_at(
    client: ArtifactoryClient, check: XrayCheck, references: Sequence[ImageReference]
) -> list[Verification]:
    async with Ledger(client) as ledger:
        return await verify_many(ledger, references, [check])


async def ask(client: ArtifactoryClient, image: str, check: XrayCheck = CHECK) -> Verdict:
    [found] = await look_at(client, check, [dev(image)])
    [(name, verdict)] = found.verdicts
    assert (name, found.state) == (check.name, verdict.state)
    assert verdict.reason.isprintable()
    assert 0 < len(verdict.reason) <= 600
    return verdict


def asked(gateway: Gateway, path: str) -> list[Any]:
    return [json.loads(seen.body) for seen in gateway.requests if path in seen.path and seen.method == "POST"]


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


@pytest.mark.parametrize("scanned", [(), (0,), (0, 1), (0, 1, 2), (1, 2)])
async def test_an_index_passes_when_it_and_every_manifest_in_it_are_scanned(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, scanned: tuple[int, ...]
) -> None:
    index = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    manifest = await client.manifest(dev(image))
    parts = (index, *manifest.children)
    assert len(parts) == 3
    for number in scanned:
        sandbox.add_finding(parts[number])
    assert (await ask(client, image)).state is (State.PASSED if len(scanned) == 3 else State.PENDING)
    alone = await ask(client, image, XrayCheck(platforms_only=True))
    assert alone.state is (State.PASSED if {1, 2} <= set(scanned) else State.PENDING)


async def test_a_finding_in_one_manifest_of_an_index_fails_it_and_is_told_with_its_digest(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    index = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    first, second = (await client.manifest(dev(image))).children
    for digest in (index, first):
        sandbox.add_finding(digest)
    sandbox.add_finding(second, issues=[issue("XRAY-7", "Critical")])
    for check in (CHECK, XrayCheck(platforms_only=True)):
        verdict = await ask(client, image, check)
        assert verdict.state is State.FAILED
        assert f"first {second[7:15]}…: Xray has 1 finding: XRAY-7 (Critical)" in verdict.reason


async def test_the_manifests_in_an_index_are_not_read_while_the_index_waits(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    await ask(client, image)
    assert gateway.count("GET", "/manifests/") == 0


async def test_an_index_whose_manifests_cannot_be_read_is_no_pass(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.add_finding(sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS))
    for reply, state in ((Reply(503), State.PENDING), (html(), State.UNREADABLE), (Reply(403), State.UNREADABLE)):
        gateway.forget_rules()
        gateway.rule("GET", "/manifests/", reply=reply, does_work=False)
        assert (await ask(client, image)).state is state


class Registry:
    """Pushes to one image what no usual client does."""

    def __init__(self, sandbox: RunningSandbox, image: str) -> None:
        url = f"{sandbox.url}/api/docker/docker-dev/v2/{image}/"
        self._http = httpx.Client(base_url=url, auth=("admin", PASSWORD), trust_env=False)

    def push_manifest(self, text: str, *media_types: str) -> str:
        """Push a manifest whose layers have some media types."""
        layers = [self._push_blob(f"{text} {number}", kind) for number, kind in enumerate(media_types)]
        return self._push({"config": self._push_blob("{}", "application/json"), "layers": layers}, OCI_MANIFEST)

    def push_index(self, *entries: dict[str, Any], tag: str = "1") -> str:
        """Push an index under a tag."""
        sized = [{"mediaType": OCI_MANIFEST, "size": 2, **entry} for entry in entries]
        return self._push({"manifests": sized}, OCI_INDEX, tag=tag)

    def _push(self, document: dict[str, Any], media_type: str, tag: str | None = None) -> str:
        content = json.dumps({"schemaVersion": 2, "mediaType": media_type, **document}).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        headers = {"Content-Type": media_type}
        self._http.put(f"manifests/{tag or digest}", content=content, headers=headers).raise_for_status()
        return digest

    def _push_blob(self, text: str, media_type: str) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        self._http.post("blobs/uploads/", params={"digest": digest}, content=text.encode()).raise_for_status()
        return {"mediaType": media_type, "digest": digest, "size": len(text)}


LAYER, STATEMENT = "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.in-toto+json"


@pytest.mark.parametrize(
    ("layers", "is_called_one", "state"),
    [
        ([STATEMENT], True, State.PASSED),
        ([STATEMENT, STATEMENT], True, State.PASSED),
        ([STATEMENT], False, State.PENDING),
        ([STATEMENT, LAYER], True, State.PENDING),
        ([LAYER], True, State.PENDING),
        ([], True, State.PENDING),
    ],
)
async def test_only_what_is_an_attestation_and_called_one_needs_no_scan(
    client: ArtifactoryClient,
    sandbox: RunningSandbox,
    image: str,
    layers: list[str],
    is_called_one: bool,
    state: State,
) -> None:
    registry = Registry(sandbox, image)
    platform, other = registry.push_manifest("platform", LAYER), registry.push_manifest("other", *layers)
    annotations = {"vnd.docker.reference.type": "attestation-manifest"} if is_called_one else {"title": "an image"}
    index = registry.push_index({"digest": platform}, {"digest": other, "annotations": annotations})
    for digest in (index, platform):
        sandbox.add_finding(digest)
    for check in (CHECK, XrayCheck(platforms_only=True)):
        assert (await ask(client, image, check)).state is state


async def test_an_index_that_holds_no_image_or_another_index_is_no_pass(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    registry = Registry(sandbox, image)
    inner = registry.push_index({"digest": registry.push_manifest("platform", LAYER)}, tag="inner")
    for entries in ([], [{"digest": inner, "mediaType": OCI_INDEX}]):
        index = registry.push_index(*entries)
        for digest in (index, inner):
            sandbox.add_finding(digest)
        for check in (CHECK, XrayCheck(platforms_only=True)):
            assert (await ask(client, image, check)).state is State.UNREADABLE


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


async def test_a_violation_in_one_manifest_of_an_index_fails_it(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    index = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    first, second = (await client.manifest(dev(image))).children
    for digest in (index, first, second):
        sandbox.add_finding(digest)
    assert (await ask(client, image, GUARDED)).state is State.PASSED
    sandbox.add_finding(second, violations=[violation("XRAY-1")])
    assert (await ask(client, image, GUARDED)).state is State.FAILED


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
        [body] = asked(gateway, VIOLATIONS)
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
        assert len(asked(gateway, SUMMARY)) == 10
        assert len(gateway.requests) <= 15
    for digest in digests[:3]:
        sandbox.add_finding(digest)
    sandbox.add_finding(digests[3], issues=[issue("XRAY-1")])
    gateway.requests.clear()
    found = await look_at(client, CHECK, references)
    expected = [State.PASSED] * 3 + [State.FAILED] + [State.PENDING] * 496
    assert [one.state for one in found] == expected
    assert len(asked(gateway, STATUS)) == 3
    gateway.requests.clear()
    found = await look_at(client, XrayCheck(watch="prod"), references)
    assert [one.state for one in found] == expected
    assert (len(asked(gateway, STATUS)), len(asked(gateway, VIOLATIONS))) == (3, 1)


async def test_several_checks_of_one_look_share_what_xray_answers(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.add_finding(sandbox.push_image(f"docker-dev/{image}:1"))
    checks = [XrayCheck(severity="High"), XrayCheck(severity="Low")]
    async with Ledger(client) as ledger:
        [found] = await verify_many(ledger, [dev(image)], checks)
    assert found.state is State.PASSED
    assert (len(asked(gateway, SUMMARY)), len(asked(gateway, STATUS))) == (1, 1)


async def test_it_needs_no_more_than_read(settings: Callable[..., Any], sandbox: RunningSandbox, image: str) -> None:
    sandbox.add_finding(sandbox.push_image(f"docker-dev/{image}:1"))
    async with ArtifactoryClient(settings(username="reader")) as client:
        assert (await ask(client, image)).state is State.PASSED
