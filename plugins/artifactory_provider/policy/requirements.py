"""What a rule asks of people: how many have to approve a promotion, and who may override a refusal."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from artifactory_provider.promotion.errors import PromotionError

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


class ContradictoryRules(PromotionError):
    """Rules that hold together ask for approvals which nobody could give."""


def merge_approvals(rules: Sequence[tuple[str, ApprovalRule]]) -> ApprovalRule | None:
    """Return the strictest of some approvals, or None where there are none.

    As many have to approve as the highest of them says, who may by each of them, and as freshly as any of them wants.

    :param rules: what each rule is called, and what it asks for.
    :raises ContradictoryRules: when nobody may by each of them, or fewer than have to.
    """
    if len(rules) < 2:
        return rules[0][1] if rules else None
    limits = [rule for _, rule in rules if rule.users or rule.roles]
    users = _shared([rule.users for rule in limits])
    roles = _shared([rule.roles for rule in limits])
    count = max(rule.count for _, rule in rules)
    if limits and not roles and len(users) < count:
        names = ", ".join(repr(name) for name, _ in rules[:5])
        raise ContradictoryRules(
            f"The rules {names:.600} ask for approvals that cannot be given: {count} {'has' if count == 1 else 'have'} "
            f"to approve, and {len(users) or 'nobody'} may by all of these rules."
        )
    return ApprovalRule(
        count=count,
        users=users,
        roles=roles,
        not_the_trigger=any(rule.not_the_trigger for _, rule in rules),
        valid_for=min((rule.valid_for for _, rule in rules if rule.valid_for is not None), default=None),
    )


def _shared(lists: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return what all lists hold, in the order of the first."""
    return tuple(one for one in lists[0] if all(one in others for others in lists)) if lists else ()


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


ANYBODY = ApprovalRule(count=1, not_the_trigger=False)
"""One person's yes, that of who has started the run included: for who wants to be asked where no rule asks."""
