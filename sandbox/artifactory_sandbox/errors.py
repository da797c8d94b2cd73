"""Refusals: why a request cannot be done, whatever shape the answer takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


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


class Failure(Refusal):
    """What can happen to any request, so that each API says it in its own shape."""


class Forbidden(Failure):
    """A permission is missing."""

    def __init__(self, message: str = "Forbidden") -> None:
        super().__init__(403, message)


class Unauthenticated(Refusal):
    """No credentials, or wrong ones."""

    def __init__(self, message: str = "Authentication is required") -> None:
        super().__init__(401, message)


class OAuthRefusal(Refusal):
    """A request for a token that is refused as OAuth 2.0 has it (RFC 6749, section 5.2)."""

    def __init__(self, error: str, message: str, *, status: int = 400) -> None:
        super().__init__(status, message)
        self.error = error
