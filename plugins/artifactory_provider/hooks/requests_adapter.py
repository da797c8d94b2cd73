"""What lets a ``requests`` session, which users of an ``HttpHook`` expect, ask in the way of the client."""

from __future__ import annotations

import asyncio
import http.client
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import BaseAdapter
from requests.utils import get_encoding_from_headers
from yarl import URL

from artifactory_provider.artifactory.access import credentials_of
from artifactory_provider.artifactory.transport import LARGEST_ANSWER, BodyReading, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Coroutine, Mapping

    from artifactory_provider.artifactory.answers import Answer
    from artifactory_provider.artifactory.settings import ServerSettings

ANY_STATUS = range(100, 600)
SUCCESS = range(200, 300)
_PART = 64 * 1024


class ClientAdapter(BaseAdapter):
    """Sends requests as the client does: with its credentials, TLS, proxy and limits, and with its errors.

    Credentials go to the server of the settings alone. An answer is read whole before it is returned, also where a
    stream is asked for.

    :param settings: how the server is reached.
    """

    def __init__(self, settings: ServerSettings) -> None:
        super().__init__()
        self._settings = settings

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
        *,
        largest: int = LARGEST_ANSWER,
        allowed: Collection[int] = ANY_STATUS,
    ) -> requests.Response:
        """Send a request once and return its answer.

        :param request: the request.
        :param stream: makes no difference.
        :param timeout: seconds from the start of the request to the end of its answer; or a pair: the seconds until
            the connection stands, and those.
        :param verify: the settings count instead.
        :param cert: the settings count instead.
        :param proxies: the settings count instead.
        :param largest: the bytes that the answer may have, also when it is unpacked.
        :param allowed: the statuses that are no error.
        :raises ArtifactoryError: when there is no answer, or one with another status.
        """
        asked = self._ask(request, _limit(self._settings, timeout), BodyReading(largest=largest), allowed)
        return _make_response(request, _run(asked))

    def close(self) -> None:
        """Do nothing: no connection outlives its request."""

    async def _ask(
        self,
        request: requests.PreparedRequest,
        settings: ServerSettings,
        reading: BodyReading,
        allowed: Collection[int],
    ) -> Answer:
        url = str(request.url)
        body: Any = request.body
        async with Transport(settings, credentials_of(settings)) as transport:
            return await transport.request(
                str(request.method),
                url,
                repeatable=False,
                allowed=allowed,
                headers=_headers_of(request),
                data=body if body is None or isinstance(body, bytes | str) else _read_parts(body),
                reading=reading,
                anonymous=URL(url).origin() != URL(settings.base_url).origin(),
            )


def is_in_event_loop() -> bool:
    """Return whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run asynchronous work to its end; in asynchronous code, which is blocked meanwhile, in a thread of its own."""
    if not is_in_event_loop():
        return asyncio.run(work)
    with ThreadPoolExecutor(1, "artifactory-request") as thread:
        return thread.submit(asyncio.run, work).result()


def _limit(settings: ServerSettings, timeout: Any) -> ServerSettings:
    connect, whole = timeout if isinstance(timeout, tuple) else (None, timeout)
    return replace(
        settings,
        connect_timeout=settings.connect_timeout if connect is None else connect,
        timeout=settings.timeout if whole is None else whole,
    )


def _headers_of(request: requests.PreparedRequest) -> dict[str, str]:
    """Return the headers of a request, but not how its body is divided: that is decided anew."""
    headers: Mapping[str, str | bytes] = request.headers
    return {
        name: value if isinstance(value, str) else value.decode("latin-1")
        for name, value in headers.items()
        if name.lower() != "transfer-encoding"
    }


async def _read_parts(body: Any) -> AsyncIterator[bytes]:
    """Read a file, or whatever else gives its bytes part by part, as it is sent."""
    for part in iter(partial(body.read, _PART), body.read(0)) if hasattr(body, "read") else body:
        yield part.encode() if isinstance(part, str) else part


def _make_response(request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    response = requests.Response()
    response.request = request
    response.url = str(request.url)
    response.status_code = answer.status
    response.reason = http.client.responses.get(answer.status, "")
    for name, value in answer.headers.items():
        known = response.headers.get(name)
        response.headers[name] = value if known is None else f"{known}, {value}"
    response.encoding = get_encoding_from_headers(response.headers)
    response.raw = io.BytesIO(answer.content)
    return response
