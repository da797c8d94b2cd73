"""An HTTP proxy that lets HTTPS through (CONNECT), for those who give its password."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOGIN, PASSWORD = "robot", "pr0xy/s3cret"
_EXPECTED = f"basic {base64.b64encode(f'{LOGIN}:{PASSWORD}'.encode()).decode()}"


class Tunnel:
    """The proxy; all ways lead to one place, whatever name they ask for.

    :param port: the local port to which they lead.
    """

    def __init__(self, port: int) -> None:
        self.asked: list[str] = []
        self.port = 0
        self._target = port

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Tunnel]:
        """Take connections until the block ends."""
        async with asyncio.TaskGroup() as tasks:

            async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await tasks.create_task(self._serve(reader, writer))

            server = await asyncio.start_server(accept, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            try:
                yield self
            finally:
                server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.asked.append(head[0].split()[1])
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head[1:]}
        given = headers.get("proxy-authorization", "").replace("Basic", "basic", 1)
        if given != _EXPECTED:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()
            return
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self._target)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pipe(reader, onward_writer), _pipe(onward_reader, writer))


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while part := await reader.read(64 * 1024):
            writer.write(part)
            await writer.drain()
    writer.close()
