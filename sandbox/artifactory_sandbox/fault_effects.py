"""What a request that meets a fault gets to see, each effect an ASGI application around the one that works."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

from artifactory_sandbox import layout
from artifactory_sandbox.errors import Refusal, registry_code
from artifactory_sandbox.items import stamp
from artifactory_sandbox.metadata import looking_at
from artifactory_sandbox.names import parse_reference

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from artifactory_sandbox.addressing import Address
    from artifactory_sandbox.faults import Fault
    from artifactory_sandbox.metadata import Database, Snapshot

# The name in a scope's extensions under which the server lets a request drop its own connection.
DROP = "artifactory_sandbox.drop"
_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>proxy</body></html>\n"


@dataclass(frozen=True, slots=True)
class Meeting:
    """A request's meeting with a fault."""

    fault: Fault
    where: Address
    database: Database
    past: Snapshot | None


async def _delay(meeting: Meeting, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(meeting.fault.seconds)
    await app(scope, receive, send)


async def _answer(meeting: Meeting, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    fault = meeting.fault
    if fault.when == "after":
        await _work_unseen(app, scope, receive)
    phrase = HTTPStatus(fault.status).phrase if fault.status in set(HTTPStatus) else "Error"
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if fault.html:
        page = HTMLResponse(_PAGE.format(f"{fault.status} {phrase}"), fault.status, headers=headers)
        await page(scope, receive, send)
        return
    code = registry_code(fault.status) if meeting.where.is_registry else None
    raise Refusal(fault.status, phrase, code=code, headers=headers)


async def _reset(meeting: Meeting, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    if meeting.fault.when == "after":
        await _work_unseen(app, scope, receive)
    scope["extensions"][DROP]["drop"](is_reset=True)
    await _end(receive)


async def _truncate(meeting: Meeting, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    left = meeting.fault.size

    async def send_some(message: Message) -> None:
        nonlocal left
        if message["type"] == "http.response.start":
            length = next((int(value) for name, value in message["headers"] if name == b"content-length"), 0)
            left = length // 2 if left is None else left
            await send(message)
        elif left is not None and left >= 0:
            body = message.get("body", b"")
            await send({"type": "http.response.body", "body": body[:left], "more_body": True})
            left -= len(body)
            if left < 0 or not message.get("more_body"):
                scope["extensions"][DROP]["drop"](is_reset=False)

    await app(scope, receive, send_some)
    await _end(receive)


async def _move_tag(meeting: Meeting, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def send_after_move(message: Message) -> None:
        if message["type"] == "http.response.start":
            await meeting.database.write(lambda tx: _move(tx, meeting.fault))
        await send(message)

    if meeting.fault.when == "before":
        await meeting.database.write(lambda tx: _move(tx, meeting.fault))
        await app(scope, receive, send)
    else:
        await app(scope, receive, send_after_move)


async def _read_stale(meeting: Meeting, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    if meeting.past is not None:
        with looking_at(meeting.past):
            await app(scope, receive, send)


EFFECTS: dict[str, Callable[[Meeting, ASGIApp, Scope, Receive, Send], Awaitable[None]]] = {
    "latency": _delay,
    "status": _answer,
    "reset": _reset,
    "truncate": _truncate,
    "move_tag": _move_tag,
    "stale": _read_stale,
}


def _move(tx: sqlite3.Connection, fault: Fault) -> None:
    place, tag = parse_reference(fault.tag or "")
    if fault.to is None:
        layout.clear(tx, place, tag, stamp=stamp("fault"))
        return
    item = layout.find_manifest(tx, place, fault.to)
    if item is None:
        raise Refusal(500, f"The fault cannot move {fault.tag}: there is no {fault.to}.")
    standing = layout.find_manifest(tx, place, tag)
    if standing is None or standing.digest != item.digest:
        layout.retag(tx, place, item, tag, stamp=stamp("fault"))


async def _work_unseen(app: ASGIApp, scope: Scope, receive: Receive) -> None:
    async def swallow(message: Message) -> None:
        pass

    # Whatever the work came to, the client is not told.
    with suppress(Exception):
        await app(scope, receive, swallow)


async def _end(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
