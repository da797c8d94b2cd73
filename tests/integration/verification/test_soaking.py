"""Digests soak in a stage: by when they came there, under any tag of theirs, and found by few queries."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Reply

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.request import Promotion
from artifactory_provider.promotion.tags import name_backup, name_pending
from artifactory_provider.verification import Evidence, SoakCheck, State, Subject, verify
from artifactory_provider.verification.looks import look_at_all

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.verification import Verdict
    from artifactory_sandbox.pytest_plugin import RunningSandbox

HOUR = 3600
PLATFORMS = ("linux/amd64", "linux/arm64")
IN_QA = SoakCheck(at_least=24 * HOUR, stage="docker-qa")


def at(repository: str, image: str, tag: str = "1") -> ImageReference:
    return ImageReference(repository, image, tag)


async def judge(
    client: ArtifactoryClient, check: SoakCheck, *references: ImageReference, hours: float = 0
) -> list[Verdict]:
    """Ask as if some hours had gone by since now."""
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
    async with Ledger(client) as ledger:
        evidence = Evidence(ledger, now=now)
        seen = await look_at_all(ledger, references)
        subjects = [one for one in seen if isinstance(one, Subject)]
        assert len(subjects) == len(references)
        verdicts = list(await check.find_verdicts(evidence, subjects))
        await evidence.close()
    return verdicts


@pytest.mark.parametrize("platforms", [PLATFORMS[:1], PLATFORMS])
async def test_time_in_another_stage_begins_when_the_digest_was_promoted_there(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, platforms: tuple[str, ...]
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", platforms=platforms)
    source = at("docker-dev", image)
    [absent] = await judge(client, IN_QA, source, hours=100)
    assert (absent.state, absent.value) == (State.PENDING, "absent")
    assert absent.reason == "It is not in docker-qa under any tag: it must come there first."
    await promote(client, Promotion(source=source, target=at("docker-qa", image, "rc1")))
    for hours, state in ((0, State.PENDING), (23.9, State.PENDING), (24.1, State.PASSED), (-1, State.PENDING)):
        [verdict] = await judge(client, IN_QA, source, hours=hours)
        assert verdict.state is state


async def test_the_tag_that_showed_it_first_counts_and_one_that_is_gone_does_not(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for tag in ("1", "latest"):
        sandbox.push_image(f"docker-qa/{image}:{tag}", content="same")
    sandbox.push_image(f"docker-dev/{image}:1", content="same")
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=24)
    sandbox.set_properties(f"docker-qa/{image}:latest", {"promotion.time": later.isoformat()})
    assert [one.state for one in await judge(client, IN_QA, at("docker-dev", image), hours=25)] == [State.PASSED]
    sandbox.delete(f"docker-qa/{image}:1")
    assert [one.state for one in await judge(client, IN_QA, at("docker-dev", image), hours=25)] == [State.PENDING]
    sandbox.delete(f"docker-qa/{image}:latest")
    assert [one.value for one in await judge(client, IN_QA, at("docker-dev", image), hours=25)] == ["absent"]


async def test_other_images_other_digests_children_and_tags_of_promotions_do_not_count(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", content="ours")
    ours = ImageReference("docker-qa", image, "1", digest)
    sandbox.push_image(f"docker-qa/{image}:1", content="theirs")
    sandbox.push_image(f"docker-qa/{image}-other:1", content="ours")
    sandbox.push_image(f"docker-qa/{image}/below:1", content="ours")
    for own in (name_pending(ours, "run"), name_backup(ours, digest)):
        sandbox.push_image(str(own.unpinned()), content="ours")
    [verdict] = await judge(client, IN_QA, at("docker-dev", image), hours=100)
    assert (verdict.state, verdict.value) == (State.PENDING, "absent")


async def test_a_manifest_that_an_index_hides_is_not_what_the_tag_shows(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", content="single")
    sandbox.push_image(f"docker-qa/{image}:1", content="single")
    assert [one.state for one in await judge(client, IN_QA, at("docker-dev", image), hours=25)] == [State.PASSED]
    listed = b'{"results": [{"repo": "docker-qa", "path": "%s/1", "name": "list.manifest.json", "sha256": "%s"}]}'
    answer = Reply(200, listed % (image.encode(), b"0" * 64), {"Content-Type": "application/json"})
    gateway.rule("POST", "aql", fits=lambda seen: b'"name": "list.manifest.json", "path"' in seen.body, reply=answer)
    [verdict] = await judge(client, IN_QA, at("docker-dev", image), hours=25)
    assert (verdict.state, verdict.value) == (State.PENDING, "absent")
    assert digest not in verdict.reason


async def test_many_digests_are_one_query_and_one_for_the_indexes_that_may_hide_them(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    for number in range(6):
        for repository in ("docker-dev", "docker-qa")[: 1 + number % 2]:
            sandbox.push_image(f"{repository}/{image}:{number}", content=str(number))
    references = [at("docker-dev", image, str(number)) for number in range(6)]
    verdicts = await judge(client, IN_QA, *references, hours=25)
    assert [verdict.value for verdict in verdicts] == ["absent", "25 h"] * 3
    # The first was for the look.
    assert gateway.count("POST", "aql") == len(gateway.requests) == 3


async def test_in_its_own_repository_the_time_comes_with_the_look(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    references = [at("docker-qa", image, str(number)) for number in range(4)]
    for reference in references:
        sandbox.push_image(str(reference))
    for check in (SoakCheck(at_least=24 * HOUR), IN_QA):
        gateway.requests.clear()
        assert {one.state for one in await judge(client, check, *references, hours=25)} == {State.PASSED}
        assert {one.state for one in await judge(client, check, *references, hours=23)} == {State.PENDING}
        assert len(gateway.requests) == 2


async def test_properties_that_are_written_do_not_begin_it_anew(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    [before] = await judge(client, SoakCheck(at_least=HOUR), at("docker-dev", image), hours=2)
    await client.set_properties(f"docker-dev/{image}/1/manifest.json", {"test.status": "passed"})
    [after] = await judge(client, SoakCheck(at_least=HOUR), at("docker-dev", image), hours=2)
    assert (after.state, after.since) == (State.PASSED, before.since)


async def test_a_stage_that_is_no_repository_is_named_and_waited_for_by_nobody(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    async with Ledger(client) as ledger:
        evidence = Evidence(ledger)
        [subject] = await look_at_all(ledger, [at("docker-dev", image)])
        assert isinstance(subject, Subject)
        for stage, message in (("docker-nowhere", "no repository 'docker-nowhere'"), ("docker-virtual", "virtual")):
            with pytest.raises(Exception, match=message):
                await SoakCheck(at_least=1, stage=stage).find_verdicts(evidence, [subject])


@pytest.mark.parametrize("status", [401, 403])
async def test_a_server_that_refuses_queries_cannot_tell_of_another_stage(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, status: int
) -> None:
    for repository in ("docker-dev", "docker-qa"):
        sandbox.push_image(f"{repository}/{image}:1", content="same")
    gateway.rule("POST", "aql", reply=Reply(status), does_work=False)
    [verdict] = await judge(client, IN_QA, at("docker-dev", image), hours=25)
    assert verdict.state is State.UNREADABLE
    assert "does not answer AQL queries" in verdict.reason
    [own] = await judge(client, SoakCheck(at_least=HOUR), at("docker-dev", image), hours=25)
    assert own.state is State.PASSED


async def test_a_server_that_is_down_is_asked_again_later(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", "aql", reply=Reply(503), does_work=False)
    with pytest.raises(Exception, match="503"):
        await verify(client, at("docker-dev", image), [IN_QA])
