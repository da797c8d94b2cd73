"""Why a selection matches nothing: which part of it, and what there is instead."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import NotFound
from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.planning.sources import list_tags
from artifactory_provider.promotion.tags import select_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.ledger import Ledger
    from artifactory_provider.promotion.planning.criteria import TagCriteria
    from artifactory_provider.promotion.planning.patterns import Patterns

_NAMES_SHOWN = 3
_NAMES_COMPARED = 2000
_IMAGES_LOOKED_AT = 20


async def explain_nothing(ledger: Ledger, criteria: TagCriteria) -> InvalidPlan:
    """Return the error that says which part of the criteria nothing meets.

    :param ledger: what is known of the registry.
    :param criteria: which tags are meant: none is there.
    """
    client = ledger.client
    where = " and ".join(criteria.repositories)
    places = [(key, image) for key in criteria.repositories for image in await _images(client, key)]
    if not places:
        return InvalidPlan(f"There are no images in {where}: check the repositories.")
    matching = [(key, image) for key, image in places if criteria.images.match(image)]
    if not matching:
        return _no_match("image", where, criteria.images, [image for _, image in places])
    looked_at = matching[:_IMAGES_LOOKED_AT]
    lists = await concurrently(lambda place: _tags(client, *place), looked_at)
    tags = list(dict.fromkeys(tag for found in lists for tag in found))
    among = f"{'/'.join(looked_at[0])}{f' and {len(matching) - 1} other images' if len(matching) > 1 else ''}"
    if not tags:
        return InvalidPlan(f"There are no tags in {among} that are images of their own: check the images.")
    named = [tag for tag in tags if criteria.tags.match(tag)]
    if not named:
        return _no_match("tag", among, criteria.tags, tags)
    if not any(map(criteria.selects_tag, named)):
        return InvalidPlan(
            f"No tag of {among} is a version in {criteria.versions!r}: there are {_examples(named)}. Pre-releases are "
            "in a range only where it names one, as in '>=1.4.0-rc.1'; what is more than a version, such as "
            "1.4.2-alpine, never is."
        )
    return await _explain_narrowing(ledger, criteria, among, named)


async def _explain_narrowing(ledger: Ledger, criteria: TagCriteria, among: str, named: Sequence[str]) -> InvalidPlan:
    """Say which of the windows and properties, left out, would leave something."""
    created = f"was created {_window(criteria.created_from, criteria.created_before)}"
    updated = f"came here {_window(criteria.updated_from, criteria.updated_before)}"
    has = " and ".join(f"{name}={value}" for name, value in criteria.properties.items())
    wider = {
        created: replace(criteria, created_from=None, created_before=None),
        updated: replace(criteria, updated_from=None, updated_before=None),
        f"has the property {has}": replace(criteria, properties={}),
    }
    for reason, relaxed in wider.items():
        if relaxed != criteria:
            listing = await list_tags(ledger, relaxed, with_times=False, with_attachments=False)
            if listing.tags:
                names = [str(listed.reference.tag) for listed in listing.tags]
                return InvalidPlan(f"No tag that is meant by its name {reason}: there are {_examples(names)}.")
    reasons = " and ".join(reason for reason, relaxed in wider.items() if relaxed != criteria)
    return InvalidPlan(f"No tag of {among} {reasons or 'was there just now'}: there are {_examples(named)}.")


def _window(start: object, end: object) -> str:
    bounds = [f"from {start} on" if start else "", f"before {end}" if end else ""]
    return " and ".join(filter(None, bounds))


def _no_match(kind: str, where: str, patterns: Patterns, names: Sequence[str]) -> InvalidPlan:
    include = ", ".join(map(repr, patterns.include[:_NAMES_SHOWN]))
    exclude = f" without {', '.join(map(repr, patterns.exclude[:_NAMES_SHOWN]))}" if patterns.exclude else ""
    return InvalidPlan(
        f"No {kind} in {where} matches {include}{exclude}: there are {_examples(names, like=patterns.include[0])}. A "
        f"pattern is for the whole name, such as {'payments/*' if kind == 'image' else '1.4.*'!r}."
    )


def _examples(names: Sequence[str], *, like: str = "") -> str:
    distinct = list(dict.fromkeys(names))
    closest = difflib.get_close_matches(like, distinct[:_NAMES_COMPARED], _NAMES_SHOWN, cutoff=0) if like else []
    shown = (closest or distinct)[:_NAMES_SHOWN]
    return f"{len(distinct)}, such as {', '.join(shown)}" if len(distinct) > len(shown) else ", ".join(shown)


async def _images(client: ArtifactoryClient, repository: str) -> list[str]:
    try:
        return await client.images(repository)
    except NotFound:
        return []


async def _tags(client: ArtifactoryClient, repository: str, image: str) -> list[str]:
    try:
        return select_images(await client.tags(repository, image))
    except NotFound:
        return []
