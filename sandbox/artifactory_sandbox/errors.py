"""Refusals and the shapes in which Artifactory and the Docker registry API report them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

REALM = 'Basic realm="Artifactory Realm"'
UNEXPECTED = "An unexpected error has occurred, please check Artifactory logs for further details."

_REGISTRY_CODES = {
    401: "UNAUTHORIZED",
    403: "DENIED",
    404: "NAME_UNKNOWN",
    405: "UNSUPPORTED",
    413: "SIZE_INVALID",
    429: "TOOMANYREQUESTS",
}


class Refusal(Exception):
    """A request that is answered with an error, in the shape of the API that it was made to.

    :param status: HTTP status.
    :param message: what was wrong, for people.
    :param code: error code of the OCI distribution specification; makes the answer a registry error.
    :param detail: what a registry error is about.
    :param headers: further response headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        detail: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})


class Unauthenticated(Refusal):
    """No credentials, or wrong ones; each API asks for them in its own way."""

    def __init__(self, message: str = "Authentication is required") -> None:
        super().__init__(401, message)


class Forbidden(Refusal):
    """A permission is missing; each API says so in its own shape."""

    def __init__(self, message: str = "Forbidden") -> None:
        super().__init__(403, message)


class OAuthRefusal(Refusal):
    """A request for a token that is refused as OAuth 2.0 has it (RFC 6749, section 5.2)."""

    def __init__(self, error: str, message: str, *, status: int = 400) -> None:
        super().__init__(status, message)
        self.error = error


def registry_code(status: int) -> str:
    """Return the code of the OCI distribution specification that fits an HTTP status best."""
    return _REGISTRY_CODES.get(status, "UNKNOWN")


def rest_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with Artifactory's `{"errors": [{"status", "message"}]}`, printed as Artifactory prints it."""
    body = pretty({"errors": [{"status": status, "message": message}]})
    return Response(body, status, headers=headers, media_type="application/json")


def registry_response(
    status: int, code: str, message: str, detail: object = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with the registry API's `{"errors": [{"code", "message", "detail"}]}`."""
    body = json.dumps({"errors": [{"code": code, "message": message, "detail": detail}]}, separators=(",", ":"))
    return Response(body, status, headers=headers, media_type="application/json;charset=ISO-8859-1")


def json_response(value: object, status: int = 200) -> Response:
    """Answer with JSON, printed as Artifactory prints it."""
    return Response(pretty(value), status, media_type="application/json")


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
