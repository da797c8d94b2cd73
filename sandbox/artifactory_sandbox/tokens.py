"""Tokens: signed ones, reference tokens that stand for one, and the endpoints that give, refresh, list and revoke them.

There are Access's own endpoints, the legacy one, and OIDC's exchange of another system's identity tokens.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import json
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

import jwt
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from artifactory_sandbox.calls import Call, call_of, read_limited
from artifactory_sandbox.config import OidcMapping, OidcProvider, first_problem
from artifactory_sandbox.errors import Forbidden, OAuthRefusal, Refusal, Unauthenticated

if TYPE_CHECKING:
    import sqlite3

    from jwt.types import Options
    from starlette.requests import Request

    from artifactory_sandbox.metadata import Database

USER_SCOPE = "applied-permissions/user"
# What reference tokens begin with, so that no other password is looked up as one.
REFERENCE_PREFIX = "cmVmdGtu"
_TOKENS = "/access/api/v1/tokens"
_LEGACY = "/api/security/token"
_OIDC = "/access/api/v1/oidc/token"
# Refreshing and exchanging need no other credentials than the token that is sent, expired ones included.
PATHS = frozenset({_TOKENS, _LEGACY, _OIDC})
_DEFAULT_SECONDS = {_TOKENS: 365 * 24 * 3600, _LEGACY: 3600}
_INVALID = "Token failed verification: {}"
# Only what is verified by a public key: the keys of a configuration are no secrets.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class Token(NamedTuple):
    """Who holds a token, what for, and until when: a row of the table, with hashes of what stands for it."""

    identifier: str
    username: str
    scope: str
    issued: int
    expires: int | None
    refresh: bytes | None = None
    reference: bytes | None = None
    is_revoked: bool = False


class Wish(BaseModel):
    """What a client asks for; the fields of all three endpoints, and others are ignored."""

    model_config = {"frozen": True}

    grant_type: str = "client_credentials"
    username: str = ""
    scope: str = USER_SCOPE
    expires_in: int | None = Field(default=None, ge=0, le=100 * 365 * 24 * 3600)
    refreshable: bool = False
    include_reference_token: bool = False
    refresh_token: str = ""
    subject_token: str = ""
    provider_name: str = ""
    identity_mapping_name: str | None = None
    token: str = ""
    token_id: str = ""


class Tokens:
    """The tokens of one sandbox.

    :param database: where what can be refreshed, looked up or revoked is kept, by hash.
    :param signing_key: of the signed tokens.
    :param service_id: the sandbox's own identity, as it stands in tokens.
    """

    def __init__(self, database: Database, signing_key: str, service_id: str) -> None:
        self._database = database
        self._signing_key = signing_key
        self._issuer = f"jfrt@{service_id}"
        with database.reading() as tx:
            self._revoked = {identifier for (identifier,) in tx.execute("SELECT id FROM tokens WHERE is_revoked")}

    def sign(self, username: str, scope: str, seconds: int) -> tuple[Token, str]:
        """Make a token of which nothing is kept: it cannot be refreshed or revoked.

        :param seconds: how long it is good for; 0 for ever.
        """
        now = int(time.time())
        made = Token(secrets.token_hex(16), username, scope, now, now + seconds if seconds else None)
        subject = f"{self._issuer}/users/{username}"
        claims = {"sub": subject, "scp": scope, "iss": self._issuer, "iat": now, "jti": made.identifier}
        if seconds:
            claims["exp"] = made.expires
        return made, jwt.encode(claims, self._signing_key, algorithm="HS256")

    def issue(self, tx: sqlite3.Connection, wish: Wish) -> dict[str, object]:
        """Make a token that can be revoked, and with a refresh token or a reference token where asked for.

        :returns: what the client who asked for it is told.
        """
        made, access = self.sign(wish.username, wish.scope, wish.expires_in or 0)
        refresh = secrets.token_urlsafe(48) if wish.refreshable else None
        text = f"reftkn:01:{made.expires or 0:010}:{secrets.token_urlsafe(20)}"
        reference = base64.b64encode(text.encode()).decode() if wish.include_reference_token else None
        kept = made._replace(refresh=_hash(refresh), reference=_hash(reference))
        tx.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?)", kept)
        fields = {
            "token_id": made.identifier,
            "access_token": access,
            "scope": wish.scope,
            "token_type": "Bearer",
            "expires_in": wish.expires_in or None,
            "refresh_token": refresh,
            "reference_token": reference,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def refresh(self, tx: sqlite3.Connection, wish: Wish) -> dict[str, object]:
        """Exchange a refresh token for new tokens of the same user and scope; the old ones are good no more.

        :param wish: with how long the new one is good for; None for as long as the old one was.
        :raises OAuthRefusal: when it is none that can be refreshed.
        """
        query = "SELECT * FROM tokens WHERE refresh = ? AND NOT is_revoked"
        row = tx.execute(query, (_hash(wish.refresh_token),)).fetchone()
        if row is None:
            raise OAuthRefusal("invalid_grant", "the refresh token is unknown, used up or revoked")
        old = Token(*row)
        self.revoke(tx, old.identifier)
        lifetime = old.expires - old.issued if old.expires else None
        again = {
            "username": old.username,
            "scope": old.scope,
            "expires_in": lifetime if wish.expires_in is None else wish.expires_in,
            "refreshable": True,
            "include_reference_token": old.reference is not None,
        }
        return self.issue(tx, wish.model_copy(update=again))

    async def verify(self, token: str) -> Token:
        """Return what a signed or a reference token stands for.

        :raises Unauthenticated: when it is not one of this sandbox's, has expired or was revoked.
        """
        if token.startswith(REFERENCE_PREFIX):
            query = "SELECT * FROM tokens WHERE reference = ?"
            row = await self._database.read(lambda tx: tx.execute(query, (_hash(token),)).fetchone())
        else:
            row = self._decode(token)
        if row is None:
            raise Unauthenticated(_INVALID.format("parse"))
        found = Token(*row)
        if found.identifier in self._revoked:
            raise Unauthenticated(_INVALID.format("revoked"))
        if found.expires is not None and found.expires <= time.time():
            raise Unauthenticated(_INVALID.format("expired"))
        return found

    def revoke(self, tx: sqlite3.Connection, identifier: str, holder: str | None = None) -> bool:
        """Make a token good for nothing; tell whether it was good for something.

        :param holder: the only user whose tokens are meant, or None.
        """
        query = "UPDATE tokens SET is_revoked = 1 WHERE id = ? AND NOT is_revoked AND username = coalesce(?, username)"
        if not tx.execute(query, (identifier, holder)).rowcount:
            return False
        self._revoked.add(identifier)
        return True

    async def list(self, holder: str | None) -> list[dict[str, object]]:
        """Return the tokens that have not been revoked, as Access lists them; of one user, or of all."""
        query = "SELECT * FROM tokens WHERE NOT is_revoked AND username = coalesce(?, username) ORDER BY issued, id"
        rows = await self._database.read(lambda tx: tx.execute(query, (holder,)).fetchall())
        return [
            {
                "token_id": one.identifier,
                "subject": f"{self._issuer}/users/{one.username}",
                "issued_at": one.issued,
                "expiry": one.expires,
                "refreshable": one.refresh is not None,
            }
            for one in map(Token._make, rows)
        ]

    def _decode(self, token: str) -> Token | None:
        try:
            claims = jwt.decode(token, self._signing_key, algorithms=["HS256"], options={"verify_exp": False})
        except jwt.InvalidTokenError:
            return None
        name = claims["sub"].partition("/users/")[2]
        return Token(claims["jti"], name, claims["scp"], claims["iat"], claims.get("exp"))


async def create_token(request: Request) -> Response:
    """Give a token to whoever asks with credentials, or new tokens for a refresh token."""
    call, wish = call_of(request), await _wish(request)
    give = call.service.access.tokens.issue
    if wish.grant_type == "refresh_token":
        give = call.service.access.tokens.refresh
    elif wish.grant_type == "client_credentials":
        wish = _entitled(await _authenticated(request), wish)
    else:
        raise OAuthRefusal("unsupported_grant_type", "grant_type must be client_credentials or refresh_token")
    answer = await call.service.database.write(lambda tx: give(tx, wish))
    if call.address.path == _LEGACY:
        del answer["token_id"]
    return JSONResponse(answer)


def _entitled(call: Call, wish: Wish) -> Wish:
    """Return a wish with what it left out, if the user may have a token like that."""
    seconds = _DEFAULT_SECONDS[call.address.path] if wish.expires_in is None else wish.expires_in
    wish = wish.model_copy(update={"username": wish.username or call.user.name, "expires_in": seconds})
    wanted = call.service.access.user_of(wish.username, wish.scope)
    if wanted is None:
        problem = f"the scope is not understood, or there is no user {wish.username[:100]!r}"
        raise OAuthRefusal("invalid_scope", problem)
    if not call.user.is_admin and not wanted.is_within(call.user):
        raise Forbidden
    return wish


async def exchange_identity(request: Request) -> Response:
    """Give a token for another system's identity token (OIDC); it cannot be refreshed, only exchanged again."""
    call, wish = call_of(request), await _wish(request)
    if wish.grant_type != "urn:ietf:params:oauth:grant-type:token-exchange":
        raise OAuthRefusal("unsupported_grant_type", "grant_type must be that of a token exchange")
    provider = call.service.config.oidc.get(wish.provider_name)
    if provider is None:
        raise OAuthRefusal("invalid_request", "there is no OIDC provider of that provider_name")
    mapping, subject = _identify(provider, wish.subject_token, wish.identity_mapping_name)
    scope = USER_SCOPE if mapping.username else f"applied-permissions/groups:{','.join(mapping.groups)}"
    # The subject is for others to choose: it must not be the name of a user, whose permissions it would have.
    username = mapping.username or f"oidc-{subject.rpartition('/')[2]}"
    granted = {"username": username, "scope": scope, "expires_in": mapping.expires_in, "refreshable": False}
    issue, wish = call.service.access.tokens.issue, wish.model_copy(update=granted)
    answer = await call.service.database.write(lambda tx: issue(tx, wish))
    del answer["token_id"]
    kind = "urn:ietf:params:oauth:token-type:access_token"
    return JSONResponse({"issued_token_type": kind, "username": username} | answer)


def _identify(provider: OidcProvider, token: str, mapping_name: str | None) -> tuple[OidcMapping, str]:
    """Return the mapping that an identity token fits, and the token's subject.

    :param mapping_name: the only mapping to look at, if any.
    :raises OAuthRefusal: when the token is not the provider's, has expired, or fits none.
    """
    options: Options = {"require": ["exp", "iss", "sub"], "verify_aud": provider.audience is not None}
    try:
        key = jwt.PyJWKSet(list(provider.keys))[jwt.get_unverified_header(token).get("kid", "")]
        claims = jwt.decode(
            token, key, algorithms=_ALGORITHMS, issuer=provider.issuer, audience=provider.audience, options=options
        )
        for mapping in provider.mappings:
            fits = (fnmatch.fnmatchcase(str(claims.get(name, "")), value) for name, value in mapping.claims.items())
            if mapping_name in {None, "", mapping.name} and all(fits):
                return mapping, str(claims["sub"])
        problem = "the identity token fits no identity mapping"
    except KeyError:
        problem = "the identity token is not signed by a known key"
    except jwt.PyJWTError as error:
        problem = f"the identity token is not accepted: {error}"
    raise OAuthRefusal("invalid_grant", problem, status=401)


async def list_tokens(request: Request) -> Response:
    """List the tokens that can be revoked: one's own, or all for an administrator."""
    call = await _authenticated(request)
    return JSONResponse({"tokens": await call.service.access.tokens.list(_holder(call))})


async def revoke_token(request: Request) -> Response:
    """Revoke a token by its id."""
    if not await _revoke(call_of(request), request.path_params["identifier"]):
        raise Refusal(404, "Token not found")
    return Response(status_code=200)


async def revoke_legacy_token(request: Request) -> Response:
    """Revoke a token by itself or by its id; answers with a line of text."""
    call, wish = call_of(request), await _wish(request)
    try:
        identifier = wish.token_id or (await call.service.access.tokens.verify(wish.token)).identifier
    except Unauthenticated:
        return PlainTextResponse("Token not found")
    return PlainTextResponse("Token revoked" if await _revoke(call, identifier) else "Token not found")


async def _revoke(call: Call, identifier: str) -> bool:
    revoke = call.service.access.tokens.revoke
    is_done = await call.service.database.write(lambda tx: revoke(tx, identifier, _holder(call)))
    if not is_done and not call.user.is_admin:
        raise Forbidden
    return is_done


def _holder(call: Call) -> str | None:
    """Return whose tokens the user may list and revoke; None for all."""
    return None if call.user.is_admin else call.user.name


async def _authenticated(request: Request) -> Call:
    """Check the credentials of a request that may come without."""
    call = call_of(request)
    request.state.call = replace(call, user=await call.service.access.identify(request.headers))
    return call_of(request)


async def _wish(request: Request) -> Wish:
    body = await read_limited(request)
    try:
        is_json = "json" in request.headers.get("content-type", "")
        values = json.loads(body).items() if is_json else parse_qsl(body.decode("utf-8", "replace"))
        return Wish.model_validate({key: value for key, value in values if value is not None})
    except ValidationError as error:
        raise OAuthRefusal("invalid_request", first_problem(error)) from None
    except (ValueError, RecursionError, AttributeError):
        raise Refusal(400, "The request body is not a JSON object.") from None


def _hash(token: str | None) -> bytes | None:
    """Return the hash that stands for a token; tokens are long and random, so a fast one is as good as a slow one."""
    return None if token is None else hashlib.sha256(token.encode()).digest()


ROUTES = [
    Route(_TOKENS, create_token, methods=["POST"]),
    Route(_TOKENS, list_tokens, methods=["GET"]),
    Route(_TOKENS + "/{identifier}", revoke_token, methods=["DELETE"]),
    Route(_LEGACY, create_token, methods=["POST"]),
    Route(_LEGACY + "/revoke", revoke_legacy_token, methods=["POST"]),
    Route(_OIDC, exchange_identity, methods=["POST"]),
]
