"""`POST /api/search/aql`: the items that a query finds and the user may read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from artifactory_sandbox.api.calls import call_of, read_limited
from artifactory_sandbox.aql import parse_query, select
from artifactory_sandbox.config import Action
from artifactory_sandbox.errors import Forbidden

if TYPE_CHECKING:
    from starlette.requests import Request

_LONGEST_QUERY = 256 * 1024
_DEMANDED = {"repo", "path", "name"}


async def search(request: Request) -> Response:
    """Answer a query with the items that the user may read."""
    call = call_of(request)
    if call.user.is_anonymous:
        raise Forbidden
    text = (await read_limited(request, _LONGEST_QUERY)).decode(errors="replace")
    longest = call.service.config.switches.longest_query
    if longest and len(text) > longest:
        return PlainTextResponse(f"The query has {len(text)} characters: {longest} are allowed.", 400)
    try:
        query = parse_query(text)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        near = f"it looks like there is syntax error near the following sub-query: {str(error.args[0])[:300]}"
        return PlainTextResponse(f"Failed to parse query: {text[:1000]}, {near}", 400)
    if not call.user.is_admin and not _DEMANDED.issubset(query.fields):
        demanded = "For permissions reasons AQL demands the following fields: repo, path and name."
        return PlainTextResponse(demanded, 400)
    may_read = None if call.user.is_admin else partial(call.service.access.allows, call.user, Action.READ)
    results = await call.service.database.read(lambda tx: select(tx, query, may_read))
    scope: dict[str, int] = {"start_pos": query.offset, "end_pos": query.offset + len(results), "total": len(results)}
    if query.limit is not None:
        scope["limit"] = query.limit
    return JSONResponse({"results": results, "range": scope})


ROUTES = [Route("/api/search/aql", search, methods=["POST"])]
