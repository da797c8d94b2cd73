"""What has to fit together in a pipeline: its stages, its tag and their templates, and what starts it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from artifactory_provider.pipelines.model import TRIGGERING
from artifactory_provider.pipelines.samples import TagSamples
from artifactory_provider.verification.combinations import Combination
from artifactory_provider.verification.properties import PropertyCheck

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.pipelines.model import Starts
    from artifactory_provider.pipelines.places import Entry
    from artifactory_provider.pipelines.stages import ReadStage
    from artifactory_provider.policy.problems import Problems
    from artifactory_provider.verification.check import Check

_NOT_FIRST = ("approvals", "windows", "tags", "on_conflict", "copy", "pending_repository")
_NOT_LAST = ("checks", "timeout")


def check_coherence(entries: Mapping[str, Entry], problems: Problems) -> None:
    """Note what does not fit together in the fields that are given, of a pipeline or of the defaults.

    :param entries: the fields that could be read.
    :param problems: where to note what is wrong.
    """
    if "stages" in entries:
        stages: Sequence[ReadStage] = entries["stages"].value
        _check_stages(stages, problems)
        _check_templates(entries, stages, problems)
    if "start" in entries or "tag" in entries:
        _check_starts(entries, problems)


def _check_stages(stages: Sequence[ReadStage], problems: Problems) -> None:
    if len(stages) < 2:
        return
    for name in ("name", "repository"):
        _check_twice(stages, name, problems)
    for field in _NOT_FIRST:
        if (place := stages[0].find(field)) is not None:
            place.blame(problems, "Images come from the first stage, and nothing is promoted into it: leave it out.")
    for field in _NOT_LAST:
        if (place := stages[-1].find(field)) is not None:
            place.blame(problems, "Nothing is promoted from the last stage, so nothing waits there: leave it out.")
    repositories = [one.stage.repository for one in stages]
    for one in stages[1:]:
        if not one.stage.copy and len(one.stage.tags) > 1:
            (one.find("copy") or one.place).blame(
                problems, "An image can be moved to one tag only, and there are several: give one tag, or copy it."
            )
        if one.stage.pending_repository in repositories:
            (one.find("pending_repository") or one.place).blame(
                problems,
                f"{one.stage.pending_repository} is a stage's repository: name one for transit alone, or leave it out.",
            )


def _check_twice(stages: Sequence[ReadStage], field: str, problems: Problems) -> None:
    seen: dict[str, ReadStage] = {}
    for one in stages:
        value = getattr(one.stage, field)
        first = seen.setdefault(value, one)
        if value and first is not one:
            advice = (
                "a repository is one stage, or images would go in a circle" if field == "repository" else "rename one"
            )
            (one.find(field) or one.place).blame(
                problems, f"{value} stands here twice, first in line {first.place.node.line}: {advice}."
            )


def _check_templates(entries: Mapping[str, Entry], stages: Sequence[ReadStage], problems: Problems) -> None:
    """Note templates that can be made of no tag that is meant."""
    tag = entries.get("tag")
    samples = TagSamples.of("newest" if tag is None else tag.value)
    if not samples.tags and tag is not None:
        tag.place.blame(problems, f"No tag can be made of {tag.value!r:.120}: it is too long, or begins with . or -.")
        return
    for one in stages[1:]:
        results = [samples.render(tag.template) for tag in one.stage.tags]
        for target, result in zip(one.stage.tags, results, strict=True):
            if not result.tags:
                place = one.find("tags") or one.place
                if place.source and tag is not None and not tag.place.source:
                    place = tag.place
                place.blame(
                    problems,
                    f"The tag {target.template.text!r:.120} of {one.stage.name} can never be made of one such as "
                    f"{samples.tags[0]!r:.120}, which images have before: use '{{tag}}', or mean other tags.",
                )
        samples = results[0]
        if not samples.tags:
            return


def _check_starts(entries: Mapping[str, Entry], problems: Problems) -> None:
    starts: Starts | None = entries["start"].value if "start" in entries else None
    tag = entries.get("tag")
    is_pushed = starts is not None and (starts.on_push is not None or starts.on_verdict)
    if starts is not None and starts.on_verdict and "stages" in entries:
        checks = itertools.chain.from_iterable(one.stage.checks for one in entries["stages"].value)
        if not any(_reads_property(check) for check in checks):
            entries["start"].place.blame(
                problems, "on_verdict waits for a property, and no check reads one: add such a check, or leave it out."
            )
    if tag is None:
        return
    if tag.value == TRIGGERING:
        if starts is None or not is_pushed:
            tag.place.blame(problems, "Nothing names a tag: give start on_push or on_verdict, or mean another tag.")
        elif starts.schedule is not None or starts.after:
            name = "nightly" if starts.schedule is not None else "after"
            tag.place.blame(problems, f"A start by {name} names no tag: mean another tag, or leave {name} out.")
    elif "{" in tag.value and is_pushed:
        tag.place.blame(
            problems,
            "It is another tag every day, so no push or verdict tells whether it is meant: mean another tag, or leave "
            "on_push and on_verdict out.",
        )


def _reads_property(check: Check) -> bool:
    if isinstance(check, Combination):
        return any(map(_reads_property, check.checks))
    return isinstance(check, PropertyCheck)
