"""The OCI distribution API of blobs: pulling, pushing in every way, mounting, deleting."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from artifactory_sandbox import items, layout
from artifactory_sandbox.api.calls import DockerCall, docker_call, require_digest
from artifactory_sandbox.config import Action
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.items import Item, stamp
from artifactory_sandbox.names import UPLOADS_FOLDER, Place, is_image

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from artifactory_sandbox.blobs import Upload
    from artifactory_sandbox.service import Service

_BYTES = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-\d{1,18})", re.ASCII | re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"(?:bytes )?(\d{1,18})-(\d{1,18})(?:/.*)?")


class _BlobResponse(FileResponse):
    """A file in large steps, or one range of it; a Range that asks for anything else is passed over (RFC 9110, 14.2).

    :raises Refusal: SIZE_INVALID when the range ends before it begins.
    """

    chunk_size = 1024 * 1024

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the ASGI specification."""
        asked = _BYTES.fullmatch(Headers(scope=scope).get("range", ""))
        if asked is None:
            scope = {**scope, "headers": [header for header in scope["headers"] if header[0] != b"range"]}
        elif asked[2] and int(asked[2]) < int(asked[1]):
            headers = {"Content-Range": f"bytes */{self.headers['content-length']}"}
            raise Refusal(416, "the range ends before it begins", code="SIZE_INVALID", headers=headers)
        await super().__call__(scope, receive, send)


def blob_response(service: Service, digest: str, media_type: str | None, headers: Mapping[str, str]) -> Response:
    """Answer with a content, or the range of it that is asked for.

    :raises Refusal: BLOB_UNKNOWN when the bytes have been deleted since the content was found.
    """
    path = service.blobs.path(digest)
    try:
        return _BlobResponse(path, headers=headers, media_type=media_type, stat_result=path.stat())
    except FileNotFoundError:
        raise _unknown(digest) from None


async def get_blob(request: Request) -> Response:
    """Answer GET and HEAD of a blob, ranges included."""
    digest = require_digest(request.path_params["digest"])
    call = docker_call(request, Action.READ, digest)
    call.service.database.read_now(lambda tx: _require_blob(tx, call.places, digest))
    headers = {"Docker-Content-Digest": digest, "ETag": f'"{digest}"'}
    return blob_response(call.service, digest, "application/octet-stream", headers)


async def delete_blob(request: Request) -> Response:
    """Delete a blob that no manifest of the image needs."""
    digest = require_digest(request.path_params["digest"])
    call = docker_call(request, Action.DELETE, digest)
    await call.service.database.write(lambda tx: _delete_blob(tx, call, digest))
    return Response(status_code=202)


async def start_upload(request: Request) -> Response:
    """Begin an upload; or mount a blob, or take it whole, if the client asks for that."""
    call = docker_call(request, Action.DEPLOY, UPLOADS_FOLDER)
    mount, digest = request.query_params.get("mount"), request.query_params.get("digest")
    if mount and await _mount(call, require_digest(mount), request.query_params.get("from")):
        return _answer_created(call, mount)
    if digest:
        require_digest(digest)
    upload = call.service.uploads.start(call.owner)
    if not digest:
        return _answer_progress(call, upload, 202)
    await upload.append(request.stream())
    return await _finish(call, upload, digest)


async def continue_upload(request: Request) -> Response:
    """Add a chunk, or a stream of any length."""
    call, upload = _find_upload(request)
    await upload.append(request.stream(), start=_parse_start(request))
    return _answer_progress(call, upload, 202)


async def finish_upload(request: Request) -> Response:
    """Add what is left, check the digest, and make the upload a blob."""
    call, upload = _find_upload(request)
    digest = require_digest(request.query_params.get("digest", ""))
    await upload.append(request.stream(), start=_parse_start(request))
    return await _finish(call, upload, digest)


async def upload_status(request: Request) -> Response:
    """Tell how far an upload has come."""
    return _answer_progress(*_find_upload(request), 204)


async def cancel_upload(request: Request) -> Response:
    """Give an upload up."""
    call, upload = _find_upload(request)
    call.service.uploads.cancel(upload)
    return Response(status_code=204)


def _find_upload(request: Request) -> tuple[DockerCall, Upload]:
    call = docker_call(request, Action.DEPLOY, UPLOADS_FOLDER)
    return call, call.service.uploads.find(request.path_params["upload"], call.owner)


def _parse_start(request: Request) -> int | None:
    """Return where a chunk says that it begins, if it does; what it says of its length must be true."""
    header, announced = request.headers.get("content-range"), request.headers.get("content-length")
    if header is None:
        return None
    match = _CONTENT_RANGE.fullmatch(header)
    if match is None or int(match[2]) < int(match[1]):
        raise Refusal(400, "Content-Range must be <first byte>-<last byte>", code="BLOB_UPLOAD_INVALID")
    length = int(match[2]) - int(match[1]) + 1
    if announced not in {None, str(length)}:
        message = f"Content-Range is of {length} bytes, Content-Length is {announced[:20]}"
        raise Refusal(400, message, code="SIZE_INVALID")
    return int(match[1])


async def _mount(call: DockerCall, digest: str, name: str | None) -> bool:
    """Make a blob of another image known here; where that cannot be done, an upload follows instead.

    :param name: the image that it comes from; None for any that the user may read.
    """

    def mount(tx: sqlite3.Connection) -> bool:
        places = layout.holders(tx, digest) if name is None else _mount_sources(call, name)
        for place in places:
            blob = layout.find_blob(tx, place, digest)
            if blob and call.service.access.allows(call.user, Action.READ, place.repository, place.path(digest)):
                layout.add_blob(tx, call.place, digest, blob.size, stamp(call.user.name))
                return True
        return False

    return await call.service.database.write(mount)


def _mount_sources(call: DockerCall, name: str) -> list[Place]:
    """Return the images that a name may mean, which has the repository key in front where images are addressed so."""
    key, _, image = name.partition("/")
    config = call.service.config
    sources = config.sources(key) if key in config.repositories else ()
    places = [Place(source, image) for source in sources] + [Place(call.place.repository, name)]
    return [place for place in places if is_image(place.image)]


async def _finish(call: DockerCall, upload: Upload, digest: str) -> Response:
    size, who = await call.service.uploads.finish(upload, digest), stamp(call.user.name)
    await call.service.database.write(lambda tx: layout.add_blob(tx, call.place, digest, size, who))
    return _answer_created(call, digest)


def _answer_created(call: DockerCall, digest: str) -> Response:
    headers = {"Location": call.location(f"blobs/{digest}"), "Docker-Content-Digest": digest}
    return Response(status_code=201, headers=headers)


def _answer_progress(call: DockerCall, upload: Upload, status: int) -> Response:
    identifier = upload.file.name
    headers = {
        "Location": call.location(f"blobs/uploads/{identifier}"),
        "Docker-Upload-UUID": identifier,
        "Range": f"0-{max(upload.size - 1, 0)}",
    }
    return Response(status_code=status, headers=headers)


def _require_blob(tx: sqlite3.Connection, places: Iterable[Place], digest: str) -> Item:
    for place in places:
        item = layout.find_blob(tx, place, digest)
        if item is not None:
            return item
    raise _unknown(digest)


def _unknown(digest: str) -> Refusal:
    return Refusal(404, "blob unknown to registry", code="BLOB_UNKNOWN", detail={"digest": digest})


def _delete_blob(tx: sqlite3.Connection, call: DockerCall, digest: str) -> None:
    item = _require_blob(tx, call.places, digest)
    if layout.is_claimed(tx, call.place, digest):
        raise Refusal(405, "a manifest needs this blob: delete the manifest first", code="UNSUPPORTED")
    items.remove(tx, [item])
    items.prune(tx, item.repository, item.path)


_BLOBS = "/api/docker/{repository}/v2/{image:path}/blobs"
_UPLOAD = _BLOBS + "/uploads/{upload}"
ROUTES = [
    Route(_BLOBS + "/uploads/", start_upload, methods=["POST"]),
    Route(_BLOBS + "/uploads", start_upload, methods=["POST"]),
    Route(_UPLOAD, upload_status, methods=["GET"]),
    Route(_UPLOAD, continue_upload, methods=["PATCH"]),
    Route(_UPLOAD, finish_upload, methods=["PUT"]),
    Route(_UPLOAD, cancel_upload, methods=["DELETE"]),
    Route(_BLOBS + "/{digest}", get_blob, methods=["GET"]),
    Route(_BLOBS + "/{digest}", delete_blob, methods=["DELETE"]),
]
