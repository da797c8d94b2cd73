"""Approvals: what was shown to people, what they said, and whether that is enough for a promotion now."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from artifactory_provider.policy.requirements import ApprovalRule
from artifactory_provider.policy.responses import (
    InvalidResponse,
    Response,
    as_person,
    name_kind,
    read_list,
    read_moment,
    read_name,
    read_text,
    tally,
)
from artifactory_provider.policy.seals import check_seal, seal
from artifactory_provider.promotion.rules import Refusal
from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from artifactory_provider.promotion.rules import Change

MOST_FINGERPRINTS = 2000
MOST_ANSWERS = 1000
LONGEST_SUBJECT = 500
LONGEST_RUN = 2000
UNATTENDED = frozenset({"schedule", "event"})
"""Origins of runs that no person starts; of any other run, somebody did."""
_LONGEST_LINE = 1000
_SECONDS_A_YEAR = 366 * 24 * 3600
_DIGITS = frozenset("0123456789abcdef")


def fingerprint(changes: Iterable[Change]) -> str:
    """Return what an approval of some changes is bound to: the SHA-256 of their sorted lines, 64 hexadecimal digits.

    :param changes: the changes, at least one, each with the digest that is promoted.
    :raises InvalidResponse: when there is none, or the digest of one is not known.
    """
    lines = set()
    for change in changes:
        if change.source.digest is None:
            raise InvalidResponse(
                f"{change.source} → {change.target} has no digest: an approval is of a digest, not of what a tag will "
                "show. Give the source as repository/image:tag@sha256:…"
            )
        lines.add(f"{change.source} → {change.target}")
    if not lines:
        raise InvalidResponse("There is nothing to approve.")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def read_fingerprints(value: object) -> tuple[str, ...]:
    """Return fingerprints.

    :param value: a list of what ``fingerprint`` returns.
    :raises InvalidResponse: when it is none.
    """
    found = read_list(value, "of", most=MOST_FINGERPRINTS)
    if not found or not all(isinstance(one, str) and len(one) == 64 and set(one) <= _DIGITS for one in found):
        raise InvalidResponse("of is a list of fingerprints, 64 hexadecimal digits each.")
    return tuple(found)


def describe_rule(rule: ApprovalRule, show: Callable[[str], str] = printable) -> str:
    """Return what a rule asks for, such as ``2 of alice, bob, carol have to approve, other than who started the run``.

    :param rule: the rule.
    :param show: how a name is shown.
    """
    people = ", ".join(map(show, rule.users))
    if rule.roles:
        roles = f"with one of the roles {', '.join(map(show, rule.roles))}"
        people = f"{people} or those {roles}" if people else f"those {roles}"
    who = f"{rule.count} of {people}" if people else "1 person" if rule.count == 1 else f"{rule.count} people"
    also = ", other than who started the run" if rule.not_the_trigger else ""
    return f"{who} {'has' if rule.count == 1 else 'have'} to approve{also}"


def rule_as_dict(rule: ApprovalRule) -> dict[str, Any]:
    """Return a rule as a JSON object; ``valid_for`` is in seconds.

    :param rule: the rule.
    """
    return {
        "count": rule.count,
        "users": list(rule.users),
        "roles": list(rule.roles),
        "not_the_trigger": rule.not_the_trigger,
        "valid_for": None if rule.valid_for is None else rule.valid_for.total_seconds(),
    }


def read_rule(document: object) -> ApprovalRule:
    """Read what ``rule_as_dict`` returns; what is left out has its default.

    :param document: a JSON object.
    :raises InvalidResponse: when it is none, or no set of answers could satisfy it.
    """
    if not isinstance(document, Mapping):
        raise InvalidResponse(f"An approval's rule is an object with count, users and so on, not {document!r:.120}.")
    fields = dict(document)
    if unknown := sorted(str(name) for name in fields.keys() - rule_as_dict(ApprovalRule()).keys()):
        raise InvalidResponse(f"An approval's rule has no field {unknown[0]!r:.120}.")
    if fields.get("valid_for") is not None:
        fields["valid_for"] = read_span(fields["valid_for"], "valid_for")
    for name in fields.keys() & {"users", "roles"}:
        fields[name] = tuple(read_list(fields[name], name, most=MOST_ANSWERS))
    try:
        return ApprovalRule(**fields)
    except (TypeError, ValueError) as error:
        raise InvalidResponse(f"The approval's rule: {error}") from None


def read_span(value: object, field: str) -> datetime.timedelta:
    """Return a span of time.

    :param value: a timedelta, or a number of seconds up to a year.
    :param field: its name, for the message.
    :raises InvalidResponse: when it is none.
    """
    seconds = value.total_seconds() if isinstance(value, datetime.timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _SECONDS_A_YEAR:
        raise InvalidResponse(f"{field} is a number of seconds from more than 0 to a year, not {value!r:.60}.")
    return datetime.timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What people were shown, and what they said to it.

    :param of: the fingerprints of what was shown: of all of it, and of its parts.
    :param subject: what was shown, in words.
    :param rule: what was asked for.
    :param answers: what those said whose answers counted.
    :param run: the run and task that asked, such as ``ladder/manual__2026-11-01/approve``.
    :param triggered_by: who had started that run; None where no person had, or nobody knows.
    :param expires: when it ends; None for as long as what was shown stays the same.
    """

    of: tuple[str, ...]
    subject: str
    rule: ApprovalRule
    answers: tuple[Response, ...]
    run: str
    triggered_by: str | None = None
    expires: datetime.datetime | None = None

    def as_dict(self, key: bytes) -> dict[str, Any]:
        """Return it as a sealed JSON object.

        :param key: what ``derive_key`` returns.
        """
        document = self._document()
        return {**document, "seal": seal(document, key)}

    @classmethod
    def from_dict(cls, document: object, key: bytes) -> Approval:
        """Read what ``as_dict`` returns.

        :param document: anything.
        :param key: what ``derive_key`` returns.
        :raises InvalidResponse: when it is no approval, or nobody with the key has made it.
        """
        if not isinstance(document, Mapping) or document.get("approval") != 1:
            raise InvalidResponse(f"That is no approval, but {name_kind(document)}.")
        triggered_by, expires = document.get("triggered_by"), document.get("expires")
        read = cls(
            of=read_fingerprints(document.get("of")),
            subject=read_text(document.get("subject"), "subject", longest=LONGEST_SUBJECT),
            rule=read_rule(document.get("rule")),
            answers=tuple(map(Response.from_dict, read_list(document.get("answers"), "answers", most=MOST_ANSWERS))),
            run=read_text(document.get("run"), "run", longest=LONGEST_RUN),
            triggered_by=None if triggered_by is None else read_name(triggered_by),
            expires=None if expires is None else read_moment(expires, "expires"),
        )
        check_seal(document.get("seal"), read._document(), key)
        return read

    def _document(self) -> dict[str, Any]:
        return {
            "approval": 1,
            "of": list(self.of),
            "subject": self.subject,
            "rule": rule_as_dict(self.rule),
            "answers": [answer.as_dict() for answer in self.answers],
            "run": self.run,
            "triggered_by": self.triggered_by,
            "expires": None if self.expires is None else self.expires.astimezone(datetime.UTC).isoformat(),
        }

    def as_line(self) -> str:
        """Return it for a promotion's record: a line whose percent-encoded form has at most 1,000 characters."""
        head = f"{len(self.answers)} of {self.rule.count} in {self.run}"
        return fit_record("; ".join([head, *map(str, self.answers)]))


def check_approval(
    rule: ApprovalRule,
    approval: object,
    *,
    changes_fingerprint: str,
    triggered_by: str | None,
    at: datetime.datetime,
    key: bytes,
    origin: str = "person",
    read: Callable[[object, bytes], Approval] = Approval.from_dict,
) -> Refusal | None:
    """Return why an approval is not enough for some changes now, or None where it is.

    :param rule: what is asked for now; what was asked for when people answered counts for nothing.
    :param approval: what ``Approval.as_dict`` has returned, or anything else.
    :param changes_fingerprint: what ``fingerprint`` returns for the changes.
    :param triggered_by: who has started the run that promotes; None where no person has, or nobody knows.
    :param at: now.
    :param key: what ``derive_key`` returns.
    :param origin: what has started the run: of ``schedule`` and ``event``, nobody has to be known.
    :param read: what reads the approval and its seal; where thousands ask with the same one, what remembers it.
    """
    reason = explain_unanswerable(rule, triggered_by=triggered_by, origin=origin)
    if reason is None and (approval is None or approval == ""):
        reason = "Nobody was asked to approve this."
    if reason is None:
        try:
            given = read(approval, key)
        except InvalidResponse as error:
            reason = str(error)
        else:
            reason = _explain_not_enough(
                rule, given, changes_fingerprint=changes_fingerprint, triggered_by=triggered_by, at=at
            )
    if reason is None:
        return None
    wanted = describe_rule(rule)
    return Refusal(
        printable(reason, longest=LONGEST_SUBJECT),
        lifted_by=f"{printable(f'{wanted[0].upper()}{wanted[1:]}', longest=2 * LONGEST_SUBJECT)}.",
        rule="approval",
    )


def explain_unanswerable(rule: ApprovalRule, *, triggered_by: str | None, origin: str) -> str | None:
    """Return why no answers could be enough for a run, or None where they could.

    :param rule: what is asked for.
    :param triggered_by: who has started the run; None where no person has, or nobody knows.
    :param origin: what has started it.
    """
    if rule.not_the_trigger and not triggered_by and origin not in UNATTENDED:
        return (
            "Nobody knows who has started this run, so that nobody knows whose approval does not count: start it from "
            "Airflow's UI or REST API, which know their user."
        )
    trigger = as_person(triggered_by) if rule.not_the_trigger and triggered_by else None
    if sum(as_person(name) != trigger for name in rule.users) >= rule.count or not (rule.users or rule.roles):
        return None
    if rule.roles:
        return (
            f"{describe_rule(rule)}, and Airflow does not tell tasks who has which role: name as many other users in "
            "the rule as have to approve."
        )
    return (
        f"{describe_rule(rule)}, and {triggered_by} has started it: too few are left. Let somebody else start it, "
        "or name more users."
    )


def _explain_not_enough(
    rule: ApprovalRule,
    given: Approval,
    *,
    changes_fingerprint: str,
    triggered_by: str | None,
    at: datetime.datetime,
) -> str | None:
    if changes_fingerprint not in given.of:
        return (
            "What was approved is not what is to be promoted now: it has changed since, was something else, or the "
            "task that promotes was not given its digest."
        )
    if given.expires is not None and given.expires <= at:
        return f"The approval has expired at {given.expires:%Y-%m-%d %H:%M} UTC."
    found = tally(rule, given.answers, triggers=(triggered_by, given.triggered_by), at=at)
    if len(found.counted) < rule.count:
        return f"There are {len(found.counted)} of {rule.count} approvals: {found.describe()}."
    return None


def fit_record(line: str) -> str:
    """Return the start of a line that a property can hold, whose value travels in a URL.

    :param line: a line of text.
    """
    shown = printable(line, longest=_LONGEST_LINE)
    while len(quote(shown, safe="")) > _LONGEST_LINE:
        shown = f"{shown[: len(shown) * 9 // 10 - 1]}…"
    return shown
