"""The Docker API of a repository, with its promotion endpoint: each endpoint is written here, once.

Sources: JFrog's REST API documentation ("Promote Docker Image") and the OCI distribution specification 1.1.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urljoin, urlsplit

from artifactory_provider.artifactory import content_coding
from artifactory_provider.artifactory.api import Api, document_of
from artifactory_provider.artifactory.errors import (
    ImageNotFound,
    NotFound,
    RequestRefused,
    TagNotFound,
    UnexpectedAnswer,
)
from artifactory_provider.artifactory.manifests import ACCEPT, Descriptor, InvalidManifest, Manifest, child_digests
from artifactory_provider.artifactory.references import (
    ImageReference,
    InvalidReference,
    check_digest,
    check_image,
    check_repository,
)
from artifactory_provider.artifactory.transport import Reading

if TYPE_CHECKING:
    from artifactory_provider.artifactory.answers import Answer

log = logging.getLogger(__name__)

_ENTRIES_A_PAGE = 1000
_BLOB = Reading(largest=256 * 1024 * 1024, is_unpacked=False)
_ELSEWHERE = (302, 307)
_NEXT_LINK = re.compile(r"<(?P<target>[^>]*)>[^,<]*\brel=\"?next\b", re.IGNORECASE)


class DockerApi(Api):
    """The Docker API of all repositories."""

    async def descriptor(self, reference: ImageReference) -> Descriptor | None:
        """Return digest and media type of what a tag or digest shows, or None where there is nothing.

        :param reference: the image; its tag counts, or its digest where it has no tag.
        """
        try:
            answer = await self._manifest_request("HEAD", reference)
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
        :raises UnexpectedAnswer: when it is no manifest, or not the one that the digest names.
        """
        answer = await self._manifest_request("GET", reference)
        if answer.status == 404:
            raise TagNotFound(
                f"There is no {reference}: check image and tag.",
                status=404,
                endpoint=answer.endpoint,
                detail=answer.detail,
            )
        try:
            manifest = Manifest.read(answer.content, media_type=answer.media_type)
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
            return await self._listing(repository, f"{quote(check_image(image))}/tags/list", "tags")
        except NotFound as error:
            raise ImageNotFound(
                f"There is no image {image!r} in {repository!r}: check its name.",
                status=error.status,
                endpoint=error.endpoint,
                detail=error.detail,
            ) from error

    async def images(self, repository: str) -> list[str]:
        """Return all images of a repository, in the server's order.

        :param repository: the repository key.
        """
        return await self._listing(repository, "_catalog", "repositories")

    async def promote(
        self,
        source: ImageReference,
        target: ImageReference,
        *,
        copy: bool = True,
    ) -> None:
        """Send one promotion request, once: ``POST api/docker/<repoKey>/v2/promote``.

        The request names a tag, never a digest, and the server overwrites silently: what makes it safe is in
        ``artifactory_provider.promotion``.

        :param source: repository, image and tag that are promoted.
        :param target: repository, image and tag that they become.
        :param copy: True copies, False moves.
        :raises ArtifactoryError: when the server refuses, or its answer does not come. Then it may have done
            the work all the same.
        """
        action = "Delete/Overwrite" if not copy else "Read"
        answer = await self._transport.request(
            "POST",
            f"{await self._docker(source.repository)}/promote",
            timeout=self._settings.promote_timeout,
            needs=(
                f"{action} on {source.repository!r} and Deploy/Cache on {target.repository!r}, "
                "and there Delete/Overwrite too where the tag exists"
            ),
            json={
                "targetRepo": target.repository,
                "dockerRepository": source.image,
                "targetDockerRepository": target.image,
                "tag": source.tag,
                "targetTag": target.tag,
                "copy": copy,
            },
        )
        if answer.is_html:
            raise answer.unexpected("'Promotion ended successfully'")

    async def referrers(self, subject: ImageReference) -> tuple[str, ...]:
        """Return the digests of the manifests that refer to a digest; none where the server has no such endpoint.

        :param subject: repository, image and digest.
        """
        url = f"{await self._docker(subject.repository)}/{quote(subject.image)}/referrers/{subject.digest}"
        found: dict[str, None] = {}
        query = ""
        while True:
            answer = await self._transport.request(
                "GET", url + query, allowed=(200, 404), needs=f"Read on {subject.repository!r}"
            )
            if answer.status == 404:
                return ()
            try:
                page = child_digests(document_of(answer))
            except InvalidManifest as error:
                raise answer.unexpected("an index of referrers") from error
            known = len(found)
            found.update(dict.fromkeys(page))
            last = _next_page(answer)
            if last is None or len(found) == known:
                return tuple(found)
            query = f"?last={quote(last, safe='')}"

    async def has_blob(self, place: ImageReference, digest: str) -> bool:
        """Return whether an image has a blob.

        :param place: repository and image.
        :param digest: the blob's digest.
        """
        answer = await self._transport.request(
            "HEAD",
            f"{await self._blobs(place)}/{check_digest(digest)}",
            allowed=(200, *_ELSEWHERE, 404),
            needs=f"Read on {place.repository!r}",
        )
        if answer.status == 200 and answer.is_html and "Docker-Content-Digest" not in answer.headers:
            raise answer.unexpected(f"the blob {digest}")
        return answer.status != 404

    async def copy_blob(self, source: ImageReference, target: ImageReference, digest: str) -> None:
        """Bring one blob from an image to another, its bytes checked on the way.

        :param source: repository and image that have it.
        :param target: repository and image that get it.
        :param digest: the blob's digest.
        """
        url = f"{await self._blobs(source)}/{check_digest(digest)}"
        as_stored = {"Accept-Encoding": content_coding.AS_STORED}
        answer = await self._transport.request(
            "GET",
            url,
            allowed=(200, *_ELSEWHERE),
            headers=as_stored,
            reading=_BLOB,
            needs=f"Read on {source.repository!r}",
        )
        if answer.status != 200:
            place = _named_place(answer, url)
            answer = await self._transport.request("GET", place, headers=as_stored, reading=_BLOB, anonymous=True)
        await self._upload_blob(target, digest, _blob_content(answer, digest))

    async def put_manifest(self, place: ImageReference, manifest: Manifest) -> None:
        """Store a manifest's very bytes under its digest.

        :param place: repository and image.
        :param manifest: the manifest, as it was read.
        """
        answer = await self._transport.request(
            "PUT",
            f"{await self._docker(place.repository)}/{quote(place.image)}/manifests/{manifest.descriptor.digest}",
            repeatable=True,
            allowed=(200, 201, 202),
            headers={"Content-Type": manifest.descriptor.media_type},
            data=manifest.content,
            needs=f"Deploy/Cache on {place.repository!r}",
        )
        if answer.is_html:
            raise answer.unexpected("201 Created")

    async def check_may_push(self, place: ImageReference) -> None:
        """Make sure that this user may push to an image: begin an upload, and give it up.

        :param place: repository and image.
        :raises PermissionDenied: when the user may not.
        """
        start, upload = await self._begin_upload(place)
        if urlsplit(upload)[:2] == urlsplit(start)[:2]:
            # Servers that do not know this forget the upload in time.
            await self._transport.request("DELETE", upload, repeatable=True, allowed=range(200, 600))

    async def _upload_blob(self, target: ImageReference, digest: str, content: bytes) -> None:
        start, place = await self._begin_upload(target)
        if urlsplit(place)[:2] != urlsplit(start)[:2]:
            raise UnexpectedAnswer(
                f"POST {urlsplit(start).path} named a place for the upload on another server: check that the "
                "connection's host is Artifactory's own URL, and that a proxy before it tells Artifactory its own."
            )
        await self._transport.request(
            "PUT",
            f"{place}{'&' if '?' in place else '?'}digest={quote(digest)}",
            allowed=(201,),
            headers={"Content-Type": "application/octet-stream"},
            data=content,
            needs=f"Deploy/Cache on {target.repository!r}",
        )

    async def _begin_upload(self, target: ImageReference) -> tuple[str, str]:
        """Return the URL that was asked for a place for a blob's content, and that of the place."""
        start = f"{await self._blobs(target)}/uploads/"
        answer = await self._transport.request(
            "POST", start, repeatable=True, allowed=(202,), needs=f"Deploy/Cache on {target.repository!r}"
        )
        return start, _named_place(answer, start)

    async def _blobs(self, place: ImageReference) -> str:
        return f"{await self._docker(place.repository)}/{quote(place.image)}/blobs"

    async def _docker(self, repository: str) -> str:
        return self._settings.docker_api(check_repository(repository), base=await self.base())

    async def _listing(self, repository: str, path: str, field: str) -> list[str]:
        """Read all pages of a list of the Docker API."""
        url = f"{await self._docker(repository)}/{path}?n={_ENTRIES_A_PAGE}"
        entries: dict[str, None] = {}
        last: str | None = None
        while True:
            query = f"&last={quote(last, safe='')}" if last else ""
            answer = await self._transport.request("GET", url + query, needs=f"Read on {repository!r}")
            page = document_of(answer).get(field) or []
            if not isinstance(page, list):
                raise answer.unexpected(f"a list of {field}")
            known = len(entries)
            entries.update(dict.fromkeys(map(str, page)))
            last = _next_page(answer)
            if last is None or not page:
                return list(entries)
            if len(entries) == known:
                raise answer.unexpected(f"the next page of {field}, but with entries that it had sent before")

    async def _manifest_request(self, method: str, reference: ImageReference) -> Answer:
        name = quote(reference.name, safe=":")
        return await self._transport.request(
            method,
            f"{await self._docker(reference.repository)}/{quote(reference.image)}/manifests/{name}",
            headers={"Accept": ACCEPT},
            allowed=(200, 404),
            needs=f"Read on {reference.repository!r}",
        )


def _blob_content(answer: Answer, digest: str) -> bytes:
    """Return the bytes that have the digest: those that came, or what a proxy has packed although it was not asked to.

    ``Content-Encoding`` alone says nothing: some label a layer with it that is a gzip file itself.
    """
    if _digest_of(answer.content) == digest:
        return answer.content
    with contextlib.suppress(content_coding.TooLarge):
        codings = answer.headers.get("Content-Encoding", "")
        content = content_coding.unpack(answer.content, codings, largest=_BLOB.largest)
        if _digest_of(content) == digest:
            return content
    raise answer.unexpected(f"the blob {digest}")


def _digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _named_place(answer: Answer, url: str) -> str:
    """Return the URL that the answer to a request for another one names, which may be relative to that."""
    try:
        place = urljoin(url, answer.headers.get("Location", ""))
        parts = urlsplit(place)
        is_url = parts.scheme in {"http", "https"} and parts.port != 0 and place.isascii()
    except ValueError as error:
        raise answer.unexpected("the URL of a place") from error
    if not is_url:
        raise answer.unexpected("the URL of a place")
    return place


def _next_page(answer: Answer) -> str | None:
    """Take only ``last`` from the ``Link``: behind a proxy its path often lacks the repository key."""
    link = _NEXT_LINK.search(answer.headers.get("Link", ""))
    query = link["target"].partition("?")[2] if link else ""
    return next(iter(parse_qs(query).get("last", [])), None)
