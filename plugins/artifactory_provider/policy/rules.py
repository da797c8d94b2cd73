"""One rule of a policy: which targets it is for, whom it applies to, and what it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.policy.checks import read_checks
from artifactory_provider.policy.fields import Fields
from artifactory_provider.policy.requirements import ApprovalRule, OverrideRule
from artifactory_provider.policy.targets import read_targets
from artifactory_provider.policy.windows import read_windows

if TYPE_CHECKING:
    from artifactory_provider.policy.document import Node
    from artifactory_provider.policy.origins import Origin
    from artifactory_provider.policy.problems import Problems
    from artifactory_provider.policy.targets import TargetPatterns
    from artifactory_provider.policy.windows import Windows
    from artifactory_provider.verification.check import Check

_KNOWN = ("name", "target", "windows", "applies_to", "require", "approvals", "override")
_LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """What holds for some targets.

    :param name: what it is called.
    :param line: where it stands in the document.
    :param target: which target tags it is for.
    :param applies_to: whose promotions it is about.
    :param windows: when changes may be made; None for always.
    :param require: the checks that a digest has to pass.
    :param approvals: who has to approve; None for nobody.
    :param override: who may set its windows aside; None for nobody.
    :param comes_from: the repository that images come to the targets from, unless they stand there already; None for
        any.
    """

    name: str
    line: int
    target: TargetPatterns
    applies_to: frozenset[Origin]
    windows: Windows | None = None
    require: tuple[Check, ...] = ()
    approvals: ApprovalRule | None = None
    override: OverrideRule | None = None
    comes_from: str | None = None


def read_rule(node: Node, number: int, problems: Problems) -> Rule | None:
    """Read a rule; None where it cannot be told which targets it is for.

    :param node: the object.
    :param number: which rule it is, from 1.
    :param problems: where to note what is wrong.
    """
    fields = Fields(node, problems, _KNOWN)
    target_node = fields.require("target", "Say what the rule is for, such as {repositories: [docker-prod]}.")
    target = read_targets(target_node, problems, repositories_required=True) if target_node is not None else None
    windows_node = fields.get("windows")
    windows = read_windows(windows_node, problems) if windows_node is not None else None
    applies_to = fields.read_origins(fields.get("applies_to"))
    require = read_checks(fields.get("require"), fields)
    approvals_node = fields.get("approvals")
    approvals = read_approvals(approvals_node, problems) if approvals_node is not None else None
    override = _read_override(fields.get("override"), problems)
    if fields.is_given("override") and not fields.is_given("windows"):
        fields.add(node, "The rule has an override, and no windows to set aside: add windows, or leave it out.")
    if fields.is_object and not any(map(fields.is_given, ("windows", "require", "approvals"))):
        fields.add(node, "The rule asks for nothing: give windows, require or approvals.")
    name = _read_name(fields, number)
    if target is None:
        return None
    return Rule(
        name=name,
        line=node.line,
        target=target,
        applies_to=applies_to,
        windows=windows,
        require=require,
        approvals=approvals,
        override=override,
    )


def _read_name(fields: Fields, number: int) -> str:
    node = fields.get("name")
    name = fields.read_text(node)
    if node is not None and name is not None and len(name) > _LONGEST_NAME:
        fields.add(node, f"A name has at most {_LONGEST_NAME} characters, this one has {len(name):,}.")
    return name or f"rule {number}"


def read_approvals(node: Node, problems: Problems) -> ApprovalRule | None:
    """Read who has to approve; None where that cannot be told.

    :param node: the object.
    :param problems: where to note what is wrong.
    """
    before = len(problems.found)
    fields = Fields(node, problems, ("count", "from", "roles", "not_the_trigger", "valid_for"))
    count = fields.read_number(fields.get("count"))
    users, roles = fields.read_texts(fields.get("from")), fields.read_texts(fields.get("roles"))
    not_the_trigger = fields.read_switch(fields.get("not_the_trigger"))
    valid_for = fields.read_duration(fields.get("valid_for"))
    if len(problems.found) > before:
        return None
    try:
        return ApprovalRule(
            count=1 if count is None else count,
            users=users,
            roles=roles,
            not_the_trigger=not_the_trigger is not False,
            valid_for=None if valid_for is None else valid_for.span,
        )
    except ValueError as error:
        fields.add(node, str(error))
        return None


def _read_override(node: Node | None, problems: Problems) -> OverrideRule | None:
    if node is None:
        return None
    before = len(problems.found)
    fields = Fields(node, problems, ("from", "longest"))
    users = fields.read_texts(fields.require("from", "Name the users who may override, such as [carol]."))
    longest = fields.read_duration(fields.get("longest"))
    if len(problems.found) > before:
        return None
    try:
        return OverrideRule(users=users) if longest is None else OverrideRule(users=users, longest=longest.span)
    except ValueError as error:
        fields.add(node, str(error))
        return None
