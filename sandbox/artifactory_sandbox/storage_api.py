"""Artifactory's storage API: items, folders, properties; and the items' own URLs."""

from __future__ import annotations

import asyncio
import hashlib
import json
import mimetypes
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from artifactory_sandbox import items, layout
from artifactory_sandbox.blob_api import blob_response
from artifactory_sandbox.calls import Call, call_of, read_limited
from artifactory_sandbox.config import Action
from artifactory_sandbox.errors import Refusal, json_response
from artifactory_sandbox.items import Item, stamp
from artifactory_sandbox.names import Place

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request

    from artifactory_sandbox.blobs import BlobStore

_FORBIDDEN_IN_KEYS = frozenset(")(}{][*+^$\\/~`!@#%&<>;=,±§ ")
_LONGEST_VALUE = 4000


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
        return json_response(_file_info(call, item, await _checksums(call, item)))
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
        for one in affected:
            items.set_properties(tx, one.id, values)

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
    headers = {f"X-Checksum-{name}": value for name, value in (await _checksums(call, item)).items()}
    headers["Content-Disposition"] = f"attachment; filename*=utf-8''{quote(item.name)}"
    return blob_response(call.service, item.digest, item.media_type, headers)


async def delete_item(request: Request) -> Response:
    """Delete a file, or a folder with everything below it."""
    call, repository, path = _target(request, Action.DELETE)
    await call.service.database.write(lambda tx: _delete(tx, call, repository, path))
    return Response(status_code=204)


async def _checksums(call: Call, item: Item) -> dict[str, str]:
    """Return the SHA-1, MD5 and SHA-256 of a file, worked out when they are first asked for."""
    digest, database = item.digest, call.service.database
    select = "SELECT sha1, md5, sha256 FROM checksums WHERE digest = ?"
    known = await database.read(lambda tx: tx.execute(select, (digest,)).fetchone())
    if known is None:
        known = await asyncio.to_thread(_hash, call.service.blobs, digest)
        insert = "INSERT OR IGNORE INTO checksums VALUES (?, ?, ?, ?)"
        await database.write(lambda tx: tx.execute(insert, (digest, *known)))
    return dict(zip(("sha1", "md5", "sha256"), known, strict=True))


def _hash(blobs: BlobStore, digest: str) -> tuple[str, ...]:
    found = [hashlib.sha1(usedforsecurity=False), hashlib.md5(usedforsecurity=False), hashlib.sha256()]
    with blobs.path(digest).open("rb") as file:
        while chunk := file.read(1024 * 1024):
            for one in found:
                one.update(chunk)
    return tuple(one.hexdigest() for one in found)


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


def parse_properties(text: str) -> dict[str, list[str]]:
    """Read `k=v1,v2;k2=v3`; `;` or `|` separate properties, a backslash takes the next character as it is.

    :param text: the decoded text.
    :raises Refusal: 400, naming the key that is not allowed.
    """
    found: dict[str, list[str]] = {}
    for part in filter(None, _split(text, ";|")):
        escaped, *_ = _split(part, "=")
        key, values = _require_key(_unescape(escaped)), part.removeprefix(escaped)
        if not values:
            raise Refusal(400, f"The property '{key}' has no value: write key=value.")
        found.setdefault(key, []).extend(_unescape(value)[:_LONGEST_VALUE] for value in _split(values[1:], ","))
    if not found:
        raise Refusal(400, "No properties are given: write properties=key=value.")
    return found


def parse_document(body: bytes) -> dict[str, list[str]]:
    """Read `{"props": {key: value or values, or null for none}}`.

    :param body: the JSON text.
    :raises Refusal: 400, saying what is wrong.
    """
    try:
        given = json.loads(body)["props"].items()
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise Refusal(400, 'The body is not {"props": {"key": "value"}}.') from None
    found: dict[str, list[str]] = {}
    for key, value in given:
        values = value if isinstance(value, list) else [] if value is None else [value]
        if not all(isinstance(one, str) for one in values):
            raise Refusal(400, f"The property '{key[:300]}' is no text, list of texts or null.")
        found[_require_key(key)] = [one[:_LONGEST_VALUE] for one in values]
    return found


def parse_keys(text: str) -> list[str]:
    """Read a list of keys, separated by commas."""
    return [_unescape(key) for key in _split(text, ",") if key]


def _split(text: str, separators: str) -> list[str]:
    """Split a text where a separator stands that no backslash escapes; the backslashes stay."""
    return re.findall(rf"[{separators}]((?:\\.?|[^\\{separators}])*+)", separators[0] + text, re.DOTALL)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.?)", r"\1", text, flags=re.DOTALL)


def _require_key(key: str) -> str:
    wrong = sorted(set(key) & _FORBIDDEN_IN_KEYS)
    if not key or wrong or len(key) > 255:
        reason = f"it holds {wrong[0]!r}" if wrong else "it is empty or longer than 255 characters"
        raise Refusal(400, f"The property key '{key[:300]}' is not valid: {reason}.")
    return key


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
