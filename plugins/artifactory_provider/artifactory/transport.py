"""Sending requests: one session, time limits, retries where they are safe, errors that say what happened."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import tenacity
from multidict import CIMultiDict
from yarl import URL

from artifactory_provider import __version__
from artifactory_provider.artifactory import content_coding
from artifactory_provider.artifactory.answers import Answer, refusal
from artifactory_provider.artifactory.authentication import Anonymous, proxy_credentials
from artifactory_provider.artifactory.connection_failures import NO_ANSWER, explain_failure
from artifactory_provider.artifactory.credentials import FixedCredentials
from artifactory_provider.artifactory.errors import (
    TRANSIENT,
    InvalidSettings,
    RequestTimedOut,
    TooMuchAsked,
)
from artifactory_provider.artifactory.pacing import pace_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Iterator, Mapping
    from types import TracebackType

    from artifactory_provider.artifactory.authentication import Authentication
    from artifactory_provider.artifactory.credentials import Credentials
    from artifactory_provider.artifactory.settings import ServerSettings

log = logging.getLogger(__name__)

JSON = {"Content-Type": "application/json"}
LARGEST_ANSWER = 32 * 1024 * 1024
USER_AGENT = f"airflow-provider-artifactory/{__version__}"
_slots: ContextVar[AbstractAsyncContextManager[object] | None] = ContextVar("slots", default=None)
_OVERLOADED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyReading:
    """How the body of an answer is read.

    :param largest: the bytes that it may have at most, also when it is unpacked.
    :param is_unpacked: whether it is unpacked where ``Content-Encoding`` says that it is packed.
    :param is_cut: whether a longer body is no error: what comes after ``largest`` is left unread.
    """

    largest: int = LARGEST_ANSWER
    is_unpacked: bool = True
    is_cut: bool = False


_WHOLE = BodyReading()
_NOBODY = FixedCredentials(Anonymous())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    url: str
    is_repeatable: bool
    allowed: Collection[int]
    needs: str | None
    timeout: float
    headers: Mapping[str, str] = field(repr=False)
    data: bytes | str | AsyncIterable[bytes] | None = field(repr=False)
    reading: BodyReading
    at_last: Callable[[], Awaitable[None]] | None

    @property
    def endpoint(self) -> str:
        """Method and path, without query."""
        return f"{self.method} {urlsplit(self.url).path}"

    @property
    def can_be_sent_again(self) -> bool:
        """Whether its body is at hand still when it has been sent."""
        return isinstance(self.data, bytes | str | None)

    @property
    def kind(self) -> str:
        """What is asked for, roughly: all that answers in about the same time."""
        return f"POST {self.url.rpartition('/')[2]}" if self.method == "POST" else self.method


class Transport:
    """An open way to one server. Use it as an asynchronous context manager.

    :param settings: how the server is reached.
    :param credentials: who is asking.
    """

    def __init__(self, settings: ServerSettings, credentials: Credentials) -> None:
        self.settings = settings
        self._credentials = credentials
        self._session: aiohttp.ClientSession | None = None
        self._tls: ssl.SSLContext | None = None
        self._proxies: dict[tuple[str, str], str | None] = {}
        self.server_version: tuple[int, ...] | None = None

    async def __aenter__(self) -> Transport:
        if self.settings.needs_tls:
            self._tls = self.settings.tls_context()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": content_coding.ACCEPTED},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @contextmanager
    def at_most(self, requests: int) -> Iterator[None]:
        """Have at most so many requests under way at a time, whatever the server bears; others may share the transport.

        :param requests: the number, of all that is asked for within the block and in tasks that are begun there.
        """
        token = _slots.set(asyncio.Semaphore(requests))
        try:
            yield
        finally:
            _slots.reset(token)

    async def request(
        self,
        method: str,
        url: str,
        *,
        repeatable: bool | None = None,
        allowed: Collection[int] = (200,),
        needs: str | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | str | AsyncIterable[bytes] | None = None,
        reading: BodyReading = _WHOLE,
        anonymous: bool = False,
        at_last: Callable[[], Awaitable[None]] | None = None,
    ) -> Answer:
        """Send a request and return its answer.

        :param method: the HTTP method.
        :param url: the complete, percent-encoded URL.
        :param repeatable: whether it may be sent again after an unclear end; by default GET and HEAD may.
        :param allowed: the statuses that are no error here.
        :param needs: the permissions that the request needs, in words.
        :param timeout: seconds for one attempt, when not the settings' own.
        :param headers: headers besides those of authentication.
        :param data: the body; one that is sent part by part is never sent again.
        :param reading: how much of the answer is read, and how.
        :param anonymous: whether the request goes without credentials, as to a place that the server has named.
        :param at_last: called when the request's turn has come, however long it waited for that; what it raises keeps
            the request from being sent. It asks this server for nothing.
        :raises ArtifactoryError: when the answer is no success, or there is none.
        """
        request = _Request(
            method=method,
            url=url,
            is_repeatable=method in {"GET", "HEAD"} if repeatable is None else repeatable,
            allowed=allowed,
            needs=needs,
            timeout=self.settings.timeout if timeout is None else timeout,
            headers=headers or {},
            data=data,
            reading=reading,
            at_last=at_last,
        )
        return await self._send_as(request, _NOBODY if anonymous else self._credentials)

    async def _send_as(self, request: _Request, credentials: Credentials) -> Answer:
        authentication = await credentials.get()
        answer = await self._send_with_retries(request, authentication)
        if answer.status == HTTPStatus.UNAUTHORIZED and credentials.is_renewable and request.can_be_sent_again:
            # What was refused did no work: with a new token, even what is never repeated else is sent again.
            authentication = await credentials.get(authentication)
            answer = await self._send_with_retries(request, authentication)
        if answer.status not in request.allowed:
            raise refusal(answer, needs=request.needs, credentials=credentials.explain(authentication))
        return answer

    async def _send_with_retries(self, request: _Request, authentication: Authentication) -> Answer:
        """Return the answer that is allowed, or 401, after as many attempts as the request may have."""

        async def attempt() -> Answer:
            answer = await self._send_in_turn(request, authentication)
            if answer.status not in request.allowed and answer.status != HTTPStatus.UNAUTHORIZED:
                raise refusal(answer, needs=request.needs)
            return answer

        try:
            return await attempt()
        except TRANSIENT as error:
            if not request.is_repeatable:
                raise
            seen: list[Exception] = [error]

        async def again() -> Answer:
            # The first attempt has been made, without the machinery of retries: most need none.
            if seen:
                raise seen.pop()
            return await attempt()

        answer: Answer = await self._retries()(again)
        return answer

    def _retries(self) -> tenacity.AsyncRetrying:
        backoff = tenacity.wait_random_exponential(multiplier=0.5, max=self.settings.longest_pause)

        def pause(state: tenacity.RetryCallState) -> float:
            asked = getattr(_error_of(state), "retry_after", None)
            return backoff(state) if asked is None else min(asked, self.settings.longest_pause)

        def announce(state: tenacity.RetryCallState) -> None:
            seconds = state.next_action.sleep if state.next_action else 0.0
            log.warning(
                "%s Next try in %.1f s (%d of %d).",
                _error_of(state),
                seconds,
                state.attempt_number + 1,
                self.settings.attempts,
            )

        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(TRANSIENT),
            stop=tenacity.stop_after_attempt(self.settings.attempts),
            wait=pause,
            before_sleep=announce,
            reraise=True,
        )

    async def _send_in_turn(self, request: _Request, authentication: Authentication) -> Answer:
        """Send a request when its turn has come, and learn from the answer how much the server bears."""
        pace = pace_of(self.settings.base_url)
        async with _slots.get() or nullcontext(), pace.turn() as began:
            if request.at_last is not None:
                await request.at_last()
                began = asyncio.get_running_loop().time()
            try:
                answer = await self._send(request, authentication)
            except RequestTimedOut:
                pace.record_overload(began)
                raise
            if answer.status in _OVERLOADED:
                pace.record_overload(began, pause=min(answer.retry_after or 0, self.settings.longest_pause))
            else:
                pace.record_answer(began, kind=request.kind)
            return answer

    async def _send(self, request: _Request, authentication: Authentication) -> Answer:
        proxy = self._proxy_for(request.url)
        try:
            answer = await self._exchange(request, authentication, proxy)
        except NO_ANSWER as error:
            failure = explain_failure(
                error,
                endpoint=request.endpoint,
                url=request.url,
                proxy=proxy,
                timeout=request.timeout,
                connect_timeout=self.settings.connect_timeout,
            )
        else:
            self.server_version = answer.server_version or self.server_version
            is_success = answer.status < 300 and answer.status in request.allowed
            secrets = (*authentication.secrets(), *proxy_credentials(proxy).secrets())
            return answer.hide(secrets) if is_success else answer.redact(secrets)
        raise failure

    async def _exchange(self, request: _Request, authentication: Authentication, proxy: str | None) -> Answer:
        if self._session is None:
            raise RuntimeError("The client is not open: use it in 'async with'.")
        # Told in a header, not in the proxy's URL, which aiohttp's errors show, and so tracebacks.
        for_proxy = {f"Proxy-{name}": value for name, value in proxy_credentials(proxy).headers().items()}
        is_tunnelled = urlsplit(request.url).scheme == "https"
        headers = CIMultiDict(request.headers)
        headers.update({**authentication.headers(), **({} if is_tunnelled else for_proxy)})
        async with self._session.request(
            request.method,
            URL(request.url, encoded=True),
            data=request.data,
            headers=headers,
            proxy=proxy and URL(proxy).with_user(None),
            proxy_headers=for_proxy if is_tunnelled else None,
            ssl=self._tls_for(request.url, proxy),
            middlewares=() if request.is_repeatable else (_send_once,),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=request.timeout, sock_connect=self.settings.connect_timeout),
        ) as response:
            content = await _read(response, request)
            return Answer(request.endpoint, response.status, response.headers.copy(), content)

    def _proxy_for(self, url: str) -> str | None:
        """Return the proxy that leads to a URL's server, looked up once: to read the environment takes its time."""
        server = urlsplit(url)[:2]
        if server not in self._proxies:
            self._proxies[server] = self.settings.proxy_for(url)
        return self._proxies[server]

    def _tls_for(self, url: str, proxy: str | None) -> ssl.SSLContext | bool:
        """Return the TLS context for the way to a URL; where none is needed, none is made."""
        if "https" not in {urlsplit(url).scheme, urlsplit(proxy or "").scheme}:
            return True
        try:
            self._tls = self.settings.tls_context()
        except InvalidSettings as error:
            if self._tls is None:
                raise
            # Files that are being replaced may be unreadable for a moment.
            log.warning("%s The ones that were read before are used meanwhile.", error)
        return self._tls


async def _send_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending again by itself, as it does when the connection of an idempotent request breaks."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError from error


async def _read(response: aiohttp.ClientResponse, request: _Request) -> bytes:
    """Read a body to its end, but never more of it than the answer can have."""
    reading, content = request.reading, bytearray()
    async for part in response.content.iter_chunked(64 * 1024):
        content += part
        if len(content) > reading.largest:
            if reading.is_cut:
                return bytes(content[: reading.largest])
            raise _too_large(response, request)
    if not reading.is_unpacked:
        return bytes(content)
    try:
        codings = response.headers.get("Content-Encoding", "")
        return content_coding.unpack(bytes(content), codings, largest=reading.largest)
    except content_coding.TooLarge:
        raise _too_large(response, request) from None


def _too_large(response: aiohttp.ClientResponse, request: _Request) -> TooMuchAsked:
    return TooMuchAsked(
        f"{request.endpoint} answered with more than {request.reading.largest} bytes: that is no answer of "
        "Artifactory's API.",
        status=response.status,
        endpoint=request.endpoint,
    )


def _error_of(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
