"""From an Airflow connection of type HTTP to the service that a check asks.

Airflow's ``HttpHook`` reads them so, too: the extra holds options of its own, and everything else in it is a header
(apache-airflow-providers-http 6.3.0, ``hooks/http.py``).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from artifactory_provider.artifactory.authentication import Anonymous, Basic, Bearer
from artifactory_provider.artifactory.errors import InvalidSettings
from artifactory_provider.hooks.connections import base_url_of
from artifactory_provider.verification.http.services import HttpService

if TYPE_CHECKING:
    from collections.abc import Mapping

    from artifactory_provider.artifactory.authentication import Authentication

_NOT_USED = frozenset(
    {"stream", "timeout", "allow_redirects", "max_redirects", "trust_env", "check_response", "srv_lookup"}
)
_OPTIONS = _NOT_USED | {"cert", "proxies", "proxy", "verify", "verify_ssl"}
_WORDS = {"true": True, "false": False}


class HttpConnections:
    """How checks reach other services: give one to ``verify_many`` as ``connect``, for one event loop."""

    def __init__(self) -> None:
        # Airflow's own lock of its supervisor's socket bears no second event loop once two have waited for it.
        self._turn = asyncio.Lock()

    async def __call__(self, conn_id: str) -> HttpService:
        """Return the service that a connection describes.

        :param conn_id: the connection.
        :raises InvalidSettings: when there is none, or it cannot work, naming the field and never a secret.
        """
        async with self._turn:
            try:
                connection = await BaseHook.aget_connection(conn_id)
                extra = await connection.aextra_dejson()
            except AirflowNotFoundException:
                raise InvalidSettings(f"There is no connection {conn_id!r:.100}: make it, of type HTTP.") from None
        try:
            return service_of(
                conn_type=connection.conn_type,
                host=connection.host,
                schema=connection.schema,
                port=connection.port,
                login=connection.login,
                password=connection.password,
                extra=extra,
            )
        except InvalidSettings as error:
            raise InvalidSettings(f"Connection {conn_id!r:.100}: {error}") from error


def service_of(
    *,
    conn_type: str | None,
    host: str | None,
    schema: str | None,
    port: int | None,
    login: str | None,
    password: str | None,
    extra: Any,
) -> HttpService:
    """Return the service that a connection's fields describe.

    :param conn_type: the connection's type.
    :param host: the service's URL, or its host alone.
    :param schema: ``http`` or ``https``, where the host is no URL; or the path of the URL.
    :param port: the port, where the host does not name it.
    :param login: the user name, if there is one.
    :param password: password; or a token, where there is no login.
    :param extra: the connection's extra: options, and headers.
    :raises InvalidSettings: when they cannot work, naming the field and never a secret.
    """
    if not isinstance(extra, dict):
        raise InvalidSettings("The extra is no JSON object.")
    base_url = base_url_of(conn_type, host, schema, port)
    verify = extra.get("verify", extra.get("verify_ssl", True))
    verify = _WORDS.get(verify.strip().lower(), verify) if isinstance(verify, str) else verify
    certificate, key = _certificate(extra.get("cert"))
    return HttpService(
        base_url=base_url,
        authentication=_authentication(login, password),
        headers=_headers(extra),
        verify=verify is not False,
        ca_file=verify if isinstance(verify, str) and verify else None,
        client_certificate=certificate,
        client_key=key,
        proxy=_proxy(extra.get("proxies", extra.get("proxy")), base_url),
    )


def _authentication(login: str | None, password: str | None) -> Authentication:
    if login:
        return Basic(login, password or "")
    return Bearer(password) if password else Anonymous()


def _headers(extra: Mapping[str, Any]) -> dict[str, str]:
    headers = {name: value for name, value in extra.items() if name not in _OPTIONS}
    for name, value in headers.items():
        if not isinstance(value, str):
            raise InvalidSettings(f"{name!r:.60} in the extra is no header: its value is no text.")
    return headers


def _certificate(cert: Any) -> tuple[str | None, str | None]:
    match cert:
        case None | "":
            return None, None
        case str():
            return cert, None
        case [str() as certificate, str() as key]:
            return certificate, key
    raise InvalidSettings("cert in the extra is a PEM file, or a list of two: the certificate and its key.")


def _proxy(proxies: Any, url: str) -> str | None:
    proxy = proxies.get(url.partition("://")[0]) if isinstance(proxies, dict) else proxies
    if proxy is None or isinstance(proxy, str):
        return proxy or None
    raise InvalidSettings("proxies in the extra is an object of protocol and URL, such as https and http://proxy:3128.")
