"""Sending requests: one session, time limits, retries where they are safe, errors that say what happened."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import tenacity
from yarl import URL

from artifactory_provider import __version__
from artifactory_provider.artifactory.answers import Answer, refusal
from artifactory_provider.artifactory.authentication import Anonymous, credentials_in
from artifactory_provider.artifactory.credentials import FixedCredentials
from artifactory_provider.artifactory.errors import (
    TRANSIENT,
    ArtifactoryError,
    AuthenticationFailed,
    ConnectionFailed,
    InvalidSettings,
    RequestNotSent,
    RequestTimedOut,
    TlsFailed,
    UnexpectedAnswer,
)
from artifactory_provider.artifactory.pacing import pace_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from types import TracebackType

    from artifactory_provider.artifactory.authentication import Authentication
    from artifactory_provider.artifactory.credentials import Credentials
    from artifactory_provider.artifactory.settings import ServerSettings

log = logging.getLogger(__name__)

_LARGEST_ANSWER = 32 * 1024 * 1024
_OVERLOADED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    url: str
    is_repeatable: bool
    allowed: Collection[int]
    needs: str | None
    timeout: float
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    largest: int

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
        self._settings = settings
        self._credentials = credentials
        self._session: aiohttp.ClientSession | None = None
        self._tls: ssl.SSLContext | None = None
        self._proxies: dict[tuple[str, str], str | None] = {}
        self._slots: AbstractAsyncContextManager[object] = nullcontext()
        self.server_version: tuple[int, ...] | None = None

    async def __aenter__(self) -> Transport:
        if self._settings.needs_tls:
            self._tls = self._settings.tls_context()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
            headers={"User-Agent": f"airflow-provider-artifactory/{__version__}"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @contextmanager
    def at_most(self, requests: int) -> Iterator[None]:
        """Have at most so many requests under way at a time, whatever the server bears.

        :param requests: the number.
        """
        before, self._slots = self._slots, asyncio.Semaphore(requests)
        try:
            yield
        finally:
            self._slots = before

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
        json: Any = None,
        data: bytes | str | None = None,
        largest: int = _LARGEST_ANSWER,
        anonymous: bool = False,
    ) -> Answer:
        """Send a request and return its answer.

        :param method: the HTTP method.
        :param url: the complete, percent-encoded URL.
        :param repeatable: whether it may be sent again after an unclear end; by default GET and HEAD may.
        :param allowed: the statuses that are no error here.
        :param needs: the permissions that the request needs, in words.
        :param timeout: seconds for one attempt, when not the settings' own.
        :param headers: headers besides those of authentication.
        :param json: a value to send as JSON.
        :param data: bytes or text to send as they are.
        :param largest: the bytes that the answer may have at most.
        :param anonymous: whether the request goes without credentials, as to a place that the server has named.
        :raises ArtifactoryError: when the answer is no success, or there is none.
        """
        request = _Request(
            method=method,
            url=url,
            is_repeatable=method in {"GET", "HEAD"} if repeatable is None else repeatable,
            allowed=allowed,
            needs=needs,
            timeout=self._settings.timeout if timeout is None else timeout,
            headers=headers or {},
            body={"json": json, "data": data},
            largest=largest,
        )
        return await self._ask(request, FixedCredentials(Anonymous()) if anonymous else self._credentials)

    async def _ask(self, request: _Request, credentials: Credentials) -> Answer:
        authentication = await credentials.ready()
        answer = await self._answer(request, authentication)
        if answer.status == HTTPStatus.UNAUTHORIZED and credentials.is_renewable:
            # What was refused did no work: with a new token, even what is never repeated else is sent again.
            authentication = await credentials.ready(authentication)
            answer = await self._answer(request, authentication)
        if answer.status not in request.allowed:
            raise refusal(answer, needs=request.needs, credentials=credentials.explain(authentication))
        return answer

    async def _answer(self, request: _Request, authentication: Authentication) -> Answer:
        """Return the answer that is allowed, or 401, after as many attempts as the request may have."""

        async def attempt() -> Answer:
            answer = await self._send(request, authentication)
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

        answer: Answer = await self._retrying()(again)
        return answer

    def _retrying(self) -> tenacity.AsyncRetrying:
        backoff = tenacity.wait_random_exponential(multiplier=0.5, max=self._settings.longest_pause)

        def pause(state: tenacity.RetryCallState) -> float:
            asked = getattr(_error_of(state), "retry_after", None)
            return backoff(state) if asked is None else min(asked, self._settings.longest_pause)

        def announce(state: tenacity.RetryCallState) -> None:
            seconds = state.next_action.sleep if state.next_action else 0.0
            log.warning(
                "%s Next try in %.1f s (%d of %d).",
                _error_of(state),
                seconds,
                state.attempt_number + 1,
                self._settings.attempts,
            )

        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(TRANSIENT),
            stop=tenacity.stop_after_attempt(self._settings.attempts),
            wait=pause,
            before_sleep=announce,
            reraise=True,
        )

    async def _send(self, request: _Request, authentication: Authentication) -> Answer:
        """Send a request when its turn has come, and learn from the answer how much the server bears."""
        pace = pace_of(self._settings.base_url)
        async with self._slots, pace.turn() as began:
            try:
                answer = await self._exchange(request, authentication)
            except RequestTimedOut:
                pace.overloaded(began)
                raise
            if answer.status in _OVERLOADED:
                pace.overloaded(began, pause=min(answer.retry_after or 0, self._settings.longest_pause))
            else:
                pace.answered(began, kind=request.kind)
            return answer

    async def _exchange(self, request: _Request, authentication: Authentication) -> Answer:
        if self._session is None:
            raise RuntimeError("The client is not open: use it in 'async with'.")
        url, endpoint = request.url, f"{request.method} {urlsplit(request.url).path}"
        proxy = self._proxy_for(url)
        proxy_credentials = credentials_in(proxy)
        # Told in a header, not in the proxy's URL, which aiohttp's errors show, and so tracebacks.
        for_proxy = {f"Proxy-{name}": value for name, value in proxy_credentials.headers().items()}
        secrets = (*authentication.secrets(), *proxy_credentials.secrets())
        is_tunnelled = urlsplit(url).scheme == "https"
        try:
            async with self._session.request(
                request.method,
                URL(url, encoded=True),
                **request.body,
                headers={**request.headers, **authentication.headers(), **({} if is_tunnelled else for_proxy)},
                proxy=proxy and URL(proxy).with_user(None),
                proxy_headers=for_proxy if is_tunnelled else None,
                ssl=self._tls_for(url, proxy),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=request.timeout, sock_connect=self._settings.connect_timeout),
            ) as response:
                content = await _read(response, endpoint, request.largest)
                answer = Answer(endpoint, response.status, response.headers.copy(), content)
                self.server_version = answer.server_version or self.server_version
        except aiohttp.ConnectionTimeoutError as error:
            raise RequestNotSent(
                f"{endpoint} was not sent: {_place(proxy or url)} accepted no connection within "
                f"{self._settings.connect_timeout:g} s. Check host and port of the connection, and what lies between.",
                endpoint=endpoint,
            ) from error
        except TimeoutError as error:
            raise RequestTimedOut(
                f"{endpoint} had no answer within {request.timeout:g} s: the server at {_place(url)} is slow or does "
                "not answer; what it did with the request is unknown.",
                endpoint=endpoint,
            ) from error
        except (aiohttp.ClientError, ssl.SSLError, OSError) as error:
            raise _connection_failed(endpoint, url, proxy, error) from error
        return answer if answer.status < 300 and answer.status in request.allowed else answer.without(secrets)

    def _proxy_for(self, url: str) -> str | None:
        """Return the proxy that leads to a URL's server, looked up once: to read the environment takes its time."""
        server = urlsplit(url)[:2]
        if server not in self._proxies:
            self._proxies[server] = self._settings.proxy_for(url)
        return self._proxies[server]

    def _tls_for(self, url: str, proxy: str | None) -> ssl.SSLContext | bool:
        """Return the TLS context for the way to a URL; where none is needed, none is made."""
        if "https" not in {urlsplit(url).scheme, urlsplit(proxy or "").scheme}:
            return True
        try:
            self._tls = self._settings.tls_context()
        except InvalidSettings as error:
            if self._tls is None:
                raise
            # Files that are being replaced may be unreadable for a moment.
            log.warning("%s The ones that were read before are used meanwhile.", error)
        return self._tls


async def _read(response: aiohttp.ClientResponse, endpoint: str, largest: int) -> bytes:
    """Read a body to its end, but never more of it than the answer can have."""
    content = bytearray()
    async for part in response.content.iter_chunked(64 * 1024):
        content += part
        if len(content) > largest:
            raise UnexpectedAnswer(
                f"{endpoint} answered with more than {largest} bytes: that is no answer of Artifactory's API.",
                status=response.status,
                endpoint=endpoint,
            )
    return bytes(content)


def _connection_failed(endpoint: str, url: str, proxy: str | None, error: Exception) -> ArtifactoryError:
    place = _place(url)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _proxy_refused(endpoint, place, proxy, error.status)
    if isinstance(error, aiohttp.ClientProxyConnectionError) and proxy:
        return RequestNotSent(
            f"{endpoint} was not sent: there is no proxy at {_place(proxy)}. Check the proxy of the connection, or "
            "HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment.",
            endpoint=endpoint,
        )
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return TlsFailed(
            f"{endpoint} was not sent: the certificate of {place} is not trusted "
            f"({error.certificate_error}). Name your authority's file as ca_file in the connection.",
            endpoint=endpoint,
        )
    if tls := _tls_error(error):
        return TlsFailed(
            f"{endpoint} had no answer: TLS with {place} failed ({tls}). Check that the URL's https is right, "
            "and whether the server wants a client certificate: client_certificate in the connection.",
            endpoint=endpoint,
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return RequestNotSent(
            f"{endpoint} was not sent: there is no server at {place} ({_reason(error)}). "
            "Check host and port of the connection, and that the server runs.",
            endpoint=endpoint,
        )
    return ConnectionFailed(
        f"{endpoint}: the connection to {place} broke ({type(error).__name__}); what the server did with the "
        "request is unknown.",
        endpoint=endpoint,
    )


def _reason(error: aiohttp.ClientConnectorError) -> str:
    return error.os_error.strerror or str(error.os_error) or type(error.os_error).__name__


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Return the TLS error behind another one: that the other side wants a certificate shows after the handshake."""
    while error is not None:
        found = getattr(error, "os_error", error)
        if isinstance(found, ssl.SSLError):
            return found
        error = error.__cause__
    return None


def _proxy_refused(endpoint: str, place: str, proxy: str | None, status: int) -> ArtifactoryError:
    kind: type[ArtifactoryError] = RequestNotSent
    advice = "Check the proxy, and that it may go there."
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        kind, advice = AuthenticationFailed, "Give its credentials in the proxy's URL."
    return kind(
        f"{endpoint} was not sent: the proxy {_place(proxy or '')} answered {status} when it was asked for a way to "
        f"{place}. {advice}",
        endpoint=endpoint,
    )


def _place(url: str) -> str:
    """Return scheme, host and port alone: what else stands in a URL may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _error_of(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
