"""`POST /api/search/aql`: items by query."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from artifactory_sandbox.aql import LONGEST_QUERY, Query, QueryError, parse_query
from artifactory_sandbox.calls import Call, call_of, read_limited
from artifactory_sandbox.config import Action
from artifactory_sandbox.errors import Forbidden

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request

_DEMANDED = ("repo", "path", "name")
_BATCH = 500


async def search(request: Request) -> Response:
    """Answer a query with the items that the user may read."""
    call = call_of(request)
    if call.user.is_anonymous:
        raise Forbidden
    text = (await read_limited(request, LONGEST_QUERY)).decode(errors="replace")
    try:
        query = parse_query(text)
    except QueryError as error:
        return PlainTextResponse(str(error), 400)
    if not call.user.is_admin and not set(_DEMANDED) <= set(query.fields):
        demanded = "For permissions reasons AQL demands the following fields: repo, path and name."
        return PlainTextResponse(demanded, 400)
    results = await call.service.database.read(lambda tx: _select(tx, call, query))
    scope: dict[str, int] = {"start_pos": query.offset, "end_pos": query.offset + len(results), "total": len(results)}
    if query.limit is not None:
        scope["limit"] = query.limit
    return JSONResponse({"results": results, "range": scope})


def _select(tx: sqlite3.Connection, call: Call, query: Query) -> list[dict[str, Any]]:
    """Return a page; the permissions come before the page is cut, so that no page shows how much is hidden."""
    if call.user.is_admin:
        limits = (-1 if query.limit is None else query.limit, query.offset)
        page = tx.execute(f"{query.statement} LIMIT ? OFFSET ?", (*query.condition.values, *limits)).fetchall()
    else:
        end = None if query.limit is None else query.offset + query.limit
        rows = (row for row in tx.execute(query.statement, query.condition.values) if _is_readable(call, row))
        page = list(itertools.islice(rows, query.offset, end))
    results = [
        {field: value for field, value in zip(query.fields, row[4:], strict=True) if value is not None} for row in page
    ]
    if query.properties != ():
        shown = _properties(tx, [row[0] for row in page], query.properties)
        for row, result in zip(page, results, strict=True):
            result["properties"] = shown.get(row[0], [])
    return results


def _is_readable(call: Call, row: tuple[Any, ...]) -> bool:
    _, repository, path, name, *_ = row
    full_path = f"{path}/{name}" if path else name
    return call.service.access.allows(call.user, Action.READ, repository, full_path)


def _properties(
    tx: sqlite3.Connection, identities: list[int], keys: tuple[str, ...] | None
) -> dict[int, list[dict[str, str]]]:
    found: dict[int, list[dict[str, str]]] = {}
    for start in range(0, len(identities), _BATCH):
        batch = identities[start : start + _BATCH]
        marks = ", ".join("?" * len(batch))
        query = f"SELECT item, key, value FROM properties WHERE item IN ({marks})"  # noqa: S608
        for item, key, value in tx.execute(query, batch):
            if keys is None or key in keys:
                found.setdefault(item, []).append({"key": key, "value": value})
    return found


ROUTES = [Route("/api/search/aql", search, methods=["POST"])]
