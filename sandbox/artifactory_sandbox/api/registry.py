"""The OCI distribution API of a whole repository: that it is there, its images and their tags."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from artifactory_sandbox import layout
from artifactory_sandbox.api.calls import DockerCall, call_of, docker_call, docker_repository
from artifactory_sandbox.config import Action
from artifactory_sandbox.errors import Refusal

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request


async def base(request: Request) -> Response:
    """Tell that the registry API is here."""
    return JSONResponse({})


async def list_tags(request: Request) -> Response:
    """List the tags of an image, page by page if `n` is given."""
    call = docker_call(request, Action.READ)
    name, found = call.place.image, await call.service.database.read(lambda tx: _require_tags(tx, call))
    return _answer_page(request, {"name": name}, "tags", found, f"{name}/tags/list")


async def list_images(request: Request) -> Response:
    """List the images of a repository, page by page if `n` is given."""
    repository = docker_repository(request)
    call = call_of(request)
    allows = call.service.access.allows

    def look(tx: sqlite3.Connection) -> set[str]:
        sources = call.service.config.sources(repository)
        found = {(source, image) for source in sources for image in layout.images(tx, source)}
        return {image for source, image in found if allows(call.user, Action.READ, source, f"{image}/")}

    return _answer_page(request, {}, "repositories", await call.service.database.read(look), "_catalog")


def _require_tags(tx: sqlite3.Connection, call: DockerCall) -> set[str]:
    found = {tag for place in call.places for tag in layout.tags(tx, place)}
    if not found and not any(place.image in layout.images(tx, place.repository) for place in call.places):
        message = "repository name not known to registry"
        raise Refusal(404, message, code="NAME_UNKNOWN", detail={"name": call.place.image})
    return found


def _answer_page(request: Request, answer: dict[str, object], field: str, found: set[str], path: str) -> Response:
    """Answer with the page that `n` and `last` ask for, and a link to the next one.

    Artifactory counts (`last` is an offset), OCI names (`last` is an entry): an entry of that name wins, so a page
    whose end is the number of such a one leads on by name. In path mode, too, the link lacks the repository key
    (renovate#15080).
    """
    size, last = request.query_params.get("n", ""), request.query_params.get("last", "")
    if size and not size.isdecimal():
        raise Refusal(400, "n must be a number", code="PAGINATION_NUMBER_INVALID", detail={"n": size[:300]})
    names, count = sorted(found), int(size[:18] or 0)
    by_name = bool(last) and (last in found or not last.isdecimal())
    start = bisect.bisect(names, last) if by_name else int(last[:18] or 0)
    end = start + count if count else len(names)
    page, headers = names[start:end], {}
    if page and end < len(names):
        address, switches = call_of(request).address, call_of(request).service.config.switches
        root = address.docker_root if switches.link_with_repository else "/v2"
        onward = page[-1] if by_name or str(end) in found else str(end)
        headers["Link"] = f'<{root}/{path}?last={quote(onward)}&n={size}>; rel="next"'
    return JSONResponse(answer | {field: page}, headers=headers)


_REPOSITORY = "/api/docker/{repository}/v2"
ROUTES = [
    Route("/v2/", base),
    Route(_REPOSITORY + "/", base),
    Route(_REPOSITORY + "/_catalog", list_images),
    Route(_REPOSITORY + "/{image:path}/tags/list", list_tags),
]
