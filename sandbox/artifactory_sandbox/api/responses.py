"""The shapes of answers: JSON as Artifactory prints it, refusals as Artifactory and the registry API report them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from artifactory_sandbox.errors import Failure, OAuthRefusal, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from artifactory_sandbox.api.addressing import Address
    from artifactory_sandbox.errors import Refusal

_REGISTRY_CODES = {
    401: "UNAUTHORIZED",
    403: "DENIED",
    404: "NAME_UNKNOWN",
    405: "UNSUPPORTED",
    413: "SIZE_INVALID",
    429: "TOOMANYREQUESTS",
}


def refuse(refusal: Refusal, where: Address) -> Response:
    """Return the answer to a request that is refused.

    :param refusal: why.
    :param where: where the request went, which decides the shape.
    """
    code = refusal.code
    match refusal:
        case OAuthRefusal():
            return JSONResponse({"error": refusal.error, "error_description": refusal.message}, refusal.status)
        case Unauthenticated():
            return _ask_for_credentials(refusal, where)
        case Failure() if where.is_registry:
            code = code or _REGISTRY_CODES.get(refusal.status, "UNKNOWN")
    if code is None:
        errors = {"errors": [{"status": refusal.status, "message": refusal.message}]}
        return json_response(errors, refusal.status, refusal.headers)
    return _registry_error(refusal.status, code, refusal.message, detail=refusal.detail, headers=refusal.headers)


def _ask_for_credentials(refusal: Unauthenticated, where: Address) -> Response:
    """Ask for them: the registry API with a Bearer challenge, all else and the token endpoint with Basic."""
    if where.docker_root and not where.path.endswith("/v2/token"):
        headers = {"WWW-Authenticate": where.challenge}
        return _registry_error(refusal.status, "UNAUTHORIZED", "authentication required", headers=headers)
    errors = {"errors": [{"status": refusal.status, "message": refusal.message}]}
    return json_response(errors, refusal.status, {"WWW-Authenticate": 'Basic realm="Artifactory Realm"'})


def _registry_error(
    status: int, code: str, message: str, *, detail: object = None, headers: Mapping[str, str] | None = None
) -> Response:
    error = {"code": code, "message": message, "detail": detail}
    body = json.dumps({"errors": [error]}, separators=(",", ":"))
    return Response(body, status, headers, "application/json;charset=ISO-8859-1")


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON, printed as Artifactory prints it."""
    return Response(pretty(value), status, headers, "application/json")


def pretty(value: object, level: int = 0) -> str:
    """Print a JSON value the way Artifactory does: two spaces, `" : "`, arrays on one line.

    :param value: dictionaries, lists and scalars.
    :param level: how deep the value stands.
    """
    if isinstance(value, dict) and value:
        inner = "  " * (level + 1)
        members = (f"{inner}{json.dumps(key)} : {pretty(item, level + 1)}" for key, item in value.items())
        return "{\n" + ",\n".join(members) + "\n" + "  " * level + "}"
    if isinstance(value, list | tuple):
        return "[ " + ", ".join(pretty(item, level) for item in value) + " ]" if value else "[ ]"
    return "{ }" if isinstance(value, dict) else json.dumps(value)
