"""A held tag stays as it is, a rejected digest goes nowhere, rules are asked last: single, many and planned."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.promotion.dev_to_qa import PLATFORMS
from tests.integration.promotion.history import History

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion import PromotionError, find_previous, promote_image, promote_many
from artifactory_provider.promotion.decisions import hold, lift_hold, lift_rejection, reject
from artifactory_provider.promotion.errors import DecisionIncomplete, InvalidPromotion, NothingToLift
from artifactory_provider.promotion.planning.criteria import TagCriteria
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.planner import apply_rules, make_plan
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.request import Promotion, PromotionOptions
from artifactory_provider.promotion.rules import Change, Refusal, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

    Promote = Callable[[ArtifactoryClient, Promotion], Awaitable[None]]

pytestmark = pytest.mark.usefixtures("queries")
UNTIL = datetime.datetime(2026, 12, 1, 9, tzinfo=datetime.UTC)


async def one(client: ArtifactoryClient, promotion: Promotion, **further: Any) -> None:
    await promote(client, promotion, **further)


async def one_of_many(client: ArtifactoryClient, promotion: Promotion, **further: Any) -> None:
    [result] = (await promote_many(client, [promotion], **further)).results
    if result.error:
        raise result.error


async def all_tags(client: ArtifactoryClient, promotion: Promotion, **further: Any) -> None:
    places = (ImageReference(each.repository, each.image) for each in (promotion.source, promotion.target))
    whole = Promotion(source=next(places), target=next(places), options=promotion.options)
    try:
        await promote_image(client, whole, **further)
    except PromotionError as error:
        raise next(iter(getattr(error, "failures", {"": error}).values())) from None


async def one_request(client: ArtifactoryClient, promotion: Promotion, **further: Any) -> None:
    await all_tags(client, promotion, one_request=True, **further)


WAYS = pytest.mark.parametrize("way", [one, one_of_many, all_tags, one_request])
FAST_OR_NOT = pytest.mark.parametrize("two_phase", [True, False])


def promotion(
    image: str, tag: str = "1.0", *, source: str = "docker-dev", target: str = "docker-qa", **options: Any
) -> Promotion:
    return Promotion(
        source=ImageReference(source, image, tag),
        target=ImageReference(target, image, tag),
        options=PromotionOptions(**{"on_conflict": "overwrite", "confirmation_timeout": 2.0, **options}),
    )


def qa(image: str, tag: str = "1.0") -> ImageReference:
    return ImageReference("docker-qa", image, tag)


@dataclass
class Say:
    """Rules that answer the same to everything, and remember what they were asked."""

    refusal: Refusal | None
    asked: list[Change] = field(default_factory=list)

    async def find_refusals(self, changes: Sequence[Change]) -> list[Refusal | None]:
        self.asked += changes
        return [self.refusal] * len(changes)


@WAYS
@FAST_OR_NOT
async def test_a_held_tag_goes_on_showing_what_it_is_held_on(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, way: Promote, two_phase: bool
) -> None:
    held = sandbox.push_image(f"docker-qa/{image}:1.0")
    sandbox.push_image(f"docker-dev/{image}:1.0")
    await hold(direct, qa(image), reason="the new one loses orders", by="alice")
    with pytest.raises(Refused, match=r"is held.*the new one loses orders \(by alice at 20"):
        await way(direct, promotion(image, two_phase=two_phase))
    assert sandbox.digest(f"docker-qa/{image}:1.0") == held
    assert sandbox.tags("docker-qa", image) == ["1.0"]

    await lift_hold(direct, qa(image), reason="mended", by="bob")
    await way(direct, promotion(image, two_phase=two_phase))
    assert sandbox.digest(f"docker-qa/{image}:1.0") == sandbox.digest(f"docker-dev/{image}:1.0") != held


@WAYS
@FAST_OR_NOT
@pytest.mark.parametrize("platforms", [PLATFORMS[:1], PLATFORMS])
async def test_a_rejected_digest_is_promoted_from_nowhere_under_no_tag(
    direct: ArtifactoryClient,
    sandbox: RunningSandbox,
    image: str,
    way: Promote,
    two_phase: bool,
    platforms: Sequence[str],
    queries: str,
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0", platforms=platforms)
    await one(direct, promotion(image))
    await reject(direct, qa(image), reason="CVE-2026-0001", by="alice")
    # Where queries are refused, it is marked under the tag that was named alone.
    for source in ["docker-qa", "docker-dev"] if queries == "queries answered" else ["docker-qa"]:
        with pytest.raises(Refused, match=r"is rejected.*CVE-2026-0001 \(by alice"):
            await way(direct, promotion(image, source=source, target="docker-prod", two_phase=two_phase))
    assert sandbox.tags("docker-prod", image) == []


async def test_what_is_already_there_stays_though_it_is_rejected(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1.0")
    await one(direct, promotion(image))
    await reject(direct, qa(image), reason="wrong", by="alice")
    record = await promote(direct, promotion(image))
    assert (record.outcome, sandbox.digest(f"docker-qa/{image}:1.0")) == ("unchanged", digest)


@WAYS
@FAST_OR_NOT
async def test_the_same_digest_that_is_pushed_again_elsewhere_is_rejected_still(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, queries: str, way: Promote, two_phase: bool
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1.0", content=image)
    await reject(direct, ImageReference("docker-dev", image, "1.0"), reason="wrong", by="alice")
    assert sandbox.push_image(f"docker-dev/{image}/again:1.0", content=image) == digest
    again = promotion(f"{image}/again", two_phase=two_phase)
    if queries == "queries answered":
        with pytest.raises(Refused, match="is rejected"):
            await way(direct, again)
        assert sandbox.tags("docker-qa", f"{image}/again") == []
    else:  # Nobody can say then where else a digest is rejected.
        await way(direct, again)
        assert sandbox.digest(f"docker-qa/{image}/again:1.0") == digest


async def test_a_query_that_fails_among_many_is_no_proof_that_nothing_is_rejected(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, queries: str
) -> None:
    places = [f"{image}/{name}" for name in "abc"]
    for place in places:
        sandbox.push_image(f"docker-prod/{place}:1.0", content=place)
        await reject(direct, ImageReference("docker-prod", place, "1.0"), reason="wrong", by="alice")
        sandbox.push_image(f"docker-dev/{place}:1.0", content=place)
    fast = [promotion(place, two_phase=False) for place in places]
    wanted = [replace(each, source=each.source.pinned(str(sandbox.digest(str(each.source))))) for each in fast]
    sandbox.add_fault("status", path="*/api/search/aql", status=500, count=2)  # with the client's own second try
    report = await promote_many(direct, wanted)
    sandbox.clear_faults()
    # Where queries are refused for good, nobody can say.
    wrong = Refused if queries == "queries answered" else type(None)
    assert [type(each.error) for each in report.results] == [wrong] * 3


@pytest.mark.parametrize("way", [one, one_of_many, all_tags])
@FAST_OR_NOT
async def test_an_index_with_a_rejected_child_is_promoted_nowhere(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, queries: str, way: Promote, two_phase: bool
) -> None:
    index = sandbox.push_image(f"docker-dev/{image}:1.0", platforms=PLATFORMS)
    place = ImageReference("docker-dev", image, digest=index)
    child = (await direct.manifest(place)).children[-1]
    await reject(direct, ImageReference("docker-dev", image, digest=child), reason="CVE-2026-0001", by="alice")
    if queries == "queries answered":
        with pytest.raises(Refused, match=f"{child} is rejected, so {index}, which it is a part of.*CVE-2026-0001"):
            await way(direct, promotion(image, two_phase=two_phase))
        assert sandbox.tags("docker-qa", image) == []
    else:  # Nobody can say then where a digest is that no tag shows.
        await way(direct, promotion(image, two_phase=two_phase))
        assert sandbox.digest(f"docker-qa/{image}:1.0") == index


async def test_one_request_takes_no_rejected_digest_along_under_a_backup_tag(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    await one(direct, promotion(image))
    sandbox.push_image(f"docker-dev/{image}:1.0", content="newer")
    await one(direct, promotion(image, on_conflict="backup"))
    backup = await find_previous(direct, qa(image))
    await reject(direct, backup, reason="wrong", by="alice")
    with pytest.raises(Refused, match="is rejected"):
        await one_request(direct, promotion(image, source="docker-qa", target="docker-prod"))
    assert sandbox.tags("docker-prod", image) == []


async def test_a_lifted_rejection_lets_it_go_everywhere(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1.0")
    source = ImageReference("docker-dev", image, "1.0")
    await reject(direct, source, reason="wrong", by="alice")
    places = await lift_rejection(direct, source, reason="it was another one", by="bob")
    assert places == (f"docker-dev/{image}/1.0/manifest.json",)
    await one(direct, promotion(image))
    assert sandbox.digest(f"docker-qa/{image}:1.0") == digest
    properties = await direct.properties(places[0])
    assert (properties["promotion.lifted"], properties["promotion.lifted.by"]) == (["it was another one"], ["bob"])
    with pytest.raises(NothingToLift):
        await lift_rejection(direct, source, reason="again", by="bob")


async def test_a_hold_belongs_to_one_tag_and_is_not_carried_to_others(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digests = [sandbox.push_image(f"docker-dev/{image}:1.0")]
    await one(direct, promotion(image))
    await hold(direct, qa(image), reason="stays", by="alice")
    await one(direct, promotion(image, source="docker-qa", target="docker-prod"))
    digests.append(sandbox.push_image(f"docker-dev/{image}:1.0", content="newer"))
    await one(direct, promotion(image, source="docker-dev", target="docker-prod"))
    assert sandbox.digest(f"docker-prod/{image}:1.0") == digests[1] != digests[0]
    assert sandbox.digest(f"docker-qa/{image}:1.0") == digests[0]


@pytest.mark.parametrize("named", [{}, {"promotion.hold.tag": ""}])
async def test_a_hold_that_somebody_has_set_by_hand_holds_the_tag_and_no_other(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, named: dict[str, str]
) -> None:
    sandbox.push_image(f"docker-qa/{image}:1.0")
    await direct.set_properties(f"docker-qa/{image}/1.0/manifest.json", {"promotion.hold": "", **named})
    await one(direct, promotion(image, source="docker-qa", target="docker-prod"))
    newest = sandbox.push_image(f"docker-dev/{image}:1.0", content="newer")
    with pytest.raises(Refused, match=r"docker-qa/.* is held.*no reason is given"):
        await one(direct, promotion(image))
    await one(direct, promotion(image, target="docker-prod"))
    assert sandbox.digest(f"docker-prod/{image}:1.0") == newest


@pytest.mark.parametrize("way", [one, one_of_many])
async def test_a_move_leaves_a_held_source_tag_where_it_is(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, way: Promote
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1.0")
    source = ImageReference("docker-dev", image, "1.0")
    await hold(direct, source, reason="stays", by="alice")
    move = promotion(image, copy=False)
    move = Promotion(source=source.pinned(digest), target=move.target, options=move.options)
    with pytest.raises(Refused, match=r"docker-dev/.* is held"):
        await way(direct, move)
    assert (sandbox.digest(f"docker-dev/{image}:1.0"), sandbox.tags("docker-qa", image)) == (digest, [])


async def test_a_source_tag_that_is_held_meanwhile_is_not_moved_away(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1.0")

    class HoldMeanwhile:
        async def find_refusals(self, changes: Sequence[Change]) -> list[Refusal | None]:
            await hold(direct, ImageReference("docker-dev", image, "1.0"), reason="stays", by="alice")
            return [None] * len(changes)

    with pytest.raises(Refused, match="is held"):
        await one(direct, promotion(image, copy=False), rules=HoldMeanwhile())
    assert sandbox.digest(f"docker-dev/{image}:1.0") == digest
    assert sandbox.tags("docker-qa", image) == []


@pytest.mark.parametrize("property_prefix", ["promotion", None])
@FAST_OR_NOT
async def test_a_promotion_that_holds_its_tag_may_replace_a_held_image_and_holds_the_new_one(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, two_phase: bool, property_prefix: str | None
) -> None:
    sandbox.push_image(f"docker-qa/{image}:1.0")
    await hold(direct, qa(image), reason="stays", by="alice")
    digest = sandbox.push_image(f"docker-dev/{image}:1.0")
    options: dict[str, Any] = {"two_phase": two_phase, "property_prefix": property_prefix, "on_conflict": "backup"}
    await one(direct, promotion(image, hold="rolled back", held_by="bob", **options))
    assert sandbox.digest(f"docker-qa/{image}:1.0") == digest
    sandbox.push_image(f"docker-dev/{image}:1.0", content="newer")
    with pytest.raises(Refused, match=r"rolled back \(by bob"):
        await one(direct, promotion(image))
    previous = await find_previous(direct, qa(image)) if property_prefix else None
    if previous:
        await one(direct, Promotion(source=previous, target=qa(image), options=promotion(image, hold="back").options))
        assert sandbox.digest(f"docker-qa/{image}:1.0") == previous.digest


async def test_what_is_there_already_is_held_from_then_on(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    await one(direct, promotion(image))
    await one(direct, promotion(image, hold="this one stays", held_by="alice"))
    sandbox.push_image(f"docker-dev/{image}:1.0", content="newer")
    with pytest.raises(Refused, match="this one stays"):
        await one(direct, promotion(image))


@WAYS
@FAST_OR_NOT
async def test_a_rule_that_refuses_changes_nothing_and_says_until_when(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, way: Any, two_phase: bool
) -> None:
    held = sandbox.push_image(f"docker-qa/{image}:1.0")
    sandbox.push_image(f"docker-dev/{image}:1.0")
    rules = Say(Refusal("docker-qa is frozen.", until=UNTIL, lifted_by="Ask carol."))
    with pytest.raises(Refused, match=r"docker-qa is frozen\. Ask carol\.") as caught:
        await way(direct, promotion(image, two_phase=two_phase), rules=rules)
    assert caught.value.refusal.until == UNTIL
    assert (sandbox.digest(f"docker-qa/{image}:1.0"), sandbox.tags("docker-qa", image)) == (held, ["1.0"])
    assert {change.target for change in rules.asked} == {qa(image)}


@dataclass
class RefuseFrom:
    """Rules that refuse from the so-manieth question on."""

    number: int
    asked: int = 0

    async def find_refusals(self, changes: Sequence[Change]) -> list[Refusal | None]:
        self.asked += 1
        return [Refusal("Frozen.") if self.asked >= self.number else None] * len(changes)


@pytest.mark.parametrize("way", [one, one_of_many])
@pytest.mark.parametrize("on_conflict", ["overwrite", "backup"])
async def test_what_is_refused_right_before_the_retag_leaves_the_target_alone_and_no_pending_tag(
    direct: ArtifactoryClient,
    sandbox: RunningSandbox,
    image: str,
    way: Any,
    on_conflict: str,
    transit: dict[str, Any],
) -> None:
    held = sandbox.push_image(f"docker-qa/{image}:1.0")
    sandbox.push_image(f"docker-dev/{image}:1.0")
    history = History(sandbox)
    with pytest.raises(Refused, match="Frozen"):
        await way(direct, promotion(image, on_conflict=on_conflict, **transit), rules=RefuseFrom(2))
    assert set(history.shown(f"docker-qa/{image}:1.0")) <= {held}
    assert (sandbox.digest(f"docker-qa/{image}:1.0"), sandbox.tags("docker-qa", image)) == (held, ["1.0"])
    assert sandbox.tags("docker-transit", image) == []


async def test_a_tag_that_is_there_already_needs_no_rule(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    await one(direct, promotion(image))
    rules = Say(Refusal("Frozen."))
    assert (await promote(direct, promotion(image), rules=rules)).outcome == "unchanged"
    assert rules.asked == []


async def test_a_plan_says_what_is_refused_and_why(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for tag in ("free", "held", "rejected", "same"):
        sandbox.push_image(f"docker-dev/{image}:{tag}")
    sandbox.push_image(f"docker-qa/{image}:held")
    await one(direct, promotion(image, "same"))
    await hold(direct, qa(image, "held"), reason="<b>stays</b>", by="alice")
    await reject(direct, ImageReference("docker-dev", image, "rejected"), reason="CVE", by="alice")
    criteria = TagCriteria(repositories=("docker-dev",), images=Patterns((image,)))
    plan = await make_plan(direct, criteria, target_repository="docker-qa")
    said = {str(each.target.tag): (each.action, each.reason) for each in plan.promotions}
    assert {tag: action for tag, (action, _) in said.items()} == {
        "free": "promote",
        "held": "refused",
        "rejected": "refused",
        "same": "unchanged",
    }
    assert "<b>stays</b> (by alice" in said["held"][1]
    assert "is rejected" in said["rejected"][1]

    refused = await apply_rules(plan, Say(Refusal("Frozen.", lifted_by="Ask carol.")))
    assert refused.counts == {"promote": 0, "unchanged": 1, "conflict": 0, "refused": 3, "missing": 0}
    assert {each.reason for each in refused.promotions if each.target.tag == "free"} == {"Frozen. Ask carol."}


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "two\x00", 7, None])
async def test_a_decision_needs_a_reason(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, reason: Any
) -> None:
    sandbox.push_image(f"docker-qa/{image}:1.0")
    before = len(sandbox.requests)
    for decide in (hold, reject, lift_hold, lift_rejection):
        with pytest.raises(InvalidPromotion, match="A reason is a text of 1 to 500 characters"):
            await decide(direct, qa(image), reason=reason, by="alice")
    assert len(sandbox.requests) == before


async def test_what_cannot_be_marked_is_named_and_everything_else_is(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, queries: str
) -> None:
    if queries == "queries refused":
        sandbox.clear_faults()
    sandbox.push_image(f"docker-dev/{image}:1.0")
    await one(direct, promotion(image))
    sandbox.add_fault("status", path=f"*/api/storage/docker-dev/{image}/*", method="PUT", status=403)
    with pytest.raises(DecisionIncomplete, match=rf"1 of 2 places.*\n  docker-dev/{image}/1.0/manifest.json: "):
        await reject(direct, qa(image), reason="wrong", by="alice")
    properties = await direct.properties(f"docker-qa/{image}/1.0/manifest.json")
    assert properties["promotion.rejected"] == ["wrong"]


@pytest.mark.parametrize("name", ["hold", "hold.tag", "rejected", "rejected.by", "lifted"])
def test_no_dag_sets_marks_as_properties_of_its_own(name: str) -> None:
    with pytest.raises(InvalidPromotion, match="the record's own"):
        PromotionOptions(properties={name: "x"})
