"""Requests that meet faults, and the API that sets faults."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from http.client import responses
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from artifactory_sandbox.api.calls import read_as, require_admin
from artifactory_sandbox.connection import DROP
from artifactory_sandbox.errors import Failure, Refusal
from artifactory_sandbox.faults import Fault
from artifactory_sandbox.metadata import look_at

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from artifactory_sandbox.api.addressing import Address
    from artifactory_sandbox.metadata import Database
    from artifactory_sandbox.service import Service

_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>proxy</body></html>\n"


async def serve(app: ASGIApp, service: Service, where: Address, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a request through the faults that it meets.

    :param app: what does the work; it may raise what the answer to an error is made of.
    :param service: whose faults they are.
    :param where: where the request goes.
    :raises Refusal: as the app does, or as a fault wants it.
    """
    if where.path.startswith("/sandbox/"):
        await app(scope, receive, send)
        return
    scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    token = token.strip() if scheme.lower() == "bearer" else ""
    is_read = scope["method"] in {"GET", "HEAD"} or where.path == "/api/search/aql"
    met = service.faults.meet(scope["method"], (where.path, scope["path"]), token, is_read=is_read)
    for fault in met.faults:
        app = _Meeting(fault, service.database, app)
    with look_at(met.past) if met.past else nullcontext():
        await app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Meeting:
    """A request's meeting with a fault: an ASGI application around the one that works."""

    fault: Fault
    database: Database
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match self.fault.effect, self.fault.when:
            case ("status" | "reset") as effect, when:
                if when == "after":
                    with suppress(Exception):  # whatever the work came to, the client is not told
                        await self.app(scope, receive, _swallow)
                if effect == "status":
                    await self._answer(scope, receive, send)
                else:
                    await _hang_up(scope, receive, is_reset=True)
                return
            case "latency", _:
                await asyncio.sleep(self.fault.seconds)
            case "truncate", _:
                send = self._truncate(scope, receive, send)
            case "move_tag", "before":
                await self.database.write(self.fault.move)
            case "move_tag", "after":
                send = self._move_tag(send)
        await self.app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault, phrase = self.fault, responses.get(self.fault.status, "Error")
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        if not fault.html:
            raise Failure(fault.status, phrase, headers=headers)
        page = HTMLResponse(_PAGE.format(f"{fault.status} {phrase}"), fault.status, headers=headers)
        await page(scope, receive, send)

    def _truncate(self, scope: Scope, receive: Receive, send: Send) -> Send:
        left = self.fault.size

        async def send_some(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.start":
                if left is None:
                    left = int(Headers(raw=message["headers"]).get("content-length", 0)) // 2
                await send(message)
            elif left is not None and left >= 0:
                body = message.get("body", b"")
                await send({"type": "http.response.body", "body": body[:left], "more_body": True})
                left -= len(body)
                if left < 0 or not message.get("more_body"):
                    await _hang_up(scope, receive, is_reset=False)

        return send_some

    def _move_tag(self, send: Send) -> Send:
        async def send_after_move(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self.database.write(self.fault.move)
            await send(message)

        return send_after_move


async def _swallow(message: Message) -> None:
    pass


async def _hang_up(scope: Scope, receive: Receive, *, is_reset: bool) -> None:
    scope["extensions"][DROP]["drop"](is_reset=is_reset)
    while (await receive())["type"] != "http.disconnect":
        pass


async def list_faults(request: Request) -> Response:
    """List the faults that are set, with how many requests each has seen and hit."""
    return JSONResponse(require_admin(request).faults.describe())


async def add_fault(request: Request) -> Response:
    """Set a fault."""
    faults, fault = require_admin(request).faults, await read_as(Fault, request, "The fault")
    return JSONResponse({"id": faults.add(fault)}, 201)


async def clear_faults(request: Request) -> Response:
    """Take one fault back, or all of them with what they have left behind."""
    faults, number = require_admin(request).faults, request.path_params.get("number")
    if number is None:
        faults.clear()
    elif not faults.remove(number):
        raise Refusal(404, f"There is no fault {number}.")
    return Response(status_code=204)


ROUTES = [
    Route("/sandbox/faults", list_faults, methods=["GET"]),
    Route("/sandbox/faults", add_fault, methods=["POST"]),
    Route("/sandbox/faults", clear_faults, methods=["DELETE"]),
    Route("/sandbox/faults/{number:int}", clear_faults, methods=["DELETE"]),
]
