"""Reading the checks of a stage, and the named sets of them that the defaults may give."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from artifactory_provider.policy.checks import read_check
from artifactory_provider.policy.fields import Fields

if TYPE_CHECKING:
    from artifactory_provider.policy.document import Node
    from artifactory_provider.policy.problems import Problems
    from artifactory_provider.verification.check import Check

    CheckSets = Mapping[str, tuple[Check, ...]]

SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def read_stage_checks(node: Node | None, fields: Fields, sets: CheckSets) -> tuple[Check, ...]:
    """Read the checks of a stage: the name of a set, or a list of names and checks; each check once.

    :param node: the name or the list, if there is one.
    :param fields: the fields that it is one of.
    :param sets: the named sets of checks.
    """
    if node is None:
        return ()
    parts = (node,) if isinstance(node.value, str) else fields.read_list(node)
    checks: list[Check] = []
    for part in parts:
        if isinstance(part.value, str):
            found = fields.read(part, lambda name: _find_set(name, sets)) or ()
        else:
            check = read_check(part, fields.problems)
            found = () if check is None else (check,)
        checks += [check for check in found if check not in checks]
    return tuple(checks)


def _find_set(name: str, sets: CheckSets) -> tuple[Check, ...]:
    if name in sets:
        return sets[name]
    there = f"there are {', '.join(list(sets)[:20])}" if sets else "there are none in _defaults.yaml"
    close = "".join(f" Did you mean {one}?" for one in get_close_matches(name, sets, n=1))
    raise ValueError(
        f"{name!r:.80} is no set of checks: {there}.{close} A check is an object, such as {{property: test.status}}."
    )


def read_check_sets(node: Node, problems: Problems) -> CheckSets:
    """Read the named sets of checks.

    :param node: an object: the name of a set, and its checks.
    :param problems: where to note what is wrong.
    """
    if not isinstance(node.value, Mapping):
        problems.add(node.line, node.field, f"{node.in_words}: give an object: a name, and a list of checks.")
        return {}
    fields = Fields(node, problems, list(node.value))
    sets = {}
    for name, part in node.value.items():
        if not SET_NAME.fullmatch(name):
            fields.add(part, "Such a set has no name: letters, digits, '_', '.' and '-' make one, at most 100.")
        elif isinstance(part.value, str) and part.kind != "null":
            fields.add(part, f"{part.in_words}: give a list of checks, such as [{{property: test.status}}].")
        else:
            sets[name] = read_stage_checks(fields.get(name), fields, {})
    return sets
