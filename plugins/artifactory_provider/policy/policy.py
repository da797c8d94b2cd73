"""A policy: the rules that hold for every promotion, whoever starts it. Of all rules that match, the strictest wins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from artifactory_provider.policy.document import read_document
from artifactory_provider.policy.explanation import explain_override, explain_refusal, explain_rule
from artifactory_provider.policy.fields import Fields
from artifactory_provider.policy.origins import check_origin
from artifactory_provider.policy.problems import Problems
from artifactory_provider.policy.requirements import ApprovalRule, ContradictoryRules, OverrideRule, merge_approvals
from artifactory_provider.policy.rules import Rule, read_rule
from artifactory_provider.policy.windows import Lookout, WindowState, find_common_opening
from artifactory_provider.policy.zones import DAY, count_second, read_moment_of
from artifactory_provider.promotion.rules import Refusal

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.policy.document import Node
    from artifactory_provider.policy.origins import Origin
    from artifactory_provider.promotion.planning.patterns import Patterns
    from artifactory_provider.promotion.rules import Change
    from artifactory_provider.verification.check import Check

DEFAULT_POLICY_NAME = "artifactory_policy"
_MOST_RULES = 1000
_REMEMBERED = 10_000

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, eq=False)
class _ImageRules:
    """The rules that match an image, by the patterns of tags that some of them have.

    :param rules: the rules, in their order.
    :param by_tags: each group of patterns, with the rules that have it.
    """

    rules: tuple[Rule, ...]
    by_tags: tuple[tuple[Patterns, frozenset[Rule]], ...]

    @classmethod
    def select(cls, rules: Sequence[Rule], target: ImageReference, origin: Origin | None) -> _ImageRules:
        matching = [
            rule
            for rule in rules
            if (origin is None or origin in rule.applies_to)
            and rule.target.match_image(target.repository, target.image)
        ]
        grouped: dict[Patterns, list[Rule]] = {}
        for rule in matching:
            if not rule.target.tags.is_everything:
                grouped.setdefault(rule.target.tags, []).append(rule)
        return cls(tuple(matching), tuple((patterns, frozenset(group)) for patterns, group in grouped.items()))

    def match(self, tag: str | None) -> tuple[Rule, ...]:
        """Return the rules that match a tag, too; where the tag is not known, all might."""
        others = [group for patterns, group in self.by_tags if tag is not None and not patterns.match(tag)]
        if not others:
            return self.rules
        excluded = frozenset().union(*others)
        return tuple(rule for rule in self.rules if rule not in excluded)


@dataclass(frozen=True, eq=False)
class Policy:
    """The rules that hold for every promotion.

    What was found out once is remembered: which rules match an image, and when windows open.

    :param rules: the rules.
    :param name: what the document is called: the Variable's name.
    """

    rules: tuple[Rule, ...]
    name: str = DEFAULT_POLICY_NAME
    _lookouts: dict[Rule, Lookout] = field(init=False, repr=False)
    _of_image: dict[tuple[str, str, str | None], _ImageRules] = field(init=False, repr=False, default_factory=dict)
    _openings: dict[tuple[Rule, ...], tuple[int, int, int | None]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_lookouts", {rule: Lookout(rule.windows) for rule in self.rules if rule.windows})

    def refuse(self, change: Change, *, origin: Origin, at: datetime.datetime) -> Refusal | None:
        """Return why a change may not be made at a moment, or None where it may.

        It ends at the first moment at which all rules that match let the change through.

        :param change: the change.
        :param origin: who or what started the run.
        :param at: the moment, with a time zone.
        :raises ValueError: when the moment has no time zone, or that is no origin.
        """
        rules = self._match(change.target, origin)
        second = count_second(at)
        ways = {rule.comes_from: rule.name for rule in rules if rule.comes_from is not None}
        if ways and change.source.repository not in {*ways, change.target.repository}:
            known = " or ".join(sorted(ways))
            reason = f"{change.target} comes from {known} alone, and not from {change.source.repository}."
            return Refusal(reason, may_pass=False, rule=next(iter(ways.values())))
        refusing = self._find_refusing(rules, second)
        if refusing:
            opening = self._find_opening(tuple(rule for rule in rules if rule.windows), second)
            reason = explain_refusal(change.target, refusing, opening, now=second)
            until = None if opening is None else read_moment_of(opening)
            override = _merge_overrides([rule.override for rule, _ in refusing])
            lifted_by = explain_override(override, self.name)
            return Refusal(reason, until=until, lifted_by=lifted_by, rule=refusing[0][0].name)
        try:
            merge_approvals([(rule.name, rule.approvals) for rule in rules if rule.approvals])
        except ContradictoryRules as error:
            return Refusal(str(error), lifted_by=explain_override(None, self.name), rule="approval")
        return None

    def required_checks(self, target: ImageReference, *, origin: Origin | None = None) -> tuple[Check, ...]:
        """Return the checks that a digest has to pass, of all rules that match, each once.

        :param target: repository, image and tag.
        :param origin: who or what started the run; None for the rules of all origins.
        """
        checks: list[Check] = []
        for rule in self._match(target, origin):
            checks += [check for check in rule.require if check not in checks]
        return tuple(checks)

    def approvals(self, target: ImageReference, *, origin: Origin | None = None) -> ApprovalRule | None:
        """Return who has to approve, by the strictest of all rules that match, or None where nobody has to.

        :param target: repository, image and tag.
        :param origin: who or what started the run; None for the rules of all origins.
        :raises ContradictoryRules: when nobody could satisfy all of them; ``refuse`` says so, too.
        """
        rules = self._match(target, origin)
        return merge_approvals([(rule.name, rule.approvals) for rule in rules if rule.approvals])

    def overrides(
        self, target: ImageReference, *, origin: Origin | None = None, at: datetime.datetime | None = None
    ) -> OverrideRule | None:
        """Return who may set the windows of the rules that match aside, or None where nobody may.

        :param target: repository, image and tag.
        :param origin: who or what started the run; None for the rules of all origins.
        :param at: the moment, with a time zone, for the rules that refuse then; None for all that have windows.
        """
        rules = [rule for rule in self._match(target, origin) if rule.windows]
        if at is not None:
            rules = [rule for rule, _ in self._find_refusing(rules, count_second(at))]
        return _merge_overrides([rule.override for rule in rules])

    def explain(self, target: ImageReference, *, origin: Origin, at: datetime.datetime) -> tuple[str, ...]:
        """Return a sentence for each rule that matches: what it says at a moment, what next, and what it asks for.

        :param target: repository, image and tag.
        :param origin: who or what started the run.
        :param at: the moment, with a time zone.
        :raises ValueError: when the moment has no time zone, or that is no origin.
        """
        check_origin(origin)
        second = count_second(at)
        lines = [explain_rule(rule, origin, second) for rule in self._match(target, None)]
        try:
            self.approvals(target, origin=origin)
        except ContradictoryRules as error:
            lines.append(str(error))
        return tuple(lines)

    def _find_refusing(self, rules: Sequence[Rule], second: int) -> list[tuple[Rule, WindowState]]:
        lookouts = self._lookouts
        states = [(rule, lookouts[rule].look(second)) for rule in rules if rule.windows is not None]
        return [(rule, state) for rule, state in states if not state.is_open]

    def _match(self, target: ImageReference, origin: Origin | None) -> tuple[Rule, ...]:
        """Return the rules that match, in their order."""
        key = (target.repository, target.image, origin)
        of_image = self._of_image.get(key)
        if of_image is None:
            if origin is not None:
                check_origin(origin)
            of_image = _ImageRules.select(self.rules, target, origin)
            _remember(self._of_image, key, of_image)
        return of_image.match(target.tag)

    def _find_opening(self, rules: tuple[Rule, ...], second: int) -> int | None:
        """Return when all rules let changes through. Thousands that are refused together ask once."""
        since, until, opening = self._openings.get(rules, (0, 0, None))
        if not since <= second < until:
            # A look-out of its own: the rules' own ones stay at the present.
            lookouts = [Lookout(rule.windows) for rule in rules if rule.windows]
            opening = find_common_opening(lookouts, second)
            until = second - second % DAY + DAY if opening is None else opening
            _remember(self._openings, rules, (second, until, opening))
        return opening


def read_policy(text: str | bytes, *, name: str = DEFAULT_POLICY_NAME) -> Policy:
    """Read a policy.

    :param text: the document, as YAML or JSON; bytes are UTF-8.
    :param name: what it is called, for messages: the Variable's name.
    :raises InvalidPolicy: when anything in it is wrong, with all that is.
    """
    problems = Problems()
    root = read_document(text, problems)
    rules = _read_rules(root, problems) if root is not None else ()
    problems.raise_any(name)
    return Policy(rules, name=name)


def read_version(fields: Fields) -> None:
    """Note it where a document's version is not the one that is read here.

    :param fields: the document's fields.
    """
    node = fields.require("version", "Write version: 1.")
    if node is not None and (node.value != "1" or node.kind != "int"):
        fields.add(node, "This version is not read here: write version: 1, without quotes.")


def _read_rules(root: Node, problems: Problems) -> tuple[Rule, ...]:
    fields = Fields(root, problems, ("version", "rules"))
    read_version(fields)
    node = fields.require("rules", "Write at least one rule; to have none, delete the whole document.")
    if node is not None and isinstance(node.value, tuple) and len(node.value) > _MOST_RULES:
        fields.add(node, f"There are {len(node.value):,} rules: at most {_MOST_RULES:,} are read.")
        return ()
    rules = [read_rule(part, number, problems) for number, part in enumerate(fields.read_list(node), start=1)]
    return tuple(rule for rule in rules if rule is not None)


def _merge_overrides(rules: Sequence[OverrideRule | None]) -> OverrideRule | None:
    """Return the strictest of some overrides: nobody may who may not set aside all of them."""
    allowed = [rule for rule in rules if rule is not None]
    if not allowed or len(allowed) < len(rules):
        return None
    named = [rule.users for rule in allowed if rule.users]
    users = tuple(user for user in named[0] if all(user in others for others in named)) if named else ()
    if named and not users:
        return None
    return OverrideRule(users=users, longest=min(rule.longest for rule in allowed))


def _remember(memory: dict[K, V], key: K, value: V) -> None:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key] = value
