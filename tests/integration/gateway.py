"""A reverse proxy in front of the sandbox that does what no healthy server does.

It forwards everything, until a test gives it a rule: to answer something else, to break the connection before or
after the work was done, to cut an answer short, or to let something happen in between. It takes requests as a reverse
proxy (`http://gateway/artifactory/…`) and as an HTTP proxy (`GET http://any.host/… HTTP/1.1`).
"""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

Ending = Literal["whole", "reset", "cut", "never"]
_BOUND = 30
_OWN_HEADERS = ("Content-Length", "Transfer-Encoding", "Connection", "Date", "Server")


@dataclass(frozen=True)
class Reply:
    """An answer on its way back."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """A request that came by."""

    method: str
    path: str
    host: str
    headers: Mapping[str, str]
    body: bytes
    connection: object = None


@dataclass
class _Rule:
    method: str
    path: re.Pattern[str]
    times: int | None
    before: Callable[[], object] | None
    after: Callable[[], object] | None
    does_work: bool
    reply: Reply | Callable[[Reply], Reply] | None
    ending: Ending
    longer_than: int
    fits: Callable[[Seen], bool] | None
    pause: float

    def takes(self, seen: Seen) -> bool:
        fits = self.times != 0 and self.method in {seen.method, "*"} and self.path.search(seen.path) is not None
        fits = fits and len(seen.body) > self.longer_than and (self.fits is None or self.fits(seen))
        if fits and self.times is not None:
            self.times -= 1
        return fits


class Gateway:
    """The proxy, running in a thread of its own.

    :param upstream: scheme, host and port that requests go on to.
    :param tls: its TLS context, for a gateway that speaks HTTPS.

    For very many requests ``is_quick`` can be set: connections to upstream are kept, which must not break then; and
    upstream is told the host that the client has asked, so that places that it names lead through the gateway, too.
    """

    def __init__(self, upstream: str, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Seen] = []
        self.rewrite: Callable[[str, str], str] = lambda _host, path: path
        self.is_quick = False
        self._kept: aiohttp.ClientSession | None = None
        self.port = 0
        self._rules: list[_Rule] = []
        self._upstream = upstream
        self._tls = tls
        self._loop = asyncio.new_event_loop()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base URL, as a connection names it."""
        return f"{self.origin}/artifactory"

    def rule(
        self,
        method: str,
        path: str,
        *,
        times: int | None = None,
        before: Callable[[], object] | None = None,
        after: Callable[[], object] | None = None,
        does_work: bool = True,
        reply: Reply | Callable[[Reply], Reply] | None = None,
        ending: Ending = "whole",
        longer_than: int = -1,
        fits: Callable[[Seen], bool] | None = None,
        pause: float = 0,
    ) -> Callable[[], None]:
        """Treat some requests in another way; of two rules that fit, the older one counts until it is used up.

        :param method: HTTP method, `*` for all.
        :param path: regular expression, found in path and query.
        :param times: how often; None for ever.
        :param before: called before the request is forwarded.
        :param after: called after the answer of upstream came.
        :param does_work: whether the request is forwarded at all.
        :param reply: the answer instead of upstream's, or what makes one of it.
        :param ending: `whole`; `reset` before a byte of the answer; `cut` in its middle; `never`.
        :param longer_than: only requests with more bytes in their bodies.
        :param fits: only requests for which this is true.
        :param pause: seconds that the answer comes later.
        :return: what takes the rule back.
        """
        pattern = re.compile(path)
        rule = _Rule(method, pattern, times, before, after, does_work, reply, ending, longer_than, fits, pause)
        self._rules.append(rule)
        return lambda: self._rules.remove(rule)

    def forget_rules(self) -> None:
        """Forward everything again."""
        self._rules.clear()

    def count(self, method: str, path: str) -> int:
        """Return how many requests came by."""
        return sum(one.method == method and re.search(path, one.path) is not None for one in self.requests)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        absolute = urlsplit(request.raw_path)
        path = absolute.path + (f"?{absolute.query}" if absolute.query else "")
        seen = Seen(
            request.method,
            path,
            request.headers.get("Host", ""),
            CIMultiDict(request.headers),
            await request.read(),
            request.transport and request.transport.get_extra_info("peername"),
        )
        self.requests.append(seen)
        rule = next((one for one in self._rules if one.takes(seen)), None)
        if rule is None:
            return await self._send(request, await self._forward(seen), "whole")
        if rule.before:
            rule.before()
        reply = await self._forward(seen) if rule.does_work else Reply()
        if rule.after:
            rule.after()
        if rule.pause:
            await asyncio.sleep(rule.pause)
        if rule.reply is not None:
            reply = rule.reply if isinstance(rule.reply, Reply) else rule.reply(reply)
        return await self._send(request, reply, rule.ending)

    async def _forward(self, seen: Seen) -> Reply:
        url = URL(self._upstream + self.rewrite(seen.host, seen.path), encoded=True)
        headers = CIMultiDict(seen.headers)
        for name in _OWN_HEADERS if self.is_quick else ("Host", *_OWN_HEADERS):
            headers.popall(name, None)
        async with (
            self._open_session() as session,
            session.request(
                seen.method, url, headers=headers, data=seen.body or None, allow_redirects=False
            ) as response,
        ):
            return Reply(response.status, await response.read(), CIMultiDict(response.headers))

    @asynccontextmanager
    async def _open_session(self) -> AsyncIterator[aiohttp.ClientSession]:
        if self.is_quick and self._kept is None:
            self._kept = aiohttp.ClientSession(auto_decompress=False)
        if self._kept is not None:
            yield self._kept
            return
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            yield session

    async def _send(self, request: web.Request, reply: Reply, ending: Ending) -> web.StreamResponse:
        if ending == "never":
            await asyncio.Event().wait()
        if ending == "reset" and request.transport is not None:
            request.transport.abort()
        headers = CIMultiDict(reply.headers)
        length = headers.get("Content-Length", str(len(reply.body))) if request.method == "HEAD" else None
        for name in _OWN_HEADERS:
            headers.popall(name, None)
        if length is not None:
            headers["Content-Length"] = length
        if ending != "cut":
            return web.Response(status=reply.status, body=reply.body, headers=headers)
        headers["Content-Length"] = str(len(reply.body))
        response = web.StreamResponse(status=reply.status, headers=headers)
        await response.prepare(request)
        await response.write(reply.body[: len(reply.body) // 2])
        if request.transport is not None:
            request.transport.close()
        return response

    async def _start(self) -> web.AppRunner:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner

    async def _stop(self, runner: web.AppRunner) -> None:
        await runner.cleanup()
        if self._kept is not None:
            await self._kept.close()

    @contextmanager
    def running(self) -> Iterator[Gateway]:
        """Take requests until the block ends."""
        thread = threading.Thread(target=self._loop.run_forever, name="gateway", daemon=True)
        thread.start()
        runner = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(_BOUND)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._stop(runner), self._loop).result(_BOUND)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(_BOUND)
            self._loop.close()


def html(status: int = 200, title: str = "Sign in") -> Reply:
    """Return a page as proxies and login screens send it."""
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>…</body></html>"
    return Reply(status, page.encode(), {"Content-Type": "text/html; charset=utf-8"})


def without(*names: str) -> Callable[[Reply], Reply]:
    """Return what takes headers away."""

    def change(reply: Reply) -> Reply:
        headers = CIMultiDict(reply.headers)
        for name in names:
            headers.popall(name, None)
        return replace(reply, headers=headers)

    return change


def with_header(name: str, value: str) -> Callable[[Reply], Reply]:
    """Return what sets a header."""

    def change(reply: Reply) -> Reply:
        headers = CIMultiDict(reply.headers)
        headers[name] = value
        return replace(reply, headers=headers)

    return change
