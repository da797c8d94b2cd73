"""What goes wrong on request: faults, which requests meet them, what those get to see, and the API that sets faults."""

from __future__ import annotations

import asyncio
import fnmatch
import hashlib
import itertools
import math
import random
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from http.client import responses
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from artifactory_sandbox import layout
from artifactory_sandbox.calls import read_as, require_admin
from artifactory_sandbox.errors import Failure, Refusal, Unauthenticated
from artifactory_sandbox.items import stamp
from artifactory_sandbox.metadata import looking_at
from artifactory_sandbox.names import parse_reference

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from artifactory_sandbox.addressing import Address
    from artifactory_sandbox.metadata import Database, Snapshot

# The name in a scope's extensions under which the server lets a request drop its own connection.
DROP = "artifactory_sandbox.drop"
_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>proxy</body></html>\n"


class Fault(BaseModel, extra="forbid", frozen=True):
    """One thing that goes wrong, and which requests meet it.

    :param effect: what happens; `random` draws one of the usual troubles anew at each request that it meets.
    :param method: the methods that meet it; all if empty.
    :param path: pattern of the path, `*` spans slashes; the path as the client wrote it, or in the one form
        `/api/docker/<repository>/v2/…` that all addressing comes to.
    :param skip: how many matching requests pass first.
    :param count: how many meet it then; None for all.
    :param probability: the part of those that meets it; drawn from `seed`, so the same requests meet it again.
    :param when: before the work is done, or after it was done and committed.
    :param seconds: of `latency`; or how long a `lag` lasts after the write.
    :param reads: how many reads a `lag` lasts after the write.
    :param status: of the answer.
    :param retry_after: seconds in its `Retry-After`, which is left out if None.
    :param html: a proxy's page instead of Artifactory's error.
    :param size: bytes of the body that come through a `truncate`; half of it if None.
    :param tag: reference of the tag that is moved, `repository/image:tag`.
    :param to: tag or digest of the same image that it is moved to; None deletes it.
    """

    effect: Literal["latency", "status", "reset", "truncate", "move_tag", "lag", "stale", "expire_token", "random"]
    method: Annotated[tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)] = ()
    path: str = "*"
    skip: int = Field(default=0, ge=0)
    count: int | None = Field(default=None, ge=1)
    probability: float = Field(default=1.0, ge=0, le=1)
    seed: int = 0
    when: Literal["before", "after"] = "before"
    seconds: float = Field(default=0.0, ge=0, le=3600)
    reads: int | None = Field(default=None, ge=1)
    status: int = Field(default=503, ge=200, le=599)
    retry_after: int | None = Field(default=None, ge=0)
    html: bool = False
    size: int | None = Field(default=None, ge=0)
    tag: str | None = None
    to: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Fault:
        if self.effect == "lag" and not self.seconds and self.reads is None:
            raise ValueError("a lag needs 'seconds' or 'reads': how long after the write it lasts")
        if self.effect == "move_tag":
            parse_reference(self.tag or "")
        return self

    def move(self, tx: sqlite3.Connection) -> None:
        """Move the tag of a `move_tag`, or delete it.

        :raises Refusal: 500 when there is nothing that it could be moved to.
        """
        place, tag = parse_reference(self.tag or "")
        if self.to is None:
            layout.clear(tx, place, tag, stamp=stamp("fault"))
            return
        item, standing = layout.find_manifest(tx, place, self.to), layout.find_manifest(tx, place, tag)
        if item is None:
            raise Refusal(500, f"The fault cannot move {self.tag}: there is no {self.to}.")
        if standing is None or standing.digest != item.digest:
            layout.retag(tx, place, item, tag, stamp=stamp("fault"))


# What the random mode draws from: the common troubles of a server behind proxies.
_TROUBLES = (
    Fault(effect="latency", seconds=0.05),
    Fault(effect="status", status=429, retry_after=0),
    Fault(effect="status", status=429),
    Fault(effect="status", status=500),
    Fault(effect="status", status=502, html=True),
    Fault(effect="status", status=503),
    Fault(effect="status", status=504, when="after", html=True),
    Fault(effect="reset"),
    Fault(effect="reset", when="after"),
    Fault(effect="truncate"),
)


class _Armed:
    """A fault with what it has seen so far."""

    def __init__(self, fault: Fault, past: Snapshot | None) -> None:
        self._fault = fault
        self.past = past
        self._seen = self._hits = 0
        self._random = random.Random(fault.seed)  # noqa: S311

    def met_by(self, method: str, paths: tuple[str, str], *, has_token: bool) -> Fault | None:
        """Count a request, and return what it meets."""
        fault = self._fault
        if (fault.method and method not in fault.method) or (fault.effect == "expire_token" and not has_token):
            return None
        if not any(fnmatch.fnmatchcase(path, fault.path) for path in paths):
            return None
        self._seen += 1
        is_due = self._seen > fault.skip and (fault.count is None or self._hits < fault.count)
        if not is_due or self._random.random() >= fault.probability:
            return None
        self._hits += 1
        return self._random.choice(_TROUBLES) if fault.effect == "random" else fault

    def describe(self) -> dict[str, object]:
        """Return the fault as the admin API shows it."""
        fields = self._fault.model_dump(mode="json", exclude_defaults=True)
        return {**fields, "seen": self._seen, "hits": self._hits}


@dataclass(frozen=True, slots=True)
class _Meeting:
    """A request's meeting with a fault: an ASGI application around the one that works."""

    fault: Fault
    where: Address
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
                send = self._truncating(scope, receive, send)
            case "move_tag", "before":
                await self.database.write(self.fault.move)
            case "move_tag", "after":
                send = self._moving(send)
        await self.app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault, phrase = self.fault, responses.get(self.fault.status, "Error")
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        if not fault.html:
            raise Failure(fault.status, phrase, headers=headers)
        page = HTMLResponse(_PAGE.format(f"{fault.status} {phrase}"), fault.status, headers=headers)
        await page(scope, receive, send)

    def _truncating(self, scope: Scope, receive: Receive, send: Send) -> Send:
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

    def _moving(self, send: Send) -> Send:
        async def send_after_move(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self.database.write(self.fault.move)
            await send(message)

        return send_after_move


@dataclass(slots=True)
class _Lag:
    """The past that readers see after a write: for so many reads, and until so many seconds of the monotonic clock."""

    past: Snapshot
    reads: float
    end: float


class Faults:
    """The faults that are set; false when there is none, so that a request loses no time over them.

    :param database: where tags are moved and the past is read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers = itertools.count(1)
        self._armed: dict[int, _Armed] = {}
        self._lags: list[_Lag] = []
        self._expired: set[bytes] = set()

    def __bool__(self) -> bool:
        return bool(self._armed or self._lags or self._expired)

    def add(self, fault: Fault) -> int:
        """Set a fault and return its number."""
        number = next(self._numbers)
        self._armed[number] = _Armed(fault, self._database.snapshot() if fault.effect == "stale" else None)
        return number

    def remove(self, number: int) -> bool:
        """Take one fault back; tell whether it was set."""
        armed = self._armed.pop(number, None)
        if armed and armed.past:
            armed.past.close()
        return armed is not None

    def clear(self) -> None:
        """Take all faults back, with what they have left behind."""
        for number in self._armed.copy():
            self.remove(number)
        for lag in self._lags:
            lag.past.close()
        self._lags, self._expired = [], set()

    def describe(self) -> list[dict[str, object]]:
        """Return the faults that are set, with how many requests each has seen and hit."""
        return [{"id": number, **armed.describe()} for number, armed in self._armed.copy().items()]

    async def serve(self, app: ASGIApp, where: Address, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request through the faults that it meets.

        :param app: what does the work; it may raise what the answer to an error is made of.
        :param where: where the request goes.
        :raises Refusal: as the app does, or as a fault wants it.
        """
        if where.path.startswith("/sandbox/"):
            await app(scope, receive, send)
            return
        token, past = _token(scope), None
        for armed in reversed(self._armed.copy().values()):
            fault = armed.met_by(scope["method"], (where.path, scope["path"]), has_token=bool(token))
            if fault is None:
                continue
            if fault.effect == "expire_token":
                self._expired.add(token)
            elif fault.effect == "lag":
                end = time.monotonic() + (fault.seconds or math.inf)
                self._lags.append(_Lag(self._database.snapshot(), fault.reads or math.inf, end))
            elif fault.effect == "stale":
                past = past or armed.past
            else:
                app = _Meeting(fault, where, self._database, app)
        if token in self._expired:
            raise Unauthenticated("Token failed verification: expired")
        if scope["method"] in {"GET", "HEAD"} or where.path == "/api/search/aql":
            lagging = self._lagging()
            past = past or lagging
        with looking_at(past) if past else nullcontext():
            await app(scope, receive, send)

    def _lagging(self) -> Snapshot | None:
        """Count a read, and return the past that it sees, if it lags."""
        for lag in self._lags.copy():
            lag.reads -= 1
            if lag.reads < 0 or time.monotonic() >= lag.end:
                self._lags.remove(lag)
                lag.past.close()
        return self._lags[0].past if self._lags else None


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


async def _swallow(message: Message) -> None:
    pass


async def _hang_up(scope: Scope, receive: Receive, *, is_reset: bool) -> None:
    scope["extensions"][DROP]["drop"](is_reset=is_reset)
    while (await receive())["type"] != "http.disconnect":
        pass


def _token(scope: Scope) -> bytes:
    """Return what stands for the Bearer token of a request, or nothing where there is none."""
    scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    return hashlib.sha256(token.strip().encode()).digest() if scheme.lower() == "bearer" else b""


ROUTES = [
    Route("/sandbox/faults", list_faults, methods=["GET"]),
    Route("/sandbox/faults", add_fault, methods=["POST"]),
    Route("/sandbox/faults", clear_faults, methods=["DELETE"]),
    Route("/sandbox/faults/{number:int}", clear_faults, methods=["DELETE"]),
]
