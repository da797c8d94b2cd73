from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.gateway import Reply, html, with_header

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import (
    ImageNotFound,
    NotFound,
    PermissionDenied,
    RepositoryNotFound,
    ServerFailed,
    TagNotFound,
    UnexpectedAnswer,
    UnsupportedRepository,
)
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.verification import PropertyCheck
from artifactory_provider.verification.verdicts import State
from artifactory_provider.verification.verification import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

PLATFORMS = ("linux/amd64", "linux/arm64")
CHECK = PropertyCheck()


def dev(image: str, digest: str | None = None) -> ImageReference:
    return ImageReference("docker-dev", image, "1", digest)


@pytest.mark.parametrize(
    ("value", "state"),
    [
        ("passed", State.PASSED),
        ("failed", State.FAILED),
        ("running", State.PENDING),
        ("Passed", State.PENDING),
        ("", State.PENDING),
        (["passed", "failed"], State.FAILED),
        (["passed", "running"], State.PENDING),
    ],
)
@pytest.mark.parametrize("platforms", [PLATFORMS[:1], PLATFORMS])
async def test_the_property_of_the_tags_manifest_decides(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, value: Any, state: State, platforms: Any
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=platforms)
    sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": value})
    found = await verify(client, dev(image), [CHECK])
    assert (found.state, found.reference.digest) == (state, digest)
    assert "test.status is" in found.reason


async def test_a_verdict_that_is_not_there_is_waited_for(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    found = await verify(client, dev(image), [CHECK])
    assert found.state is State.PENDING
    assert found.reason == "test.status is not set."


async def test_a_verdict_is_shown_in_quotes_so_that_a_space_at_its_end_is_seen(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "passed "})
    found = await verify(client, dev(image), [CHECK])
    assert found.state is State.PENDING
    assert found.reason == "test.status is 'passed '; 'passed' is waited for."


@pytest.mark.parametrize(("value", "requests"), [(None, 2), ("running", 2), ("passed", 3), ("failed", 3)])
async def test_a_look_that_has_to_be_repeated_asks_two_requests_and_one_that_decides_three(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, value: str | None, requests: int
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    if value:
        sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": value})
    await verify(client, dev(image, digest), [CHECK])
    assert len(gateway.requests) == requests


async def test_a_tag_that_moves_while_its_verdict_is_pending_is_superseded_at_the_next_look(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    before = sandbox.push_image(f"docker-dev/{image}:1", content="before")

    def move() -> None:
        sandbox.push_image(f"docker-dev/{image}:1", content="after")
        sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "passed"})

    gateway.rule("GET", "properties", times=1, after=move)
    found = await verify(client, dev(image), [CHECK])
    assert (found.state, found.reference.digest) == (State.PENDING, before)
    assert (await verify(client, found.reference, [CHECK])).state is State.SUPERSEDED


async def test_all_checks_have_to_pass_and_the_worst_of_them_counts(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    checks = [PropertyCheck(name=name) for name in ("unit", "load", "scan")]
    sandbox.push_image(f"docker-dev/{image}:1")
    for values, state in (
        ({"unit": "passed", "load": "passed"}, State.PENDING),
        ({"scan": "passed"}, State.PASSED),
        ({"load": "failed"}, State.FAILED),
    ):
        sandbox.set_properties(f"docker-dev/{image}:1", values)
        found = await verify(client, dev(image), checks)
        assert found.state is state
        assert len(found.reasons) == 3


async def test_no_check_is_no_pass(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    assert (await verify(client, dev(image), [])).state is State.PENDING


async def test_a_tag_that_shows_another_digest_is_superseded_without_asking_for_its_verdict(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    wanted = sandbox.push_image(f"docker-dev/{image}:1", content="wanted")
    other = sandbox.push_image(f"docker-dev/{image}:1", content="other")
    sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "passed"})
    found = await verify(client, dev(image, wanted), [CHECK])
    assert (found.state, found.reference.digest) == (State.SUPERSEDED, wanted)
    assert other in found.reason
    assert gateway.count("GET", "properties") == 0


@pytest.mark.parametrize("value", ["\ud800", "\0", "\n", "x" * 10_000])
async def test_what_somebody_has_written_as_a_verdict_can_be_logged_and_stored(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, value: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    for name in ("test.status", "docker.manifest.digest"):
        document = json.dumps({"properties": {name: [f"passed{value}"]}}).encode()
        gateway.forget_rules()
        gateway.rule("GET", "properties$", reply=Reply(200, document))
        found = await verify(client, dev(image), [CHECK])
        assert found.state in {State.PENDING, State.SUPERSEDED}
        assert found.reason.isprintable()
        assert len(found.reason) < 1000


async def test_a_pinned_tag_that_is_gone_is_superseded(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.delete(f"docker-dev/{image}:1")
    found = await verify(client, dev(image, digest), [CHECK])
    assert found.state is State.SUPERSEDED
    assert "shows nothing any more" in found.reason


@pytest.mark.parametrize("value", ["passed", "failed"])
async def test_a_verdict_on_a_tag_that_moves_while_it_is_read_counts_for_neither_digest(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, value: str
) -> None:
    before = sandbox.push_image(f"docker-dev/{image}:1", content="before")
    sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": value})
    gateway.rule("GET", "properties", after=lambda: sandbox.push_image(f"docker-dev/{image}:1", content="after"))
    found = await verify(client, dev(image), [CHECK])
    assert (found.state, found.reference.digest) == (State.SUPERSEDED, before)


async def test_the_verdict_of_another_digest_does_not_count_even_when_the_tag_comes_back(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    """Between the two looks at the tag it was somewhere else, and there the property was read."""
    sandbox.push_image(f"docker-dev/{image}:1", content="ours")

    def move_away() -> None:
        sandbox.push_image(f"docker-dev/{image}:1", content="theirs")
        sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "passed"})

    gateway.rule(
        "GET",
        "properties",
        before=move_away,
        after=lambda: sandbox.push_image(f"docker-dev/{image}:1", content="ours"),
    )
    assert (await verify(client, dev(image), [CHECK])).state is State.SUPERSEDED


async def test_a_tag_that_is_deleted_while_its_verdict_is_read_is_superseded(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("GET", "properties", before=lambda: sandbox.delete(f"docker-dev/{image}:1"))
    assert (await verify(client, dev(image), [CHECK])).state is State.SUPERSEDED


async def test_a_verdict_that_nobody_can_read_although_the_tag_is_there_is_an_error_and_no_move_of_the_tag(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("GET", "properties", reply=html(404, "Not Found"), does_work=False)
    with pytest.raises(NotFound, match="There is no item"):
        await verify(client, dev(image), [CHECK])


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (html(), UnexpectedAnswer),
        (Reply(200, b""), UnexpectedAnswer),
        (Reply(200, b'{"properties": {"test.status": "passed"}}'), UnexpectedAnswer),
        (Reply(403), PermissionDenied),
        (Reply(503), ServerFailed),
    ],
)
async def test_evidence_that_cannot_be_read_is_no_pass(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, reply: Reply, kind: Any
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("GET", "properties", reply=reply, does_work=False)
    with pytest.raises(kind):
        await verify(client, dev(image), [CHECK, PropertyCheck(name="other")])


async def test_a_content_type_that_tells_nothing_does_not_lead_to_the_wrong_items_properties(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "passed"})
    gateway.rule("HEAD", "/manifests/", reply=with_header("Content-Type", "application/octet-stream"))
    assert (await verify(client, dev(image), [CHECK])).state is State.PASSED


async def test_what_does_not_exist_is_named(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    with pytest.raises(ImageNotFound):
        await verify(client, dev(image), [CHECK])
    sandbox.push_image(f"docker-dev/{image}:2")
    with pytest.raises(TagNotFound, match="among them 2"):
        await verify(client, dev(image), [CHECK])
    with pytest.raises(RepositoryNotFound):
        await verify(client, ImageReference("docker-nowhere", image, "1"), [CHECK])
    with pytest.raises(UnsupportedRepository, match="local generic"):
        await verify(client, ImageReference("generic-local", image, "1"), [CHECK])


async def test_it_only_reads(
    settings: Callable[..., Any], sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    async with ArtifactoryClient(settings(username="reader")) as client:
        await verify(client, dev(image), [CHECK])
    assert {seen.method for seen in gateway.requests} == {"HEAD", "GET"}
