"""A batch end to end: what is promoted, what is left alone, what is explained, and what it costs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.promotion.attaching import Pusher, cosign_tag
from tests.integration.promotion.dev_to_qa import ABSENT, PLATFORMS, TRANSIT
from tests.integration.promotion.history import History

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.errors import AuthenticationFailed, PermissionDenied, TagNotFound
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.batch import Progress, promote_many
from artifactory_provider.promotion.errors import AttachmentLost, SourceMoved, TargetConflict
from artifactory_provider.promotion.request import Promotion, PromotionOptions, make_promotions
from artifactory_provider.promotion.tags import name_pending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

PROMOTE = "*/promote"
Way = dict[str, Any]
IN_TWO_PHASES: list[Way] = [{"two_phase": True}, {"pending_repository": TRANSIT}]
ALL_WAYS = pytest.mark.parametrize("way", [*IN_TWO_PHASES, {"two_phase": False}], ids=["two phases", "transit", "fast"])


def pair(image: str, tag: str) -> tuple[ImageReference, ImageReference]:
    return ImageReference("docker-dev", image, tag), ImageReference("docker-qa", image, tag)


def batch(image: str, tags: Iterable[str], **changes: Any) -> tuple[Promotion, ...]:
    """Make dev → qa of some tags, without a record; patience is short, as nothing in the sandbox needs time."""
    options = PromotionOptions(**{"confirmation_timeout": 2.0, "property_prefix": None, **changes})
    return make_promotions([pair(image, tag) for tag in tags], options)


def push(sandbox: RunningSandbox, image: str, tags: Iterable[str]) -> dict[str, str]:
    """Every other tag shows an index."""
    return {
        tag: sandbox.push_image(f"docker-dev/{image}:{tag}", platforms=PLATFORMS[: 1 + number % 2])
        for number, tag in enumerate(tags)
    }


def shown(sandbox: RunningSandbox, image: str, repository: str = "docker-qa") -> dict[str, str | None]:
    return {tag: sandbox.digest(f"{repository}/{image}:{tag}") for tag in sandbox.tags(repository, image)}


def requests(sandbox: RunningSandbox, since: int) -> int:
    return len(sandbox.requests) - since


@ALL_WAYS
@pytest.mark.parametrize("attachments", ["all", "tags"])
@pytest.mark.usefixtures("queries")
async def test_every_tag_is_promoted_once_and_a_second_run_finds_nothing_to_do(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, way: Way, attachments: str
) -> None:
    pushed = push(sandbox, image, "abcdef")
    asked = batch(image, pushed, **way, attachments=attachments)

    first = await promote_many(direct, asked)
    before = len(sandbox.requests)
    second = await promote_many(direct, asked)

    assert first.counts == {"promoted": 6, "unchanged": 0, "failed": 0}
    assert second.counts == {"promoted": 0, "unchanged": 6, "failed": 0}
    assert shown(sandbox, image) == pushed
    assert [result.source.digest for result in first.results] == list(pushed.values())
    assert not [one for one in sandbox.requests[before:] if one.path.endswith("/promote")]
    assert sandbox.tags(TRANSIT, image) == []


@ALL_WAYS
async def test_each_failure_is_explained_and_stops_no_other(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, way: Way
) -> None:
    pushed = push(sandbox, image, ["good", "conflict", "moved"])
    theirs = sandbox.push_image(f"docker-qa/{image}:conflict", content="theirs")
    tags = ["good", "conflict", "moved", "missing"]
    pairs = [pair(image, tag) for tag in tags]
    pinned = [(s.pinned(ABSENT) if s.tag == "moved" else s, t) for s, t in pairs]
    options = PromotionOptions(confirmation_timeout=2.0, **way)

    report = await promote_many(direct, make_promotions(pinned, options))

    errors = {result.target.tag: type(result.error) for result in report.failures}
    assert errors == {"conflict": TargetConflict, "moved": SourceMoved, "missing": TagNotFound}
    assert shown(sandbox, image) == {"good": pushed["good"], "conflict": theirs}


@ALL_WAYS
async def test_a_tag_that_is_too_long_for_a_backup_stops_no_other_and_is_promoted_where_none_is_needed(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, way: Way
) -> None:
    new, old, same = ("n" * 120, "o" * 120, "s" * 120)
    pushed = push(sandbox, image, ["1", new, old])
    pushed[same] = sandbox.push_image(f"docker-dev/{image}:{same}", content="same")
    sandbox.push_image(f"docker-qa/{image}:{same}", content="same")
    theirs = sandbox.push_image(f"docker-qa/{image}:{old}", content="theirs")
    report = await promote_many(direct, batch(image, pushed, on_conflict="backup", **way))
    outcomes = {result.target.tag: result.outcome for result in report.results}
    assert outcomes == {"1": "promoted", new: "promoted", old: "failed", same: "unchanged"}
    assert "too long for a tag" in str(report.failures[0].error)
    assert shown(sandbox, image) == {**pushed, old: theirs}


@pytest.mark.parametrize("policy", ["overwrite", "backup"])
@ALL_WAYS
async def test_targets_to_overwrite_are_overwritten_one_by_one(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, policy: str, way: Way
) -> None:
    pushed = push(sandbox, image, ["1", "2", "3"])
    old = sandbox.push_image(f"docker-qa/{image}:2", content="old")
    report = await promote_many(direct, batch(image, pushed, on_conflict=policy, **way))
    assert {result.target.tag: result.replaced for result in report.results} == {"1": None, "2": old, "3": None}
    kept = {f"2-previous-{old[7:19]}": old} if policy == "backup" else {}
    assert shown(sandbox, image) == pushed | kept


async def test_moves_leave_no_source_tag(direct: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    pushed = push(sandbox, image, ["1", "2", "3"])
    sandbox.push_image(f"docker-dev/{image}:stays")
    report = await promote_many(direct, batch(image, pushed, copy=False))
    assert report.counts["promoted"] == 3
    assert shown(sandbox, image) == pushed
    assert sandbox.tags("docker-dev", image) == ["stays"]


@ALL_WAYS
async def test_a_retag_within_one_repository_gives_one_source_several_targets(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, way: Way
) -> None:
    digest = push(sandbox, image, ["0", "1.4.2"])["1.4.2"]
    source = ImageReference("docker-dev", image, "1.4.2")
    pairs = tuple((source, ImageReference("docker-dev", image, tag)) for tag in ("1.4", "1", "latest"))
    report = await promote_many(direct, make_promotions(pairs, PromotionOptions(**way)))
    assert report.counts["promoted"] == 3
    assert {tag: shown(sandbox, image, "docker-dev")[tag] for tag in ("1.4", "1", "latest")} == dict.fromkeys(
        ("1.4", "1", "latest"), digest
    )


@ALL_WAYS
async def test_a_source_that_moves_in_mid_batch_never_stays_under_the_target_of_two_phases(
    direct: ArtifactoryClient, faulty: RunningSandbox, image: str, way: Way
) -> None:
    pushed = push(faulty, image, ["1", "2", "3"])
    faulty.push_image(f"docker-dev/{image}:other", content="other")
    faulty.add_fault("move_tag", tag=f"docker-dev/{image}:2", to="other", path=PROMOTE, count=1)
    history = History(faulty)
    report = await promote_many(direct, batch(image, pushed, **way), at_once=1)
    assert [(result.target.tag, type(result.error)) for result in report.failures] == [("2", SourceMoved)]
    if way in IN_TWO_PHASES:
        assert history.shown(f"docker-qa/{image}:2") == []
        assert shown(faulty, image) == {tag: pushed[tag] for tag in ("1", "3")}


@pytest.mark.parametrize("attachments", ["all", "tags"])
@ALL_WAYS
async def test_signatures_of_images_and_of_children_arrive_before_the_tag(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, attachments: str, way: Way
) -> None:
    pushed = push(sandbox, image, ["1", "2", "3", "4"])
    pusher = Pusher(sandbox, f"docker-dev/{image}")
    child = pusher.children(pushed["2"])[1]
    signed = {
        cosign_tag(pushed["1"], ".sig"): pusher.sign(pushed["1"], "one"),
        cosign_tag(pushed["2"], ".att"): pusher.sign(pushed["2"], "two", suffix=".att"),
        cosign_tag(child, ".sig"): pusher.sign(child, "child"),
    }
    signature = signed[cosign_tag(pushed["1"], ".sig")]
    signed[cosign_tag(signature, ".sig")] = pusher.sign(signature, "the signature's own")
    history = History(sandbox)

    report = await promote_many(direct, batch(image, pushed, attachments=attachments, **way))

    assert {result.target.tag: result.attachments for result in report.results} == {"1": 2, "2": 2, "3": 0, "4": 0}
    assert shown(sandbox, image) == pushed | signed
    order = [event.place for event in history.events() if event.event == "shows"]
    for tag, subject in (("1", pushed["1"]), ("2", child)):
        assert order.index(f"docker-qa/{image}/{cosign_tag(subject, '.sig')}") < order.index(f"docker-qa/{image}/{tag}")


async def test_referrers_and_fallback_indexes_arrive_with_their_bytes(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    pushed = push(sandbox, image, ["1", "2", "3"])
    pusher = Pusher(sandbox, f"docker-dev/{image}")
    child = pusher.children(pushed["2"])[0]
    referrers = [pusher.refer(pushed["1"], "an SBOM"), pusher.refer(child, "a child's")]
    listed = pusher.list_referrers(pushed["3"], pusher.sign(pushed["3"], "listed"))
    report = await promote_many(direct, batch(image, pushed))
    assert report.counts["promoted"] == 3
    qa = Pusher(sandbox, f"docker-qa/{image}")
    assert all(qa.answers(digest) for digest in (*referrers, listed))


async def test_an_attachment_that_cannot_be_brought_keeps_its_image_back_alone(
    direct: ArtifactoryClient, faulty: RunningSandbox, image: str
) -> None:
    pushed = push(faulty, image, ["1", "2"])
    pusher = Pusher(faulty, f"docker-dev/{image}")
    pusher.sign(pushed["1"], "signature")
    theirs = Pusher(faulty, f"docker-qa/{image}").sign(pushed["1"], "another one")
    report = await promote_many(direct, batch(image, pushed))
    assert [(result.target.tag, type(result.error)) for result in report.failures] == [("1", AttachmentLost)]
    assert shown(faulty, image) == {"2": pushed["2"], cosign_tag(pushed["1"], ".sig"): theirs}


async def test_a_signature_that_came_later_follows_an_unchanged_image(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    pushed = push(sandbox, image, ["1"])
    await promote_many(direct, batch(image, pushed))
    Pusher(sandbox, f"docker-dev/{image}").sign(pushed["1"], "late")
    report = await promote_many(direct, batch(image, pushed))
    assert [(result.outcome, result.attachments) for result in report.results] == [("unchanged", 1)]
    assert cosign_tag(pushed["1"], ".sig") in sandbox.tags("docker-qa", image)


@ALL_WAYS
async def test_an_image_with_a_missing_part_is_not_called_promoted(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, way: Way
) -> None:
    pushed = push(sandbox, image, ["1", "2"])
    sandbox.delete(f"docker-dev/{image}@{Pusher(sandbox, f'docker-dev/{image}').children(pushed['2'])[0]}")
    report = await promote_many(direct, batch(image, pushed, **way, confirmation_timeout=0.0))
    assert [result.target.tag for result in report.failures] == ["2"]
    if way in IN_TWO_PHASES:
        assert shown(sandbox, image) == {"1": pushed["1"]}


@pytest.mark.parametrize("effect", ["latency", "status", "reset", "truncate", "lag"])
@pytest.mark.parametrize("when", ["before", "after"])
@ALL_WAYS
async def test_faults_on_some_requests_are_outlived(
    direct: ArtifactoryClient, faulty: RunningSandbox, image: str, effect: str, when: str, way: Way
) -> None:
    pushed = push(faulty, image, [str(number) for number in range(12)])
    fields: dict[str, Any] = {"status": {"status": 504}, "latency": {"seconds": 0.05}, "lag": {"seconds": 0.3}}
    if effect != "lag":
        fields[effect] = fields.get(effect, {}) | {"when": when, "path": PROMOTE, "count": 5}
    faulty.add_fault(effect, **fields[effect])
    report = await promote_many(direct, batch(image, pushed, **way, confirmation_timeout=5.0))
    assert report.counts["promoted"] == 12, [str(result.error) for result in report.failures]
    assert shown(faulty, image) == pushed


@ALL_WAYS
async def test_a_server_that_limits_requests_is_waited_for(
    direct: ArtifactoryClient, faulty: RunningSandbox, image: str, way: Way
) -> None:
    pushed = push(faulty, image, [str(number) for number in range(20)])
    faulty.add_fault("status", status=429, retry_after=1, path=PROMOTE, count=15)
    report = await promote_many(direct, batch(image, pushed, **way))
    assert report.counts["promoted"] == 20
    assert shown(faulty, image) == pushed


async def test_a_missing_permission_is_named_for_each_before_anything_is_sent(
    reach: Callable[..., ArtifactoryClient], sandbox: RunningSandbox, image: str
) -> None:
    pushed = push(sandbox, image, ["1", "2", "3"])
    before = len(sandbox.requests)
    async with reach(authentication=Basic("reader", sandbox.password)) as client:
        report = await promote_many(client, batch(image, pushed))
    assert {type(result.error) for result in report.failures} == {PermissionDenied}
    assert all("Deploy/Cache" in str(result.error) for result in report.failures)
    assert not any(one.path.endswith("/promote") for one in sandbox.requests[before:])


async def test_who_may_not_drop_pending_tags_puts_none_up(
    reach: Callable[..., ArtifactoryClient], sandbox: RunningSandbox, image: str
) -> None:
    pushed = push(sandbox, image, ["1", "2", "3"])
    async with reach(authentication=Basic("deployer", sandbox.password)) as client:
        report = await promote_many(client, batch(image, pushed))
        assert {type(result.error) for result in report.failures} == {PermissionDenied}
        assert all("Delete/Overwrite" in str(result.error) for result in report.failures)
        assert sandbox.tags("docker-qa", image) == []
        directly = await promote_many(client, batch(image, pushed, two_phase=False))
    assert directly.counts["promoted"] == 3


async def test_refused_credentials_end_the_batch_at_once(
    reach: Callable[..., ArtifactoryClient], sandbox: RunningSandbox, image: str
) -> None:
    pushed = push(sandbox, image, [str(number) for number in range(20)])
    before = len(sandbox.requests)
    async with reach(authentication=Basic("admin", "wrong")) as client:
        with pytest.raises(AuthenticationFailed):
            await promote_many(client, batch(image, pushed))
    assert requests(sandbox, before) <= 20


async def test_another_promotion_to_one_of_the_targets_is_never_overwritten(
    direct: ArtifactoryClient, faulty: RunningSandbox, image: str
) -> None:
    pushed = push(faulty, image, ["1", "2"])
    theirs = faulty.push_image(f"docker-qa/{image}:theirs")
    faulty.add_fault("move_tag", when="after", tag=f"docker-qa/{image}:1", to="theirs", path=PROMOTE, count=1)
    report = await promote_many(direct, batch(image, pushed))
    assert [(result.target.tag, type(result.error)) for result in report.failures] == [("1", TargetConflict)]
    assert shown(faulty, image) == {"1": theirs, "2": pushed["2"], "theirs": theirs}


async def test_two_batches_at_once_over_the_same_targets_mix_nothing(
    reach: Callable[..., ArtifactoryClient], sandbox: RunningSandbox, image: str, transit: Way
) -> None:
    tags = [str(number) for number in range(10)]
    one, other = f"{image}/one", f"{image}/other"
    pushed = {name: push(sandbox, name, tags) for name in (one, other)}
    history = History(sandbox)

    async def run(name: str) -> int:
        options = PromotionOptions(confirmation_timeout=5.0, **transit)
        pairs = [(ImageReference("docker-dev", name, tag), ImageReference("docker-qa", image, tag)) for tag in tags]
        async with reach() as client:
            report = await promote_many(client, make_promotions(pairs, options))
        return report.counts["promoted"]

    promoted = await asyncio.gather(run(one), run(other))
    assert sum(promoted) <= len(tags)
    for tag in tags:
        assert len(history.shown(f"docker-qa/{image}:{tag}")) <= 1
        assert {*history.shown(f"docker-qa/{image}:{tag}")} <= {pushed[one][tag], pushed[other][tag]}


async def test_a_killed_try_is_gone_on_with_from_its_pending_tags(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, transit: Way
) -> None:
    pushed = push(sandbox, image, ["1", "2", "3"])
    targets = {tag: ImageReference("docker-qa", image, tag, digest) for tag, digest in pushed.items()}
    pending = {tag: name_pending(target, "run1", transit.get("pending_repository")) for tag, target in targets.items()}
    for tag in ("1", "2"):
        await direct.promote(ImageReference("docker-dev", image, tag), pending[tag])
    history = History(sandbox)
    report = await promote_many(direct, batch(image, pushed, run="run1", **transit))
    assert report.counts["promoted"] == 3
    assert shown(sandbox, image) == pushed
    put_up = [event.digest for event in history.events() if "/pending-" in event.place and event.event == "shows"]
    assert put_up == [pushed["3"]], "the others were there already"
    assert sandbox.tags(TRANSIT, image) == []


async def test_a_cancelled_batch_leaves_nothing_half_done(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    pushed = push(sandbox, image, [str(number) for number in range(40)])
    running = asyncio.create_task(promote_many(direct, batch(image, pushed), at_once=2))
    while not sandbox.tags("docker-qa", image):  # noqa: ASYNC110 - the registry tells nobody
        await asyncio.sleep(0.005)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    there = shown(sandbox, image)
    assert there
    assert {tag: pushed.get(tag) for tag in there} == there


async def test_progress_is_told_to_the_end(direct: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    pushed = push(sandbox, image, ["1", "2", "3", "4"])
    told: list[Progress] = []
    await promote_many(direct, batch(image, [*pushed, "missing"]), on_progress=told.append)
    assert told[-1] == Progress(done=5, total=5, failed=1)
    assert [one.done for one in told] == sorted(one.done for one in told)


async def test_who_cannot_be_told_of_progress_ends_no_promotion(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, caplog: pytest.LogCaptureFixture
) -> None:
    pushed = push(sandbox, image, ["1", "2", "3", "4"])
    told: list[Progress] = []

    def tell(made: Progress) -> None:
        told.append(made)
        raise BrokenPipeError

    report = await promote_many(direct, batch(image, pushed), on_progress=tell)
    assert [result.outcome for result in report.results] == ["promoted"] * 4
    assert shown(sandbox, image) == pushed
    assert len(told) == 1
    assert "could not be told" in caplog.text


async def test_the_record_is_written_where_it_is_asked_for(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    pushed = push(sandbox, image, ["1", "2"])
    await promote_many(direct, batch(image, pushed, property_prefix="promotion"))
    for tag, digest in pushed.items():
        assert sandbox.properties(f"docker-qa/{image}:{tag}")["promotion.digest"] == [digest]


async def test_a_thousand_tags_cost_little_more_than_their_promotion_requests(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    tags = [(f"{image}/part-{number}", str(tag)) for number in range(20) for tag in range(50)]
    for name, tag in tags:
        sandbox.push_image(f"docker-dev/{name}:{tag}", platforms=PLATFORMS)

    for repository, two_phase, most in (("docker-qa", False, 1.1), ("docker-prod", True, 2.2)):
        pairs = [(ImageReference("docker-dev", *tag), ImageReference(repository, *tag)) for tag in tags]
        options = PromotionOptions(two_phase=two_phase, attachments="tags", property_prefix=None)
        asked = make_promotions(pairs, options)
        before = len(sandbox.requests)
        report = await promote_many(direct, asked)
        first = requests(sandbox, before)
        await promote_many(direct, asked)
        second = requests(sandbox, before) - first
        assert report.counts["promoted"] == 1000
        assert first <= most * 1000
        assert second <= 6
