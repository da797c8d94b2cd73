"""The ASGI application: the gate that every request passes, and the routes behind it."""

from __future__ import annotations

import asyncio
import errno
import logging
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Route, Router

from artifactory_sandbox import (
    aql,
    blob_api,
    distribution,
    events,
    promotion,
    storage_api,
    system_api,
    token_api,
    xray,
)
from artifactory_sandbox.access import ANONYMOUS
from artifactory_sandbox.addressing import Address, address, client_host
from artifactory_sandbox.calls import Call
from artifactory_sandbox.errors import (
    REALM,
    UNEXPECTED,
    Forbidden,
    OAuthRefusal,
    Refusal,
    Unauthenticated,
    registry_code,
    registry_response,
    rest_response,
)

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from artifactory_sandbox.service import Service

_EXPECTED = (Refusal, HTTPException, OSError, UnicodeError, sqlite3.OperationalError)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_log = logging.getLogger(__name__)


class Application:
    """The sandbox as an ASGI application.

    :param service: the open data directory; closed when the application shuts down.
    :ivar routes: all routes, in the order in which they are tried.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        docker = {key: repository for key, repository in service.config.repositories.items() if repository.is_docker}
        self._by_label = {key.lower(): key for key in docker}
        self._by_port = {repository.port: key for key, repository in docker.items() if repository.port is not None}
        number = service.config.version
        self._marks = [
            (b"x-jfrog-version", f"Artifactory/{number} {system_api.revision(number)}".encode()),
            (b"x-artifactory-id", service.service_id.encode()),
            (b"x-artifactory-node-id", b"artifactory-sandbox"),
        ]
        # What is asked for most comes first, what takes all paths last.
        areas = (promotion, distribution, blob_api, system_api, aql, token_api, events, xray, storage_api)
        self.routes: list[Route] = [route for area in areas for route in area.ROUTES]
        self._router: ASGIApp = Router(self.routes, redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection by the ASGI specification."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        delivering = asyncio.create_task(self._service.events.deliver())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        delivering.cancel()
        with suppress(asyncio.CancelledError):
            await delivering
        self._service.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        where = Address(scope["path"], "")
        has_started = False
        observe = self._service.journal.watch(scope)

        async def send_marked(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                message["headers"] += self._marks
                if where.docker_root:
                    message["headers"].append((b"docker-distribution-api-version", b"registry/2.0"))
                observe(message["status"])
            await send(message)

        async def work(scope: Scope, receive: Receive, send: Send) -> None:
            await self._pass_gate(scope, headers, where)
            await self._router(scope, receive, send)
            self._service.events.tell()

        try:
            where = address(scope["path"], scope["scheme"], headers, self._alone(scope, headers))
            if self._service.faults:
                await self._service.faults.serve(work, where, scope, receive, send_marked)
            else:
                await work(scope, receive, send_marked)
        except ClientDisconnect:
            return
        except Exception as error:
            if has_started or not isinstance(error, _EXPECTED):
                _log.exception("%s %s failed", scope["method"], scope["path"])
            if has_started:
                raise
            call = scope.get("state", {}).get("call")
            if isinstance(error, Forbidden) and call is not None and call.user == ANONYMOUS:
                error = Unauthenticated()
            await _answer(error, where)(scope, receive, send_marked)

    def _alone(self, scope: Scope, headers: Headers) -> str | None:
        """Return the repository that the port or the host name stands for."""
        label, dot, _ = client_host(headers).partition(".")
        _, port = scope.get("server") or ("", None)
        return (port and self._by_port.get(port)) or (self._by_label.get(label.lower()) if dot else None)

    async def _pass_gate(self, scope: Scope, headers: Headers, where: Address) -> None:
        is_open = where.path in token_api.PATHS or (
            where.path in system_api.OPEN_PATHS and "authorization" not in headers
        )
        user = ANONYMOUS if is_open else await self._service.access.identify(headers)
        scope["state"] = {"call": Call(self._service, user, where)}
        # The router answers unknown paths and methods by exceptions, as everything here is answered, if it
        # finds itself within an application.
        scope["app"] = self
        scope["path"] = where.path
        scope["root_path"] = ""


def _answer(error: Exception, where: Address) -> Response:
    if isinstance(error, Unauthenticated):
        return _challenge(error, where)
    if isinstance(error, OAuthRefusal):
        return JSONResponse({"error": error.error, "error_description": error.message}, error.status)
    refusal = error if isinstance(error, Refusal) else _unforeseen(error)
    is_general = refusal is not error or isinstance(error, Forbidden)
    if refusal.code is not None or (is_general and where.is_registry):
        code = refusal.code or registry_code(refusal.status)
        return registry_response(refusal.status, code, refusal.message, refusal.detail, refusal.headers)
    return rest_response(refusal.status, refusal.message, refusal.headers)


def _unforeseen(error: Exception) -> Refusal:
    if isinstance(error, HTTPException):
        return Refusal(error.status_code, str(error.detail))
    if (isinstance(error, OSError) and error.errno in _FULL) or _is_full(error):
        return Refusal(507, "No space is left on the sandbox's disk.")
    if isinstance(error, UnicodeError):
        return Refusal(400, "The request holds half a character: no UTF-8 can be made of it.")
    if isinstance(error, OSError | sqlite3.OperationalError):
        _log.error("the data directory failed", exc_info=error)
    return Refusal(500, UNEXPECTED)


def _is_full(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and error.sqlite_errorcode == sqlite3.SQLITE_FULL


def _challenge(error: Unauthenticated, where: Address) -> Response:
    """Ask for credentials: the registry API with a Bearer challenge, all else and the token endpoint with Basic."""
    if not where.docker_root or where.path.endswith("/v2/token"):
        return rest_response(401, error.message, {"WWW-Authenticate": REALM})
    host = where.origin.partition("://")[2].partition("/")[0]
    challenge = f'Bearer realm="{where.token_url}",service="{host}"'
    scope = distribution.pull_scope(where.path)
    if scope:
        challenge += f',scope="{scope}"'
    return registry_response(401, "UNAUTHORIZED", "authentication required", headers={"WWW-Authenticate": challenge})
