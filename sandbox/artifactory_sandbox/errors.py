"""Refusals and the shapes in which Artifactory and the Docker registry API report them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from artifactory_sandbox.addressing import Address

_REGISTRY_CODES = {
    401: "UNAUTHORIZED",
    403: "DENIED",
    404: "NAME_UNKNOWN",
    405: "UNSUPPORTED",
    413: "SIZE_INVALID",
    429: "TOOMANYREQUESTS",
}


class Refusal(Exception):
    """A request that is answered with an error: a registry's if it has a code, else Artifactory's own.

    :param status: HTTP status.
    :param message: what was wrong, for people.
    :param code: error code of the OCI distribution specification.
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
        self.headers = headers

    def response(self, where: Address) -> Response:
        """Return the answer; Artifactory's is `{"errors": [{"status", "message"}]}`, printed as Artifactory does."""
        if self.code is None:
            return json_response(
                {"errors": [{"status": self.status, "message": self.message}]}, self.status, self.headers
            )
        error = {"code": self.code, "message": self.message, "detail": self.detail}
        body = json.dumps({"errors": [error]}, separators=(",", ":"))
        return Response(body, self.status, self.headers, "application/json;charset=ISO-8859-1")


class Failure(Refusal):
    """What can happen to any request, so that each API says it in its own shape."""

    def response(self, where: Address) -> Response:
        """Return the answer, with the code of the OCI distribution specification that fits the status best."""
        if where.is_registry:
            self.code = self.code or _REGISTRY_CODES.get(self.status, "UNKNOWN")
        return super().response(where)


class Forbidden(Failure):
    """A permission is missing."""

    def __init__(self, message: str = "Forbidden") -> None:
        super().__init__(403, message)


class Unauthenticated(Refusal):
    """No credentials, or wrong ones."""

    def __init__(self, message: str = "Authentication is required") -> None:
        super().__init__(401, message)

    def response(self, where: Address) -> Response:
        """Ask for credentials: the registry API with a Bearer challenge, all else and the token endpoint with Basic."""
        challenge = 'Basic realm="Artifactory Realm"'
        if where.docker_root and not where.path.endswith("/v2/token"):
            self.code, self.message, challenge = "UNAUTHORIZED", "authentication required", where.challenge
        self.headers = {"WWW-Authenticate": challenge}
        return super().response(where)


class OAuthRefusal(Refusal):
    """A request for a token that is refused as OAuth 2.0 has it (RFC 6749, section 5.2)."""

    def __init__(self, error: str, message: str, *, status: int = 400) -> None:
        super().__init__(status, message)
        self.error = error

    def response(self, where: Address) -> Response:
        """Return the answer."""
        return JSONResponse({"error": self.error, "error_description": self.message}, self.status)


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
