"""What goes wrong on request: faults, which requests meet them, and what those get to see."""

from __future__ import annotations

import asyncio
import fnmatch
import hashlib
import itertools
import random
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse

from artifactory_sandbox import layout
from artifactory_sandbox.errors import Failure, Refusal, Unauthenticated
from artifactory_sandbox.items import stamp
from artifactory_sandbox.metadata import looking_at
from artifactory_sandbox.names import parse_reference

if TYPE_CHECKING:
    import sqlite3

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from artifactory_sandbox.addressing import Address
    from artifactory_sandbox.metadata import Database, Snapshot

# The name in a scope's extensions under which the server lets a request drop its own connection.
DROP = "artifactory_sandbox.drop"
_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>proxy</body></html>\n"


class Fault(BaseModel):
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

    model_config = ConfigDict(extra="forbid", frozen=True)

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


# What the random mode draws from: the common troubles of a server behind proxies.
_TROUBLES = tuple(
    Fault.model_validate(fields)
    for fields in (
        {"effect": "latency", "seconds": 0.05},
        {"effect": "status", "status": 429, "retry_after": 0},
        {"effect": "status", "status": 429},
        {"effect": "status", "status": 500},
        {"effect": "status", "status": 502, "html": True},
        {"effect": "status", "status": 503},
        {"effect": "status", "status": 504, "when": "after", "html": True},
        {"effect": "reset"},
        {"effect": "reset", "when": "after"},
        {"effect": "truncate"},
    )
)


class _Armed:
    """A fault with what it has seen so far."""

    def __init__(self, number: int, fault: Fault, past: Snapshot | None) -> None:
        self.number = number
        self.past = past
        self._fault = fault
        self._seen = self._hits = 0
        self._random = random.Random(fault.seed)  # noqa: S311

    def met_by(self, method: str, paths: tuple[str, str], has_token: bool) -> Fault | None:
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
        return {"id": self.number, **fields, "seen": self._seen, "hits": self._hits}


@dataclass(frozen=True, slots=True)
class _Meeting:
    """A request's meeting with a fault: an ASGI application around the one that works."""

    fault: Fault
    where: Address
    database: Database
    past: Snapshot | None
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        effect, is_after = self.fault.effect, self.fault.when == "after"
        if effect in {"status", "reset"}:
            if is_after:
                with suppress(Exception):  # whatever the work came to, the client is not told
                    await self.app(scope, receive, _swallow)
            await (self._answer if effect == "status" else _reset)(scope, receive, send)
        elif effect == "truncate":
            await self._truncate(scope, receive, send)
        elif effect == "move_tag" and is_after:
            await self._move_late(scope, receive, send)
        else:
            await asyncio.sleep(self.fault.seconds if effect == "latency" else 0)
            if effect == "move_tag":
                await self.database.write(lambda tx: _move(tx, self.fault))
            with looking_at(self.past) if effect == "stale" and self.past else nullcontext():
                await self.app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self.fault
        phrase = HTTPStatus(fault.status).phrase if fault.status in set(HTTPStatus) else "Error"
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        if not fault.html:
            raise Failure(fault.status, phrase, headers=headers)
        page = HTMLResponse(_PAGE.format(f"{fault.status} {phrase}"), fault.status, headers=headers)
        await page(scope, receive, send)

    async def _truncate(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = self.fault.size

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

        await self.app(scope, receive, send_some)
        await _end(receive)

    async def _move_late(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_after_move(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self.database.write(lambda tx: _move(tx, self.fault))
            await send(message)

        await self.app(scope, receive, send_after_move)


class _Lag:
    """The past that readers see for a while after a write."""

    def __init__(self, past: Snapshot, fault: Fault) -> None:
        self.past = past
        self._reads = fault.reads
        self._end = time.monotonic() + fault.seconds if fault.seconds else None

    def is_over(self) -> bool:
        """Tell whether readers see the present again; a read that is asked for counts."""
        if self._reads is not None:
            self._reads -= 1
            if self._reads < 0:
                return True
        return self._end is not None and time.monotonic() >= self._end


class Faults:
    """The faults that are set; false when there is none, so that a request loses no time over them.

    :param database: where tags are moved and the past is read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers = itertools.count(1)
        self._armed: list[_Armed] = []
        self._lags: list[_Lag] = []
        self._expired: set[bytes] = set()

    def __bool__(self) -> bool:
        return bool(self._armed or self._lags or self._expired)

    def add(self, fault: Fault) -> int:
        """Set a fault and return its number."""
        past = self._database.snapshot() if fault.effect == "stale" else None
        armed = _Armed(next(self._numbers), fault, past)
        self._armed = [*self._armed, armed]
        return armed.number

    def remove(self, number: int) -> bool:
        """Take one fault back; tell whether it was set."""
        taken = [armed for armed in self._armed if armed.number == number]
        self._armed = [armed for armed in self._armed if armed.number != number]
        for armed in taken:
            if armed.past is not None:
                armed.past.close()
        return bool(taken)

    def clear(self) -> None:
        """Take all faults back, with what they have left behind."""
        for armed in self._armed:
            self.remove(armed.number)
        for lag in self._lags:
            lag.past.close()
        self._lags, self._expired = [], set()

    def describe(self) -> list[dict[str, object]]:
        """Return the faults that are set, with how many requests each has seen and hit."""
        return [armed.describe() for armed in self._armed]

    async def serve(self, app: ASGIApp, where: Address, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request through the faults that it meets.

        :param app: what does the work; it may raise what the answer to an error is made of.
        :param where: where the request goes.
        :raises Refusal: as the app does, or as a fault wants it.
        """
        if where.path.startswith("/sandbox/"):
            await app(scope, receive, send)
            return
        token = _token(scope)
        for armed in reversed(self._armed):
            fault = armed.met_by(scope["method"], (where.path, scope["path"]), token is not None)
            if fault is None:
                continue
            if fault.effect == "expire_token" and token is not None:
                self._expired.add(token)
            elif fault.effect == "lag":
                self._lags.append(_Lag(self._database.snapshot(), fault))
            else:
                app = _Meeting(fault, where, self._database, armed.past, app)
        if token in self._expired:
            raise Unauthenticated("Token failed verification: expired")
        is_read = scope["method"] in {"GET", "HEAD"} or where.path == "/api/search/aql"
        past = self._lagging() if is_read else None
        with looking_at(past) if past is not None else nullcontext():
            await app(scope, receive, send)

    def _lagging(self) -> Snapshot | None:
        for lag in [lag for lag in self._lags if lag.is_over()]:
            self._lags.remove(lag)
            lag.past.close()
        return self._lags[0].past if self._lags else None


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


async def _swallow(message: Message) -> None:
    pass


async def _reset(scope: Scope, receive: Receive, send: Send) -> None:
    scope["extensions"][DROP]["drop"](is_reset=True)
    await _end(receive)


async def _end(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _token(scope: Scope) -> bytes | None:
    scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    return hashlib.sha256(token.strip().encode()).digest() if scheme.lower() == "bearer" else None
