"""An audit finds what promotions have not done, names who has, and says nothing of what they have."""

from __future__ import annotations

import datetime
import json
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.audit.legitimate import promote_every_way, push
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.dev_to_qa import PLATFORMS, TRANSIT, promotion

from artifactory_provider.artifactory.errors import RepositoryNotFound
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.audit import Audit, AuditScope, Event, EventLog, audit, take_survey
from artifactory_provider.promotion import PromotionOptions, make_promotions, promote_many
from artifactory_provider.promotion.decisions import reject
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.tags import name_pending
from artifactory_provider.verification import PropertyCheck

if TYPE_CHECKING:
    from pathlib import Path

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion import PromotionRecord
    from artifactory_sandbox.pytest_plugin import RunningSandbox

STAGES = ("docker-qa", "docker-prod")
NOW = datetime.datetime.now(datetime.UTC)


async def look(client: ArtifactoryClient, image: str, *repositories: str, **fields: Any) -> Audit:
    scope = AuditScope(repositories=repositories or STAGES, images=Patterns((f"{image}*",)), **fields)
    return await audit(client, scope)


def names(found: Audit) -> list[str]:
    """Return the findings by kind and tag."""
    return [f"{one.kind} {one.place.repository}:{one.place.tag}" for one in found.findings]


def told(*records: PromotionRecord, ago: float = 0, **extra: Any) -> Event:
    """Return what a run tells of its promotions, some minutes ago."""
    documents = [json.loads(json.dumps(record.as_dict())) for record in records]
    moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=ago)
    return Event(moment, "The run nightly of the DAG promote", {"promotions": documents, **extra})


async def test_promotions_of_every_kind_give_no_finding(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    await promote_every_way(direct, sandbox, image)
    found = await look(direct, image, *STAGES, TRANSIT)
    assert [one.words for one in found.findings] == []
    assert found.tags > 50


async def test_a_thousand_promotions_give_no_finding(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    pairs = []
    for number in range(1000):
        source = f"docker-dev/{image}/{number % 50}:1.{number}"
        push(sandbox, source, platforms=PLATFORMS[: 1 + (number % 10 == 0)])
        pairs.append((ImageReference.parse(source), replace(ImageReference.parse(source), repository="docker-qa")))
    ways: tuple[dict[str, Any], ...] = ({}, {"two_phase": False}, {"pending_repository": TRANSIT})
    for at, way in enumerate(ways):
        made = make_promotions(pairs[at :: len(ways)], PromotionOptions(attachments="none", **way))
        assert not (await promote_many(direct, made)).failures
    found = await look(direct, image, *STAGES, TRANSIT)
    assert (found.tags, found.findings) == (1000, ())


@pytest.mark.docker_clients
async def test_what_skopeo_has_brought_is_found(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, tmp_path: Path
) -> None:
    push(sandbox, f"docker-dev/{image}:1", platforms=PLATFORMS)
    push(sandbox, f"docker-dev/{image}:2", platforms=PLATFORMS)
    await promote(direct, promotion(image))
    credentials = str(tmp_path / "auth.json")
    tls = ("--src-tls-verify=false", "--dest-tls-verify=false")
    login = ("login", "--tls-verify=false", "-u", "admin", "-p", sandbox.password, "--authfile", credentials)
    registry = f"docker://{sandbox.registry}"
    copies = {
        f"docker-dev/{image}:2": f"docker-qa/{image}:2",  # past all promotions
        f"docker-qa/{image}:1": f"docker-qa/{image}:latest",  # a tag by hand, of what was promoted
        f"docker-dev/{image}:1": f"docker-prod/{image}:1",
    }
    for command in (
        ("skopeo", *login, sandbox.registry),
        *(
            ("skopeo", "copy", "--all", "--authfile", credentials, *tls, f"{registry}/{source}", f"{registry}/{target}")
            for source, target in copies.items()
        ),
    ):
        subprocess.run(command, check=True, timeout=60, capture_output=True)  # noqa: ASYNC221
    found = await look(direct, image)
    assert names(found) == ["unexplained docker-prod:1", "unexplained docker-qa:2", "unexplained docker-qa:latest"]
    assert {one.by for one in found.findings} == {"admin"}
    assert all(one.since is not None and one.since > NOW for one in found.findings)


async def test_a_lost_child_and_a_lost_signature_are_found_and_a_further_signature_is_none(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, f"docker-dev/{image}:1", signed=True, platforms=PLATFORMS)
    await promote(direct, promotion(image))
    stage = Pusher(sandbox, f"docker-qa/{image}")
    first, second = stage.children(digest)
    signature = f"{digest.replace(':', '-')}.sig"
    stage.sign(digest, "signature", "and another one")
    assert (await look(direct, image)).findings == ()
    sandbox.delete(f"docker-qa/{image}@{second}")
    sandbox.delete(f"docker-qa/{image}:{signature}")
    found = {one.kind: one for one in (await look(direct, image)).findings}
    assert found.keys() == {"child_lost", "attachment_lost"}
    assert found["child_lost"].parts == (second,)
    assert found["attachment_lost"].parts == (signature,)
    assert first not in found["child_lost"].words


async def test_a_lost_referrer_is_found(direct: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    push(sandbox, f"docker-dev/{image}:1", signed=True)
    [referrer] = [one for one in (await promote(direct, promotion(image))).attachments if one.tag is None]
    sandbox.delete(f"docker-qa/{image}@{referrer.digest}")
    [found] = (await look(direct, image)).findings
    assert (found.kind, found.parts) == ("attachment_lost", (referrer.digest,))


async def test_a_promoted_tag_that_is_gone_is_found_by_what_the_next_stage_says(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"docker-dev/{image}:1")
    push(sandbox, f"docker-dev/{image}:2")
    await promote(direct, promotion(image))
    source, target = ImageReference("docker-qa", image, "1"), ImageReference("docker-prod", image, "1")
    await promote(direct, promotion(image, source=source, target=target))
    sandbox.delete(f"docker-qa/{image}:1")
    found = await look(direct, image)
    assert names(found) == ["gone docker-qa:1"]
    assert f"docker-prod/{image}:1 was promoted from it at 20" in found.findings[0].words
    removed = {"target": f"docker-qa/{image}:1", "digest": found.findings[0].place.digest}
    on_purpose = EventLog([told(removals=[removed])])
    assert (await look(direct, image, events=on_purpose)).findings == ()


async def test_what_a_move_has_taken_is_not_gone(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"docker-dev/{image}:1")
    source, target = ImageReference("docker-qa", image, "1"), ImageReference("docker-prod", image, "1")
    first = await promote(direct, promotion(image))
    await promote(direct, promotion(image, source=source, target=target))
    moved = await promote(
        direct, promotion(image, source=source, target=ImageReference("docker-prod", image, "old"), copy=False)
    )
    assert (await look(direct, image)).findings == ()
    assert (await look(direct, image, events=EventLog([told(first, ago=2), told(moved)]))).findings == ()


async def test_what_events_tell_of_is_found_gone_or_put_back_unless_a_later_promotion_did_that(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    events = []
    for tag in ("gone", "back", "again", "removed"):
        push(sandbox, f"docker-dev/{image}:{tag}")
        events.append(told(await promote(direct, promotion(image, tag=tag)), ago=120))
    for tag in ("back", "again"):
        push(sandbox, f"docker-dev/{image}:{tag}")
        events.append(told(await promote(direct, promotion(image, tag=tag, on_conflict="backup")), ago=-90))
    stood = {
        tag: [name for name in sandbox.tags("docker-qa", image) if name.startswith(f"{tag}-previous-")]
        for tag in ("back", "again")
    }
    # By hand: its record comes along, and is that of this tag and digest.
    back = ImageReference("docker-qa", image, stood["back"][0])
    await direct.promote(back, ImageReference("docker-qa", image, "back"), copy=True)
    sandbox.delete(f"docker-qa/{image}:gone")
    removed = {"target": f"docker-qa/{image}:removed", "digest": sandbox.digest(f"docker-qa/{image}:removed")}
    sandbox.delete(f"docker-qa/{image}:removed")
    events.append(told(removals=[removed]))
    found = await look(direct, image, events=EventLog(reversed(events)))
    assert names(found) == ["changed docker-qa:back", "gone docker-qa:gone"]
    assert "The run nightly of the DAG promote has promoted sha256:" in found.findings[0].words
    again = ImageReference("docker-qa", image, stood["again"][0])
    rolled = await promote(
        direct, promotion(image, source=again, target=ImageReference("docker-qa", image, "again"), on_conflict="backup")
    )
    events.append(told(rolled, ago=-100))
    assert names(await look(direct, image, events=EventLog(events))) == names(found)


async def test_what_a_removal_or_a_move_has_taken_is_not_explained_by_the_promotion_before_it(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"docker-dev/{image}:1")
    record = await promote(direct, promotion(image, property_prefix=None))
    assert (await look(direct, image, events=EventLog([told(record, ago=9)]))).findings == ()
    removed = {"target": f"docker-qa/{image}:1", "digest": record.target.digest}
    events = [told(record, ago=9), told(removals=[removed], ago=5)]
    assert names(await look(direct, image, events=EventLog(events))) == ["unexplained docker-qa:1"]


async def test_what_is_promoted_while_an_audit_looks_is_neither_changed_nor_gone(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    events = []
    for tag in ("1", "2"):
        push(sandbox, f"docker-dev/{image}:{tag}")
        record = await promote(direct, promotion(image, tag=tag, property_prefix=None))
        events.append(told(replace(record, target=record.target.pinned(f"sha256:{tag * 64}")), ago=1))
        events.append(told(record, ago=2))
    sandbox.delete(f"docker-qa/{image}:2")
    seen = datetime.datetime.now(datetime.UTC)
    late = EventLog(events, seen=seen - datetime.timedelta(seconds=90))
    assert (await look(direct, image, events=late)).findings == ()
    found = await look(direct, image, events=EventLog(events, seen=seen))
    assert names(found) == ["changed docker-qa:1", "gone docker-qa:2"]


async def test_a_backup_of_what_was_promoted_without_a_record_is_explained_by_the_events(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    events = []
    for ago in (9, 6, 3):
        push(sandbox, f"docker-dev/{image}:1")
        record = await promote(direct, promotion(image, property_prefix=None, on_conflict="backup"))
        events.append(told(record, ago=ago))
    assert (await look(direct, image, events=EventLog(events))).findings == ()
    assert (await look(direct, image, events=EventLog(events[1:]))).findings == ()  # The second one tells of the first.
    assert len((await look(direct, image, events=EventLog(events[2:]))).findings) == 1


async def test_a_rejected_digest_that_stands_in_a_stage_is_found_and_so_is_one_of_a_platform(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for tag in ("1", "2"):
        push(sandbox, f"docker-dev/{image}:{tag}", platforms=PLATFORMS)
        await promote(direct, promotion(image, tag=tag))
    dev = Pusher(sandbox, f"docker-dev/{image}")
    await reject(direct, ImageReference("docker-dev", image, "1"), reason="CVE-2026-1", by="jane")
    child = dev.children(str(sandbox.digest(f"docker-dev/{image}:2")))[0]
    await reject(direct, ImageReference("docker-dev", image, digest=child), reason="CVE-2026-2", by="jane")
    found = (await look(direct, image)).findings
    assert [one.kind for one in found] == ["rejected", "rejected"]
    assert "It is rejected: CVE-2026-1 (by jane" in found[0].words
    assert f"Its child {child} is rejected: CVE-2026-2" in found[1].words


async def test_what_would_not_pass_todays_checks_is_found_and_an_override_counts(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for tag, verdict in (("good", "passed"), ("bad", "failed"), ("none", None), ("hotfix", None)):
        push(sandbox, f"docker-dev/{image}:{tag}")
        if verdict:
            sandbox.set_properties(f"docker-dev/{image}:{tag}", {"qa.test": verdict})
        override = "jane until 2099: the outage" if tag == "hotfix" else ""
        await promote(direct, promotion(image, tag=tag, override=override))
    checks = (PropertyCheck(name="qa.test"),)
    found = await look(direct, image, checks_of=lambda tag: checks if tag.repository == "docker-qa" else ())
    assert names(found) == ["not_verified docker-qa:bad", "not_verified docker-qa:none"]
    assert "A rule of today would not let it through: qa.test is 'failed'." in found.findings[0].words


async def test_an_override_for_one_stage_counts_in_no_later_one(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"docker-dev/{image}:1")
    source, target = ImageReference("docker-qa", image, "1"), ImageReference("docker-prod", image, "1")
    said: dict[str, Any] = {
        "override": "jane until 2099: the outage",
        "approvals": "joe",
        "verdicts": ("qa.test=failed",),
    }
    await promote(direct, promotion(image, **said))
    await promote(direct, promotion(image, source=source, target=target))
    checks = (PropertyCheck(name="qa.test"),)
    assert names(await look(direct, image, checks_of=lambda _: checks)) == ["not_verified docker-prod:1"]
    survey = await take_survey(direct, STAGES, Patterns((image,)))
    records = {tag.place.repository: tag.record for tag in survey}
    assert {key: set(record.said) for key, record in records.items() if record} == {
        "docker-qa": {"override", "approvals", "verdicts"},
        "docker-prod": set(),
    }


async def test_a_pending_tag_that_nobody_ends_is_found_once_no_run_can_be_at_it_any_more(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = push(sandbox, f"docker-qa/{image}:1")
    pending = name_pending(ImageReference("docker-qa", image, "2", digest), "run1")
    sandbox.tag(f"docker-qa/{image}:1", str(pending.unpinned()))
    sandbox.delete(f"docker-qa/{image}:1")
    assert (await look(direct, image)).findings == ()
    monkeypatch.setattr("artifactory_provider.audit.auditing._UNDER_WAY", datetime.timedelta())
    assert names(await look(direct, image)) == [f"left_behind docker-qa:{pending.tag}"]


async def test_a_finding_has_the_same_name_each_time_and_another_one_for_another_digest_or_part(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, f"docker-qa/{image}:1")
    [first] = (await look(direct, image)).findings
    [same] = (await look(direct, image)).findings
    assert first.name == same.name == f"unexplained:docker-qa/{image}:1@{digest[7:19]}"
    push(sandbox, f"docker-qa/{image}:1")
    [other] = (await look(direct, image)).findings
    assert other.name != first.name


async def test_a_finding_that_has_become_worse_has_another_name(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"docker-dev/{image}:1", platforms=PLATFORMS)
    first = await promote(direct, promotion(image))
    checks = (PropertyCheck(name="qa.test"), PropertyCheck(name="qa.scan"))
    claimed = replace(first, target=first.target.pinned(f"sha256:{'1' * 64}"))
    children = Pusher(sandbox, f"docker-qa/{image}").children(str(first.target.digest))
    kept: set[str] = set()
    for number, news in enumerate(({}, {"qa.test": "failed"}, {"qa.test": "passed"})):
        sandbox.set_properties(f"docker-qa/{image}:1", news or {"unrelated": "x"})
        if number < len(children):
            place = ImageReference("docker-qa", image, digest=children[number])
            await reject(direct, place, reason="CVE-2026-1", by="jane")
        claimed = replace(claimed, target=claimed.target.pinned(f"sha256:{str(number) * 64}"))
        events = EventLog([told(claimed, ago=-120)])
        found = (await look(direct, image, "docker-qa", checks_of=lambda _: checks, events=events)).findings
        new = {one.name for one in found} - kept
        wanted = {"changed", "not_verified"} | ({"rejected"} if number < len(children) else set())
        assert {name.partition(":")[0] for name in new} == wanted
        kept |= new


async def test_a_repository_that_is_not_there_is_no_empty_one(direct: ArtifactoryClient, image: str) -> None:
    with pytest.raises(RepositoryNotFound, match="docker-prd"):
        await look(direct, image, "docker-prd")
