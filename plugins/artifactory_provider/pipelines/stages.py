"""Reading the stages of a pipeline, and the named sets of checks that they may ask for."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from artifactory_provider.artifactory.references import check_repository
from artifactory_provider.pipelines.check_sets import read_stage_checks
from artifactory_provider.pipelines.model import Stage, TargetTag
from artifactory_provider.pipelines.places import Place
from artifactory_provider.pipelines.texts import find_unquoted, read_span, read_text_with_fields
from artifactory_provider.policy.document import Node
from artifactory_provider.policy.fields import Fields
from artifactory_provider.policy.rules import read_approvals
from artifactory_provider.policy.windows import opens_again, read_windows
from artifactory_provider.policy.zones import count_second
from artifactory_provider.promotion.planning.templates import TargetTemplate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.pipelines.check_sets import CheckSets
    from artifactory_provider.policy.problems import Problems
    from artifactory_provider.policy.requirements import ApprovalRule
    from artifactory_provider.policy.windows import Windows
    from artifactory_provider.promotion.request import OnConflict

STAGE_FIELDS = (
    "name",
    "repository",
    "checks",
    "timeout",
    "approvals",
    "windows",
    "tags",
    "on_conflict",
    "copy",
    "pending_repository",
)
ON_CONFLICT = ("fail", "overwrite", "backup")
BY_POLICY = "policy"
"""Approvals that the policy alone is asked about."""
STAGE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
LONGEST_TIMEOUT = datetime.timedelta(days=366)
MOST_STAGES = 20
MOST_TAGS = 20


@dataclass(frozen=True, slots=True)
class ReadStage:
    """A stage, and where it stands.

    :param stage: the stage, with defaults where its fields cannot be read.
    :param place: where it stands.
    """

    stage: Stage
    place: Place

    def find(self, field: str) -> Place | None:
        """Return where one of its fields stands, if it is given.

        :param field: the field's name.
        """
        fields = self.place.node.value
        node = fields.get(field) if isinstance(fields, Mapping) else None
        return replace(self.place, node=node) if node is not None else None


def read_stages(node: Node, fields: Fields, sets: CheckSets) -> tuple[ReadStage, ...]:
    """Read a list of stages; what cannot be read of one is left as it is by default, or empty.

    :param node: the list.
    :param fields: the fields that it is one of.
    :param sets: the named sets of checks.
    """
    parts = fields.read_list(node)
    if len(parts) > MOST_STAGES:
        fields.add(node, f"There are {len(parts):,} stages: at most {MOST_STAGES} are read.")
        return ()
    if len(parts) == 1:
        fields.add(node, "There is one stage: give at least two, from the first to the last.")
    return tuple(_read_stage(part, fields.problems, sets) for part in parts)


def change_stages(
    node: Node, stages: Sequence[ReadStage], problems: Problems, sets: CheckSets
) -> tuple[ReadStage, ...]:
    """Return the stages of the defaults with some of their fields replaced.

    :param node: an object: the name of a stage, and the fields that are other ones.
    :param stages: the stages of the defaults.
    :param problems: where to note what is wrong.
    :param sets: the named sets of checks.
    """
    changes = Fields(node, problems, [one.stage.name for one in stages])
    changed = []
    for one in stages:
        part = changes.get(one.stage.name)
        made = None if part is None else _change_stage(part, one, problems, sets)
        changed.append(made or one)
    return tuple(changed)


def _change_stage(part: Node, one: ReadStage, problems: Problems, sets: CheckSets) -> ReadStage | None:
    fields = one.place.node.value
    if not isinstance(part.value, Mapping) or not part.value or not isinstance(fields, Mapping):
        problems.add(part.line, part.field, "Give an object with the fields that are others here, as in {copy: false}.")
        return None
    if "name" in part.value:
        problems.add(part.line, f"{part.field}.name", "A stage keeps its name: to have others, give stages.")
        return None
    # What is kept stands where the change does, for messages about both.
    kept = {name: Node(part.line, f"{part.field}.{name}", value.value, value.kind) for name, value in fields.items()}
    name = Node(part.line, f"{part.field}.name", one.stage.name, "str")
    return _read_stage(Node(part.line, part.field, {**kept, "name": name, **part.value}), problems, sets)


def _read_stage(node: Node, problems: Problems, sets: CheckSets) -> ReadStage:
    fields = Fields(node, problems, STAGE_FIELDS)
    repository = fields.read(
        fields.require("repository", "Name the stage's repository, such as docker-qa."), check_repository
    )
    name = _read_name(fields, repository)
    asks_approval, approvals = _read_approvals(fields)
    timeout = read_span(fields, "timeout", LONGEST_TIMEOUT)
    stage = Stage(
        name=name or "",
        repository=repository or "",
        checks=read_stage_checks(fields.get("checks"), fields, sets),
        tags=_read_tags(fields),
        copy=fields.read_switch(fields.get("copy")) is not False,
        pending_repository=fields.read(fields.get("pending_repository"), check_repository),
        asks_approval=asks_approval,
        approvals=approvals,
        windows=_read_windows(fields),
        timeout=timeout or Stage.timeout,
        line=node.line,
    )
    return ReadStage(stage, Place(node))


def _read_name(fields: Fields, repository: str | None) -> str | None:
    node = fields.get("name")
    if node is None and repository is not None:
        if STAGE_NAME.fullmatch(repository):
            return repository
        fields.add(fields.node, f"Tasks cannot be called {repository!r}: give the stage a name, such as name: qa.")
        return None
    return fields.read(node, check_stage_name)


def check_stage_name(text: str) -> str:
    """Return the name of a stage.

    :param text: the name.
    :raises ValueError: when it is none.
    """
    if not STAGE_NAME.fullmatch(text):
        raise ValueError(f"{text!r:.80} is no name of a stage: letters, digits, '_' and '-' make one, at most 64.")
    return text


def _read_approvals(fields: Fields) -> tuple[bool, ApprovalRule | None]:
    node = fields.get("approvals")
    if node is None:
        return False, None
    if isinstance(node.value, Mapping):
        return True, read_approvals(node, fields.problems)
    if node.value != BY_POLICY:
        fields.add(node, f"{node.in_words}: give {BY_POLICY}, or an object such as {{count: 2, from: [alice, bob]}}.")
    return True, None


def _read_windows(fields: Fields) -> Windows | None:
    node = fields.get("windows")
    windows = read_windows(node, fields.problems) if node is not None else None
    now = count_second(datetime.datetime.now(datetime.UTC))
    if node is not None and windows is not None and not opens_again(windows, now):
        fields.add(node, "These windows are over, so nothing comes to this stage any more: give new ones, or none.")
    return windows


def _read_tags(fields: Fields) -> tuple[TargetTag, ...]:
    """Read what an image's tag becomes in a stage."""
    default = cast("OnConflict | None", fields.read_choice(fields.get("on_conflict"), ON_CONFLICT)) or "fail"
    node = fields.get("tags")
    if node is None:
        return (TargetTag(template=TargetTemplate("{tag}"), on_conflict=default),)
    parts = fields.read_list(node)
    if len(parts) > MOST_TAGS:
        fields.add(node, f"There are {len(parts):,} tags: at most {MOST_TAGS} are read.")
        return Stage.tags
    tags: list[TargetTag] = []
    for part in parts:
        tag = _read_tag(part, fields, default)
        if tag is not None and tag.template in [other.template for other in tags]:
            fields.add(part, f"{tag.template.text!r} stands here twice: leave one out.")
        elif tag is not None:
            tags.append(tag)
    return tuple(tags) or Stage.tags


def _read_tag(part: Node, fields: Fields, default: OnConflict) -> TargetTag | None:
    if find_unquoted(part) is not None or not isinstance(part.value, Mapping):
        template = read_text_with_fields(part, fields, TargetTemplate)
        return None if template is None else TargetTag(template=template, on_conflict=default)
    own = Fields(part, fields.problems, ("tag", "on_conflict"))
    node = own.require("tag", 'Say what the tag becomes, such as "{version.major}".')
    template = None if node is None else read_text_with_fields(node, own, TargetTemplate)
    on_conflict = own.read_choice(own.get("on_conflict"), ON_CONFLICT)
    if template is None:
        return None
    return TargetTag(template=template, on_conflict=cast("OnConflict | None", on_conflict) or default)
