"""Deleting what a plan says: each tag only while it shows what was planned, and nothing has come to need it since.

The last look is a plan anew, made of what the registry shows right before: one look for some hundred tags. What it does
not plan for deletion, with the same digest, is left. What an index refers to goes after the index, and what belongs to
digests at the end, each after a look of its own.
"""

from __future__ import annotations

import datetime
import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.diagnosis import check_promotable
from artifactory_provider.artifactory.errors import TRANSIENT, ArtifactoryError, AuthenticationFailed
from artifactory_provider.artifactory.layout import tag_path
from artifactory_provider.promotion.batch import Progress
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.queries import Question, find_together
from artifactory_provider.promotion.rules import Refused
from artifactory_provider.retention.attic import place_in_attic, put_back_others
from artifactory_provider.retention.look import look_at
from artifactory_provider.retention.planner import make_plan
from artifactory_provider.retention.report import DeletionResult, RetentionReport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.audit import Survey
    from artifactory_provider.promotion.rules import Rules
    from artifactory_provider.retention.plan import PlannedDeletion, RetentionPlan
    from artifactory_provider.retention.report import Outcome
    from artifactory_provider.retention.rules import RetentionRules

log = logging.getLogger(__name__)

_TAGS_A_LOOK = 100


@dataclass(frozen=True, kw_only=True)
class _Deed:
    """What holds for all deletions of a run."""

    ledger: Ledger
    rules: RetentionRules
    allowed: Rules | None
    at_once: int
    now: Callable[[], datetime.datetime]


async def delete_planned(
    client: ArtifactoryClient,
    rules: RetentionRules,
    deletions: Sequence[PlannedDeletion],
    *,
    allowed: Rules | None = None,
    at_once: int = 16,
    on_progress: Callable[[Progress], None] | None = None,
    now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
) -> RetentionReport:
    """Delete the tags of a plan that may still go; one that fails does not stop the others.

    It is safe to run again after any end, and does what is left then.

    :param client: an open client.
    :param rules: what may go, as it was when the plan was made.
    :param deletions: what the plan says is to go.
    :param allowed: what may refuse changes beside what stands on the images: stops, the policy, missing approvals.
    :param at_once: how many requests are under way at a time.
    :param on_progress: called with how far it has come, after each wave.
    :param now: returns the current moment.
    :raises AuthenticationFailed: when the server does not accept the credentials any more.
    :raises ArtifactoryError: before anything goes, when a repository of the rules is not there or not shown to the user
        any more: what stands there could need what goes.
    """
    for key in rules.repositories if deletions else ():
        await check_promotable(client, key)
    async with Ledger(client) as ledger:
        deed = _Deed(ledger=ledger, rules=rules, allowed=allowed, at_once=at_once, now=now)
        ended: dict[ImageReference, DeletionResult] = {}

        async def go_through(rows: Sequence[PlannedDeletion]) -> None:
            for start in range(0, len(rows), _TAGS_A_LOOK):
                wave = rows[start : start + _TAGS_A_LOOK]
                ended.update({result.tag: result for result in await _delete_wave(deed, wave)})
                if on_progress is not None:
                    failed = sum(result.outcome == "failed" for result in ended.values())
                    on_progress(Progress(len(ended), len(deletions), failed))

        tags = [row for row in deletions if row.kind != "attachment"]
        await go_through(tags)
        await go_through(_find_unfinished(tags, ended))
        attached = [row for row in deletions if row.kind == "attachment"]
        await go_through(attached)
        await go_through(_find_unfinished(attached, ended))
    return RetentionReport(tuple(ended[row.tag] for row in deletions))


def _find_unfinished(
    rows: Sequence[PlannedDeletion], ended: Mapping[ImageReference, DeletionResult]
) -> list[PlannedDeletion]:
    """Return what another look may let go.

    That is what ended unclearly, and what was left beside tags that went: what an index needs goes after the index.
    """
    gone = {(tag.repository, tag.image) for tag, result in ended.items() if result.outcome in {"deleted", "moved"}}

    def is_unfinished(row: PlannedDeletion) -> bool:
        result = ended[row.tag]
        is_freed = result.outcome == "left" and (row.tag.repository, row.tag.image) in gone
        return is_freed or isinstance(result.error, TRANSIENT)

    return [row for row in rows if is_unfinished(row)]


async def _delete_wave(deed: _Deed, rows: Sequence[PlannedDeletion]) -> list[DeletionResult]:
    try:
        found = await _decide(deed, rows)
    except AuthenticationFailed:
        raise
    except ArtifactoryError as error:
        # Where nobody can tell what is needed, nothing goes.
        return [_result(row, "failed", str(error), error) for row in rows]

    async def one(row: PlannedDeletion) -> DeletionResult:
        if row.tag in found:
            return found[row.tag]
        try:
            outcome = await _remove(deed, row)
        except AuthenticationFailed:
            raise
        except Refused as error:
            return _result(row, "refused", str(error))
        except ArtifactoryError as error:
            return _result(row, "failed", str(error), error)
        log.info("%s was %s: %s.", row.tag, outcome, row.reason)
        return _result(row, outcome, row.reason)

    results = await concurrently(one, rows, at_once=deed.at_once)
    return await _put_back_others(deed, rows, await _find_standing(deed, results))


async def _remove(deed: _Deed, row: PlannedDeletion) -> Outcome:
    """Move a tag to the attic, where there is one; otherwise, or from there, delete it."""
    client, tag, attic = deed.ledger.client, row.tag.unpinned(), deed.rules.attic

    async def ask() -> None:
        """Refuse what has come to be forbidden while the request waited for its turn."""
        if deed.allowed is not None:
            [refusal] = await deed.allowed.find_refusals([row.change])
            if refusal is not None:
                raise Refused(refusal)

    if attic is None or row.kind == "attic":
        await client.delete_item(tag_path(tag), once=True, at_last=ask)
        return "deleted"
    await client.promote(tag, place_in_attic(attic, tag), copy=False, at_last=ask)
    return "moved"


async def _find_standing(deed: _Deed, results: list[DeletionResult]) -> list[DeletionResult]:
    """Tell of what was said to be deleted and stands still: a proxy may have answered 404 in the server's place."""
    deleted = tuple(result.tag.unpinned() for result in results if result.outcome == "deleted")
    if not deleted:
        return results
    try:
        seen = await find_together(deed.ledger.client, [Question(tags=deleted)])
    except AuthenticationFailed:
        raise
    except ArtifactoryError as error:
        log.warning("Whether %d tags have gone is unknown: %s", len(deleted), error)
        return results
    reason = (
        "its deletion was answered as done, and it stands still: check that no proxy answers in Artifactory's place"
    )

    def check(result: DeletionResult) -> DeletionResult:
        shown = seen.shows(result.tag.unpinned()) if result.outcome == "deleted" else None
        is_there = shown is not None and shown.digest == result.tag.digest
        return replace(result, outcome="failed", reason=reason) if is_there else result

    return [check(result) for result in results]


async def _put_back_others(
    deed: _Deed, rows: Sequence[PlannedDeletion], results: list[DeletionResult]
) -> list[DeletionResult]:
    """Put back from the attic what was pushed while its tag went."""
    moved = [result.tag for result in results if result.outcome == "moved"]
    if deed.rules.attic is None or not moved:
        return results
    try:
        others = await put_back_others(deed.ledger.client, deed.rules.attic, moved)
    except AuthenticationFailed:
        raise
    except ArtifactoryError as error:
        log.warning(
            "Whether what was planned has gone to %s, and nothing else, is unknown: %s", deed.rules.attic, error
        )
        return results
    return [
        _result(row, "left", others[row.tag]) if row.tag in others else result
        for row, result in zip(rows, results, strict=True)
    ]


async def _decide(deed: _Deed, rows: Sequence[PlannedDeletion]) -> dict[ImageReference, DeletionResult]:
    """Return what becomes of those tags that do not go after all."""
    tags = [row.tag for row in rows]
    seen = await look_at(deed.ledger.client, deed.rules, tags)
    images = list(dict.fromkeys((tag.repository, tag.image) for tag in tags))
    make = partial(make_plan, deed.ledger, deed.rules, seen, images, now=deed.now(), wave=frozenset(tags))
    plan = await make()
    if deed.allowed is not None and (refused := await _find_refused(deed.allowed, rows, plan)):
        # What is refused stays, and so does what that needs.
        plan = await make(refused=refused)
    planned = {one.tag: one for one in plan.deletions}
    return {row.tag: result for row in rows if (result := _explain_stay(row, seen, planned.get(row.tag)))}


async def _find_refused(
    allowed: Rules, rows: Sequence[PlannedDeletion], plan: RetentionPlan
) -> dict[ImageReference, str]:
    """Return those of some tags whose deletion is forbidden now, and why."""
    going = {one.tag for one in plan.to_delete()}
    left = [row for row in rows if row.tag in going]
    refusals = await allowed.find_refusals([row.change for row in left]) if left else ()
    return {row.tag: str(refusal) for row, refusal in zip(left, refusals, strict=True) if refusal is not None}


def _explain_stay(row: PlannedDeletion, seen: Survey, planned: PlannedDeletion | None) -> DeletionResult | None:
    standing = seen.find(row.tag)
    if standing is None:
        return _result(row, "gone", "it was gone already")
    if standing.digest != row.tag.digest:
        return _result(row, "left", f"it shows {standing.digest} now")
    if planned is None:
        return _result(row, "left", "by what stands there now, its time has not come")
    if planned.action == "delete":
        return None
    return _result(row, "refused" if planned.action == "refused" else "left", planned.reason)


def _result(row: PlannedDeletion, outcome: Outcome, reason: str, error: Exception | None = None) -> DeletionResult:
    return DeletionResult(tag=row.tag, kind=row.kind, outcome=outcome, reason=reason, error=error)
