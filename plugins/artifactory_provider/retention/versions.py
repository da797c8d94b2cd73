"""Versions of an image go from the lowest up: what is left below would be the next that a run of a range chooses."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from artifactory_provider.promotion.planning.versions import Kind, read_tag
from artifactory_provider.retention.due import is_own

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.audit import StandingTag, Survey

_NUMBERS = re.compile(r"[0-9]+")
_LOWEST = Version("0.dev0")


class _Entry(NamedTuple):
    tag: StandingTag
    version: Version
    numbers: tuple[str, ...]


def order_of(name: str) -> Version:
    """Return by which version a tag goes, the lowest first; what names none goes before all.

    :param name: the tag.
    """
    return read_tag(name).version or _LOWEST


def keep_above(seen: Survey, going: Mapping[ImageReference, StandingTag]) -> dict[ImageReference, str]:
    """Return the tags that stay as a lower version of their like does, with the reason.

    :param seen: all tags of their images.
    :param going: the tags that would go otherwise.
    """
    kept: dict[ImageReference, str] = {}
    for image in dict.fromkeys(tag.image for tag in going.values()):
        for line in _lines(tag for tag in seen.tags_of(image).values() if is_own(tag)):
            stays = [one for one in _without_floating(line) if one.tag.place not in going]
            kept |= _find_above(line, [one for one in stays if seen.rejects(one.tag.digest) is None], going)
    return kept


def _find_above(
    line: list[_Entry], stays: list[_Entry], going: Mapping[ImageReference, StandingTag]
) -> dict[ImageReference, str]:
    stays.sort(key=lambda one: one.version)
    # A tag is no older than another that shows the same, and so the lowest of another digest counts, too.
    lowest = [*stays[:1], *(one for one in stays if one.tag.digest != stays[0].tag.digest)][:2]
    found: dict[ImageReference, str] = {}
    for one in line:
        for low in lowest:
            if one.tag.place in going and low.version < one.version and low.tag.digest != one.tag.digest:
                found.setdefault(
                    one.tag.place, f"{low.tag.name} stays, which is lower: runs of a range would choose that instead"
                )
    return found


def _lines(tags: Iterable[StandingTag]) -> Iterable[list[_Entry]]:
    """Return tags that are chosen among by one range: releases; versions with the same words before or after them."""
    lines: dict[tuple[Kind, str, str, bool], list[_Entry]] = defaultdict(list)
    for tag in tags:
        reading = read_tag(tag.name)
        if reading.version is not None:
            after = "" if reading.kind is Kind.COMMIT else _NUMBERS.sub("#", reading.suffix)
            key = reading.kind, reading.name, after, reading.is_long
            lines[key].append(_Entry(tag, reading.version, reading.numbers))
    return lines.values()


def _without_floating(line: list[_Entry]) -> list[_Entry]:
    """Leave out what moves along with more exact versions, such as 1.4 with 1.4.2, and shows what one of them does."""
    exact = {(one.numbers[:length], one.tag.digest) for one in line for length in range(1, len(one.numbers))}
    return [one for one in line if (one.numbers, one.tag.digest) not in exact]
