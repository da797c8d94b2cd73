"""Artifactory's API of webhook subscriptions, for administrators only; secrets go in, and never out."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from artifactory_sandbox.config import first_problem
from artifactory_sandbox.docker_call import read_limited
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.events import Subscription
from artifactory_sandbox.service import require_admin

if TYPE_CHECKING:
    from starlette.requests import Request

_LARGEST_BODY = 256 * 1024


async def list_subscriptions(request: Request) -> Response:
    """List all subscriptions."""
    database = require_admin(request).database
    rows = await database.read(lambda tx: tx.execute("SELECT body FROM subscriptions ORDER BY key").fetchall())
    return JSONResponse([_shown(Subscription.model_validate_json(body)) for (body,) in rows])


async def get_subscription(request: Request) -> Response:
    """Show one subscription."""
    key = (request.path_params["key"],)
    query = "SELECT body FROM subscriptions WHERE key = ?"
    row = await require_admin(request).database.read(lambda tx: tx.execute(query, key).fetchone())
    if row is None:
        raise Refusal(404, "Subscription not found")
    return JSONResponse(_shown(Subscription.model_validate_json(row[0])))


async def add_subscription(request: Request) -> Response:
    """Make a subscription."""
    database, subscription = require_admin(request).database, await _subscription(request)
    row = (subscription.key, subscription.model_dump_json(by_alias=True))
    try:
        await database.write(lambda tx: tx.execute("INSERT INTO subscriptions VALUES (?, ?)", row))
    except sqlite3.IntegrityError:
        raise Refusal(409, f"There is a subscription of the key '{subscription.key}' already.") from None
    return JSONResponse(_shown(subscription), 201)


async def change_subscription(request: Request) -> Response:
    """Give a subscription other contents; what waits to be told goes the new way."""
    database, subscription = require_admin(request).database, await _subscription(request)
    if subscription.key != request.path_params["key"]:
        raise Refusal(400, "A subscription keeps its key.")
    row = (subscription.model_dump_json(by_alias=True), subscription.key)
    query = "UPDATE subscriptions SET body = ? WHERE key = ?"
    if not await database.write(lambda tx: tx.execute(query, row).rowcount):
        raise Refusal(404, "Subscription not found")
    return JSONResponse(_shown(subscription))


async def delete_subscription(request: Request) -> Response:
    """End a subscription, with what waits to be told."""
    key = (request.path_params["key"],)
    query = "DELETE FROM subscriptions WHERE key = ?"
    if not await require_admin(request).database.write(lambda tx: tx.execute(query, key).rowcount):
        raise Refusal(404, "Subscription not found")
    return Response(status_code=204)


async def _subscription(request: Request) -> Subscription:
    try:
        return Subscription.model_validate_json(await read_limited(request.stream(), _LARGEST_BODY))
    except ValidationError as error:
        raise Refusal(400, f"The subscription is not valid: {first_problem(error)}") from None


def _shown(subscription: Subscription) -> dict[str, Any]:
    shown = subscription.model_dump(mode="json", by_alias=True)
    for handler in shown["handlers"]:
        handler["secret"] = "***" if handler["secret"] else ""
    return shown


_SUBSCRIPTIONS = "/event/api/v1/subscriptions"
ROUTES = [
    Route(_SUBSCRIPTIONS, list_subscriptions, methods=["GET"]),
    Route(_SUBSCRIPTIONS, add_subscription, methods=["POST"]),
    Route(_SUBSCRIPTIONS + "/{key}", get_subscription, methods=["GET"]),
    Route(_SUBSCRIPTIONS + "/{key}", change_subscription, methods=["PUT"]),
    Route(_SUBSCRIPTIONS + "/{key}", delete_subscription, methods=["DELETE"]),
]
