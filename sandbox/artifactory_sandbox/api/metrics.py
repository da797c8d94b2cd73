"""Watching requests as they are answered, and telling what was seen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from artifactory_sandbox.api.calls import require_admin
from artifactory_sandbox.connection import DROP
from artifactory_sandbox.journal import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import Scope

    from artifactory_sandbox.journal import Journal


def watch(scope: Scope, journal: Journal) -> Callable[[int], None]:
    """Return what is to be called with the status as a request is answered, before the client can see it."""
    begun, path = time.perf_counter(), scope["path"]
    extensions = scope.setdefault("extensions", {})
    drop = extensions.get(DROP, {}).get("drop")
    is_noted = False

    def note(status: int) -> None:
        nonlocal is_noted
        if not is_noted:
            is_noted = True
            journal.add(_record(scope, path, status, time.perf_counter() - begun))

    def drop_noted(*, is_reset: bool) -> None:
        note(0)
        if drop is not None:
            drop(is_reset=is_reset)

    extensions[DROP] = {"drop": drop_noted}
    return note


def _record(scope: Scope, path: str, status: int, seconds: float) -> Record:
    call = scope.get("state", {}).get("call")
    return Record(
        method=scope["method"],
        path=path,
        query=scope["query_string"].decode("ascii", "replace"),
        status=status,
        route=getattr(scope.get("endpoint"), "__name__", ""),
        user=call.user.name if call else "",
        seconds=seconds,
    )


async def metrics(request: Request) -> Response:
    """Tell how many requests were answered how, in Prometheus' text format."""
    return PlainTextResponse(require_admin(request).journal.metrics(), media_type="text/plain; version=0.0.4")


ROUTES = [Route("/sandbox/metrics", metrics)]
