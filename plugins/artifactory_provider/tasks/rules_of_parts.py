"""The rules of a task whose promotions people have approved in parts, one after the other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from artifactory_provider.promotion.rules import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.request import Promotion
    from artifactory_provider.promotion.rules import Refusal
    from artifactory_provider.tasks.rules import Answers, VariableRules
    from artifactory_provider.verification import Check


class RulesOfParts:
    """What holds for changes of several parts; what is in none of them, nobody has been asked about.

    :param rules: the rules, before people were asked.
    :param parts: the changes of each part, as they were shown.
    :param answers: what people have answered, if they were asked.
    """

    def __init__(self, rules: VariableRules, parts: Sequence[Sequence[Change]], answers: Answers) -> None:
        self._others = rules.with_answers([], replace(answers, approval=None))
        self._of: dict[Change, VariableRules] = {}
        for part in parts:
            of_part = rules.with_answers(part, answers)
            self._of.update(dict.fromkeys(part, of_part))

    async def find_refusals(self, changes: Sequence[Change]) -> Sequence[Refusal | None]:
        """Return for each change why it may not be made now, or None."""
        groups: dict[VariableRules, list[int]] = {}
        for at, change in enumerate(changes):
            groups.setdefault(self._of.get(change, self._others), []).append(at)
        told = await asyncio.gather(
            *(rules.find_refusals([changes[at] for at in places]) for rules, places in groups.items())
        )
        found: dict[int, Refusal | None] = {}
        for places, refusals in zip(groups.values(), told, strict=True):
            found.update(zip(places, refusals, strict=True))
        return [found[at] for at in range(len(changes))]

    def required_checks(self, target: ImageReference) -> Sequence[Check]:
        """Return the checks that whatever is promoted to a target must have passed."""
        return self._others.required_checks(target)

    def record_answers(self, promotions: Sequence[Promotion]) -> Sequence[Promotion]:
        """Return promotions whose records say what people have answered about the part that each is of."""
        rules = [self._of.get(Change(each.source, each.target), self._others) for each in promotions]
        return [of.record_answers([each])[0] for of, each in zip(rules, promotions, strict=True)]
