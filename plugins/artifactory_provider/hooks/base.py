"""How a hook reaches the server of its connection: settings, the asynchronous client, and any other request."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from airflow.providers.http.hooks.http import HttpHook

from artifactory_provider.artifactory.answers import Answer, refusal
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.content_coding import ACCEPTED
from artifactory_provider.artifactory.transport import LARGEST_ANSWER, USER_AGENT
from artifactory_provider.hooks.requests_adapter import ANY_STATUS, SUCCESS, ClientAdapter, is_in_event_loop
from artifactory_provider.hooks.server import read_settings, run_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from artifactory_provider.artifactory.settings import ServerSettings

T = TypeVar("T")


class ServerHook(HttpHook):
    """Reach the server of a connection, with its credentials, TLS, proxy and patience.

    :param artifactory_conn_id: the connection.
    :param method: the HTTP method of ``run``.
    """

    def __init__(self, artifactory_conn_id: str, *, method: str = "GET") -> None:
        super().__init__(method=method, http_conn_id=artifactory_conn_id, tcp_keep_alive=False)
        self.artifactory_conn_id = artifactory_conn_id

    def settings(self) -> ServerSettings:
        """Return how the connection says that the server is reached.

        :raises InvalidSettings: when the connection cannot work.
        """
        connection = self.get_connection(self.artifactory_conn_id)
        return read_settings(connection, connection.extra_dejson)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[ArtifactoryClient]:
        """Open the asynchronous client, and close it at the end.

        :raises InvalidSettings: when the connection cannot work.
        """
        connection = await self.aget_connection(self.artifactory_conn_id)
        async with ArtifactoryClient(read_settings(connection, await connection.aextra_dejson())) as client:
            yield client

    def get_conn(
        self, headers: dict[Any, Any] | None = None, extra_options: dict[str, Any] | None = None
    ) -> requests.Session:
        """Return a ``requests`` session that asks as the client does: with the same credentials, TLS, proxy and errors.

        An answer is read whole before it is returned, also where a stream is asked for.

        :param headers: additional request headers.
        :param extra_options: ``timeout``, the seconds that a request may take from its start to the end of its answer
            (the connection's, if left out), or a pair of the seconds until the connection stands and those;
            ``largest``, the bytes that an answer may have (32 MiB); ``check_response``, whether ``run`` raises an
            error when the answer is no success. Nothing else counts.
        """
        settings = self.settings()
        self.base_url = f"{settings.base_url.rstrip('/')}/"
        self._base_url_initialized = True
        given = {name: value for name, value in (extra_options or {}).items() if value is not None}
        self.merged_extra = {"timeout": None, "largest": LARGEST_ANSWER, "check_response": True, **given}
        session = requests.Session()
        # No .netrc and no other variable of the environment replaces what the connection says.
        session.trust_env = False
        session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": ACCEPTED, **(headers or {})})
        for scheme in ("http://", "https://"):
            session.mount(scheme, ClientAdapter(settings))
        return session

    def url_from_endpoint(self, endpoint: str | None) -> str:
        """Return the URL of an endpoint, such as ``api/system/ping``: it follows the connection's URL as that is.

        :param endpoint: path and query.
        """
        if not self._base_url_initialized:
            self.base_url = self.settings().base_url
        return f"{self.base_url.rstrip('/')}/{(endpoint or '').lstrip('/')}"

    def run_and_check(
        self,
        session: requests.Session,
        prepped_request: requests.PreparedRequest,
        extra_options: dict[Any, Any],
    ) -> requests.Response:
        """Send a prepared request, once more with a new token if the server refuses a renewable one, and check it.

        :param session: what ``get_conn`` returned; it is closed.
        :param prepped_request: the request.
        :param extra_options: ``timeout``, ``largest`` and ``check_response``, as for ``get_conn``.
        :raises ArtifactoryError: when the answer is no success, or there is none.
        """
        with session:
            return session.send(
                prepped_request,
                timeout=extra_options["timeout"],
                largest=extra_options["largest"],
                allowed=SUCCESS if extra_options["check_response"] else ANY_STATUS,
                allow_redirects=False,
            )

    def check_response(self, response: requests.Response) -> None:
        """Raise the typed error that an unsuccessful answer stands for."""
        if response.status_code not in SUCCESS:
            endpoint = f"{response.request.method} {response.request.path_url.partition('?')[0]}"
            raise refusal(Answer(endpoint, response.status_code, response.headers, response.content))

    def _run_client(self, work: Callable[[ArtifactoryClient], Awaitable[T]]) -> T:
        if is_in_event_loop():
            raise RuntimeError(
                "A synchronous method of ArtifactoryHook was called in asynchronous code, which it would block: use "
                "'async with hook.client() as client' there."
            )
        return run_client(self.settings(), work)
