"""The commands ``promote`` and ``rollback``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.errors import ImageNotFound
from artifactory_provider.artifactory.references import ImageReference, check_repository
from artifactory_provider.cli.folder import read_rules
from artifactory_provider.cli.output import printed, progress, say, show, show_digest
from artifactory_provider.cli.plan import PATTERNS, make_plan, read_plan
from artifactory_provider.cli.running import (
    DONE,
    EXPECTED,
    FAILED,
    INTERRUPTED,
    PENDING,
    REFUSED,
    Usage,
    author,
    code_of,
    command,
    read_tag,
    worst,
)
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.promotion.backup import make_rollback
from artifactory_provider.promotion.batch import Progress
from artifactory_provider.promotion.marks import check_reason
from artifactory_provider.promotion.planning.criteria import TagCriteria
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.rollback import plan_rollback
from artifactory_provider.promotion.request import NOTHING, PromotionOptions, make_promotions
from artifactory_provider.tasks.metrics import ROLLBACKS, PromotionTally, count_promotions
from artifactory_provider.tasks.rules import Answers

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from artifactory_provider.promotion.planning.plan import PlannedPromotion
    from artifactory_provider.promotion.planning.saved import SavedPlan
    from artifactory_provider.promotion.reports import PromotionReport
    from artifactory_provider.promotion.request import Promotion

_OUTCOMES = {REFUSED: "refused", PENDING: "pending"}
_LEFT = {
    "unchanged": ("unchanged", DONE),
    "conflict": ("failed", FAILED),
    "refused": ("refused", REFUSED),
    "missing": ("failed", FAILED),
}
"""What becomes of what a plan does not promote."""


@dataclass(frozen=True)
class _Wanted:
    """What is to be promoted, and what a plan leaves as it is."""

    promotions: tuple[Promotion, ...]
    left: tuple[PlannedPromotion, ...] = ()


@command(changes=True)
def promote(args: Namespace) -> int:
    """Promote tags, whole images, what patterns mean or what a plan has, and show what became of each."""
    hook = ArtifactoryHook(args.conn_id, rules=read_rules(args.folder))
    wanted = _read_wanted(args, hook, PromotionOptions(on_conflict=args.on_conflict, properties={"by": author(args)}))
    last = Progress(0, len(wanted.promotions), 0)

    def note(made: Progress) -> None:
        nonlocal last
        last = made
        move(made)

    try:
        with progress("Promoting", quiet=args.verbose) as move:
            report = hook.promote_many(wanted.promotions, at_once=args.at_once, on_progress=note)
    except KeyboardInterrupt:
        say(
            f"Interrupted: {last.done:,} of {last.total:,} promotions had ended, {last.failed:,} of them failed. Run "
            "the same command again: it does what is left."
        )
        return INTERRUPTED
    count_promotions(report.results)
    return _report(wanted.left, report, args.output)


@command(changes=True)
def rollback(args: Namespace) -> int:
    """Give a tag back what it showed before its last promotion, and hold it on that."""
    tag, by, reason = read_tag(args.tag), author(args), check_reason(args.reason)
    hook = ArtifactoryHook(args.conn_id)
    planned = hook.plan_change(
        lambda client: plan_rollback(client, tag.unpinned(), version=tag.digest), is_rollback=True
    ).planned
    if planned.action == "unchanged":
        if tag.digest and not args.no_hold:
            hook.hold(tag, reason=reason, by=by)
        shown = tag.pinned(str(planned.current))
        show([_row(shown, shown, planned.action, planned.reason, args.output)], args.output)
        say(f"{shown} stays as it is: {planned.reason}.{_tell_hold(reason, args) if tag.digest else ''}")
        return DONE
    # After it the one before is another one: what goes on from here has to name the digest.
    go_on = f"To go on, name the digest: {tag.pinned(str(planned.source.digest))}"
    promotion = make_rollback(
        planned.source,
        planned.target,
        by=by,
        reason=reason,
        hold=not args.no_hold,
        replaces=planned.current or NOTHING,
        properties={"by": by},
    )
    try:
        with PromotionTally(ROLLBACKS) as tally, tally.of(promotion):
            record = tally.add_record(hook.promote(promotion, answers=Answers(is_rollback=True)))
    except KeyboardInterrupt:
        say(f"Interrupted. {go_on}")
        return INTERRUPTED
    except EXPECTED as error:
        say(f"{printed(str(error))}\n{go_on}")
        return code_of(error)
    show([_row(record.source, record.target, record.outcome, "", args.output)], args.output)
    say(f"{tag.unpinned()} shows {record.target.digest} again.{_tell_hold(reason, args)}")
    return DONE


def _tell_hold(reason: str, args: Namespace) -> str:
    return "" if args.no_hold else f" It is held on it: {printed(reason)}"


def _read_wanted(args: Namespace, hook: ArtifactoryHook, options: PromotionOptions) -> _Wanted:
    """Return what is to be promoted: what a plan has, what patterns mean, or what is named."""
    *sources, target = args.references or [""]
    by_patterns = len(sources) == 1 and "/" not in sources[0]
    if given := [name for name in PATTERNS if getattr(args, name) is not None]:
        option = f"--{given[0].replace('_', '-')}"
        if args.plan:
            raise Usage(f"A plan says by itself which tags are meant: leave out {option}, or --plan.")
        if not by_patterns:
            raise Usage(f"{option} chooses among the tags of a repository: name two repositories, from and to.")
    if args.plan:
        if args.references or args.on_conflict != "fail":
            raise Usage("A plan says by itself what is promoted, and how: give --plan without references and policies.")
        return _pin(read_plan(args.plan), options)
    if not sources:
        raise Usage("Give what is promoted and, last, the target; or a saved --plan.")
    if not by_patterns:
        return _Wanted(make_promotions(_pair(hook, sources, target), options))
    return _pin(make_plan(args, hook, source=sources[0], target=target), options)


def _pin(saved: SavedPlan, options: PromotionOptions) -> _Wanted:
    """Return the promotions of a plan: of the digests that it has, in the place of those that it has seen."""
    planned = saved.plan.to_promote()
    promotions = make_promotions(
        [(one.source, one.target) for one in planned], replace(options, on_conflict=saved.on_conflict)
    )
    return _Wanted(
        tuple(
            replace(promotion, options=replace(promotion.options, replaces=one.current or NOTHING))
            for promotion, one in zip(promotions, planned, strict=True)
        ),
        tuple(one for one in saved.plan.promotions if one.action != "promote"),
    )


def _pair(
    hook: ArtifactoryHook, sources: Sequence[str], target: str
) -> Iterator[tuple[ImageReference, ImageReference]]:
    """Yield source and target of each promotion; an image without a tag stands for all its tags."""
    wanted = [ImageReference.parse(source) for source in sources]
    repository, _, name = target.partition("/")
    named = ImageReference.parse(target) if name else None
    check_repository(repository)
    if named and (len(wanted) > 1 or named.digest or (named.tag and not wanted[0].tag)):
        raise Usage(
            f"{printed(target)} is the target of one source: give the repository alone for several sources, no tag for "
            "a whole image, and no digest, which is given with the source."
        )
    for source in wanted:
        for one in [source] if source.tag else _list_tags(hook, source):
            image = named.image if named else one.image
            yield one, ImageReference(repository, image, named.tag if named and named.tag else one.tag)


def _list_tags(hook: ArtifactoryHook, image: ImageReference) -> list[ImageReference]:
    if image.digest:
        raise Usage(f"{image} names no tag, and a digest needs the tag that shows it.")
    listed = hook.list_tags(TagCriteria((image.repository,), Patterns((image.image,))))
    if not listed:
        raise ImageNotFound(f"There is no tag of {image} that could be promoted.")
    return [one.reference for one in listed]


def _report(left: Sequence[PlannedPromotion], report: PromotionReport, output: str) -> int:
    codes = [_LEFT[one.action][1] for one in left]
    rows = [_row(one.source, one.target, _LEFT[one.action][0], one.reason, output) for one in left]
    for result in report.results:
        code = code_of(result.error) if result.error else DONE
        codes.append(code)
        reason = result.reason if result.error else ""
        rows.append(_row(result.source, result.target, _OUTCOMES.get(code, result.outcome), reason, output))
    show(rows, output)
    counts = Counter(row["outcome"] for row in rows)
    say(f"{', '.join(f'{number:,} {outcome}' for outcome, number in counts.items())}.")
    return worst(codes)


def _row(source: ImageReference, target: ImageReference, outcome: str, reason: str, output: str) -> dict[str, Any]:
    digest = show_digest(source.digest or target.digest, output)
    return {
        "outcome": outcome,
        "source": source.unpinned(),
        "target": target.unpinned(),
        "digest": digest,
        "reason": reason,
    }
