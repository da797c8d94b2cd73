"""The OCI distribution API of manifests and their referrers."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from artifactory_sandbox import layout
from artifactory_sandbox.api.calls import (
    DockerCall,
    docker_call,
    read_limited,
    require_digest,
    require_reference,
    require_tag,
)
from artifactory_sandbox.config import Action
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.items import stamp
from artifactory_sandbox.manifests import LARGEST_MANIFEST, OCI_INDEX, Manifest, parse_manifest, referrer
from artifactory_sandbox.names import is_digest

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from starlette.requests import Request

    from artifactory_sandbox.items import Item


async def get_manifest(request: Request) -> Response:
    """Answer GET and HEAD of a manifest by tag or digest."""
    reference = require_reference(request.path_params["reference"])
    call = docker_call(request, Action.READ, reference)
    accepted = request.headers.get("accept", "")
    item = call.service.database.read_now(lambda tx: _require_manifest(tx, call, reference, accepted))
    headers = {"Docker-Content-Digest": item.digest, "ETag": f'"{item.digest}"', "Content-Length": str(item.size)}
    content = b""
    if request.method == "GET":
        call.service.xray.require_download(item)
        content = call.service.blobs.read(item.digest)
    return Response(content, headers=headers, media_type=item.media_type)


async def put_manifest(request: Request) -> Response:
    """Store a manifest under a tag or its digest."""
    reference = require_reference(request.path_params["reference"])
    call = docker_call(request, Action.DEPLOY, reference)
    content = await read_limited(request, LARGEST_MANIFEST)
    wanted = reference if is_digest(reference) else request.query_params.get("digest")
    algorithm = require_digest(wanted).partition(":")[0] if wanted else "sha256"
    manifest = parse_manifest(content, request.headers.get("content-type", ""), algorithm=algorithm)
    if wanted and manifest.digest != wanted:
        message = "provided digest did not match uploaded content"
        raise Refusal(400, message, code="DIGEST_INVALID", detail={"digest": manifest.digest})
    tags = request.query_params.getlist("tag") if is_digest(reference) else []
    for tag in tags:
        call.require(Action.DEPLOY, require_tag(tag))
    await asyncio.to_thread(call.service.blobs.add, content, algorithm=algorithm)
    await call.service.database.write(lambda tx: _store(tx, call, [reference, *tags], manifest))
    headers = {
        "Location": call.location(f"manifests/{manifest.digest}"),
        "Docker-Content-Digest": manifest.digest,
    }
    if tags:
        headers["OCI-Tag"] = ", ".join(tags)
    if manifest.subject is not None:
        headers["OCI-Subject"] = manifest.subject.digest
    return Response(status_code=201, headers=headers)


async def delete_manifest(request: Request) -> Response:
    """Delete a tag, or a digest with all tags that stand for it."""
    reference = require_reference(request.path_params["reference"])
    call = docker_call(request, Action.DELETE, reference)
    await call.service.database.write(lambda tx: _delete(tx, call, reference))
    return Response(status_code=202)


async def list_referrers(request: Request) -> Response:
    """List what refers to a digest as its subject, of one artifact type if that is asked for."""
    digest = require_digest(request.path_params["reference"])
    call = docker_call(request, Action.READ, digest)
    found = call.service.database.read_now(
        lambda tx: {item.digest: item for place in call.places for item in layout.referrers(tx, place, digest)}
    )

    def describe() -> list[dict[str, object]]:
        read = call.service.blobs.read
        return [referrer(read(item.digest), item.media_type, item.digest) for item in found.values()]

    described = await asyncio.to_thread(describe) if found else []
    headers, wanted = {}, request.query_params.get("artifactType")
    if wanted:
        described = [one for one in described if one.get("artifactType") == wanted]
        headers["OCI-Filters-Applied"] = "artifactType"
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": described}
    return Response(json.dumps(index), headers=headers, media_type=OCI_INDEX)


def _require_manifest(tx: sqlite3.Connection, call: DockerCall, reference: str, accepted: str = "") -> Item:
    for place in call.places:
        found = layout.find_manifests(tx, place, reference)
        if found:
            return next((item for item in found if item.media_type in accepted), found[0])
    raise Refusal(
        404,
        "The named manifest is not known to the registry.",
        code="MANIFEST_UNKNOWN",
        detail={"manifest": f"{call.place.image}:{reference}"},
    )


def _store(tx: sqlite3.Connection, call: DockerCall, references: Sequence[str], manifest: Manifest) -> None:
    service, who = call.service, stamp(call.user.name)
    for reference in references:
        existing = layout.find_manifest(tx, call.place, reference)
        if existing is not None and existing.digest != manifest.digest:
            call.require(Action.DELETE, reference)
        keep_list = service.config.switches.keep_list
        layout.put_manifest(tx, call.place, reference, manifest, blobs=service.blobs, stamp=who, keep_list=keep_list)
        service.events.record(tx, "pushed", call.place, reference, user=who.user)


def _delete(tx: sqlite3.Connection, call: DockerCall, reference: str) -> None:
    item, who, record = _require_manifest(tx, call, reference), stamp(call.user.name), call.service.events.record
    if not is_digest(reference):
        record(tx, "deleted", call.place, reference, user=who.user)
        layout.clear(tx, call.place, reference, stamp=who)
        return
    if layout.is_child(tx, call.place, reference):
        raise Refusal(405, "an index refers to this manifest: delete the index first", code="UNSUPPORTED")
    copy: Item | None = item
    while copy is not None:
        call.require(Action.DELETE, copy.folder)
        record(tx, "deleted", call.place, copy.folder, user=who.user)
        layout.clear(tx, call.place, copy.folder, stamp=who)
        copy = layout.find_manifest(tx, call.place, reference)


_IMAGE = "/api/docker/{repository}/v2/{image:path}"
_MANIFEST = _IMAGE + "/manifests/{reference}"
ROUTES = [
    Route(_MANIFEST, get_manifest, methods=["GET"]),
    Route(_MANIFEST, put_manifest, methods=["PUT"]),
    Route(_IMAGE + "/referrers/{reference}", list_referrers),
    Route(_MANIFEST, delete_manifest, methods=["DELETE"]),
]
