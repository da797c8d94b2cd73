"""What a rule asks of people: how many have to approve a promotion, and who may override a refusal."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

MOST_APPROVALS = 100
_LONGEST_VALIDITY = datetime.timedelta(days=366)
_LONGEST_OVERRIDE = datetime.timedelta(days=31)
_NOTHING = datetime.timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """How many distinct people have to approve a promotion, and which.

    Who may is whoever is named or has one of the roles; with neither names nor roles, anybody.

    :param count: how many, at least 1.
    :param users: the names of users who may.
    :param roles: the roles whose users may, where the auth manager tells roles.
    :param not_the_trigger: whether the answer of the one who started the run does not count.
    :param valid_for: how long an approval holds; None for as long as what was shown stays the same.
    :raises ValueError: when no set of answers could satisfy it, or a value has another type.
    """

    count: int = 1
    users: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    not_the_trigger: bool = True
    valid_for: datetime.timedelta | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "users", _names("from", self.users))
        object.__setattr__(self, "roles", _names("roles", self.roles))
        if type(self.count) is not int or not 1 <= self.count <= MOST_APPROVALS:
            raise ValueError(f"count is {self.count!r}: give a number of people from 1 to {MOST_APPROVALS}.")
        if type(self.not_the_trigger) is not bool:
            raise ValueError(f"not_the_trigger is {self.not_the_trigger!r}: give true or false.")
        if self.valid_for is not None:
            _check_span("valid_for", self.valid_for, longest=_LONGEST_VALIDITY)
        if self.users and not self.roles and len(self.users) < self.count:
            raise ValueError(
                f"count is {self.count}, and {len(self.users)} may approve ({', '.join(self.users)}): name as many "
                "users as have to approve, or lower count."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideRule:
    """Who may set a refusal aside, and for how long.

    :param users: the names of the users who may; empty for anybody who may answer.
    :param longest: how far ahead an override may expire.
    :raises ValueError: when a value has another type, or the time is none.
    """

    users: tuple[str, ...] = ()
    longest: datetime.timedelta = datetime.timedelta(hours=24)

    def __post_init__(self) -> None:
        object.__setattr__(self, "users", _names("from", self.users))
        _check_span("longest", self.longest, longest=_LONGEST_OVERRIDE)


def _names(field: str, names: object) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise ValueError(f"{field} is {names!r:.80}: give a list of names.")
    wrong = [name for name in names if not isinstance(name, str) or not name.strip() or not name.isprintable()]
    if wrong:
        raise ValueError(f"{field} holds {wrong[0]!r:.80}: give names, as text.")
    return tuple(dict.fromkeys(names))


def _check_span(field: str, span: object, *, longest: datetime.timedelta) -> None:
    if not isinstance(span, datetime.timedelta) or not _NOTHING < span <= longest:
        raise ValueError(f"{field} is {span}: give a time of more than nothing and at most {longest.days} days.")
