"""The sandbox's own API, which no Artifactory has: faults to meet, for administrators only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from artifactory_sandbox.config import first_problem
from artifactory_sandbox.docker_call import read_limited
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.faults import Fault
from artifactory_sandbox.service import require_admin

if TYPE_CHECKING:
    from starlette.requests import Request

_LARGEST_BODY = 1024 * 1024


async def list_faults(request: Request) -> Response:
    """List the faults that are set, with how many requests each has seen and hit."""
    return JSONResponse(require_admin(request).faults.describe())


async def add_fault(request: Request) -> Response:
    """Set a fault."""
    service = require_admin(request)
    try:
        fault = Fault.model_validate_json(await read_limited(request.stream(), _LARGEST_BODY))
    except ValidationError as error:
        raise Refusal(400, f"The fault cannot be set: {first_problem(error)}") from None
    return JSONResponse({"id": service.faults.add(fault)}, 201)


async def clear_faults(request: Request) -> Response:
    """Take one fault back, or all of them with what they have left behind."""
    faults, number = require_admin(request).faults, request.path_params.get("number")
    if number is None:
        faults.clear()
    elif not faults.remove(number):
        raise Refusal(404, f"There is no fault {number}.")
    return Response(status_code=204)


async def metrics(request: Request) -> Response:
    """Tell how many requests were answered how, in Prometheus' text format."""
    return PlainTextResponse(require_admin(request).journal.metrics(), media_type="text/plain; version=0.0.4")


ROUTES = [
    Route("/sandbox/metrics", metrics),
    Route("/sandbox/faults", list_faults, methods=["GET"]),
    Route("/sandbox/faults", add_fault, methods=["POST"]),
    Route("/sandbox/faults", clear_faults, methods=["DELETE"]),
    Route("/sandbox/faults/{number:int}", clear_faults, methods=["DELETE"]),
]
