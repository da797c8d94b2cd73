"""Questions of promotions where the server refuses queries: its Docker API is asked, tag by tag."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.diagnosis import explain_repository, look
from artifactory_provider.artifactory.errors import ArtifactoryError, NotFound, UnsupportedRepository
from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.artifactory.references import ImageReference, is_tag
from artifactory_provider.promotion.listing import Listing, Shown, image_of

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Descriptor
    from artifactory_provider.promotion.listing import Image
    from artifactory_provider.promotion.queries import Question


class EachTag:
    """Answers questions that were asked at the same moment; lists of tags are read once for all of them.

    :param client: an open client.
    """

    def __init__(self, client: ArtifactoryClient) -> None:
        self._client = client
        self._lists: dict[Image, list[str] | ArtifactoryError] = {}
        self._reading: dict[Image, asyncio.Lock] = {}

    async def find(self, question: Question) -> Listing:
        """Return what answers a question; the files of folders stay unknown.

        :param question: the question.
        :raises ArtifactoryError: when the server cannot be asked.
        """
        listing = Listing(knows_files=False)
        # The lists first: what is promoted from a pending tag meanwhile is seen under the target tag then.
        images = dict.fromkeys(
            [*question.pending_in, *question.attachments_in, *map(image_of, question.attachments_to)]
        )
        for image in images:
            listing.add_names(image, await self._read_list(image))
        attached = [
            ImageReference(subject.repository, subject.image, tag)
            for subject in question.attachments_to
            for tag in listing.attachments_in(image_of(subject)).get(str(subject.digest), {})
        ]
        tags = list(dict.fromkeys([*(tag.unpinned() for tag in question.tags), *attached]))
        descriptors = await concurrently(lambda tag: look(self._client, tag), tags)
        shown = [(tag, found) for tag, found in zip(tags, descriptors, strict=True) if found is not None]
        marked = {tag.unpinned() for tag in question.tags} if question.with_marks else set()
        asked = [(tag, descriptor) for tag, descriptor in shown if tag in marked]
        read = await concurrently(lambda one: self._read_properties(*one), asked)
        properties = {tag: found for (tag, _), found in zip(asked, read, strict=True)}
        for tag, descriptor in shown:
            listing.add_shown(tag, Shown(descriptor.digest, descriptor.is_index, properties=properties.get(tag)))
        return listing

    async def _read_properties(self, tag: ImageReference, descriptor: Descriptor) -> dict[str, list[str]]:
        try:
            return await self._client.properties(manifest_path(tag, descriptor))
        except NotFound:
            return {}  # The tag has gone, or shows another image by now: whoever promotes it looks again.

    async def _read_list(self, image: Image) -> list[str]:
        async with self._reading.setdefault(image, asyncio.Lock()):
            if image not in self._lists:
                self._lists[image] = await self._try_list(image)
        tags = self._lists[image]
        if isinstance(tags, ArtifactoryError):
            raise tags
        return tags

    async def _try_list(self, image: Image) -> list[str] | ArtifactoryError:
        try:
            return await self._list(image)
        except ArtifactoryError as error:
            return error

    async def _list(self, image: Image) -> list[str]:
        try:
            return [tag for tag in await self._client.tags(*image) if is_tag(tag)]
        except NotFound:
            return []
        except UnsupportedRepository:
            await explain_repository(self._client, image[0])
            raise
