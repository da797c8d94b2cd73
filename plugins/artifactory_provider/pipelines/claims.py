"""Which pipelines promote to one target tag: two that do would undo what the other has done, night after night."""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from artifactory_provider.artifactory.references import is_tag
from artifactory_provider.pipelines.model import TRIGGERING
from artifactory_provider.promotion.selection import NEWEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from artifactory_provider.pipelines.model import Pipeline
    from artifactory_provider.promotion.planning.patterns import Patterns

_TAG = "{tag}"
_REGEX = "regex:"
_WILDCARD = re.compile(r"\*+|\?|\[[^\]]*\]")
_FIRST_CHARACTER = re.compile(r"\[([a-z0-9])")
_MOST_GLOBS = 30
_END = "\U0010ffff"
"""Greater than all that names hold."""


class Claim(NamedTuple):
    """What a pipeline promotes to: the tags of a repository that one template makes.

    :param repository: the repository key.
    :param template: what the tags are made of.
    :param tag: which tags it is made of, where it has fields; the same ones become the same.
    """

    repository: str
    template: str
    tag: str


class Twin(NamedTuple):
    """Another pipeline that promotes to the same tag.

    :param pipeline: the other one.
    :param claim: to what both do.
    :param image: an image of both, or a name that both would take for one of theirs.
    """

    pipeline: Pipeline
    claim: Claim
    image: str


def find_claims(pipeline: Pipeline) -> list[Claim]:
    """Return what a pipeline promotes to, each once.

    :param pipeline: the pipeline.
    """
    claims: dict[Claim, None] = {}
    before = pipeline.tag if is_tag(pipeline.tag) and pipeline.tag not in {NEWEST, TRIGGERING} else _TAG
    for stage in pipeline.stages[1:]:
        made = [_make(tag.template.text, before) for tag in stage.tags]
        for text in made:
            claims[Claim(stage.repository, text, pipeline.tag if "{" in text else "")] = None
        before = made[0]
    return list(claims)


def _make(template: str, before: str) -> str:
    """Return what a template makes of what another one has made."""
    if before == _TAG or "{" not in template:
        return template
    made = template.replace(_TAG, before)
    return f"{template} of {before}" if "{version" in template or "{date" in template else made


class Claims:
    """What pipelines promote to, as far as they are known; to look for a twin takes no look at each of them."""

    def __init__(self) -> None:
        self._holders: defaultdict[Claim, _Holders] = defaultdict(_Holders)

    def find_twin(self, pipeline: Pipeline) -> Twin | None:
        """Return one that promotes to a tag to which another one does, too, if any does.

        :param pipeline: the other one.
        """
        for claim in find_claims(pipeline):
            holders = self._holders.get(claim)
            found = None if holders is None else holders.find(pipeline.images)
            if found is not None:
                return Twin(found[0], claim, found[1])
        return None

    def add(self, pipeline: Pipeline) -> None:
        """Remember what a pipeline promotes to.

        :param pipeline: the pipeline.
        """
        for claim in find_claims(pipeline):
            self._holders[claim].add(pipeline)


class _Holders:
    """The pipelines that promote to one claim, by the names and by the beginnings of the names of their images."""

    def __init__(self) -> None:
        self._by_name: dict[str, Pipeline] = {}
        self._by_prefix: defaultdict[str, list[Pipeline]] = defaultdict(list)
        self._names: list[str] = []
        self._prefixes: list[str] = []

    def add(self, pipeline: Pipeline) -> None:
        for name in pipeline.images.exact:
            if name not in self._by_name:
                self._by_name[name] = pipeline
                insort(self._names, name)
        for prefix in pipeline.images.prefixes:
            if prefix not in self._by_prefix:
                insort(self._prefixes, prefix)
            self._by_prefix[prefix].append(pipeline)

    def find(self, images: Patterns) -> tuple[Pipeline, str] | None:
        for name in images.exact:
            if name in self._by_name:
                return self._by_name[name], name
            for other in self._begun_by_part_of(name):
                if other.images.match(name):
                    return other, name
        for prefix in images.prefixes:
            found = self._find_by_prefix(prefix, images)
            if found is not None:
                return found
        return None

    def _find_by_prefix(self, prefix: str, images: Patterns) -> tuple[Pipeline, str] | None:
        for name in _beginning_with(self._names, prefix):
            if images.match(name):
                return self._by_name[name], name
        longer = (other for found in _beginning_with(self._prefixes, prefix) for other in self._by_prefix[found])
        for others in (self._begun_by_part_of(prefix[:-1]) if prefix else iter(()), longer):
            for other in others:
                shared = find_shared_name(images, other.images)
                if shared is not None:
                    return other, shared
        return None

    def _begun_by_part_of(self, name: str) -> Iterator[Pipeline]:
        for end in range(len(name) + 1):
            yield from self._by_prefix.get(name[:end], ())


def _beginning_with(texts: list[str], prefix: str) -> list[str]:
    return texts[bisect_left(texts, prefix) : bisect_left(texts, prefix + _END)]


def find_shared_name(images: Patterns, others: Patterns) -> str | None:
    """Return a name that both take for one of theirs, if one is found: not all that there are can be tried.

    :param images: some patterns.
    :param others: the others.
    """
    for glob in _globs(images.include):
        for other in _globs(others.include):
            if not glob.may_meet(other):
                continue
            for name in _try_names(glob, other):
                if images.match(name) and others.match(name):
                    return name
    return None


class _Glob(NamedTuple):
    text: str
    head: str
    tail: str

    def may_meet(self, other: _Glob) -> bool:
        return (self.head.startswith(other.head) or other.head.startswith(self.head)) and (
            self.tail.endswith(other.tail) or other.tail.endswith(self.tail)
        )


@lru_cache(maxsize=20_000)
def _globs(patterns: tuple[str, ...]) -> tuple[_Glob, ...]:
    texts = [pattern for pattern in patterns if not pattern.startswith(_REGEX)][:_MOST_GLOBS]
    parts = [_WILDCARD.split(text) for text in texts]
    return tuple(_Glob(text, part[0], part[-1]) for text, part in zip(texts, parts, strict=True))


def _try_names(glob: _Glob, other: _Glob) -> Iterator[str]:
    yield _fill(glob.text, "x")
    yield _fill(other.text, "x")
    for first, last in ((glob, other), (other, glob)):
        yield f"{first.head}x{last.tail}"
        yield first.head + last.tail


def _fill(glob: str, text: str) -> str:
    def choose(found: re.Match[str]) -> str:
        first = _FIRST_CHARACTER.match(found[0])
        return first[1] if first else text

    return _WILDCARD.sub(choose, glob)
