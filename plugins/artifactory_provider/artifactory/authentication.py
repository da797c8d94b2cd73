"""The ways to say to Artifactory who is asking. Secrets are kept out of every ``repr``."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Protocol

from artifactory_provider.artifactory.errors import InvalidSettings


class Authentication(Protocol):
    """What turns credentials into request headers."""

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate one request."""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """No credentials: only for servers that allow anonymous access."""

    def headers(self) -> dict[str, str]:
        """Return no headers."""
        return {}


@dataclass(frozen=True, slots=True)
class Basic:
    """User name with a password, an API key, or an identity token in its place.

    :param username: the Artifactory user.
    :param password: the password or token.
    """

    username: str
    password: str = field(repr=False)

    def headers(self) -> dict[str, str]:
        """Return the ``Authorization: Basic`` header."""
        credentials = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {credentials}"}


@dataclass(frozen=True, slots=True)
class Bearer:
    """An access token, identity token or reference token.

    :param token: the token.
    :raises InvalidSettings: when it holds characters that no HTTP header can carry.
    """

    token: str = field(repr=False)

    def __post_init__(self) -> None:
        _check_header_value(self.token, "access token")

    def headers(self) -> dict[str, str]:
        """Return the ``Authorization: Bearer`` header."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A legacy API key; creating one is disabled from Artifactory 7.98 on.

    :param key: the API key.
    :raises InvalidSettings: when it holds characters that no HTTP header can carry.
    """

    key: str = field(repr=False)

    def __post_init__(self) -> None:
        _check_header_value(self.key, "API key")

    def headers(self) -> dict[str, str]:
        """Return the ``X-JFrog-Art-Api`` header."""
        return {"X-JFrog-Art-Api": self.key}


def _check_header_value(secret: str, what: str) -> None:
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise InvalidSettings(
            f"The {what} of the connection is empty, or holds spaces, line breaks or non-ASCII characters: "
            "copy it again, without quotes and line breaks."
        )
