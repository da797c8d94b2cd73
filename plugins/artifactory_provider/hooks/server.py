"""The server of an Airflow connection, asked by the asynchronous client: what hooks and commands do alike.

Commands that only look ask it without a hook, which would load ``requests`` and all that promotes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import Connection

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.hooks.connections import explain_unknown_keys, settings_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from artifactory_provider.artifactory.settings import ServerSettings

T = TypeVar("T")

log = logging.getLogger(__name__)

_warned: set[tuple[str, str]] = set()
"""What this process has said of connections: once is enough."""


def ask_server(conn_id: str, work: Callable[[ArtifactoryClient], Awaitable[T]]) -> T:
    """Return what some work with the client of a connection comes to.

    :param conn_id: the Airflow connection.
    :param work: what is done with the open client.
    :raises AirflowNotFoundException: when there is no such connection.
    :raises InvalidSettings: when the connection cannot work.
    """
    connection = Connection.get(conn_id)
    return run_client(read_settings(connection, connection.extra_dejson), work)


def run_client(settings: ServerSettings, work: Callable[[ArtifactoryClient], Awaitable[T]]) -> T:
    """Run some work with a client to its end; it is not called in asynchronous code.

    :param settings: how the server is reached.
    :param work: what is done with the open client.
    """

    async def run() -> T:
        async with ArtifactoryClient(settings) as client:
            return await work(client)

    return asyncio.run(run())


def read_settings(connection: Connection, extra: dict[str, Any]) -> ServerSettings:
    """Return how a connection says that its server is reached; what means nothing there is told once.

    :param connection: the connection.
    :param extra: its extra.
    :raises InvalidSettings: when the connection cannot work.
    """
    warning = explain_unknown_keys(extra)
    if warning and (connection.conn_id, warning) not in _warned:
        _warned.add((connection.conn_id, warning))
        log.warning("Connection %r: %s", connection.conn_id, warning)
    return settings_of(
        conn_id=connection.conn_id,
        conn_type=connection.conn_type,
        host=connection.host,
        schema=connection.schema,
        port=connection.port,
        login=connection.login,
        password=connection.password,
        extra=extra,
    )
