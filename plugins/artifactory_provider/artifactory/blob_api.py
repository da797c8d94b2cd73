"""Blobs in the Docker API of a repository: configs and layers, found, copied and uploaded.

Source: OCI distribution specification 1.1, "Pulling blobs" and "Pushing blobs".
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from artifactory_provider.artifactory import content_coding
from artifactory_provider.artifactory.errors import OtherContent, RequestRefused, UnexpectedAnswer
from artifactory_provider.artifactory.references import check_digest
from artifactory_provider.artifactory.transport import BodyReading

if TYPE_CHECKING:
    from artifactory_provider.artifactory.answers import Answer
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.artifactory.server import Server

log = logging.getLogger(__name__)

_BLOB = BodyReading(largest=256 * 1024 * 1024, is_unpacked=False)
_BEGINNING = BodyReading(largest=1024, is_unpacked=False, is_cut=True)
_ELSEWHERE = (302, 307)
_PACKING = 1024
"""Bytes that a small blob may grow by where a proxy packs it although it was not asked to."""


class BlobApi:
    """The blobs of all repositories."""

    _server: Server

    async def has_blob(self, place: ImageReference, digest: str) -> bool:
        """Return whether an image has a blob.

        :param place: repository and image.
        :param digest: the blob's digest.
        """
        url, needs = f"{await self._blobs_url(place)}/{check_digest(digest)}", f"Read on {place.repository!r}"
        try:
            answer = await self._server.request("HEAD", url, allowed=(200, *_ELSEWHERE, 404), needs=needs)
        except RequestRefused:
            log.debug("The server refuses HEAD of %s: asking by GET for its first byte.", digest)
            answer = await self._server.request(
                "GET",
                url,
                # 416: not even one byte is in it.
                allowed=(200, 206, 416, *_ELSEWHERE, 404),
                headers={"Accept-Encoding": content_coding.AS_STORED, "Range": "bytes=0-0"},
                reading=_BEGINNING,
                needs=needs,
            )
        if answer.status in {200, 206} and answer.is_html and "Docker-Content-Digest" not in answer.headers:
            raise answer.unexpected(f"the blob {digest}")
        return answer.status != 404

    async def blob(self, place: ImageReference, digest: str, *, size: int) -> bytes:
        """Return the bytes of a small blob, whose digest and number are checked.

        :param place: repository and image that have it.
        :param digest: the blob's digest.
        :param size: how many bytes it has, as its descriptor says: never more than that are read.
        :raises NotFound: when it is not there.
        :raises OtherContent: when other bytes come than those.
        """
        largest = size + _PACKING
        answer = await self._fetch(place, digest, BodyReading(largest=largest, is_unpacked=False, is_cut=True))
        content = _find_content(answer, digest, largest=largest)
        if content is None and answer.is_html:
            raise answer.unexpected(f"the blob {digest}")
        if content is None or len(content) != size:
            raise OtherContent(
                f"{answer.endpoint} sent other bytes than the {size} of that digest: push it again, or ask who has "
                "changed it.",
                status=answer.status,
                endpoint=answer.endpoint,
            )
        return content

    async def copy_blob(self, source: ImageReference, target: ImageReference, digest: str) -> None:
        """Bring one blob from an image to another, its bytes checked on the way.

        :param source: repository and image that have it.
        :param target: repository and image that get it.
        :param digest: the blob's digest.
        """
        answer = await self._fetch(source, digest, _BLOB)
        content = _find_content(answer, digest, largest=_BLOB.largest)
        if content is None:
            raise answer.unexpected(f"the blob {digest}")
        await self._upload_blob(target, digest, content)

    async def check_may_push(self, place: ImageReference) -> None:
        """Make sure that this user may push to an image: begin an upload, and give it up.

        :param place: repository and image.
        :raises PermissionDenied: when the user may not.
        """
        start, upload = await self._begin_upload(place)
        if urlsplit(upload)[:2] == urlsplit(start)[:2]:
            # Servers that do not know this forget the upload in time.
            await self._server.request("DELETE", upload, repeatable=True, allowed=range(200, 600))

    async def _fetch(self, place: ImageReference, digest: str, reading: BodyReading) -> Answer:
        """Return the answer with a blob, from here or from where the server sends everybody for it."""
        url = f"{await self._blobs_url(place)}/{check_digest(digest)}"
        as_stored = {"Accept-Encoding": content_coding.AS_STORED}
        answer = await self._server.request(
            "GET",
            url,
            allowed=(200, *_ELSEWHERE),
            headers=as_stored,
            reading=reading,
            needs=f"Read on {place.repository!r}",
        )
        if answer.status != 200:
            elsewhere = _read_location(answer, url)
            answer = await self._server.request("GET", elsewhere, headers=as_stored, reading=reading, anonymous=True)
        return answer

    async def _upload_blob(self, target: ImageReference, digest: str, content: bytes) -> None:
        start, place = await self._begin_upload(target)
        if urlsplit(place)[:2] != urlsplit(start)[:2]:
            raise UnexpectedAnswer(
                f"POST {urlsplit(start).path} named a place for the upload on another server: check that the "
                "connection's host is Artifactory's own URL, and that a proxy before it tells Artifactory its own."
            )
        await self._server.request(
            "PUT",
            f"{place}{'&' if '?' in place else '?'}digest={quote(digest)}",
            allowed=(201,),
            headers={"Content-Type": "application/octet-stream"},
            data=content,
            needs=f"Deploy/Cache on {target.repository!r}",
        )

    async def _begin_upload(self, target: ImageReference) -> tuple[str, str]:
        """Return the URL that was asked for a place for a blob's content, and that of the place."""
        start = f"{await self._blobs_url(target)}/uploads/"
        answer = await self._server.request(
            "POST", start, repeatable=True, allowed=(202,), needs=f"Deploy/Cache on {target.repository!r}"
        )
        return start, _read_location(answer, start)

    async def _blobs_url(self, place: ImageReference) -> str:
        return f"{await self._server.docker_url(place.repository)}/{quote(place.image)}/blobs"


def _find_content(answer: Answer, digest: str, *, largest: int) -> bytes | None:
    """Return the bytes that have the digest: those that came, or what a proxy has packed although it was not asked to.

    ``Content-Encoding`` alone says nothing: some label a layer with it that is a gzip file itself.
    """
    if _digest_of(answer.content) == digest:
        return answer.content
    with contextlib.suppress(content_coding.TooLarge):
        codings = answer.headers.get("Content-Encoding", "")
        content = content_coding.unpack(answer.content, codings, largest=largest)
        if _digest_of(content) == digest:
            return content
    return None


def _digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _read_location(answer: Answer, url: str) -> str:
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
