"""Artifactory's storage API: items, folders, properties; and the items' own URLs."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from artifactory_sandbox import items, layout
from artifactory_sandbox.api.blobs import blob_response
from artifactory_sandbox.api.calls import Call, call_of, read_limited
from artifactory_sandbox.api.responses import json_response
from artifactory_sandbox.checksums import checksums
from artifactory_sandbox.config import Action
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.items import Item, stamp
from artifactory_sandbox.names import Place
from artifactory_sandbox.properties import MOST_VALUES, parse_document, parse_keys, parse_properties

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request


async def get_item(request: Request) -> Response:
    """Answer with an item's information, or with its properties if `properties` is asked for."""
    call, repository, path = _target(request, Action.READ)
    if "properties" in request.query_params:
        return await _get_properties(call, repository, path, parse_keys(request.query_params["properties"]))

    def look(tx: sqlite3.Connection) -> tuple[Item | None, list[Item]]:
        item = _require_item(tx, call, repository, path) if path else None
        sources = call.service.config.sources(repository)
        return item, [one for source in sources for one in items.children(tx, source, path)]

    item, found = await call.service.database.read(look)
    if item is not None and not item.is_folder:
        return json_response(_file_info(call, item, await checksums(call.service, item.digest)))
    allows = call.service.access.allows
    allowed = (one for one in found if allows(call.user, Action.READ, one.repository, one.full_path))
    children = {one.name: {"uri": f"/{one.name}", "folder": one.is_folder} for one in allowed}
    uri = _uri(call, "/api/storage", repository, path)
    return json_response({**_common(call, repository, item), "children": list(children.values()), "uri": uri})


async def change_properties(request: Request) -> Response:
    """Set or remove properties of an item; of everything below a folder, too, unless `recursive=0`.

    `PUT` sets what the query names, `DELETE` removes it, `PATCH` does both by `{"props": {"key": null}}`.
    """
    call, repository, path = _target(request, Action.ANNOTATE)
    query = request.query_params
    if request.method == "PATCH":
        values = parse_document(await read_limited(request))
    elif "properties" not in query:
        raise Refusal(400, "The query parameter 'properties' is missing.")
    elif request.method == "PUT":
        values = parse_properties(query["properties"])
    else:
        values = {key: [] for key in parse_keys(query["properties"])}

    def change(tx: sqlite3.Connection) -> None:
        item = _require_item(tx, call, repository, path)
        affected = [item]
        if item.is_folder and "0" not in {query.get("recursive"), query.get("recursiveProperties")}:
            below, allows = items.subtree(tx, item.repository, path), call.service.access.allows
            affected = [one for one in below if allows(call.user, Action.ANNOTATE, repository, one.full_path)]
        call.service.events.record_properties(tx, affected, values, user=call.user.name)
        for one in affected:
            items.set_properties(tx, one.id, values)
            if items.count_properties(tx, one.id) > MOST_VALUES and any(values.values()):
                raise Refusal(400, f"'{repository}:{one.full_path}' would have more than {MOST_VALUES} properties.")

    await call.service.database.write(change)
    return Response(status_code=204)


async def show_in_tree(request: Request) -> Response:
    """Lead links to Artifactory's own user interface, which the sandbox has none of, to what is known of an item."""
    path = request.path_params.get("path", "").strip("/")
    return RedirectResponse(_uri(call_of(request), "/api/storage", request.path_params["repository"], path))


async def download(request: Request) -> Response:
    """Answer GET and HEAD of a file by its path."""
    call, repository, path = _target(request, Action.READ)
    item = await call.service.database.read(lambda tx: _require_item(tx, call, repository, path))
    if item.is_folder:
        raise Refusal(404, f"'{repository}:{path}' is a folder; /api/storage/{repository}/{path} lists it.")
    call.service.xray.require_download(item)
    headers = {f"X-Checksum-{name}": value for name, value in (await checksums(call.service, item.digest)).items()}
    headers["Content-Disposition"] = f"attachment; filename*=utf-8''{quote(item.name)}"
    return blob_response(call.service, item.digest, item.media_type, headers)


async def delete_item(request: Request) -> Response:
    """Delete a file, or a folder with everything below it."""
    call, repository, path = _target(request, Action.DELETE)
    await call.service.database.write(lambda tx: _delete(tx, call, repository, path))
    return Response(status_code=204)


def _target(request: Request, action: Action) -> tuple[Call, str, str]:
    call = call_of(request)
    repository = request.path_params["repository"]
    path = request.path_params.get("path", "").strip("/")
    if repository not in call.service.config.repositories:
        raise Refusal(404, "Unable to find item")
    if "//" in path or len(path) > 4000:
        raise Refusal(400, "The path is not valid: it has empty parts or is longer than 4000 characters.")
    is_writable = call.service.config.repositories[repository].is_writable
    if action != Action.READ and not is_writable:
        raise Refusal(400, f"'{repository}' is no local repository: nothing can be changed through it.")
    if is_writable or not path:
        call.service.access.require(call.user, action, repository, path)
    return call, repository, path


def _require_item(tx: sqlite3.Connection, call: Call, repository: str, path: str) -> Item:
    for source in call.service.config.sources(repository):
        item = items.find(tx, source, path)
        if item and call.service.access.allows(call.user, Action.READ, source, path):
            return item
    raise Refusal(404, "Unable to find item")


async def _get_properties(call: Call, repository: str, path: str, wanted: list[str]) -> Response:
    found = await call.service.database.read(
        lambda tx: items.properties(tx, _require_item(tx, call, repository, path).id)
    )
    shown = {key: values for key, values in found.items() if not wanted or key in wanted}
    if not shown:
        raise Refusal(404, "No properties could be found.")
    return json_response({"properties": shown, "uri": _uri(call, "/api/storage", repository, path)})


def _delete(tx: sqlite3.Connection, call: Call, repository: str, path: str) -> None:
    doomed = items.subtree(tx, repository, path) if path else []
    if not doomed:
        raise Refusal(404, f"Could not locate artifact '{repository}:{path}' (Nothing to delete).")
    for item in doomed:
        call.service.access.require(call.user, Action.DELETE, repository, item.full_path)
    manifests = [(Place(repository, item.image), item) for item in doomed if item.kind == "manifest"]
    for place, item in manifests:
        call.service.events.record(tx, "deleted", place, item.folder, user=call.user.name)
        layout.clear(tx, place, item.folder, stamp=stamp(call.user.name))
    for place, item in manifests:
        if layout.is_child(tx, place, item.digest) and layout.find_manifest(tx, place, item.digest) is None:
            raise Refusal(409, f"An index needs '{repository}:{item.full_path}': delete the index first.")
    left = items.subtree(tx, repository, path)
    for item in left:
        if not item.is_folder and layout.is_claimed(tx, Place(repository, item.image), item.digest):
            raise Refusal(409, f"A manifest needs '{repository}:{item.full_path}': delete the manifest first.")
    items.remove(tx, left)
    items.prune(tx, repository, path.rpartition("/")[0])


def _uri(call: Call, api: str, repository: str, path: str) -> str:
    return f"{call.address.base}{api}/{quote(repository)}" + (f"/{quote(path, safe='/:')}" if path else "")


def _file_info(call: Call, item: Item, sums: dict[str, str]) -> dict[str, Any]:
    mime_type = item.media_type or mimetypes.guess_type(item.name)[0] or "application/octet-stream"
    return {
        **_common(call, item.repository, item),
        "downloadUri": _uri(call, "", item.repository, item.full_path),
        "mimeType": mime_type,
        "size": str(item.size),
        "checksums": sums,
        "originalChecksums": {"sha256": sums["sha256"]},
        "uri": _uri(call, "/api/storage", item.repository, item.full_path),
    }


def _common(call: Call, repository: str, item: Item | None) -> dict[str, Any]:
    if item is None:
        times = dict.fromkeys(("created", "lastModified", "lastUpdated"), call.service.created)
        return {"repo": repository, "path": "/", **times}
    return {
        "repo": repository,
        "path": f"/{item.full_path}",
        "created": item.created,
        "createdBy": item.created_by,
        "lastModified": item.modified,
        "modifiedBy": item.modified_by,
        "lastUpdated": item.updated,
    }


_STORAGE = "/api/storage/{repository}"
_TREE = "/ui/repos/tree/General/{repository}"
_ITEM = "/{repository}/{path:path}"
ROUTES = [
    Route(_STORAGE, get_item, methods=["GET"]),
    Route(_STORAGE + "/{path:path}", get_item, methods=["GET"]),
    Route(_STORAGE + "/{path:path}", change_properties, methods=["PUT", "DELETE"]),
    Route("/api/metadata/{repository}/{path:path}", change_properties, methods=["PATCH"]),
    Route(_TREE, show_in_tree, methods=["GET"]),
    Route(_TREE + "/{path:path}", show_in_tree, methods=["GET"]),
    Route(_ITEM, download, methods=["GET"]),
    Route(_ITEM, delete_item, methods=["DELETE"]),
]
