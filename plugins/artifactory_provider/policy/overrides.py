"""Overrides: one person's answer that sets a refusal aside, with a reason and an end."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.policy.approvals import LONGEST_RUN, LONGEST_SUBJECT, fit_record, read_fingerprints, read_span
from artifactory_provider.policy.requirements import OverrideRule
from artifactory_provider.policy.responses import (
    LONGEST_COMMENT,
    InvalidResponse,
    describe_span,
    name_kind,
    read_moment,
    read_name,
    read_text,
)
from artifactory_provider.policy.seals import check_seal, seal
from artifactory_provider.promotion.rules import Refusal
from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import Callable


def describe_override_rule(rule: OverrideRule, show: Callable[[str], str] = printable) -> str:
    """Return who may set a refusal aside, and for how long.

    :param rule: the rule.
    :param show: how a name is shown.
    """
    who = ", ".join(map(show, rule.users)) or "Whoever may answer"
    return f"{who} may override this with a reason, for at most {describe_span(rule.longest)}"


def override_rule_as_dict(rule: OverrideRule) -> dict[str, Any]:
    """Return a rule as a JSON object; ``longest`` is in seconds.

    :param rule: the rule.
    """
    return {"users": list(rule.users), "longest": rule.longest.total_seconds()}


def read_override_rule(document: object) -> OverrideRule:
    """Read what ``override_rule_as_dict`` returns; what is left out has its default.

    :param document: a JSON object.
    :raises InvalidResponse: when it is none.
    """
    if not isinstance(document, Mapping) or not document.keys() <= {"users", "longest"}:
        raise InvalidResponse(f"An override's rule is an object with users and longest, not {document!r:.120}.")
    fields = dict(document)
    if "longest" in fields:
        fields["longest"] = read_span(fields["longest"], "longest")
    try:
        return OverrideRule(**fields)
    except (TypeError, ValueError) as error:
        raise InvalidResponse(f"The override's rule: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One person's word that a refusal does not count.

    :param of: the fingerprints of what was shown.
    :param subject: what was shown, in words.
    :param by: the user's name.
    :param at: when.
    :param reason: why, in one line.
    :param until: when it ends.
    :param run: the run and task that asked.
    """

    of: tuple[str, ...]
    subject: str
    by: str
    at: datetime.datetime
    reason: str
    until: datetime.datetime
    run: str

    def as_dict(self, key: bytes) -> dict[str, Any]:
        """Return it as a sealed JSON object.

        :param key: what ``derive_key`` returns.
        """
        document = self._document()
        return {**document, "seal": seal(document, key)}

    @classmethod
    def from_dict(cls, document: object, key: bytes) -> Override:
        """Read what ``as_dict`` returns.

        :param document: anything.
        :param key: what ``derive_key`` returns.
        :raises InvalidResponse: when it is no override, or nobody with the key has made it.
        """
        if not isinstance(document, Mapping) or document.get("override") != 1:
            raise InvalidResponse(f"That is no override, but {name_kind(document)}.")
        read = cls(
            of=read_fingerprints(document.get("of")),
            subject=read_text(document.get("subject"), "subject", longest=LONGEST_SUBJECT),
            by=read_name(document.get("by")),
            at=read_moment(document.get("at"), "at"),
            reason=read_text(document.get("reason"), "reason", longest=LONGEST_COMMENT),
            until=read_moment(document.get("until"), "until"),
            run=read_text(document.get("run"), "run", longest=LONGEST_RUN),
        )
        check_seal(document.get("seal"), read._document(), key)
        return read

    def _document(self) -> dict[str, Any]:
        return {
            "override": 1,
            "of": list(self.of),
            "subject": self.subject,
            "by": self.by,
            "at": self.at.astimezone(datetime.UTC).isoformat(),
            "reason": self.reason,
            "until": self.until.astimezone(datetime.UTC).isoformat(),
            "run": self.run,
        }

    def as_line(self) -> str:
        """Return it for a promotion's record: a line whose percent-encoded form has at most 1,000 characters."""
        return fit_record(
            f"{self.by} at {self.at:%Y-%m-%d %H:%M} UTC until {self.until:%Y-%m-%d %H:%M} UTC: {self.reason} "
            f"(in {self.run})"
        )


def check_override(
    rule: OverrideRule | None,
    override: object,
    *,
    changes_fingerprint: str,
    at: datetime.datetime,
    key: bytes,
    read: Callable[[object, bytes], Override] = Override.from_dict,
) -> Refusal | None:
    """Return why an override does not set a refusal aside now, or None where it does.

    :param rule: who may now; None where nobody may.
    :param override: what ``Override.as_dict`` has returned, or anything else.
    :param changes_fingerprint: what ``fingerprint`` returns for the changes.
    :param at: now.
    :param key: what ``derive_key`` returns.
    :param read: what reads the override and its seal; where thousands ask with the same one, what remembers it.
    """
    if rule is None:
        return Refusal("The rule that refuses this allows no override.")
    lifted_by = f"{printable(describe_override_rule(rule), longest=2 * LONGEST_SUBJECT)}."
    if override is None or override == "":
        return Refusal("Nobody has overridden this.", lifted_by=lifted_by)
    try:
        given = read(override, key)
    except InvalidResponse as error:
        return Refusal(printable(str(error), longest=LONGEST_SUBJECT), lifted_by=lifted_by)
    problem = _find_problem(rule, given, changes_fingerprint, at)
    return None if problem is None else Refusal(printable(problem, longest=LONGEST_SUBJECT), lifted_by=lifted_by)


def _find_problem(rule: OverrideRule, given: Override, changes_fingerprint: str, at: datetime.datetime) -> str | None:
    if changes_fingerprint not in given.of:
        return f"{given.by} has overridden something else than what is to be promoted now."
    if rule.users and given.by not in rule.users:
        return f"{given.by} is not among those who may override this."
    if not given.reason.strip():
        return f"{given.by} has given no reason."
    if given.until - given.at > rule.longest or given.at > at + datetime.timedelta(minutes=5):
        return f"{given.by} has set the end to {given.until:%Y-%m-%d %H:%M} UTC, which is too far ahead."
    if given.until <= at:
        return f"The override by {given.by} has ended at {given.until:%Y-%m-%d %H:%M} UTC."
    return None
