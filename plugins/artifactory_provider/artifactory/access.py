"""JFrog Access, the part of the platform that gives tokens, and the credentials that it keeps good.

Sources: JFrog's REST API documentation ("Refresh Token", "OIDC Token Exchange").
"""

from __future__ import annotations

import asyncio
import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.authentication import Bearer, IdentityExchange, InBody, RefreshableToken
from artifactory_provider.artifactory.credentials import FixedCredentials, IssuedToken, RenewedCredentials
from artifactory_provider.artifactory.errors import AuthenticationFailed, InvalidSettings, UnexpectedAnswer
from artifactory_provider.artifactory.tokens import lifetime_of
from artifactory_provider.artifactory.transport import JSON, BodyReading, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from artifactory_provider.artifactory.answers import Answer
    from artifactory_provider.artifactory.authentication import Renewable
    from artifactory_provider.artifactory.credentials import Credentials
    from artifactory_provider.artifactory.settings import ServerSettings

_TOKENS = "access/api/v1/tokens"
_EXCHANGE = "access/api/v1/oidc/token"
# All but those of the way: a proxy that wants credentials, a limit of requests, a server that fails.
_ANSWERS = frozenset({200, *range(400, 500)} - {407, 429})
_LARGEST_TOKEN = 64 * 1024
_READING = BodyReading(largest=1024 * 1024)

_renewed: dict[tuple[str, Renewable], RenewedCredentials] = {}


def credentials_of(settings: ServerSettings) -> Credentials:
    """Return the credentials that settings name; those that are renewed are shared by the whole process.

    A server may take a refresh token only once, so what it was renewed to has to outlive the client that did it.

    :param settings: how the server is reached.
    """
    authentication = settings.authentication
    if not isinstance(authentication, RefreshableToken | IdentityExchange):
        return FixedCredentials(authentication)
    ask = partial(request_token, settings)
    credentials = _renewed.setdefault((settings.base_url, authentication), RenewedCredentials(authentication, ask))
    # The newest settings count: a certificate or a proxy may have been put right since.
    credentials.ask = ask
    return credentials


def _forget_renewals() -> None:
    for credentials in _renewed.values():
        credentials.forget_renewal()


os.register_at_fork(after_in_child=_forget_renewals)


def request_token(settings: ServerSettings, renewable: Renewable) -> IssuedToken:
    """Ask for a new access token. This blocks, and must not be called where an event loop runs.

    :param settings: how the server is reached.
    :param renewable: what the token is asked for with.
    :raises AuthenticationFailed: when the server does not accept it.
    :raises InvalidSettings: when the file with the identity token cannot be used.
    """
    if isinstance(renewable, IdentityExchange):
        path, secret = _EXCHANGE, _read_identity(renewable.token_file)
        fields = _exchange_fields(renewable, secret)
    else:
        path, secret = _TOKENS, renewable.refresh_token
        fields = {"grant_type": "refresh_token", "refresh_token": secret, "refreshable": True}
    answer = asyncio.run(_post(settings, path, fields, secret=secret))
    if answer.status != 200:
        # Never "not found" or "refused": to the request that waits for the token, these are answers.
        said = f": {answer.detail}" if answer.detail else ""
        raise AuthenticationFailed(
            f"{answer.endpoint} answered {answer.status}{said.rstrip('.')}. {_advise(answer, renewable)}",
            status=answer.status,
            endpoint=answer.endpoint,
            detail=answer.detail,
        )
    return _read_token(answer, renewable)


def _advise(answer: Answer, renewable: Renewable) -> str:
    if answer.status in {404, 405}:
        return (
            "No tokens are given there: the connection's host must lead to the whole platform, in which /access lies "
            "beside /artifactory."
        )
    if isinstance(renewable, IdentityExchange):
        return (
            f"The identity token of oidc_token_file was not accepted: check that there is an OIDC provider "
            f"{renewable.provider!r}, and that its identity mappings, audience and project fit the token."
        )
    return (
        "The refresh token of the connection was not accepted. It may be good only once: if another process has used "
        "it, put a new access token and its refresh token into the connection. Where many tasks share a connection, "
        "use OIDC instead."
    )


def _read_identity(path: str) -> str:
    try:
        with Path(path).open(encoding="ascii") as file:
            token = file.read(_LARGEST_TOKEN).strip()
    except UnicodeDecodeError:
        token = ""
    except OSError as error:
        raise InvalidSettings(
            f"The identity token cannot be read from {path} ({error.strerror}): check oidc_token_file of the "
            "connection, and that the token is projected to where this runs."
        ) from error
    if not token or not token.isprintable() or " " in token:
        raise InvalidSettings(f"The file {path} holds no identity token: check oidc_token_file of the connection.")
    return token


def _exchange_fields(exchange: IdentityExchange, token: str) -> dict[str, Any]:
    fields = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "subject_token": token,
        "provider_name": exchange.provider,
        "project_key": exchange.project_key,
        "audience": exchange.audience,
        "identity_mapping_name": exchange.identity_mapping,
    }
    return {name: value for name, value in fields.items() if value is not None}


async def _post(settings: ServerSettings, path: str, fields: Mapping[str, Any], *, secret: str) -> Answer:
    """Ask Access, which lies beside Artifactory at the platform's root.

    Asked again after an unclear end: if the server did answer, its answer and the new tokens are lost either way.
    """
    root = settings.base_url.rstrip("/").removesuffix("/artifactory")
    async with Transport(settings, FixedCredentials(InBody(secret))) as transport:
        return await transport.request(
            "POST",
            f"{root}/{path}",
            headers=JSON,
            data=json.dumps(fields),
            repeatable=True,
            allowed=_ANSWERS,
            reading=_READING,
        )


def _read_token(answer: Answer, renewable: Renewable) -> IssuedToken:
    try:
        document = answer.json()
        bearer = Bearer(document["access_token"])
        seconds = _seconds_of_life(document.get("expires_in"), bearer.token)
        if isinstance(renewable, RefreshableToken):
            refresh_token = document.get("refresh_token") or renewable.refresh_token
            renewable = RefreshableToken(access_token=bearer.token, refresh_token=refresh_token)
    except (AttributeError, InvalidSettings, KeyError, OverflowError, TypeError, UnexpectedAnswer):
        # From None, and without the server's words: the tokens may be among them.
        raise UnexpectedAnswer(
            f"{answer.endpoint} answered 200 with {answer.description} that holds no token: check that the "
            "connection's host is the platform's own URL and that no proxy or login page stands before it.",
            status=answer.status,
            endpoint=answer.endpoint,
        ) from None
    return IssuedToken(bearer, renewable, seconds)


def _seconds_of_life(expires_in: Any, token: str) -> float | None:
    if isinstance(expires_in, int | float) and expires_in > 0:
        return float(expires_in)
    lifetime = lifetime_of(token)
    return max(0.0, lifetime.end - lifetime.start) if lifetime else None
