"""One HTTP connection: how much a client may send, how long it may take, and how a fault cuts it off."""

from __future__ import annotations

import os
import socket
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from artifactory_sandbox.config import LimitsConfig

if TYPE_CHECKING:
    import asyncio

# The name in a scope's extensions under which a request can drop its own connection.
DROP = "artifactory_sandbox.drop"
# Bytes of the path with its query, and of all headers; more than any of the known clients and proxies sends.
LONGEST_URL = LARGEST_HEADERS = 64 * 1024
# Requests that were sent before the answers to earlier ones; no Docker client does that at all.
_MOST_PIPELINED = 16
# For so long, what a client goes on sending after a refusal is read and thrown away, so that it can read the refusal:
# a socket that is closed with something unread takes the answer back.
_LINGER_SECONDS = 2.0
_LINE = "HTTP/1.1 {0.value} {0.phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"


class _RefusedError(Exception):
    """Ends the parser's work: the request will not be read any further."""


class Connection(HttpToolsProtocol):
    """A connection whose client may not take more than its share of memory, time and connections."""

    limits: ClassVar[LimitsConfig] = LimitsConfig()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or refuse where there are too many connections."""
        super().connection_made(transport)
        self._head_size = 0
        # Bytes since the parser has last come to the end of something: what they belong to waits in its memory.
        self._unfinished = 0
        self._status = HTTPStatus.BAD_REQUEST
        self._is_refused = self._has_body = False
        self._head_begun: float | None = self.loop.time()
        self._moved = self.loop.time()
        self._unsent = 0
        self._watch: asyncio.TimerHandle | None = None
        self._look_again()
        if len(self.connections) > self.limits.connections:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            self.transport.close()  # lingering would make yet more of them

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; more of one request's head than is allowed is refused as soon as it is more."""
        if self._is_refused:
            return
        self._moved = self.loop.time()
        if self._head_begun is None and not self._has_body:
            self._head_begun = self._moved
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > LARGEST_HEADERS and not self._is_refused:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._head_size = 0
        self.scope["extensions"] = {DROP: {"drop": self._drop}}

    def on_url(self, url: bytes) -> None:
        """Take a part of the path and the query."""
        super().on_url(url)
        self._unfinished = 0
        if len(self.url) > LONGEST_URL:
            self._stop(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer after the body."""
        super().on_header(name, value)
        self._head_size += len(name) + len(value) + len(": \r\n")
        if self._head_size > LARGEST_HEADERS:
            self._stop(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Let the request be answered."""
        if len(self.pipeline) >= _MOST_PIPELINED:
            self._stop(HTTPStatus.TOO_MANY_REQUESTS)
        super().on_headers_complete()
        self._head_begun, self._has_body, self._unfinished = None, True, 0

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request, whether or not it has been answered."""
        self._has_body, self._unfinished = False, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, if there may be one."""
        if self._is_refused:
            self.transport.close()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser could not, or was not allowed to, read."""
        self._refuse(self._status)

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: a client may ask for another protocol, and is answered in this one."""

    def _stop(self, status: HTTPStatus) -> None:
        self._status = status
        raise _RefusedError

    def _refuse(self, status: HTTPStatus) -> None:
        """End the connection: with this answer if the client waits for none, else after that."""
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        cycle: Any = self.cycle  # None before the first request
        has_body = self._has_body and not self.pipeline
        self.pipeline.clear()
        is_unanswered = cycle is not None and not cycle.response_complete
        if is_unanswered and not has_body:
            return
        if has_body and (not is_unanswered or cycle.response_started):
            self.transport.close()
            return
        line = f"{_LINE.format(status)}content-length: {len(status.phrase)}\r\nconnection: close\r\n\r\n{status.phrase}"
        self.transport.write(line.encode())
        if is_unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        self.flow.resume_reading()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def _look_again(self) -> None:
        pause = min(self.limits.head_seconds, self.limits.idle_seconds) / 2
        self._watch = self.loop.call_later(pause, self._end_if_idle)

    def _end_if_idle(self) -> None:
        """End a connection whose client has stopped in the middle of a head, a body or an answer."""
        now, unsent = self.loop.time(), self.transport.get_write_buffer_size()
        is_waiting = self._has_body and not self.flow.read_paused and not self.cycle.waiting_for_100_continue
        if unsent != self._unsent or not (is_waiting or unsent):
            self._moved, self._unsent = now, unsent
        if self._head_begun is not None and now - self._head_begun > self.limits.head_seconds:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif now - self._moved > self.limits.idle_seconds:
            if unsent:
                self._drop(is_reset=True)
            else:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        self._look_again()

    def _drop(self, *, is_reset: bool) -> None:
        """End the connection: with a reset, or in order after what has been sent."""
        if not is_reset:
            self.transport.close()
            return
        # uvloop does not hand out the socket itself; a duplicate shares the option.
        with socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno())) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()
