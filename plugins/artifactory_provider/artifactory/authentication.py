"""The ways to say to Artifactory who is asking. Secrets are kept out of every ``repr``."""

from __future__ import annotations

import base64
import unicodedata
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias
from urllib.parse import unquote, urlsplit

from artifactory_provider.artifactory.errors import InvalidSettings


class Authentication(Protocol):
    """What turns credentials into request headers."""

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate one request."""

    def secrets(self) -> tuple[str, ...]:
        """Return what must be shown nowhere, in every form in which a server could send it back."""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """No credentials: only for servers that allow anonymous access."""

    def headers(self) -> dict[str, str]:
        """Return no headers."""
        return {}

    def secrets(self) -> tuple[str, ...]:
        """Return nothing: there is no secret."""
        return ()


@dataclass(frozen=True, slots=True)
class Basic:
    """User name with a password, an API key, or an identity token in its place.

    :param username: the Artifactory user.
    :param password: the password or token.
    :raises InvalidSettings: when they cannot be sent: RFC 7617 allows no colon in the user name, and no control
        characters.
    """

    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if ":" in self.username or any(map(_is_control, self.username + self.password)):
            raise InvalidSettings(
                "The login of the connection holds a colon, or login or password hold line breaks or other control "
                "characters: copy them again."
            )

    def headers(self) -> dict[str, str]:
        """Return the ``Authorization: Basic`` header."""
        return {"Authorization": f"Basic {self._encode()}"}

    def secrets(self) -> tuple[str, ...]:
        """Return the password, plain and as it is sent."""
        return self.password, self._encode()

    def _encode(self) -> str:
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


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

    def secrets(self) -> tuple[str, ...]:
        """Return the token."""
        return (self.token,)


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

    def secrets(self) -> tuple[str, ...]:
        """Return the key."""
        return (self.key,)


@dataclass(frozen=True, slots=True)
class InBody:
    """Credentials that stand in the body of a request, as those do that are exchanged for a token.

    :param secret: what stands there.
    """

    secret: str = field(repr=False)

    def headers(self) -> dict[str, str]:
        """Return no headers."""
        return {}

    def secrets(self) -> tuple[str, ...]:
        """Return what stands in the body."""
        return (self.secret,)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshableToken:
    """An access token with the refresh token that gets the next pair of both.

    :param access_token: the access token; None to begin with the refresh token.
    :param refresh_token: the refresh token. A server may take it only once.
    :raises InvalidSettings: when one holds characters that no HTTP header can carry.
    """

    access_token: str | None = field(default=None, repr=False)
    refresh_token: str = field(repr=False)

    def __post_init__(self) -> None:
        if self.access_token is not None:
            _check_header_value(self.access_token, "access token")
        _check_header_value(self.refresh_token, "refresh token")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityExchange:
    """Another system's identity token (OIDC), which Artifactory exchanges for an access token of its own.

    :param provider: the OIDC provider's name, as Artifactory's administrator has set it up.
    :param token_file: the file with the identity token, read anew at each exchange: who projects it renews it.
    :param project_key: the JFrog project that the provider belongs to, if it belongs to one.
    :param audience: the audience to name in the exchange, where the provider asks for one.
    :param identity_mapping: the name of the identity mapping to use, where more than one fits.
    """

    provider: str
    token_file: str
    project_key: str | None = None
    audience: str | None = None
    identity_mapping: str | None = None


Renewable: TypeAlias = RefreshableToken | IdentityExchange
"""What new access tokens can be asked for with."""


def proxy_credentials(url: str | None) -> Basic | Anonymous:
    """Return the credentials that stand in a proxy's URL, decoded.

    :param url: the URL, or None where there is no proxy.
    """
    parts = urlsplit(url or "")
    if not parts.username and not parts.password:
        return Anonymous()
    return Basic(unquote(parts.username or ""), unquote(parts.password or ""))


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"}


def _check_header_value(secret: str, what: str) -> None:
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise InvalidSettings(
            f"The {what} of the connection is empty, or holds spaces, line breaks or non-ASCII characters: "
            "copy it again, without quotes and line breaks."
        )
