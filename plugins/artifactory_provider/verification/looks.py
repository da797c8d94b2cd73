"""Looking at what tags show: few are asked for each by itself, many by queries that bring their properties along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently, in_turns
from artifactory_provider.artifactory.diagnosis import look
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.layout import LIST_FILE, any_of, folder_of, manifests_in, shown_file
from artifactory_provider.artifactory.manifests import OCI_INDEX, OCI_MANIFEST, Descriptor
from artifactory_provider.verification.evidence import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from artifactory_provider.artifactory.aql import Item
    from artifactory_provider.artifactory.layout import Folder
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.ledger import Ledger

_FEW = 2
_FOLDERS_A_QUERY = 900
_AT_ONCE = 8
_QUERIES_AT_ONCE = 2

Seen = Subject | ArtifactoryError | None


async def look_at_all(
    ledger: Ledger, references: Sequence[ImageReference], *, most_are_missing: bool = False
) -> list[Seen]:
    """Return what each tag shows, None where there is nothing, or the error that the server answered with.

    What no query finds is asked for by itself: it may stand in a repository that only passes it on.

    :param ledger: what the registry shows; it knows whether the server refuses queries.
    :param references: repository, image and tag.
    :param most_are_missing: whether it is nothing special that a tag is not there: in a local repository, what no query
        finds is not asked for again then. To who may not read it, all of it is missing.
    """
    found = await _query_all(ledger, references) if len(references) > _FEW else {}
    left = [reference for reference in references if folder_of(reference.unpinned()) not in found]
    if most_are_missing and len(references) > _FEW:
        told = {key: await ledger.tells_all(key) for key in dict.fromkeys(one.repository for one in left)}
        left = [reference for reference in left if not told[reference.repository]]
    answers = await concurrently(lambda reference: _look_at(ledger, reference), left, at_once=_AT_ONCE)
    single = dict(zip(left, answers, strict=True))
    return [
        single[reference] if reference in single else _read(reference, found.get(folder_of(reference.unpinned()), {}))
        async for reference in in_turns(references)
    ]


async def _look_at(ledger: Ledger, reference: ImageReference) -> Seen:
    try:
        descriptor = await look(ledger.client, reference)
    except ArtifactoryError as error:
        return error
    return Subject(reference.pinned(descriptor.digest), descriptor) if descriptor else None


async def _query_all(ledger: Ledger, references: Sequence[ImageReference]) -> dict[Folder, dict[str, Item]]:
    folders = sorted({folder_of(reference.unpinned()) for reference in references})
    queries = list(_pack(folders))
    answers = await concurrently(ledger.find_annotated_items, queries, at_once=_QUERIES_AT_ONCE)
    found: dict[Folder, dict[str, Item]] = {}
    for item in (item for items in answers for item in items or ()):
        found.setdefault((item.repository, item.folder), {})[item.name] = item
    return {folder: files for folder, files in found.items() if shown_file(files)}


def _pack(folders: Sequence[Folder]) -> Iterator[dict[str, object]]:
    for start in range(0, len(folders), _FOLDERS_A_QUERY):
        paths: dict[str, list[str]] = {}
        for repository, path in folders[start : start + _FOLDERS_A_QUERY]:
            paths.setdefault(repository, []).append(path)
        yield dict(any_of([manifests_in(repository, places) for repository, places in paths.items()]))


def _read(reference: ImageReference, files: dict[str, Item]) -> Subject | None:
    name = shown_file(files)
    if name is None:
        return None
    item = files[name]
    descriptor = Descriptor(item.digest, OCI_INDEX if name == LIST_FILE else OCI_MANIFEST)
    return Subject(reference.pinned(item.digest), descriptor, item.updated, item.properties)
