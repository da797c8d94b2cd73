"""Some dozens of promotions of a batch at once: each step of a single promotion, done for all of them together.

Whatever is not plain (a move, a target to overwrite, a tag that has moved, a part that no query proves) is promoted
alone, by ``artifactory_provider.promotion.promotion``, which looks closely and explains.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import (
    TRANSIENT,
    ArtifactoryError,
    AuthenticationFailed,
    NotFound,
    PermissionDenied,
    RequestRefused,
    UnsupportedRepository,
)
from artifactory_provider.artifactory.manifests import Manifest
from artifactory_provider.promotion.batch.attaching import Bringing, bring_all
from artifactory_provider.promotion.batch.claiming import Claim, find_pending, hold_all
from artifactory_provider.promotion.batch.sending import Sending, send_all
from artifactory_provider.promotion.completeness import complete, find_proved
from artifactory_provider.promotion.errors import PromotionError
from artifactory_provider.promotion.observation import Observation, observe_tags
from artifactory_provider.promotion.pending import drop, hash_of, new_pending, renewed
from artifactory_provider.promotion.preflight import check_permissions
from artifactory_provider.promotion.promotion import promote
from artifactory_provider.promotion.records import write_record

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.batch.batch import Batch
    from artifactory_provider.promotion.batch.item import Item
    from artifactory_provider.promotion.pending import Pending

log = logging.getLogger(__name__)


async def promote_group(
    client: ArtifactoryClient, batch: Batch, items: Sequence[Item], slots: asyncio.Semaphore
) -> None:
    """Promote some of a batch's promotions, and note in each what has become of it.

    :param client: an open client.
    :param batch: the batch, with its options.
    :param items: the promotions, looked at.
    :param slots: how many may be worked on at a time, shared with other groups.
    :raises AuthenticationFailed: when the credentials are refused: no other promotion could go better.
    """
    group = _Group(client, batch, items, slots)
    if batch.referrers:
        await group.read()
    if batch.attachments:
        await group.bring_attachments()
    if batch.two_phase:
        await group.promote_through_pending()
    else:
        await group.promote_directly()
    await group.promote_alone()


class _Group:
    def __init__(
        self, client: ArtifactoryClient, batch: Batch, items: Sequence[Item], slots: asyncio.Semaphore
    ) -> None:
        self._items = items
        self._client = client
        self._batch = batch
        self._slots = slots
        self._within = batch.confirmation_timeout

    async def read(self) -> None:
        """Read the manifests, each once."""
        places = {item.source.by_digest(): item for item in self._items if item.is_left}

        async def read(place: ImageReference) -> Manifest | Exception:
            async with self._slots:
                try:
                    return await self._client.manifest(place)
                except AuthenticationFailed:
                    raise
                except ArtifactoryError as error:
                    return error

        manifests = dict(zip(places, await concurrently(read, places, at_once=len(places) or 1), strict=True))
        for item in self._left():
            manifest = manifests[item.source.by_digest()]
            if isinstance(manifest, Manifest):
                item.manifest = manifest
            else:
                item.is_alone = True

    async def bring_attachments(self) -> None:
        """Bring what belongs to each image; one that loses something of it is not promoted."""
        items = {item.target: item for item in self._items if item.is_left or item.outcome == "unchanged"}
        bringings = [
            Bringing(item.source, item.target, item.is_index, item.manifest.children if item.manifest else None)
            for item in items.values()
        ]
        brought = await bring_all(
            self._client, bringings, referrers=self._batch.referrers, slots=self._slots, within=self._within
        )
        for target, found in brought.items():
            item = items[target]
            if isinstance(found, Exception):
                item.error = found
            else:
                item.attachments = found

    async def promote_through_pending(self) -> None:
        """Promote to pending tags, verify and record there, then retag."""
        pending = await self._standing()
        missing = [item for item in self._left() if item not in pending]
        await self._ask_for_permission(missing)
        names = {item: new_pending(item.target, self._batch.run) for item in missing if item.is_left}
        pending |= await self._send({item: Sending(item.source, name) for item, name in names.items()}, renewed)
        put_up = self._left()
        try:
            await self._complete(pending)
            await self._hold(pending)
            await self._record(pending)
            await self._send({item: Sending(pending[item], item.target, copy=False) for item in self._left()})
        finally:
            failed = [item for item in put_up if item.error is not None and not isinstance(item.error, TRANSIENT)]
            await concurrently(lambda item: drop(self._client, pending[item]), failed)
        self._end()

    async def _standing(self) -> dict[Item, ImageReference]:
        """Return the pending tags that an earlier try of this run has put up."""
        waiting = await find_pending(self._client, [item.target for item in self._left()])
        own = dict(self._own(waiting))
        seen = await observe_tags(self._client, own) if own else {}
        shown = {place.pinned(found.digest): own[place] for place, found in seen.items()}
        return {item: place for place, item in shown.items() if place.digest == item.target.digest}

    def _own(self, waiting: Iterable[Pending]) -> Iterator[tuple[ImageReference, Item]]:
        """Return the pending tags that this run has made, each with the promotion that it is for."""
        items = {(item.target.repository, item.target.image, hash_of(item.target)): item for item in self._left()}
        for other in waiting:
            item = items.get((other.place.repository, other.place.image, other.target_hash))
            if item is not None and other.is_of(item.target, self._batch.run):
                yield other.place, item

    async def _ask_for_permission(self, missing: list[Item]) -> None:
        """Find out whether pending tags may be dropped, before one is put up: image by image, until one may be."""
        images: dict[str, dict[str, list[Item]]] = {}
        for item in missing:
            images.setdefault(item.target.repository, {}).setdefault(item.target.image, []).append(item)
        for each in images.values():
            for items in each.values():
                first = items[0]
                single = replace(self._batch.single(first.source, first.target.unpinned()), attachments=True)
                nothing = Observation(None, None, ())
                try:
                    await check_permissions(self._client, single, nothing, first.source, first.target)
                except (PermissionDenied, NotFound, RequestRefused, UnsupportedRepository) as error:
                    for item in items:
                        item.error = error
                else:
                    break

    async def promote_directly(self) -> None:
        """Promote to the target tags at once."""
        targets = {item: item.target for item in self._left()}
        await self._send({item: Sending(item.source, item.target) for item in targets})
        await self._complete(targets)
        await self._record(targets)
        self._end()

    async def promote_alone(self) -> None:
        """Promote one by one what is not plain."""

        async def alone(item: Item) -> None:
            record = await promote(self._client, self._batch.single(item.source, item.target.unpinned()))
            item.source, item.attachments = record.source, len(record.attachments)
            item.outcome, item.replaced = record.outcome, record.replaced

        await self._each(alone, [item for item in self._items if item.is_alone and item.error is None])

    def _left(self) -> list[Item]:
        return [item for item in self._items if item.is_left]

    def _end(self) -> None:
        for item in self._left():
            item.outcome = "promoted"

    async def _send(
        self, sendings: dict[Item, Sending], renew: Callable[[ImageReference], ImageReference] | None = None
    ) -> dict[Item, ImageReference]:
        """Send promotion requests, and return where they went."""
        failed, targets = await send_all(
            self._client, sendings.values(), slots=self._slots, within=self._within, renew=renew
        )
        for item, sending in sendings.items():
            error = failed.get(sending)
            if isinstance(error, (PermissionDenied, *TRANSIENT)):
                item.error = error
            elif error is not None:
                item.is_alone = True
        return {item: targets[sending] for item, sending in sendings.items()}

    async def _complete(self, places: dict[Item, ImageReference]) -> None:
        """Make sure of the children and blobs of what was read; what the queries do not prove is asked one by one."""
        copies = [(item.source, places[item], item.manifest) for item in self._left() if item.manifest]
        proved = await find_proved(self._client, copies)

        async def ask(item: Item) -> None:
            if item.manifest and places[item] not in proved:
                await complete(self._client, item.source, places[item], item.manifest, within=self._within)

        await self._each(ask, self._left())

    async def _hold(self, pending: dict[Item, ImageReference]) -> None:
        """Let nobody else write the target tags meanwhile, and drop the pending tags of runs that have died."""
        claims = {Claim(pending[item], item.target, item.before): item for item in self._left()}
        waiting = await find_pending(self._client, [claim.target for claim in claims])
        timeout = self._batch.pending_timeout
        errors = await hold_all(self._client, list(claims), waiting, within=self._within, dead_after=timeout)
        for claim, error in errors.items():
            claims[claim].error = error
        dead = [other.place for other in waiting if other.is_dead(after=timeout)]
        dead += [place for place, item in self._own(waiting) if place != pending[item].unpinned()]
        await concurrently(lambda place: drop(self._client, place), dead)

    async def _record(self, places: dict[Item, ImageReference]) -> None:
        """Record each promotion on its manifest, if that is asked for."""

        async def record(item: Item) -> None:
            single = self._batch.single(item.source, item.target.unpinned())
            await write_record(
                self._client,
                single,
                item.source,
                places[item],
                item.descriptor,
                replaced="none",
                attachments=item.attachments,
            )

        if self._batch.property_prefix is not None:
            await self._each(record, self._left())

    async def _each(self, work: Callable[[Item], Awaitable[None]], items: Sequence[Item]) -> None:
        """Do something with each; what goes wrong with one stops no other."""

        async def one(item: Item) -> None:
            async with self._slots:
                try:
                    await work(item)
                except AuthenticationFailed:
                    raise
                except (ArtifactoryError, PromotionError) as error:
                    item.error = error

        await concurrently(one, items, at_once=len(items) or 1)
