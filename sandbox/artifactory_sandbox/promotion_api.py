"""`POST …/v2/promote`: JSON in, one line of text out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from artifactory_sandbox.docker_call import read_limited
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.items import stamp
from artifactory_sandbox.promotion import parse_promotion, promote
from artifactory_sandbox.service import call_of

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request

    from artifactory_sandbox.config import Action

_LARGEST_BODY = 64 * 1024
_DONE = "Promotion ended successfully"


async def promote_image(request: Request) -> Response:
    """Promote as JFrog's REST documentation describes it ("Promote Docker Image")."""
    call = call_of(request)
    service, user = call.service, call.user
    switches, body = service.config.switches, await read_limited(request.stream(), _LARGEST_BODY)
    promotion = parse_promotion(request.path_params["repository"], body, switches)
    for key in (promotion.source.repository, promotion.target.repository):
        repository = service.config.repositories.get(key)
        if repository and repository.is_docker and not repository.is_writable and switches.silent_promotion:
            return PlainTextResponse(_DONE)
        if repository is None or not repository.is_docker or not repository.is_writable:
            raise Refusal(400, f"Unsupported V2 repository request for '{key[:300]}'")

    def allows(action: Action, repository: str, path: str) -> bool:
        return service.access.allows(user, action, repository, path)

    def work(tx: sqlite3.Connection) -> None:
        source = promotion.source.repository
        read = service.blobs.read
        for tag in promote(tx, promotion, allows=allows, stamp=stamp(user.name), switches=switches, read=read):
            service.events.record(tx, "promoted", promotion.target, tag, user=user.name, source=source)

    await service.database.write(work)
    return PlainTextResponse(_DONE)


ROUTES = [Route("/api/docker/{repository}/v2/promote", promote_image, methods=["POST"])]
