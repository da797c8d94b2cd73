"""Samples of the tags that a pipeline means, to tell which templates can never be made of any of them."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.references import is_tag
from artifactory_provider.pipelines.model import TRIGGERING
from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.planning.templates import TargetTemplate
from artifactory_provider.promotion.selection import NEWEST

if TYPE_CHECKING:
    from collections.abc import Iterable

_RELEASES = ("1.4.2", "v1.4.2", "1.4", "17", "2026.02.0", "3.5.9-0")
_PARTS = ("1.4.2", "v1.4.2", "4.2", "1", "0", ".4.2", "", "4.2-0", "2026.02.0", "20260201")
_WILDCARD = re.compile(r"\*+|\?|\[[^\]]*\]")
_FIRST_CHARACTER = re.compile(r"\[[^A-Za-z0-9_!^]*([A-Za-z0-9_])")
_MOMENT = datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class TagSamples:
    """Some tags that images may have.

    :param tags: the tags; none where there cannot be any.
    """

    tags: tuple[str, ...]

    @classmethod
    def of(cls, tag: str) -> TagSamples:
        """Return samples of the tags that a pipeline means.

        :param tag: as the model has it.
        """
        if tag == NEWEST or tag[0] in "<>=!":
            return cls(_RELEASES)
        if tag == TRIGGERING:
            return cls((*_RELEASES, "latest"))
        if "{" in tag:
            return cls(_render_all(TargetTemplate(tag), [""]))
        pattern = tag.partition(" ")[0]
        if pattern.startswith("regex:"):
            return cls((*_RELEASES, "latest"))
        made = (_fill(pattern, part) for part in _PARTS)
        return cls(tuple(dict.fromkeys(filter(is_tag, made))))

    def render(self, template: TargetTemplate) -> TagSamples:
        """Return what becomes of them.

        :param template: what tags become.
        """
        return TagSamples(_render_all(template, self.tags))


def _fill(pattern: str, part: str) -> str:
    """Return a tag that a pattern matches: with a part of a tag for each star, and a character for what is one."""

    def choose(found: re.Match[str]) -> str:
        first = _FIRST_CHARACTER.match(found[0])
        return part if found[0][0] == "*" else first[1] if first else "1"

    return _WILDCARD.sub(choose, pattern)


def _render_all(template: TargetTemplate, tags: Iterable[str]) -> tuple[str, ...]:
    made = []
    for tag in tags:
        try:
            made.append(template.render(tag, _MOMENT))
        except InvalidPlan:
            continue  # Others may do.
    return tuple(dict.fromkeys(made))
