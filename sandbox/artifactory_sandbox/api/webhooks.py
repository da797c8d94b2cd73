"""The API of webhooks: subscriptions to events, for administrators only; secrets go in, and never out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from artifactory_sandbox.api.calls import read_as, require_admin
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.events import Subscription, find_subscriptions

if TYPE_CHECKING:
    from starlette.requests import Request


async def list_subscriptions(request: Request) -> Response:
    """List all subscriptions."""
    found = await require_admin(request).database.read(find_subscriptions)
    return JSONResponse([subscription.show() for subscription in found.values()])


async def get_subscription(request: Request) -> Response:
    """Show one subscription."""
    found = (await require_admin(request).database.read(find_subscriptions)).get(request.path_params["key"])
    if found is None:
        raise _missing()
    return JSONResponse(found.show())


async def add_subscription(request: Request) -> Response:
    """Make a subscription."""
    database, subscription = require_admin(request).database, await read_as(Subscription, request, "The subscription")
    row = (subscription.key, subscription.model_dump_json(by_alias=True))
    query = "INSERT OR IGNORE INTO subscriptions VALUES (?, ?)"
    if not await database.write(lambda tx: tx.execute(query, row).rowcount):
        raise Refusal(409, f"There is a subscription of the key '{subscription.key}' already.")
    return JSONResponse(subscription.show(), 201)


async def change_subscription(request: Request) -> Response:
    """Give a subscription other contents; what waits to be told goes the new way."""
    database, subscription = require_admin(request).database, await read_as(Subscription, request, "The subscription")
    if subscription.key != request.path_params["key"]:
        raise Refusal(400, "A subscription keeps its key.")
    row = (subscription.model_dump_json(by_alias=True), subscription.key)
    query = "UPDATE subscriptions SET body = ? WHERE key = ?"
    if not await database.write(lambda tx: tx.execute(query, row).rowcount):
        raise _missing()
    return JSONResponse(subscription.show())


async def delete_subscription(request: Request) -> Response:
    """End a subscription, with what waits to be told."""
    key, query = (request.path_params["key"],), "DELETE FROM subscriptions WHERE key = ?"
    if not await require_admin(request).database.write(lambda tx: tx.execute(query, key).rowcount):
        raise _missing()
    return Response(status_code=204)


def _missing() -> Refusal:
    return Refusal(404, "Subscription not found")


_SUBSCRIPTIONS = "/event/api/v1/subscriptions"
ROUTES = [
    Route(_SUBSCRIPTIONS, list_subscriptions, methods=["GET"]),
    Route(_SUBSCRIPTIONS, add_subscription, methods=["POST"]),
    Route(_SUBSCRIPTIONS + "/{key}", get_subscription, methods=["GET"]),
    Route(_SUBSCRIPTIONS + "/{key}", change_subscription, methods=["PUT"]),
    Route(_SUBSCRIPTIONS + "/{key}", delete_subscription, methods=["DELETE"]),
]
