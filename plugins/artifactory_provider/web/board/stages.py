"""All that stands in one stage, and two stages side by side: as JSON, and as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from artifactory_provider.board.comparison import compare, link_changes, revision_of, source_of
from artifactory_provider.board.rows import judge_tag
from artifactory_provider.board.states import WORDS, CellState
from artifactory_provider.promotion.csv_text import write_csv
from artifactory_provider.web.airflow_internals import REQUIRES_ASSET_ACCESS
from artifactory_provider.web.board.access import (
    ANSWER_HEADERS,
    Name,
    RightsDep,
    Start,
    Text,
    find_stage,
    split_words,
    view_board,
)
from artifactory_provider.web.board.showing import show_by
from artifactory_provider.web.board.stage_models import Difference, DifferenceRow, ShownStage, Side, StageRow

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from artifactory_provider.audit import StandingTag
    from artifactory_provider.board.comparison import Difference as HowDifferent
    from artifactory_provider.board.findings import CellFinding
    from artifactory_provider.web.board.looking import StagePlace
    from artifactory_provider.web.board.views import View

router = APIRouter(dependencies=[REQUIRES_ASSET_ACCESS])

_DIFFERENCES = ("another digest", "another tag", "only in the first", "only in the second", "same")
_ANY_DIFFERENCE = f"^({'|'.join(_DIFFERENCES)}|)$"
_STAGE_COLUMNS = ("image", "tag", "digest", "updated", "state", "reason", "dag", "run", "user")
_DIFFERENCE_COLUMNS = (
    "image",
    "difference",
    *(f"{side}_{name}" for side in ("first", "second") for name in ("tag", "digest", "updated", "revision")),
    "compare",
)


@dataclass(frozen=True, kw_only=True)
class WantedTags:
    """Which tags of a stage are asked for.

    :param repository: its repository key.
    :param connection: the connection of its server, where two servers have a repository of that key.
    :param q: words, each of which stands in image, tag or digest.
    :param start: how many are passed over.
    :param limit: how many at most; in CSV, all are sent.
    :param refresh: whether the registry is to be looked at anew.
    """

    repository: Name
    connection: Name = ""
    q: Text = ""
    start: Start = 0
    limit: Annotated[int, Query(ge=1, le=100_000)] = 100
    refresh: bool = False


@dataclass(frozen=True, kw_only=True)
class WantedDifferences:
    """Which images of two stages are asked for.

    :param first: the first stage's repository key.
    :param second: the second's.
    :param first_connection: the connection of its server, where two servers have a repository of that key.
    :param second_connection: the second's.
    :param q: words, each of which stands in image, tag or digest of either.
    :param difference: how they differ; empty for all.
    :param start: how many are passed over.
    :param limit: how many at most; in CSV, all are sent.
    :param refresh: whether the registry is to be looked at anew.
    """

    first: Annotated[str, Query(alias="from", max_length=250)]
    second: Annotated[str, Query(alias="to", max_length=250)]
    first_connection: Annotated[str, Query(alias="from_connection", max_length=250)] = ""
    second_connection: Annotated[str, Query(alias="to_connection", max_length=250)] = ""
    q: Text = ""
    difference: Annotated[str, Query(pattern=_ANY_DIFFERENCE)] = ""
    start: Start = 0
    limit: Annotated[int, Query(ge=1, le=100_000)] = 100
    refresh: bool = False


TagsDep = Annotated[WantedTags, Depends()]
DifferencesDep = Annotated[WantedDifferences, Depends()]


@router.get("/board/stage.json")
def show_stage(wanted: TagsDep, rights: RightsDep) -> ShownStage:
    """Return a page of all that stands in a stage."""
    view, is_refreshing = view_board(rights, refresh=wanted.refresh)
    place = find_stage(view, wanted.repository, wanted.connection)
    found = _find_tags(view, place, wanted.q)
    return ShownStage(
        repository=wanted.repository,
        as_of=view.snapshot.as_of,
        is_refreshing=is_refreshing,
        trouble=view.snapshot.trouble,
        found=len(found),
        start=wanted.start,
        rows=_show_tags(view, place, found[wanted.start : wanted.start + wanted.limit]),
    )


@router.get("/board/stage.csv")
def send_stage(wanted: TagsDep, rights: RightsDep) -> Response:
    """Send all that stands in a stage as CSV."""
    view, _ = view_board(rights)
    place = find_stage(view, wanted.repository, wanted.connection)
    rows = _show_tags(view, place, _find_tags(view, place, wanted.q))
    cells = (
        (
            *(row.image, row.tag, row.digest, _show_time(row.updated), row.word, row.reason),
            *((row.by.dag_id, row.by.run_id, row.by.user) if row.by else ("", "", "")),
        )
        for row in rows
    )
    return _send_csv(write_csv(_STAGE_COLUMNS, cells), "stage")


@router.get("/board/difference.json")
def show_difference(wanted: DifferencesDep, rights: RightsDep) -> Difference:
    """Return a page of two stages side by side: what stands for each image in either."""
    view, is_refreshing = view_board(rights, refresh=wanted.refresh)
    every = _compare_stages(view, wanted)
    found = [one for one in every if wanted.difference in {"", one.difference}]
    return Difference(
        from_repository=wanted.first,
        to=wanted.second,
        as_of=view.snapshot.as_of,
        is_refreshing=is_refreshing,
        trouble=view.snapshot.trouble,
        counts={name: sum(one.difference == name for one in every) for name in _DIFFERENCES},
        found=len(found),
        start=wanted.start,
        rows=[_show_compared(one) for one in found[wanted.start : wanted.start + wanted.limit]],
    )


@router.get("/board/difference.csv")
def send_difference(wanted: DifferencesDep, rights: RightsDep) -> Response:
    """Send two stages side by side as CSV."""
    view, _ = view_board(rights)
    every = _compare_stages(view, wanted)
    found = (_show_compared(one) for one in every if wanted.difference in {"", one.difference})
    cells = ((row.image, row.difference, *_cells(row.before), *_cells(row.after), row.compare) for row in found)
    return _send_csv(write_csv(_DIFFERENCE_COLUMNS, cells), "difference")


class _Compared(NamedTuple):
    image: str
    difference: HowDifferent
    before: StandingTag | None
    after: StandingTag | None


def _find_tags(view: View, place: StagePlace, text: str) -> list[StandingTag]:
    tags, words = view.list_tags(place), split_words(text)
    return [tag for tag in tags if _has_all(words, tag)] if words else tags


def _show_tags(view: View, place: StagePlace, tags: Sequence[StandingTag]) -> list[StageRow]:
    stock = view.snapshot.find_stock(place)
    if stock is None:
        return []
    shown, is_first = view.list_shown(place), view.is_first(place)
    rows = []
    for tag in tags:
        cell = shown.get(tag.place.image)
        is_shown = cell is not None and cell.shown is not None and cell.shown.name == tag.name
        state, reason = judge_tag(stock, tag, is_first=is_first)
        # Nothing is said against it, and it is not what stands for its image.
        word = "" if state is CellState.CURRENT else WORDS[state]
        if cell is not None and is_shown:
            state, reason, word = cell.state, cell.reason, cell.word
        promotion = view.find_promotion_of(place.connection, tag)
        rows.append(
            StageRow(
                image=tag.place.image,
                tag=tag.name,
                digest=tag.digest,
                updated=tag.updated,
                is_shown=is_shown,
                state=state,
                word=word,
                reason=reason,
                by=show_by(promotion),
                pushed_by=tag.by or None,
            )
        )
    return rows


def _compare_stages(view: View, wanted: WantedDifferences) -> list[_Compared]:
    """Return what stands for each image in either stage, of those that meet the search."""
    first = view.list_shown(find_stage(view, wanted.first, wanted.first_connection))
    second = view.list_shown(find_stage(view, wanted.second, wanted.second_connection))
    words = split_words(wanted.q)
    found = []
    for image in sorted({*first, *second}):
        before, after = (_shown(cells.get(image)) for cells in (first, second))
        if not words or _has_all(words, *filter(None, (before, after))):
            found.append(_Compared(image, compare(before, after), before, after))
    return found


def _show_compared(one: _Compared) -> DifferenceRow:
    return DifferenceRow(
        image=one.image,
        difference=one.difference,
        before=_show_side(one.before),
        after=_show_side(one.after),
        compare=link_changes(one.before, one.after),
    )


def _shown(cell: CellFinding | None) -> StandingTag | None:
    return cell.shown if cell else None


def _show_side(tag: StandingTag | None) -> Side | None:
    if tag is None:
        return None
    return Side(tag=tag.name, digest=tag.digest, updated=tag.updated, revision=revision_of(tag), source=source_of(tag))


def _has_all(words: Sequence[str], *tags: StandingTag) -> bool:
    text = "\n".join(f"{tag.place.image} {tag.name} {tag.digest} {tag.digest[7:]}" for tag in tags).casefold()
    return all(word in text for word in words)


def _cells(side: Side | None) -> tuple[object, ...]:
    return (side.tag, side.digest, _show_time(side.updated), side.revision) if side else ("", "", "", "")


def _show_time(moment: datetime.datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""


def _send_csv(text: str, name: str) -> Response:
    headers = {**ANSWER_HEADERS, "Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)
