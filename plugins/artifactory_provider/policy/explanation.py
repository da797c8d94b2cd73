"""What rules say, in words for people: why not, until when, and who can lift it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.policy.durations import show_duration
from artifactory_provider.policy.origins import IN_WORDS
from artifactory_provider.policy.windows import Lookout
from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.policy.origins import Origin
    from artifactory_provider.policy.requirements import ApprovalRule, OverrideRule
    from artifactory_provider.policy.rules import Rule
    from artifactory_provider.policy.windows import Windows, WindowState
    from artifactory_provider.verification.check import Check

_NAMED = 5


def explain_refusal(
    target: ImageReference, refusing: Sequence[tuple[Rule, WindowState]], opening: int | None, *, now: int
) -> str:
    """Return why windows refuse a change: a sentence.

    :param target: what would be changed.
    :param refusing: the rules that refuse it, each with what it says; at least one.
    :param opening: when all rules let it through, in seconds since 1970; None where that is not in sight.
    :param now: the moment, in seconds since 1970.
    """
    # The one that refuses longest tells most; where all end together, the first one does.
    rule, state = max(refusing, key=lambda one: one[1].opens)
    windows = _windows_of(rule)
    others = len(refusing) - 1
    more = f" and {others} more" if others else ""
    opens = _explain_opening(windows, opening)
    if state.denied_by:
        return f"{target.repository} is frozen by the rule {rule.name!r}{more}: {state.denied_by} ({opens})."
    allowed = windows.allowed_in_words
    return f"{target.repository} is closed by the rule {rule.name!r}{more}: it is open {allowed} ({opens})."


def explain_override(override: OverrideRule | None, name: str) -> str:
    """Return who can lift a refusal: a sentence.

    :param override: who may set it aside; None for nobody.
    :param name: what the policy is called.
    """
    policy = f"whoever may edit Airflow's Variables may change the policy {name}"
    if override is None:
        return f"No override is allowed; {policy}."
    who = _list(override.users, "or") if override.users else "Anybody who may answer"
    return f"{who} may override it for at most {show_duration(override.longest)}; {policy}."


def explain_rule(rule: Rule, origin: Origin, second: int) -> str:
    """Return what a rule says at a moment: a sentence.

    :param rule: a rule that matches.
    :param origin: who or what started the run.
    :param second: the moment, in seconds since 1970.
    """
    begin = f"Rule {rule.name!r} (line {rule.line})"
    if origin not in rule.applies_to:
        return f"{begin} does not apply to {IN_WORDS[origin]}."
    parts = [_explain_windows(rule, rule.windows, second)] if rule.windows else []
    parts += [_explain_approvals(rule.approvals)] if rule.approvals else []
    parts += [_explain_checks(rule.require)] if rule.require else []
    return f"{begin} {'; '.join(parts)}."


def _explain_windows(rule: Rule, windows: Windows, second: int) -> str:
    lookout = Lookout(windows)
    state = lookout.look(second)
    if state.is_open:
        closing = lookout.find_change(second)
        until = "and no end of that is in sight" if closing is None else f"until {_show(windows, closing)}"
        return f"allows it {until}"
    denied = f"denied {state.denied_by}" if state.denied_by else f"open {windows.allowed_in_words}"
    who = _explain_short_override(rule.override)
    return f"refuses it: {denied} ({_explain_opening(windows, lookout.find_opening(second))}{who})"


def _explain_short_override(override: OverrideRule | None) -> str:
    """Return who may set a rule's windows aside, to be put after something; nothing where nobody may."""
    return f"; {_list(override.users, 'or') or 'anybody'} may override it" if override else ""


def _explain_opening(windows: Windows, opening: int | None) -> str:
    if opening is not None:
        return f"opens {_show(windows, opening)}"
    if windows.allow and all(series.is_finite for series in windows.allow):
        return "no opening found within two years: its windows may all be over"
    return "no opening found within two years"


def _show(windows: Windows, second: int) -> str:
    return f"{windows.zone.show(second)}, {windows.zone.name}"


def _explain_approvals(rule: ApprovalRule) -> str:
    who = _list(rule.users, "or") + (" or " if rule.users and rule.roles else "")
    who += f"users with the role {_list(rule.roles, 'or')}" if rule.roles else ""
    trigger = ", not whoever started the run" if rule.not_the_trigger else ""
    valid = f", good for {show_duration(rule.valid_for)}" if rule.valid_for else ""
    number = "an approval" if rule.count == 1 else f"{rule.count} approvals"
    return f"asks for {number} by {who or 'anybody'}{trigger}{valid}"


def _explain_checks(checks: Sequence[Check]) -> str:
    names = _list([check.name for check in checks], "and")
    return f"asks for the check{'s' if len(checks) > 1 else ''} {names}"


def _list(names: Sequence[str], word: str) -> str:
    shown = [printable(name, longest=80) for name in names[:_NAMED]]
    if len(names) > _NAMED:
        shown.append(f"{len(names) - _NAMED} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {word} {shown[-1]}" if shown else ""


def _windows_of(rule: Rule) -> Windows:
    if rule.windows is None:
        raise ValueError(f"The rule {rule.name!r} has no windows.")
    return rule.windows
