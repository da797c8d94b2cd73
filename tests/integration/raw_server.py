"""A server that answers bytes with bytes, as no HTTP library would."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BOUND = 30


class _Answering(asyncio.Protocol):
    def __init__(self, answer: Callable[[bytes], bytes], pause: float) -> None:
        self._answer = answer
        self._pause = pause

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        answer = self._answer(data)
        if self._pause:
            self._send_slowly(answer)
        else:
            self._transport.write(answer)

    def _send_slowly(self, left: bytes) -> None:
        if left and not self._transport.is_closing():
            self._transport.write(left[:1])
            asyncio.get_running_loop().call_later(self._pause, self._send_slowly, left[1:])


@contextmanager
def raw_server(answer: Callable[[bytes], bytes], *, pause: float = 0) -> Iterator[str]:
    """Answer until the block ends; yields the base URL.

    :param answer: makes the answer from what was received.
    :param pause: seconds between one byte of the answer and the next.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="raw-server", daemon=True)
    thread.start()
    opening = loop.create_server(lambda: _Answering(answer, pause), "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(opening, loop).result(_BOUND)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/artifactory"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_BOUND)
        loop.close()
