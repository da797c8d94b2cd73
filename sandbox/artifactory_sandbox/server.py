"""Listening: a socket that is bound before anything else, and uvicorn on it."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from typing import TYPE_CHECKING

import uvicorn

from artifactory_sandbox.application import Application
from artifactory_sandbox.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

    from artifactory_sandbox.service import Service

_GRACE_SECONDS = 3
_STEP_SECONDS = 0.02


class ListenError(Exception):
    """The address cannot be listened on; the message says why and what to do."""


class Server(uvicorn.Server):
    """The sandbox on a socket, until a signal comes or another thread sets `should_exit`.

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
        config = uvicorn.Config(
            Application(service),
            http=type("LimitedConnection", (Connection,), {"limits": service.config.limits}),
            ws="none",
            ssl_certfile=certificate,
            ssl_keyfile=key,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        super().__init__(config)
        host = listener.getsockname()[0]
        ports = (repository.port for repository in service.config.repositories.values())
        self._listeners = [listener, *(listen(host, port) for port in ports if port is not None)]
        self._on_ready = on_ready

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer requests, also on the ports of single repositories."""
        await super().serve(sockets or self._listeners)

    async def main_loop(self) -> None:
        """Say that requests are answered, and wait for the end in shorter steps than uvicorn's tenths of a second."""
        self._on_ready()
        while not await self.on_tick(0):  # noqa: ASYNC110 (uvicorn has no event for it)
            await asyncio.sleep(_STEP_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order, the second time at once; uvicorn itself would raise the signal again after that."""
        if self.should_exit:
            self.force_exit = True
            # What is cut off then would be reported as an error.
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket.

    :param host: name or address.
    :param port: 0 for a free one.
    :raises ListenError: when that cannot be done.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        is_ipv6 = family == socket.AF_INET6
        listener = socket.create_server((host, port), family=family, dualstack_ipv6=is_ipv6)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ListenError(f"port {port} on {host} is taken: choose another with --port, or 0") from None
        reason = str(error.strerror).partition(" (while")[0]
        raise ListenError(f"cannot listen on {host}, port {port}: {reason}") from None
    # Connections inherit it; without it every answer with a body waits 40 ms for the client's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def base_url(listener: socket.socket, *, is_secure: bool = False) -> str:
    """Return Artifactory's base URL for a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http{'s' if is_secure else ''}://{f'[{host}]' if ':' in host else host}:{port}/artifactory"
