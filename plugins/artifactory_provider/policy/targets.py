"""Which target tags a rule or a stop means: patterns of repositories, images and tags."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.references import check_image, check_repository, check_tag
from artifactory_provider.policy.fields import Fields
from artifactory_provider.promotion.planning.patterns import Patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.policy.document import Node
    from artifactory_provider.policy.problems import Problems

_CHECKS: Mapping[str, Callable[[str], str]] = {
    "repositories": check_repository,
    "images": check_image,
    "tags": check_tag,
}
# What no name of that kind can hold, so that a glob with it would match nothing for ever.
_NEVER: Mapping[str, re.Pattern[str]] = {
    "repositories": re.compile(r"/"),
    "images": re.compile(r"(?<!\[)[A-Z](?![^\[]*\])|//|^/|/$"),
    "tags": re.compile(r"/"),
}


@dataclass(frozen=True)
class TargetPatterns:
    """Which target tags are meant: those whose repository, image and tag all match.

    :param repositories: the patterns of repository keys.
    :param images: the patterns of image names.
    :param tags: the patterns of tags.
    """

    repositories: Patterns = field(default_factory=Patterns)
    images: Patterns = field(default_factory=Patterns)
    tags: Patterns = field(default_factory=Patterns)

    def match(self, target: ImageReference) -> bool:
        """Tell whether a target is meant; one without a tag may get any tag, and is.

        :param target: repository, image and tag.
        """
        return self.match_image(target.repository, target.image) and self.match_tag(target.tag)

    def match_image(self, repository: str, image: str) -> bool:
        """Tell whether tags of an image may be meant.

        :param repository: the repository key.
        :param image: the image name.
        """
        return self.repositories.match(repository) and self.images.match(image)

    def match_tag(self, tag: str | None) -> bool:
        """Tell whether a tag of an image that is meant is meant too.

        :param tag: the tag, or None where it is not known.
        """
        return tag is None or self.tags.is_everything or self.tags.match(tag)

    def __str__(self) -> str:
        parts = [", ".join(self.repositories.include)]
        for name, patterns in (("images", self.images), ("tags", self.tags)):
            parts += [] if patterns.is_everything else [f"{name} {', '.join(patterns.include)}"]
        return "; ".join(parts)


def read_targets(node: Node, problems: Problems, *, repositories_required: bool) -> TargetPatterns | None:
    """Read which target tags are meant; None where that cannot be told.

    :param node: the object with the patterns.
    :param problems: where to note what is wrong.
    :param repositories_required: whether repositories have to be named.
    """
    fields = Fields(node, problems, list(_CHECKS))
    if repositories_required:
        fields.require("repositories", "Name the repositories that the rule is for, such as [docker-prod].")
    before = len(problems.found)
    read = {name: _read_patterns(fields, name) for name in _CHECKS}
    if len(problems.found) > before or (repositories_required and not fields.is_given("repositories")):
        return None
    return TargetPatterns(**read)


def _read_patterns(fields: Fields, name: str) -> Patterns:
    node = fields.get(name)
    patterns = []
    for part in fields.read_list(node):
        text = fields.read(part, lambda text: check_pattern(name, text))
        patterns += [text] if text is not None else []
    return Patterns(include=tuple(patterns)) if patterns else Patterns()


def check_pattern(name: str, text: str) -> str:
    """Return a pattern that is one, and that a name can match.

    :param name: of which names: ``repositories``, ``images`` or ``tags``.
    :param text: the pattern.
    :raises ValueError: when it is none.
    """
    pattern = Patterns(include=(text,))
    if pattern.exact:
        return _CHECKS[name](text)
    if not text.startswith("regex:") and _NEVER[name].search(text):
        raise ValueError(f"{text!r:.120} matches nothing: no name of {name} can have such characters there.")
    return text
