"""The rows of a plan, and what became of each, as tasks hand them on to the page that lists them.

Nothing is handed on twice: what is to be done stands in the plan's chunks. Beside them stand the digests that it
replaces, all that is not to be done, and, a letter a row, what became of it. Each is an XCom of bounded size.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from artifactory_provider.promotion.planning.chunks import Chunk

CHUNK, REPLACED, OTHERS = "chunk_", "replaced_", "plan_rows_"
"""What the keys of the XComs with rows begin with: what is to be done, what that replaces, and all else."""
FIRST_OTHERS = f"{OTHERS}0001"
"""Where the one row of a plan that changes one tag stands."""
ENDS = "plan_ends"
"""What became of rows: a list of ``task_id`` and ``key``, where they stand, ``ends``, a letter each, or ``*`` and one
for all, and ``reasons``, by the place of the row."""

PlanKind = Literal["conflict", "refused", "missing", "keep", "replaces", "delete", "new", "attachments", "unchanged"]
"""What a plan says of a row: ``new``, ``replaces`` and ``attachments`` are promotions, to a tag that shows nothing,
another digest, or the same one without all that belongs to it."""
PlanEnd = Literal[
    "failed",
    "refused",
    "left",
    "no word",
    "open",
    "held back",
    "promoted",
    "deleted",
    "moved",
    "restored",
    "gone",
    "unchanged",
]
"""What became of what was to be done: ``open`` where that may still come, ``no word`` where no task has told."""

KINDS: tuple[PlanKind, ...] = get_args(PlanKind)
ENDINGS: tuple[PlanEnd, ...] = get_args(PlanEnd)
_LETTERS: dict[str, PlanEnd] = {
    "f": "failed",
    "r": "refused",
    "l": "left",
    "h": "held back",
    "p": "promoted",
    "d": "deleted",
    "m": "moved",
    "b": "restored",
    "g": "gone",
    "u": "unchanged",
}
_LETTER_OF = {end: letter for letter, end in _LETTERS.items()}
_FOR_ALL = "*"
_TO_DO: frozenset[PlanKind] = frozenset({"new", "replaces", "attachments", "delete"})
_MOST_OTHERS = 10_000
_LARGEST_PART = 48 * 1024
_LONGEST_REASON = 300
_MOST_REASONS, _MOST_REASONS_IN_ALL = 50, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One row of a plan.

    :param source: repository, image and tag; in a plan of deletions, the tag that is meant.
    :param target: repository, image and tag that it becomes; in a plan of deletions, nothing.
    :param digest: the digest of the source; empty where it has none.
    :param kind: what the plan says of it.
    :param current: the digest that the target shows, where it shows another one.
    :param reason: why, where the kind alone does not say it.
    :param end: what became of it; empty where nothing was to be done.
    :param why: why it ended so.
    """

    source: str
    target: str
    digest: str
    kind: PlanKind
    current: str = ""
    reason: str = ""
    end: PlanEnd | Literal[""] = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldRows:
    """An XCom with rows, or with what they replace.

    :param task_id: the task that has planned.
    :param map_index: its map index.
    :param key: the XCom's key.
    :param value: what it holds.
    """

    task_id: str
    map_index: int
    key: str
    value: Any


def push_rows(ti: RuntimeTaskInstanceProtocol, *, chunks: Sequence[Chunk], others: Iterable[Mapping[str, Any]]) -> None:
    """Hand on what the chunks of a plan do not say: what they replace, and the first 10,000 rows in none of them.

    :param ti: the task instance that has planned.
    :param chunks: the chunks.
    :param others: the other rows, as they describe themselves, those first that people have to see to.
    """
    for chunk in chunks:
        found = {str(place): one.current for place, one in enumerate(chunk.promotions) if one.current}
        if found:
            ti.xcom_push(key=f"{REPLACED}{chunk.key.removeprefix(CHUNK)}", value=found)
    for number, part in enumerate(_split(others), start=1):
        ti.xcom_push(key=f"{OTHERS}{number:04}", value=part)


def push_ends(
    ti: RuntimeTaskInstanceProtocol,
    parts: Iterable[Mapping[str, Any]],
    ends: Iterable[tuple[str, str]],
) -> None:
    """Hand on what became of the rows of some parts of a plan.

    :param ti: the task instance that has seen to them.
    :param parts: the descriptors of the parts: ``task_id``, ``key``, and how many ``promotions`` it has.
    :param ends: what became of each row, in their order, and why; the first 500 reasons are kept, 50 of a part at most.
    """
    left = iter(ends)
    told = []
    room = _MOST_REASONS_IN_ALL
    for part in parts:
        found = [end for _, end in zip(range(part["promotions"]), left, strict=False)]
        explained = [(place, why) for place, (_, why) in enumerate(found) if why][: min(room, _MOST_REASONS)]
        room -= len(explained)
        told.append(
            {
                "task_id": part["task_id"],
                "key": part["key"],
                "ends": "".join(_LETTER_OF[end] for end, _ in found),  # type: ignore[index]
                "reasons": {str(place): _shorten(why) for place, why in explained},
            }
        )
    ti.xcom_push(key=ENDS, value=told)


def push_end_of_all(
    ti: RuntimeTaskInstanceProtocol, parts: Iterable[Mapping[str, Any]], end: PlanEnd, why: str
) -> None:
    """Hand on that all rows of some parts of a plan have come to the same end.

    :param ti: the task instance that knows of it.
    :param parts: where they stand: ``task_id`` and ``key`` each.
    :param end: what became of them.
    :param why: why.
    """
    same = {"ends": f"{_FOR_ALL}{_LETTER_OF[end]}", "reasons": {"0": _shorten(why)} if why else {}}
    ti.xcom_push(key=ENDS, value=[{"task_id": part["task_id"], "key": part["key"], **same} for part in parts])


def read_rows(told: Iterable[ToldRows], ends: Iterable[Any], *, untold: PlanEnd | Literal[""]) -> list[PlanRow]:
    """Return the rows of a run's plans with what became of each, what somebody has to see to first.

    :param told: what the tasks that plan have handed on under keys that begin as those of rows do.
    :param ends: what others have handed on as ``ENDS``.
    :param untold: the end of what was to be done and no task has told of.
    :raises ValueError: where something is none of what is handed on here.
    """
    parts = {(one.task_id, one.map_index, one.key): one.value for one in told}
    known = {place: end for one in ends for place, end in _read_ends(one)}
    try:
        rows = [
            _end(row, known.get((task_id, key)) if map_index < 0 else None, place, untold=untold)
            for (task_id, map_index, key), value in parts.items()
            if not key.startswith(REPLACED)
            for place, row in _read_part(
                value, parts.get((task_id, map_index, f"{REPLACED}{key.removeprefix(CHUNK)}"), {})
            )
        ]
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"They are no rows of a plan: {type(error).__name__}.") from error
    # Nobody has to see to what is still to be done, or was done: that stands in the order of the plan's kinds.
    urgent = ENDINGS[: ENDINGS.index("open")]
    return sorted(
        rows,
        key=lambda row: (urgent.index(row.end) if row.end in urgent else len(urgent), KINDS.index(row.kind)),
    )


def _split(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for _, one in zip(range(_MOST_OTHERS), rows, strict=False):
        row = {name: value for name, value in one.items() if value}
        if "reason" in row:
            row["reason"] = _shorten(row["reason"])
        length = len(json.dumps(row)) + 2
        if part and size + length > _LARGEST_PART:
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    if part:
        yield part


def _read_part(value: Sequence[Mapping[str, Any]], replaced: Mapping[str, str]) -> Iterator[tuple[int, PlanRow]]:
    if not isinstance(value, list):
        raise TypeError
    for place, document in enumerate(value):
        source, _, digest = _text(document["source"]).partition("@")
        action = document.get("action") or "promote"
        current = _text(document.get("current") or replaced.get(str(place)) or "")
        yield (
            place,
            PlanRow(
                source=source,
                target="" if action in {"delete", "keep"} else _other(_text(document["target"]), source),
                digest=digest,
                kind=_kind(action, digest=digest, current=current),
                current="" if current == digest else current,
                reason=_text(document.get("reason") or ""),
            ),
        )


def _other(target: str, source: str) -> str:
    """Return the target of a row, unless it is its source: a deletion that is refused has no other."""
    return "" if target == source else target


def _kind(action: Any, *, digest: str, current: str) -> PlanKind:
    if action == "promote":
        return "new" if not current else "attachments" if current == digest else "replaces"
    if action not in KINDS:
        raise TypeError
    kind: PlanKind = action
    return kind


def _read_ends(told: Any) -> Iterator[tuple[tuple[str, str], tuple[str, Mapping[str, str]]]]:
    try:
        for part in told:
            yield (_text(part["task_id"]), _text(part["key"])), (_text(part["ends"]), dict(part["reasons"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"That is no end of a plan's rows: {type(error).__name__}.") from error


def _end(
    row: PlanRow, told: tuple[str, Mapping[str, str]] | None, place: int, *, untold: PlanEnd | Literal[""]
) -> PlanRow:
    """Return a row with what became of it."""
    if row.kind not in _TO_DO and not (row.kind == "refused" and told):
        return row
    letters, reasons = told or ("", {})
    if letters.startswith(_FOR_ALL):
        letter, why = letters[1:], reasons.get("0", "")
    else:
        letter, why = letters[place : place + 1], reasons.get(str(place), "")
    return replace(row, end=_LETTERS[letter], why=_text(why)) if letter else replace(row, end=untold)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"
