"""The commands ``plan``, ``promote`` and ``rollback``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.errors import ImageNotFound
from artifactory_provider.artifactory.references import ImageReference, check_repository
from artifactory_provider.cli.folder import read_rules
from artifactory_provider.cli.output import printed, progress, say, show, show_digest
from artifactory_provider.cli.running import (
    DONE,
    EXPECTED,
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
from artifactory_provider.promotion.planning.rendering import headline
from artifactory_provider.promotion.planning.rollback import plan_rollback
from artifactory_provider.promotion.request import NOTHING, PromotionOptions, make_promotions
from artifactory_provider.tasks.forms import read_criteria
from artifactory_provider.tasks.metrics import ROLLBACKS, Tally, count_promotions
from artifactory_provider.tasks.rules import Answers

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from artifactory_provider.promotion.reports import PromotionReport, PromotionResult

_OUTCOMES = {REFUSED: "refused", PENDING: "pending"}


@command(changes=False)
def plan(args: Namespace) -> int:
    """Show the promotions that a run would make, and change nothing."""
    criteria = read_criteria(
        {
            "repositories": [args.repository],
            "images": args.image,
            "exclude_images": args.exclude_image,
            "tags": args.tag,
            "exclude_tags": args.exclude_tag,
            "versions": args.versions,
            "created_from": args.created_from,
            "created_before": args.created_before,
            "properties": "\n".join(args.property or ()),
        }
    )
    made = ArtifactoryHook(args.conn_id, rules=read_rules(args.folder)).plan(
        criteria,
        target_repository=args.target,
        target_image=args.target_image,
        target_tags=args.target_tag or ("{tag}",),
        on_conflict=args.on_conflict,
        largest=args.largest,
    )
    rows = [
        {
            "action": one.action,
            "source": one.source.unpinned(),
            "target": one.target,
            "digest": show_digest(one.source.digest, args.output),
            "current": show_digest(one.current, args.output),
            "reason": one.reason,
        }
        for one in made.promotions
    ]
    show(rows, args.output)
    say(f"{headline(made)}.")
    return DONE


@command(changes=True)
def promote(args: Namespace) -> int:
    """Promote tags or whole images, and show what became of each."""
    hook = ArtifactoryHook(args.conn_id, rules=read_rules(args.folder))
    options = PromotionOptions(on_conflict=args.on_conflict, properties={"by": author()})
    promotions = make_promotions(_pair(hook, args.source, args.target), options)
    last = Progress(0, len(promotions), 0)

    def note(made: Progress) -> None:
        nonlocal last
        last = made
        move(made)

    try:
        with progress("Promoting", quiet=args.verbose) as move:
            report = hook.promote_many(promotions, at_once=args.at_once, on_progress=note)
    except KeyboardInterrupt:
        say(
            f"Interrupted: {last.done:,} of {last.total:,} promotions had ended, {last.failed:,} of them failed. Run "
            "the same command again: it does what is left."
        )
        return INTERRUPTED
    count_promotions(report.results)
    return _report(report, args.output)


@command(changes=True)
def rollback(args: Namespace) -> int:
    """Give a tag back what it showed before its last promotion, and hold it on that."""
    tag, by, reason = read_tag(args.tag), author(), check_reason(args.reason)
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
        with Tally(ROLLBACKS) as tally, tally.of(promotion):
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


def _report(report: PromotionReport, output: str) -> int:
    codes = [code_of(one.error) if one.error else DONE for one in report.results]
    rows = [
        _row(one.source, one.target, _OUTCOMES.get(code, one.outcome), _reason(one), output)
        for one, code in zip(report.results, codes, strict=True)
    ]
    show(rows, output)
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["outcome"]] = counts.get(row["outcome"], 0) + 1
    say(f"{', '.join(f'{number:,} {outcome}' for outcome, number in counts.items())}.")
    return worst(codes)


def _reason(result: PromotionResult) -> str:
    return result.reason if result.error else ""


def _row(source: ImageReference, target: ImageReference, outcome: str, reason: str, output: str) -> dict[str, Any]:
    digest = show_digest(source.digest or target.digest, output)
    return {
        "outcome": outcome,
        "source": source.unpinned(),
        "target": target.unpinned(),
        "digest": digest,
        "reason": reason,
    }
