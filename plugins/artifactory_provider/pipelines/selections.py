"""Reading which images a pipeline is for, and which of their tags."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.references import check_image, check_tag
from artifactory_provider.pipelines.model import TRIGGERING
from artifactory_provider.policy.targets import check_pattern
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.templates import TargetTemplate
from artifactory_provider.promotion.planning.versions import VersionRange
from artifactory_provider.promotion.selection import NEWEST, Candidate

if TYPE_CHECKING:
    from artifactory_provider.policy.document import Node
    from artifactory_provider.policy.fields import Fields

IMAGE_FIELDS = ("image", "images", "exclude")
_FIELD = re.compile(r"\{([^{}]*)\}")
_WORDS = (NEWEST, TRIGGERING)


def read_images(fields: Fields) -> Patterns | None:
    """Read which images a pipeline is for; None where that cannot be told.

    :param fields: the file's fields.
    """
    before = len(fields.problems.found)
    image = fields.read(fields.get("image"), _check_one)
    include = _read_patterns(fields.get("images"), fields)
    exclude_node = fields.get("exclude")
    exclude = _read_patterns(exclude_node, fields)
    if fields.is_given("image") and fields.is_given("images"):
        fields.add(fields.node, "There are both image and images: give one of them.")
    elif not fields.is_given("image"):
        fields.require("images", "Name the image, as in image: payments/api, or images, as in images: [payments/*].")
    if image is not None:
        include = (image,)
    if len(fields.problems.found) > before or not include:
        return None
    patterns = Patterns(include, exclude)
    if exclude_node is not None:
        _check_excluded(exclude_node, patterns, fields)
    return patterns


def _check_one(text: str) -> str:
    if text.startswith("regex:") or set(text) & set("*?["):
        raise ValueError(f"{text!r:.120} is a pattern, and image is one name: give images, as in [payments/*].")
    return check_image(text)


def _read_patterns(node: Node | None, fields: Fields) -> tuple[str, ...]:
    read = [fields.read(part, lambda text: check_pattern("images", text)) for part in fields.read_list(node)]
    return tuple(text for text in read if text is not None)


def _check_excluded(node: Node, patterns: Patterns, fields: Fields) -> None:
    if patterns.has_wildcards:
        if not patterns.exact and all(pattern in patterns.exclude for pattern in patterns.include):
            fields.add(node, "All images are excluded: leave some in.")
    elif not patterns.exact:
        fields.add(node, "All images are excluded: leave some in.")
    elif patterns.exact == patterns.include:
        fields.add(node, "None of the images is excluded by this: leave it out.")


def check_tag_choice(text: str) -> str:
    """Return which tag of an image is meant.

    :param text: ``newest``, ``triggering``, a range, a pattern with or without a range, a tag, or one with a date.
    :raises ValueError: when it is none of these.
    """
    text = text.strip()
    if text.lower() in _WORDS:
        if text not in _WORDS:
            raise ValueError(f"{text!r} is written {text.lower()}.")
        return text
    if text.startswith("regex:") and "{" in text:
        raise ValueError(f"{text!r:.120} has braces, which stand for a date here: write the repetition out.")
    if "{" in text or "}" in text:
        return _check_dated(text)
    if text[0] in "<>=!":
        VersionRange(text)
        return text
    tag, _, versions = text.partition(" ")
    if tag.startswith("regex:") or set(tag) & set("*?["):
        check_pattern("tags", tag)
        if versions:
            VersionRange(versions)
    elif versions:
        raise ValueError(f"{text!r:.120} is a tag and more: give a tag, or a pattern and a range: '*-alpine >=1.4'.")
    else:
        check_tag(tag)
    Candidate.parse(f"image {text}" if text[0] in "<>=!" else f"image:{text}")
    return text


def _check_dated(text: str) -> str:
    template = TargetTemplate(text)
    if others := [field for field in _FIELD.findall(text) if not field.startswith("date:")]:
        raise ValueError(
            f"{text!r:.120} has the field {{{others[0]}}}, and there is no tag yet that it could be made of: "
            "{date:%Y%m%d} alone may stand here, the moment that the run is for."
        )
    return template.text
