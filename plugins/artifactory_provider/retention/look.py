"""The last look before tags go: all of their images, and wherever else their digests stand or wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.layout import any_manifest, any_of, split_folder, subject_of
from artifactory_provider.audit.survey import Survey, list_manifests
from artifactory_provider.promotion.marks import REJECTED
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.tags import PENDING_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.retention.rules import RetentionRules

_MANIFESTS_A_SPAN = 1000
_WAITING = {"path": {"$match": f"*/{PENDING_PREFIX}*"}}


async def look_at(client: ArtifactoryClient, rules: RetentionRules, tags: Sequence[ImageReference]) -> Survey:
    """Return what is to be known before some tags go, by few requests for many of them.

    :param client: an open client.
    :param rules: what may go.
    :param tags: repository, image, tag and digest of each.
    :raises ArtifactoryError: when the server refuses queries, or cannot be asked.
    """
    images = {(tag.repository, tag.image) for tag in tags}
    digests = {str(tag.digest) for tag in tags} | {subject for tag in tags if (subject := subject_of(str(tag.tag)))}
    found = Survey(rules.repositories)
    for item in await client.find_annotated_items({f"@{REJECTED}": {"$match": "*"}, **any_manifest()}):
        found.note_rejection(item)
    for repository in sorted({repository for repository, _ in images}):
        names = tuple(sorted(image for key, image in images if key == repository))
        async for span in list_manifests(client, repository, Patterns(names), a_span=_MANIFESTS_A_SPAN):
            found.add(span)
    # At last what begins with a pending tag: a promotion from one of them.
    elsewhere = await client.find_items(_elsewhere(rules, digests))
    found.add(item for item in elsewhere if (item.repository, split_folder(item.folder)[0]) not in images)
    return found


async def add_waiting(client: ArtifactoryClient, seen: Survey) -> None:
    """Add to what was seen the pending tags of all other repositories: runs choose where their images wait.

    :param client: an open client.
    :param seen: what was seen.
    :raises ArtifactoryError: when the server refuses queries, or cannot be asked.
    """
    found = await client.find_items({**_WAITING, **any_manifest()})
    seen.add(item for item in found if item.repository not in seen.repositories)


def _elsewhere(rules: RetentionRules, digests: Iterable[str]) -> dict[str, Any]:
    """Return the criteria of manifests in any stage that have one of some digests, or wait anywhere."""
    repositories = any_of([{"repo": key} for key in rules.repositories])
    wanted = any_of([{"sha256": digest.removeprefix("sha256:")} for digest in sorted(digests)])
    return {"$and": [any_manifest(), any_of([{"$and": [repositories, wanted]}, _WAITING])]}
