"""What one person has answered, and whose answers count."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pendulum

from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from artifactory_provider.policy.requirements import ApprovalRule

LONGEST_COMMENT = 500
_LONGEST_NAME = 250
_AHEAD = datetime.timedelta(minutes=5)
"""How far ahead of ours the clock of Airflow's API server may be."""


class InvalidResponse(ValueError):
    """What should be the answer of people is none: malformed, forged, or of something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What one person has said.

    :param by: the user's name, as Airflow's auth manager has told it.
    :param at: when.
    :param comment: in the person's own words, in one line.
    """

    by: str
    at: datetime.datetime
    comment: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "comment", printable(" ".join(self.comment.split()), longest=LONGEST_COMMENT))

    def as_dict(self) -> dict[str, str]:
        """Return it as a JSON object."""
        return {"by": self.by, "at": self.at.astimezone(datetime.UTC).isoformat(), "comment": self.comment}

    @classmethod
    def from_dict(cls, document: object) -> Response:
        """Read what ``as_dict`` returns.

        :raises InvalidResponse: when it is no such object.
        """
        if not isinstance(document, Mapping):
            raise InvalidResponse("An answer is an object with by, at and comment.")
        return cls(
            by=read_name(document.get("by")),
            at=read_moment(document.get("at"), "at"),
            comment=read_text(document.get("comment"), "comment", longest=LONGEST_COMMENT),
        )

    def __str__(self) -> str:
        said = f" “{self.comment}”" if self.comment else ""
        return f"{printable(self.by)} at {self.at:%Y-%m-%d %H:%M} UTC{said}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Which answers count.

    :param counted: one of each person who may, the newest.
    :param ignored: the others, each with the reason.
    """

    counted: tuple[Response, ...]
    ignored: tuple[tuple[Response, str], ...]

    def describe(self) -> str:
        """Return who has approved and whose answer does not count, in a line."""
        counted = ", ".join(printable(answer.by) for answer in self.counted)
        parts = [f"approved by {counted}" if counted else "approved by nobody"]
        parts += [f"not counted: {printable(answer.by)}, {reason}" for answer, reason in self.ignored]
        return printable("; ".join(parts), longest=LONGEST_COMMENT)


def tally(
    rule: ApprovalRule, answers: Sequence[Response], *, triggers: Collection[str | None], at: datetime.datetime
) -> Tally:
    """Return which answers count: one of each person who may, given not too long ago.

    :param rule: who may, and for how long an answer holds.
    :param answers: what people have said, all of them in favour.
    :param triggers: the names of those who started the runs that this is about.
    :param at: the moment that is asked about.
    """
    newest: dict[str, Response] = {}
    ignored: list[tuple[Response, str]] = []
    for answer in sorted(answers, key=lambda one: one.at, reverse=True):
        reason = explain_not_counted(rule, answer, triggers=triggers, at=at)
        if reason is None and as_person(answer.by) in newest:
            reason = "who has answered again later"
        if reason is None:
            newest[as_person(answer.by)] = answer
        else:
            ignored.append((answer, reason))
    return Tally(counted=tuple(reversed(newest.values())), ignored=tuple(ignored))


def explain_not_counted(
    rule: ApprovalRule, answer: Response, *, triggers: Collection[str | None], at: datetime.datetime
) -> str | None:
    """Return why an answer does not count, or None where it does.

    :param rule: who may, and for how long an answer holds.
    :param answer: what one person has said.
    :param triggers: the names of those who started the runs that this is about.
    :param at: the moment that is asked about.
    """
    if rule.not_the_trigger and as_person(answer.by) in {as_person(name) for name in triggers if name}:
        return "who has started the run"
    # Who has a role, nobody tells: those who are named are left.
    if (rule.users or rule.roles) and answer.by not in rule.users:
        return "who is not among those who may"
    if answer.at > at + _AHEAD:
        return "whose answer comes from the future"
    if rule.valid_for is not None and answer.at + rule.valid_for <= at:
        return f"whose answer has expired after {describe_span(rule.valid_for)}"
    return None


def describe_span(span: datetime.timedelta) -> str:
    """Return a span of time in words, such as ``1 day 12 hours``.

    :param span: the span.
    """
    return pendulum.duration(seconds=span.total_seconds()).in_words(locale="en")


def as_person(name: str) -> str:
    """Return what a person is told apart by: ``Jane`` and ``jane`` count as one, so that nobody counts twice.

    :param name: a user's name.
    """
    return name.strip().casefold()


def name_kind(value: object) -> str:
    """Return what a value is, without what it holds, which may be long or nested.

    :param value: anything.
    """
    if value is None or value == "":
        return "nothing"
    kinds = {str: "a text", bool: "a boolean", int: "a number", float: "a number", list: "a list"}
    return "another object" if isinstance(value, Mapping) else kinds.get(type(value), "something else")


def read_name(value: object) -> str:
    """Return a user's name.

    :raises InvalidResponse: when it is none.
    """
    name = read_text(value, "by", longest=_LONGEST_NAME)
    if not name.strip() or not name.isprintable():
        raise InvalidResponse("by is a user's name.")
    return name


def read_text(value: object, field: str, *, longest: int) -> str:
    """Return a text that is not too long.

    :param value: anything.
    :param field: its name, for the message.
    :param longest: how many characters it may have.
    :raises InvalidResponse: when it is none.
    """
    if not isinstance(value, str) or len(value) > longest:
        raise InvalidResponse(f"{field} is a text of at most {longest} characters.")
    return value


def read_moment(value: object, field: str) -> datetime.datetime:
    """Return a moment in UTC.

    :param value: ISO 8601 text with an offset.
    :param field: its name, for the message.
    :raises InvalidResponse: when it is none.
    """
    try:
        moment = datetime.datetime.fromisoformat(read_text(value, field, longest=40))
        if moment.tzinfo is not None:
            return moment.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidResponse(f"{field} is a moment in ISO 8601 with an offset, such as 2026-11-01T02:00:00+00:00.")


def read_list(value: object, field: str, *, most: int) -> list[Any]:
    """Return a list that is not too long.

    :param value: anything.
    :param field: its name, for the message.
    :param most: how many entries it may have.
    :raises InvalidResponse: when it is none.
    """
    if not isinstance(value, list | tuple) or len(value) > most:
        raise InvalidResponse(f"{field} is a list of at most {most:,} entries.")
    return list(value)
