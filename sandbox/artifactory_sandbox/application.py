"""The ASGI application: the gate that every request passes, and the routes behind it."""

from __future__ import annotations

import asyncio
import errno
import logging
import sqlite3
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route, Router

from artifactory_sandbox.access import ANONYMOUS
from artifactory_sandbox.api import (
    blobs,
    faults,
    manifests,
    metrics,
    promotion,
    registry,
    search,
    storage,
    system,
    tokens,
    webhooks,
    xray,
)
from artifactory_sandbox.api.addressing import Address, address, client_host
from artifactory_sandbox.api.calls import Call, identify
from artifactory_sandbox.api.responses import refuse
from artifactory_sandbox.errors import Failure, Forbidden, Refusal, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from artifactory_sandbox.service import Service

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
            (b"x-jfrog-version", f"Artifactory/{number} {system.revision(number)}".encode()),
            (b"x-artifactory-id", service.service_id.encode()),
            (b"x-artifactory-node-id", b"artifactory-sandbox"),
        ]
        # What is asked for most comes first, what takes all paths last.
        areas = (promotion, manifests, registry, blobs, system, search, tokens, webhooks, xray, faults, metrics)
        self.routes: list[Route] = [route for area in (*areas, storage) for route in area.ROUTES]
        self._router: ASGIApp = Router(self.routes, redirect_slashes=False, lifespan=self._run_lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection by the ASGI specification."""
        await (self._serve if scope["type"] == "http" else self._router)(scope, receive, send)

    @asynccontextmanager
    async def _run_lifespan(self, app: object) -> AsyncIterator[None]:
        delivering = asyncio.create_task(self._service.events.deliver())
        yield
        delivering.cancel()
        with suppress(asyncio.CancelledError):
            await delivering
        self._service.close()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        where = Address(scope["path"], "")
        has_started = False
        observe = metrics.watch(scope, self._service.journal)

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

        try:
            where = address(scope["path"], scope["scheme"], headers, self._find_repository(scope, headers))
            if self._service.faults:
                await faults.serve(work, self._service, where, scope, receive, send_marked)
            else:
                await work(scope, receive, send_marked)
        except ClientDisconnect:
            return
        except Exception as error:
            if has_started:
                raise
            call = scope.get("state", {}).get("call")
            is_stranger = isinstance(error, Forbidden) and call is not None and call.user.is_anonymous
            refusal = Unauthenticated() if is_stranger else _refusal(error, scope)
            await refuse(refusal, where)(scope, receive, send_marked)

    def _find_repository(self, scope: Scope, headers: Headers) -> str | None:
        """Return the repository that the port or the host name stands for."""
        label, dot, _ = client_host(headers).partition(".")
        _, port = scope.get("server") or ("", None)
        return (port and self._by_port.get(port)) or (self._by_label.get(label.lower()) if dot else None)

    async def _pass_gate(self, scope: Scope, headers: Headers, where: Address) -> None:
        is_open = where.path in tokens.PATHS or (where.path in system.OPEN_PATHS and "authorization" not in headers)
        user = ANONYMOUS if is_open else await identify(self._service, headers)
        scope["state"] = {"call": Call(self._service, user, where)}
        # The router answers unknown paths and methods by exceptions, as everything here is answered, if it
        # finds itself within an application.
        scope["app"] = self
        scope["path"] = where.path
        scope["root_path"] = ""


def _refusal(error: Exception, scope: Scope) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, HTTPException):
        return Failure(error.status_code, str(error.detail))
    if isinstance(error, UnicodeError):
        return Failure(400, "The request holds half a character: no UTF-8 can be made of it.")
    is_full = isinstance(error, sqlite3.Error) and error.sqlite_errorcode == sqlite3.SQLITE_FULL
    if is_full or (isinstance(error, OSError) and error.errno in _FULL):
        return Failure(507, "No space is left on the sandbox's disk.")
    _log.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
    return Failure(500, "An unexpected error has occurred, please check Artifactory logs for further details.")
