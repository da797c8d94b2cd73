"""Which rows of a board are asked for, and what of them was searched for or has changed."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

from fastapi import Query
from pydantic import AwareDatetime  # noqa: TC002 - FastAPI reads annotations

from artifactory_provider.board.changes import find_changes
from artifactory_provider.board.states import COUNTED
from artifactory_provider.web.board.access import Limit, Name, Start, Text, split_words
from artifactory_provider.web.board.models import MetTag, RowChange
from artifactory_provider.web.board.showing import show_by
from artifactory_provider.web.board.views import count, name_tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.web.board.views import SeenRow, View

_ANY_STATE = f"^({'|'.join(COUNTED)}|)$"
_DAY = datetime.timedelta(days=1)
_MOST_CHANGES = 20
_MOST_MET = 5


@dataclass(frozen=True, kw_only=True)
class WantedRows:
    """Which rows are asked for: those that meet all conditions.

    :param ladder: the ladder's name; empty for all.
    :param owner: whose they are; empty for all.
    :param state: a state that one of their cells or gates is in; empty for any.
    :param q: words, each of which stands in image, tag, digest, run or person.
    :param since: the moment since which something of them has changed; None for any.
    :param images: favourites, separated by commas: these come first.
    :param start: how many are passed over.
    :param limit: how many at most.
    :param refresh: whether the registry is to be looked at anew.
    """

    ladder: Name = ""
    owner: Name = ""
    state: Annotated[str, Query(pattern=_ANY_STATE)] = ""
    q: Text = ""
    since: AwareDatetime | None = None
    images: Annotated[str, Query(max_length=8000)] = ""
    start: Start = 0
    limit: Limit = 100
    refresh: bool = False


class FoundRows(NamedTuple):
    """What was found.

    :param rows: the rows that meet all conditions, in the order in which they are shown.
    :param counts: state → how many rows are in it, of those that meet all conditions but that of their state.
    :param since: the moment since which changes are counted; None where nothing was looked at yet.
    :param changed: of how many rows something has changed since then, of those that meet all other conditions.
    """

    rows: Sequence[SeenRow]
    counts: dict[str, int]
    since: datetime.datetime | None
    changed: int


def search_rows(view: View, wanted: WantedRows) -> FoundRows:
    """Return the rows that are asked for.

    :param view: the board as the user may see it.
    :param wanted: which rows.
    """
    met, as_of = _search(view, wanted), view.snapshot.as_of
    since = wanted.since or (as_of.replace(microsecond=0) - _DAY if as_of else None)
    recent = [row for row in met if _has_changed(row, since)]
    counted = recent if wanted.since else met
    rows = [row for row in counted if wanted.state in row.states] if wanted.state else counted
    if wanted.since:
        rows = sorted(rows, key=_last_change, reverse=True)
    favourites = frozenset(filter(None, wanted.images.split(",")))
    if favourites:
        rows = sorted(rows, key=lambda row: row.finding.image not in favourites)  # all else stays in its order
    return FoundRows(
        rows=rows,
        counts=view.counts if counted is view.rows else count(counted),
        since=since,
        changed=sum(wanted.state in row.states for row in recent) if wanted.state else len(recent),
    )


def show_changes(view: View, row: SeenRow, since: datetime.datetime | None) -> list[RowChange]:
    """Return what has changed of a row, and who did it, the newest first.

    :param view: the board as the user may see it.
    :param row: the row.
    :param since: the moment; None where nobody asks.
    """
    if since is None:
        return []
    pipeline = row.finding.pipeline
    stages = {stage.repository: stage.name for stage in pipeline.stages}
    tags = [tag for there in view.find_tags(row) for tag in there]
    found = find_changes({id(tag): tag for tag in tags}.values(), since)[:_MOST_CHANGES]
    return [
        RowChange(
            time=one.time,
            what=one.what,
            stage=stages[one.tag.place.repository],
            tag=one.tag.name,
            digest=one.tag.digest,
            by=show_by(view.find_promotion_of(pipeline.connection, one.tag)) if one.is_arrival else None,
            who=one.who,
            reason=one.reason,
        )
        for one in found
    ]


def show_met(view: View, row: SeenRow, text: str) -> list[MetTag]:
    """Return the tags that a search has met and that no cell of their row shows.

    :param view: the board as the user may see it.
    :param row: the row.
    :param text: what was searched for.
    """
    shown = row.text
    words = [word for word in split_words(text) if word not in shown]
    if not words:
        return []
    pipeline = row.finding.pipeline
    there: dict[str, list[str]] = {}
    for stage, tags in zip(pipeline.stages, view.find_tags(row), strict=True):
        for tag in tags:
            if any(word in name_tag(tag).casefold() for word in words):
                there.setdefault(tag.name, []).append(stage.name)
    first = row.finding.cells[0].shown
    onward = f" A run takes the newest: {first.name}." if first is not None and pipeline.takes_newest else ""
    last = pipeline.stages[-1].name
    return [
        MetTag(
            tag=name,
            stages=stages,
            word=f"{name} stands in {', '.join(stages)}.{'' if last in stages else onward}",
        )
        for name, stages in list(there.items())[:_MOST_MET]
    ]


def _search(view: View, wanted: WantedRows) -> Sequence[SeenRow]:
    """Return the rows that meet all conditions but those of their states and changes."""
    words = split_words(wanted.q)
    if not (wanted.ladder or wanted.owner or words):
        return view.rows
    texts = view.texts if words else [""] * len(view.rows)
    return [
        row
        for row, text in zip(view.rows, texts, strict=True)
        if wanted.ladder in {"", row.finding.pipeline.name}
        and wanted.owner in {"", row.finding.pipeline.owner}
        and all(word in text for word in words)
    ]


def _has_changed(row: SeenRow, since: datetime.datetime | None) -> bool:
    changed = row.finding.changed
    return since is not None and changed is not None and changed >= since


def _last_change(row: SeenRow) -> datetime.datetime:
    return row.finding.changed or datetime.datetime.min.replace(tzinfo=datetime.UTC)
