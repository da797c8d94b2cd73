"""Where images stand on their way through the stages, and what they wait for: for people and for the next task."""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.artifactory.references import ImageReference

Standing = Literal["arrived", "climbing", "waiting", "refused", "failed", "late", "superseded"]
"""``climbing`` may move on at once; ``waiting`` is for verdicts, ``refused`` for a rule to end; the last three are ends
as ``arrived`` is."""

ENDED: frozenset[Standing] = frozenset({"arrived", "failed", "late", "superseded"})
_COUNTS: tuple[Standing, ...] = get_args(Standing)
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where one image stands.

    :param reference: repository, image and tag in its stage, pinned.
    :param level: which stage that is, from 0.
    :param standing: what becomes of it.
    :param reason: what it waits for, or why it has ended.
    :param since: since when it stands in the stage for this run.
    :param until: when it is looked at again at the latest: what refuses it may end, or its time is over.
    :param counts_from: from when on its time counts, where something has held it back that ends by itself.
    :param is_unsure: whether the promotion that has brought it to where it stands may not have come to its end.
    :param rule: what refuses it, in a word, where something does; no report holds it.
    """

    reference: ImageReference
    level: int
    standing: Standing
    since: datetime.datetime
    reason: str = ""
    until: datetime.datetime | None = None
    counts_from: datetime.datetime | None = None
    is_unsure: bool = False
    rule: str = field(default="", compare=False)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.standing in ENDED


@dataclass(frozen=True, kw_only=True)
class LadderReport:
    """Where all images of a run stand.

    :param stages: the names of the stages.
    :param positions: one for each image, in their order.
    :param at: the moment that it is about.
    """

    stages: tuple[str, ...]
    positions: tuple[Position, ...]
    at: datetime.datetime

    @property
    def counts(self) -> dict[str, int]:
        """How many images stand how, all of them named."""
        found = Counter(position.standing for position in self.positions)
        return {standing: found[standing] for standing in _COUNTS}

    @property
    def failures(self) -> tuple[Position, ...]:
        """Those that have ended badly: one that a newer tag has superseded has not."""
        return tuple(one for one in self.positions if one.standing in {"failed", "late"})

    def as_dict(self, *, unselected: Sequence[Sequence[str]] = ()) -> dict[str, Any]:
        """Return it as a JSON object of bounded size: reasons that many images share stand in it once.

        :param unselected: what was asked for and could not be selected, and why: rows without a tag.
        """
        reasons: dict[str, int] = {"": 0}
        rows = [
            [
                position.reference.image,
                str(position.reference.tag),
                str(position.reference.digest or "").removeprefix("sha256:")[:12],
                position.level,
                _COUNTS.index(position.standing),
                reasons.setdefault(_shorten(position.reason), len(reasons)),
                int(position.since.timestamp()),
                *_write_rare(position),
            ]
            for position in self.positions
        ]
        failed, at = _COUNTS.index("failed"), int(self.at.timestamp())
        rows += [
            [candidate, "", "", 0, failed, reasons.setdefault(_shorten(reason), len(reasons)), at]
            for candidate, reason in unselected
        ]
        return {"stages": list(self.stages), "at": at, "reasons": list(reasons), "rows": rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One image of a report, as pages show it.

    :param image: the image name.
    :param tag: its tag in the stage.
    :param digest: the first 12 hex of its digest.
    :param level: which stage it stands in, from 0.
    :param standing: what becomes of it.
    :param reason: what it waits for, or why it has ended.
    :param since: since when it stands there for this run.
    :param counts_from: from when on its time counts, where something has held it back that ends by itself.
    :param is_unsure: whether the promotion that has brought it to where it stands may not have come to its end.
    """

    image: str
    tag: str
    digest: str
    level: int
    standing: Standing
    reason: str
    since: datetime.datetime
    counts_from: datetime.datetime | None = None
    is_unsure: bool = False


@dataclass(frozen=True, kw_only=True)
class ReadReport:
    """What ``LadderReport.as_dict`` has written.

    :param stages: the names of the stages.
    :param rows: one for each image.
    :param at: the moment that it is about.
    """

    stages: tuple[str, ...]
    rows: tuple[Row, ...]
    at: datetime.datetime

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ReadReport:
        """Read it.

        :raises ValueError: when it is none.
        """
        try:
            reasons, stages = [str(one) for one in document["reasons"]], tuple(map(str, document["stages"]))
            rows = tuple(_read_row(row, reasons, stages) for row in document["rows"])
            return cls(stages=stages, rows=rows, at=_moment(document["at"]))
        except (AttributeError, IndexError, KeyError, OSError, OverflowError, TypeError) as error:
            raise ValueError(f"It is no report of a ladder: {type(error).__name__}.") from error

    @property
    def counts(self) -> dict[str, int]:
        """How many images stand how, all of them named."""
        found = Counter(row.standing for row in self.rows)
        return {standing: found[standing] for standing in _COUNTS}


def _write_rare(position: Position) -> list[int]:
    """Return what a row ends with where there is something of it to say."""
    if not position.is_unsure and position.counts_from is None:
        return []
    return [int(position.is_unsure), int(position.counts_from.timestamp()) if position.counts_from else 0]


def _read_row(row: Sequence[Any], reasons: Sequence[str], stages: Sequence[str]) -> Row:
    image, tag, digest, level, standing, reason, since, *rare = row
    is_unsure, counts_from = rare or (0, 0)
    if not 0 <= int(level) < len(stages):
        raise ValueError("It is no report of a ladder: there is no such stage.")
    return Row(
        image=str(image),
        tag=str(tag),
        digest=str(digest),
        level=int(level),
        standing=_COUNTS[standing],
        reason=reasons[reason],
        since=_moment(since),
        counts_from=_moment(counts_from) if counts_from else None,
        is_unsure=bool(is_unsure),
    )


def _moment(second: Any) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(second), datetime.UTC)


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"
