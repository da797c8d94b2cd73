"""The Docker API of a repository, with its promotion endpoint.

Sources: JFrog's REST API documentation ("Promote Docker Image") and the OCI distribution specification 1.1.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote

from artifactory_provider.artifactory.errors import (
    ImageNotFound,
    NotFound,
    RequestRefused,
    TagNotFound,
    UnsupportedManifest,
)
from artifactory_provider.artifactory.manifests import (
    ACCEPT,
    Descriptor,
    InvalidManifest,
    Manifest,
    UnusableManifest,
    read_referrers,
)
from artifactory_provider.artifactory.references import (
    ImageReference,
    InvalidReference,
    check_digest,
    check_image,
)
from artifactory_provider.artifactory.transport import JSON

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from artifactory_provider.artifactory.answers import Answer
    from artifactory_provider.artifactory.manifests import Referrer
    from artifactory_provider.artifactory.server import Server

log = logging.getLogger(__name__)

_ENTRIES_A_PAGE = 1000
_NEXT_LINK = re.compile(r"<(?P<target>[^>]*)>[^,<]*\brel=\"?next\b", re.IGNORECASE)


class DockerApi:
    """The Docker API of all repositories, but for blobs."""

    _server: Server

    async def descriptor(self, reference: ImageReference) -> Descriptor | None:
        """Return digest and media type of what a tag or digest shows, or None where there is nothing.

        :param reference: the image; its tag counts, or its digest where it has no tag.
        """
        try:
            answer = await self._ask_for_manifest("HEAD", reference)
            if answer.status == 404:
                return None
            descriptor = Descriptor(check_digest(answer.headers.get("Docker-Content-Digest", "")), answer.media_type)
            if descriptor.is_known and (reference.tag or reference.digest == descriptor.digest):
                return descriptor
        except (InvalidReference, RequestRefused):
            log.debug("The answer to HEAD says too little of %s: asking by GET.", reference)
        try:
            return (await self.manifest(reference)).descriptor
        except TagNotFound:
            return None

    async def manifest(self, reference: ImageReference) -> Manifest:
        """Return the manifest of a tag or digest, its digest computed from the bytes that came.

        :param reference: the image; its tag counts, or its digest where it has no tag.
        :raises TagNotFound: when there is nothing.
        :raises UnsupportedManifest: when it is no image manifest or index, or breaks their rules.
        :raises UnexpectedAnswer: when it is no manifest, or not the one that the digest names.
        """
        answer = await self._ask_for_manifest("GET", reference)
        if answer.status == 404:
            raise TagNotFound(
                f"There is no {reference}: check image and tag.",
                status=404,
                endpoint=answer.endpoint,
                detail=answer.detail,
            )
        try:
            manifest = Manifest.read(answer.content, media_type=answer.media_type)
        except UnusableManifest as error:
            raise _unsupported(f"{reference} is no image that can be promoted. {error}", answer) from error
        except InvalidManifest as error:
            raise answer.unexpected(f"an image manifest ({error})") from error
        if reference.tag is None and manifest.descriptor.digest != reference.digest:
            raise answer.unexpected(f"the manifest {reference.digest}")
        return manifest

    async def tags(self, repository: str, image: str) -> list[str]:
        """Return all tags of an image, in the server's order.

        :param repository: the repository key.
        :param image: the image name.
        :raises ImageNotFound: when there is no such image.
        """
        try:
            return await self._list_all(repository, f"{quote(check_image(image))}/tags/list", "tags")
        except NotFound as error:
            await self._server.check_artifactory()
            raise ImageNotFound(
                _explain_no_image(repository, image),
                status=error.status,
                endpoint=error.endpoint,
                detail=error.detail,
            ) from error

    async def images(self, repository: str) -> list[str]:
        """Return all images of a repository, in the server's order.

        :param repository: the repository key.
        """
        return await self._list_all(repository, "_catalog", "repositories")

    async def promote(
        self,
        source: ImageReference,
        target: ImageReference,
        *,
        copy: bool = True,
        at_last: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Send one promotion request, once: ``POST api/docker/<repoKey>/v2/promote``.

        The request names a tag, never a digest, and the server overwrites silently: what makes it safe is in
        ``artifactory_provider.promotion``.

        :param source: repository, image and tag that are promoted.
        :param target: repository, image and tag that they become.
        :param copy: True copies, False moves.
        :param at_last: called right before it is sent; what it raises keeps it from being sent.
        :raises ArtifactoryError: when the server refuses, or its answer does not come. Then it may have done
            the work all the same.
        """
        action = "Read" if copy else "Delete/Overwrite"
        body = {
            "targetRepo": target.repository,
            "dockerRepository": source.image,
            "targetDockerRepository": target.image,
            "tag": source.tag,
            "targetTag": target.tag,
            "copy": copy,
        }
        answer = await self._server.request(
            "POST",
            f"{await self._server.docker_url(source.repository)}/promote",
            timeout=self._server.settings.promote_timeout,
            at_last=at_last,
            needs=f"{action} on {source.repository!r} and Deploy/Cache on {target.repository!r}, "
            "and there Delete/Overwrite too where the tag exists",
            headers=JSON,
            data=json.dumps(body),
        )
        if answer.is_html:
            raise answer.unexpected("'Promotion ended successfully'")

    async def referrers(self, subject: ImageReference) -> tuple[Referrer, ...]:
        """Return the manifests that refer to a digest; none where the server has no such endpoint.

        :param subject: repository, image and digest.
        :raises UnsupportedManifest: when one of them has no digest that can be asked for.
        """
        url = f"{await self._server.docker_url(subject.repository)}/{quote(subject.image)}/referrers/{subject.digest}"
        found: dict[Referrer, None] = {}
        query = ""
        while True:
            answer = await self._server.request(
                "GET", url + query, allowed=(200, 404), needs=f"Read on {subject.repository!r}"
            )
            if answer.status == 404:
                return ()
            document = answer.document()
            if "manifests" not in document:
                raise answer.unexpected("an index of referrers")
            try:
                page = read_referrers(document)
            except UnusableManifest as error:
                raise _unsupported(f"What refers to {subject} cannot be promoted with it. {error}", answer) from error
            known = len(found)
            found.update(dict.fromkeys(page))
            last = _read_next(answer)
            if last is None or len(found) == known:
                return tuple(found)
            query = f"?last={quote(last, safe='')}"

    async def put_manifest(self, place: ImageReference, manifest: Manifest) -> None:
        """Store a manifest's very bytes under its digest.

        :param place: repository and image.
        :param manifest: the manifest, as it was read.
        """
        answer = await self._server.request(
            "PUT",
            await self._manifest_url(place.repository, place.image, manifest.descriptor.digest),
            repeatable=True,
            allowed=(200, 201, 202),
            headers={"Content-Type": manifest.descriptor.media_type},
            data=manifest.content,
            needs=f"Deploy/Cache on {place.repository!r}",
        )
        is_named = "Docker-Content-Digest" in answer.headers or "Location" in answer.headers
        if answer.is_html or not (answer.status == 201 or is_named):
            raise answer.unexpected("201 Created")

    async def _list_all(self, repository: str, path: str, field: str) -> list[str]:
        """Read all pages of a list of the Docker API."""
        url = f"{await self._server.docker_url(repository)}/{path}?n={_ENTRIES_A_PAGE}"
        entries: dict[str, None] = {}
        last: str | None = None
        while True:
            query = f"&last={quote(last, safe='')}" if last else ""
            answer = await self._server.request("GET", url + query, needs=f"Read on {repository!r}")
            page = answer.document().get(field) or []
            if not isinstance(page, list):
                raise answer.unexpected(f"a list of {field}")
            known = len(entries)
            entries.update(dict.fromkeys(map(str, page)))
            last = _read_next(answer)
            if last is None or not page:
                return list(entries)
            if len(entries) == known:
                raise answer.unexpected(f"the next page of {field}, but with entries that it had sent before")

    async def _manifest_url(self, repository: str, image: str, name: str) -> str:
        return f"{await self._server.docker_url(repository)}/{quote(image)}/manifests/{quote(name, safe=':')}"

    async def _ask_for_manifest(self, method: str, reference: ImageReference) -> Answer:
        return await self._server.request(
            method,
            await self._manifest_url(reference.repository, reference.image, reference.name),
            headers={"Accept": ACCEPT},
            allowed=(200, 404),
            needs=f"Read on {reference.repository!r}",
        )


def _unsupported(message: str, answer: Answer) -> UnsupportedManifest:
    return UnsupportedManifest(message, status=answer.status, endpoint=answer.endpoint)


def _explain_no_image(repository: str, image: str) -> str:
    repeated = f"{repository}/"
    advice = (
        f"The name repeats the repository key: give the image as {image.removeprefix(repeated)!r}."
        if image.startswith(repeated)
        else "Check its name, which is given without host and repository key."
    )
    return f"There is no image {image!r} in {repository!r}. {advice}"


def _read_next(answer: Answer) -> str | None:
    """Take only ``last`` from the ``Link``: behind a proxy its path often lacks the repository key."""
    link = _NEXT_LINK.search(answer.headers.get("Link", ""))
    query = link["target"].partition("?")[2] if link else ""
    return next(iter(parse_qs(query).get("last", [])), None)
