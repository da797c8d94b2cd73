"""Listening: a socket that is bound before anything else, and uvicorn on it."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from artifactory_sandbox.application import Application
from artifactory_sandbox.faults import DROP

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from artifactory_sandbox.service import Service

_GRACE_SECONDS = 3


class _Protocol(HttpToolsProtocol):
    """HTTP that a fault can cut off."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {DROP: {"drop": self._drop}}

    def _drop(self, *, is_reset: bool) -> None:
        """End the connection: with a reset, or in order after what has been sent."""
        if not is_reset:
            self.transport.close()
            return
        # uvloop does not hand out the socket itself; a duplicate shares the option.
        with socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno())) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class ListenError(Exception):
    """The address cannot be listened on; the message says why and what to do."""


class Server(uvicorn.Server):
    """The sandbox on a socket.

    :param service: the open data directory; closed when the server ends.
    :param listener: the bound socket.
    :param on_ready: called once requests are answered.
    :param tls: PEM files of a certificate and its key, for HTTPS.
    """

    def __init__(
        self,
        service: Service,
        listener: socket.socket,
        on_ready: Callable[[], None],
        *,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        certificate, key = tls or (None, None)
        super().__init__(
            uvicorn.Config(
                Application(service),
                http=_Protocol,
                ssl_certfile=certificate,
                ssl_keyfile=key,
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                lifespan="on",
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        host = listener.getsockname()[0]
        ports = (repository.port for repository in service.config.repositories.values())
        self._listeners = [listener, *(listen(host, port) for port in ports if port is not None)]
        self._on_ready = on_ready
        self._ending = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer requests, then say so."""
        await super().startup(sockets=sockets)
        self._on_ready()

    async def main_loop(self) -> None:
        """Wait for the end, which uvicorn itself would notice a tenth of a second later."""
        self._loop = asyncio.get_running_loop()
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 0.1)

    def stop(self) -> None:
        """End in order; callable from any thread, a second time to end at once."""
        self.force_exit = self.should_exit
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ending.set)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn would raise them again after a clean end."""
        yield

    def run_until_stopped(self) -> None:
        """Serve until `stop` is called."""
        self._run(self.serve(sockets=self._listeners))

    def run_until_signalled(self) -> None:
        """Serve until SIGTERM or SIGINT, and end in order."""

        async def serve() -> None:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stop)
            await self.serve(sockets=self._listeners)

        self._run(serve())

    def _run(self, work: Coroutine[object, object, None]) -> None:
        with asyncio.Runner(loop_factory=self.config.get_loop_factory()) as runner:
            runner.run(work)


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket.

    :param host: name or address.
    :param port: 0 for a free one.
    :raises ListenError: when that cannot be done.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it; without it every answer with a body waits 40 ms for the client's acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listener.bind((host, port))
            listener.listen(1024)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ListenError(f"port {port} on {host} is taken: choose another with --port, or 0") from None
        raise ListenError(f"cannot listen on {host}, port {port}: {error.strerror or error}") from None
    return listener


def base_url(listener: socket.socket, *, is_secure: bool = False) -> str:
    """Return Artifactory's base URL for a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http{'s' if is_secure else ''}://{f'[{host}]' if ':' in host else host}:{port}/artifactory"
