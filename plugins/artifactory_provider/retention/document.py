"""Reading what may go, as a team writes it down: YAML or JSON, all that is wrong told at once, each with its line.

```yaml
version: 1
stages: [docker-dev, docker-qa, docker-prod]
rules:
  - repositories: [docker-dev]
    tags: {reached: docker-prod, older_than: 90d, keep_newest: 5, keep: ["release-*"]}
  - repositories: [docker-qa, docker-prod]
    backups: 3
    leftovers: 1d
```
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.references import InvalidReference, check_image, check_repository
from artifactory_provider.policy.document import read_document
from artifactory_provider.policy.fields import Fields
from artifactory_provider.policy.problems import InvalidDocument, Problem, Problems
from artifactory_provider.policy.targets import check_pattern
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.retention.rules import SHORTEST_LIFE, RetentionRule, RetentionRules, TagRule

if TYPE_CHECKING:
    from artifactory_provider.policy.document import Node

_ROOT = ("version", "stages", "transit", "attic", "rules")
_ATTIC = ("repository", "keep_for")
_RULE = ("repositories", "images", "exclude_images", "tags", "backups", "leftovers")
_TAGS = ("older_than", "reached", "keep_newest", "keep_for", "keep")
_A_DAY, _A_WEEK = datetime.timedelta(days=1), datetime.timedelta(days=7)
_STAGES = "Name the repositories of all stages, from the first to the last, such as [docker-dev, docker-qa]."


class InvalidRetention(InvalidDocument):
    """What may go cannot be read: while it is so, nothing goes."""


def read_retention(text: str | bytes, *, name: str = "retention") -> RetentionRules:
    """Read what may go.

    :param text: the document, as YAML or JSON; bytes are UTF-8.
    :param name: what it is called, for messages.
    :raises InvalidRetention: when anything in it is wrong, with all that is.
    """
    problems = Problems()
    root = read_document(text, problems, needed="version: 1, stages and rules")
    read = None if root is None else _read_root(root, problems, name)
    problems.raise_any(name, error=InvalidRetention)
    if read is None:  # It has no problem, and yet is none: nothing is made of it.
        raise InvalidRetention(name, [Problem(1, "", "It cannot be read.")])
    return read


def _read_root(root: Node, problems: Problems, name: str) -> RetentionRules | None:
    fields = Fields(root, problems, _ROOT)
    version = fields.require("version", "Write version: 1.")
    if version is not None and version.value != "1":
        fields.add(version, f"{version.in_words}: this reads version 1.")
    stages = _read_keys(fields, fields.require("stages", _STAGES))
    transit = _read_keys(fields, fields.get("transit"))
    if len(stages) == 1:
        fields.add(root, f"There is one stage, {stages[0]}: nothing could be known to be needed later. {_STAGES}")
    for key in sorted({*stages} & {*transit}):
        fields.add(root, f"{key} is a stage and a transit repository: it can be one of them.")
    attic, life = _read_attic(fields, (*stages, *transit))
    nodes = fields.read_list(fields.require("rules", "Give at least one rule: without any, nothing goes."))
    rules = [_read_rule(node, problems, stages, transit) for node in nodes]
    if problems.found or not rules:
        return None
    found = tuple(rule for rule in rules if rule is not None)
    return RetentionRules(stages=stages, transit=transit, rules=found, attic=attic, attic_life=life, name=name)


def _read_attic(root: Fields, others: tuple[str, ...]) -> tuple[str | None, datetime.timedelta]:
    """Return the repository that tags are moved to first, if there is one, and how long they lie there."""
    node = root.get("attic")
    if node is None:
        return None, _A_WEEK
    fields = Fields(node, root.problems, _ATTIC)
    advice = "Name a Docker repository of its own, such as docker-attic."
    attic = fields.read(fields.require("repository", advice), check_repository)
    life = fields.read_duration(fields.get("keep_for"))
    if attic in others:
        fields.add(node, f"{attic} is a stage or a transit repository. {advice}")
    for key in others:
        try:
            check_image(key)
        except InvalidReference:
            fields.add(
                node, f"{key} can be no part of an image's name, as images in the attic have it: leave attic out."
            )
    return attic, _A_WEEK if life is None else life.span


def _read_rule(
    node: Node, problems: Problems, stages: tuple[str, ...], transit: tuple[str, ...]
) -> RetentionRule | None:
    fields = Fields(node, problems, _RULE)
    places = fields.require("repositories", "Name the repositories that the rule is for, such as [docker-dev].")
    repositories = _read_keys(fields, places)
    for key in repositories:
        if key not in {*stages, *transit} and places is not None:
            fields.add(places, f"{key} is none of the stages: name it there, in its place.")
    tags_node = fields.get("tags")
    tags = None if tags_node is None else _read_tags(tags_node, problems)
    if tags is not None and tags_node is not None:
        _check_stages(fields, tags_node, tags, repositories, stages, transit)
    backups_node, leftovers_node = fields.get("backups"), fields.get("leftovers")
    backups = fields.read_number(backups_node)
    leftovers = fields.read_duration(leftovers_node)
    if leftovers is not None and leftovers_node is not None and leftovers.span < SHORTEST_LIFE:
        fields.add(leftovers_node, "A run may be under way for an hour: give 1h or more, better 1d.")
    if fields.is_object and not any(map(fields.is_given, ("tags", "backups", "leftovers"))):
        fields.add(node, "Nothing goes by this rule: give tags, backups or leftovers.")
    include, exclude = (_read_patterns(fields, name, "images") for name in ("images", "exclude_images"))
    return RetentionRule(
        repositories=repositories,
        images=Patterns(include or ("*",), exclude),
        tags=tags,
        backups=backups,
        leftovers=None if leftovers is None else leftovers.span,
    )


def _read_tags(node: Node, problems: Problems) -> TagRule | None:
    before = len(problems.found)
    fields = Fields(node, problems, _TAGS)
    older_than = fields.read_duration(fields.get("older_than"))
    reached = fields.read(fields.get("reached"), check_repository)
    if fields.is_object and not any(map(fields.is_given, ("older_than", "reached"))):
        fields.add(node, "Nothing says which tags go: give older_than, such as 90d, or reached, such as docker-prod.")
    keep_newest = fields.read_number(
        fields.require("keep_newest", "Say how many tags of each image stay, however old they are, such as 5.")
    )
    keep_for = fields.read_duration(fields.get("keep_for"))
    keep = _read_patterns(fields, "keep", "tags")
    if len(problems.found) > before or keep_newest is None:
        return None
    return TagRule(
        older_than=None if older_than is None else older_than.span,
        reached=reached,
        keep_newest=keep_newest,
        keep_for=_A_DAY if keep_for is None else keep_for.span,
        keep=Patterns(keep) if keep else None,
    )


def _check_stages(
    fields: Fields,
    node: Node,
    tags: TagRule,
    repositories: tuple[str, ...],
    stages: tuple[str, ...],
    transit: tuple[str, ...],
) -> None:
    """Note rules about tags that what is known of stages can say nothing of."""
    for key in repositories:
        if key in transit:
            fields.add(node, f"{key} is a transit repository, which has no tags of its own: give leftovers.")
        elif stages and key == stages[-1]:
            fields.add(
                node,
                f"{key} is the last stage: what runs from it is not known here, so no tag goes. Give backups and "
                "leftovers, or name a stage after it.",
            )
    if tags.reached is None:
        return
    if tags.reached not in stages:
        fields.add(node, f"reached names {tags.reached}, which is none of the stages.")
        return
    for key in repositories:
        if key in stages[stages.index(tags.reached) :]:
            fields.add(node, f"reached names {tags.reached}, which is no later stage than {key}.")


def _read_keys(fields: Fields, node: Node | None) -> tuple[str, ...]:
    keys = [fields.read(part, check_repository) for part in fields.read_list(node)]
    found = [key for key in keys if key is not None]
    if node is not None and len(set(found)) < len(found):
        fields.add(node, "A repository stands here twice.")
    return tuple(dict.fromkeys(found))


def _read_patterns(fields: Fields, name: str, kind: str) -> tuple[str, ...]:
    parts = fields.read_list(fields.get(name))
    found = [fields.read(part, lambda text: check_pattern(kind, text)) for part in parts]
    return tuple(pattern for pattern in found if pattern is not None)
