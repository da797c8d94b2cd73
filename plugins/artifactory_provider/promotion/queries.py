"""Questions of promotions as queries: many questions in few, each of bounded length and answered by one page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.layout import any_manifest, any_of, attachment_prefix, folder_of, manifests_in
from artifactory_provider.promotion.listing import Listing, image_of
from artifactory_provider.promotion.marks import REJECTED
from artifactory_provider.promotion.tags import PENDING_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.layout import Folder
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.listing import Image

_FILES_A_QUERY = 900
"""Fewer than a page of the client has, so that most queries are answered by one."""
_CHARACTERS_A_QUERY = 100_000
_FILES_A_FOLDER = {"tag": 1, "pattern": 8, "folder": 4, "rejected": 1}
_DIGESTS_OF_AN_IMAGE = 8
_DIGESTS_ASKED_FOR = 50
ANY_DIGEST = "*"
_QUERIES_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a promotion wants to see in one moment.

    :param tags: what do these tags show?
    :param pending_in: which pending tags are in these images?
    :param attachments_in: which tags of these images belong to digests?
    :param attachments_to: which tags belong to these digests? References to repository, image and digest.
    :param folders: which files are in these folders?
    :param with_marks: which of these tags are held, and which digests are rejected?
    :param rejected: which of these digests are rejected anywhere? ``ANY_DIGEST`` for all that are.
    """

    tags: tuple[ImageReference, ...] = ()
    pending_in: tuple[Image, ...] = ()
    attachments_in: tuple[Image, ...] = ()
    attachments_to: tuple[ImageReference, ...] = ()
    folders: tuple[Folder, ...] = ()
    with_marks: bool = False
    rejected: tuple[str, ...] = ()

    def joined(self, other: Question) -> Question:
        """Return the question that asks both."""
        return Question(
            tags=(*self.tags, *other.tags),
            pending_in=(*self.pending_in, *other.pending_in),
            attachments_in=(*self.attachments_in, *other.attachments_in),
            attachments_to=(*self.attachments_to, *other.attachments_to),
            folders=(*self.folders, *other.folders),
            with_marks=self.with_marks or other.with_marks,
            rejected=(*self.rejected, *other.rejected),
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """One thing to look for.

    :param kind: ``tag`` for the manifests in one folder, ``pattern`` for those in many, ``folder`` for all its files;
        ``rejected`` for what is rejected of a digest, or at all.
    """

    kind: str
    repository: str
    path: str


async def find_together(client: ArtifactoryClient, questions: Sequence[Question]) -> Listing:
    """Return what answers all questions.

    :param client: an open client.
    :param questions: the questions.
    :raises ArtifactoryError: when the server refuses a query, or cannot be asked.
    """
    queries = [_criteria(parts) for parts in _pack(_parts(questions))]
    with_marks = any(question.with_marks for question in questions)
    find = client.find_annotated_items if with_marks else client.find_items
    found = await concurrently(find, queries, at_once=_QUERIES_AT_ONCE)
    return Listing.read((item for items in found for item in items), with_marks=with_marks)


def _parts(questions: Sequence[Question]) -> list[_Part]:
    """Return what is to be looked for, each thing once, and what is of one kind and repository together."""
    tags = {folder_of(tag.unpinned()) for question in questions for tag in question.tags}
    patterns = {
        (repository, f"{image}/{PENDING_PREFIX}*")
        for question in questions
        for repository, image in question.pending_in
    }
    patterns |= set(_attachment_patterns(questions))
    folders = {folder for question in questions for folder in question.folders}
    # The files of a folder tell what its tag shows, too.
    found = [_Part("tag", *place) for place in sorted(tags - folders)]
    found += [_Part("pattern", *place) for place in sorted(patterns)]
    found += [_Part("rejected", "", digest) for digest in _rejected(questions)]
    return found + [_Part("folder", *place) for place in sorted(folders)]


def _rejected(questions: Iterable[Question]) -> list[str]:
    """Return the digests whose rejection is looked for; for many of them ``*``: few digests are rejected at all."""
    digests = sorted({digest for question in questions for digest in question.rejected})
    return digests if len(digests) <= _DIGESTS_ASKED_FOR and ANY_DIGEST not in digests else [ANY_DIGEST]


def _attachment_patterns(questions: Iterable[Question]) -> Iterator[Folder]:
    whole = {image for question in questions for image in question.attachments_in}
    digests: dict[Image, set[str]] = {}
    for question in questions:
        for subject in question.attachments_to:
            digests.setdefault(image_of(subject), set()).add(attachment_prefix(str(subject.digest)))
    # Many digests of one image are found sooner among all that its tags belong to.
    whole |= {image for image, prefixes in digests.items() if len(prefixes) > _DIGESTS_OF_AN_IMAGE}
    for repository, image in whole:
        yield repository, f"{image}/sha256-*"
    for (repository, image), prefixes in digests.items():
        if (repository, image) not in whole:
            yield from ((repository, f"{image}/{prefix}*") for prefix in prefixes)


def _pack(parts: Iterable[_Part]) -> Iterator[list[_Part]]:
    pack: list[_Part] = []
    files = characters = 0
    for part in parts:
        more, longer = _FILES_A_FOLDER[part.kind], len(part.path) + 30
        if pack and (files + more > _FILES_A_QUERY or characters + longer > _CHARACTERS_A_QUERY):
            yield pack
            pack, files, characters = [], 0, 0
        pack.append(part)
        files, characters = files + more, characters + longer
    if pack:
        yield pack


def _criteria(parts: Sequence[_Part]) -> dict[str, Any]:
    groups: dict[tuple[str, str], list[str]] = {}
    for part in parts:
        groups.setdefault((part.kind, part.repository), []).append(part.path)
    criteria = []
    for (kind, repository), paths in groups.items():
        if kind == "rejected":
            criteria.append(_rejections(paths))
        elif kind == "folder":
            criteria.append({"repo": repository, **any_of([{"path": path} for path in paths])})
        else:
            criteria.append(manifests_in(repository, paths))
    return dict(any_of(criteria))


def _rejections(digests: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {f"@{REJECTED}": {"$match": "*"}}
    if digests != [ANY_DIGEST]:
        found["$and"] = [any_of([{"sha256": digest.removeprefix("sha256:")} for digest in digests]), any_manifest()]
        return found
    return found | any_manifest()


def tags_of(image: Image) -> dict[str, Any]:
    """Return the AQL criteria that find the manifests of all tags of an image, and not those of children.

    :param image: repository and image.
    """
    paths = [{"path": {"$match": f"{image[1]}/*"}}, {"path": {"$nmatch": f"{image[1]}/sha256:*"}}]
    return {"repo": image[0], "$and": [*paths, any_manifest()]}
