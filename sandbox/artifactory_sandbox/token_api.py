"""The endpoints that give, refresh, list and revoke tokens: Access's own, the legacy one, and OIDC's exchange."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, Field, ValidationError
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from artifactory_sandbox.calls import Call, call_of, read_limited
from artifactory_sandbox.config import first_problem
from artifactory_sandbox.errors import Forbidden, OAuthRefusal, Refusal, Unauthenticated
from artifactory_sandbox.tokens import USER_SCOPE, IssuedTokens

if TYPE_CHECKING:
    from starlette.requests import Request

    from artifactory_sandbox.access import User

TOKENS = "/access/api/v1/tokens"
LEGACY = "/api/security/token"
OIDC = "/access/api/v1/oidc/token"
# Refreshing and exchanging need no other credentials than the token that is sent, expired ones included.
PATHS = frozenset({TOKENS, LEGACY, OIDC})
_LONGEST = 100 * 365 * 24 * 3600
_DEFAULT_SECONDS = {TOKENS: 365 * 24 * 3600, LEGACY: 3600}


class _Wish(BaseModel):
    """What a client asks for; the fields of all three endpoints, and others are ignored."""

    grant_type: str = "client_credentials"
    username: str = ""
    scope: str = USER_SCOPE
    expires_in: int | None = Field(default=None, ge=0, le=_LONGEST)
    refreshable: bool = False
    include_reference_token: bool = False
    refresh_token: str = ""
    subject_token: str = ""
    provider_name: str = ""
    identity_mapping_name: str | None = None
    token: str = ""
    token_id: str = ""


async def create_token(request: Request) -> Response:
    """Give a token to whoever asks with credentials, or new tokens for a refresh token."""
    call, wish = call_of(request), await _wish(request)
    if wish.grant_type == "refresh_token":
        issued = await call.service.access.tokens.refresh(wish.refresh_token, wish.expires_in)
        if issued is None:
            raise OAuthRefusal("invalid_grant", "the refresh token is unknown, used up or revoked")
    elif wish.grant_type == "client_credentials":
        issued = await _create(request, wish)
    else:
        raise OAuthRefusal("unsupported_grant_type", "grant_type must be client_credentials or refresh_token")
    more = {"token_id": issued.grant.identifier} if call.address.path == TOKENS else {}
    return JSONResponse(more | issued.answer())


async def exchange_identity(request: Request) -> Response:
    """Give a token for another system's identity token (OIDC); it cannot be refreshed, only exchanged again."""
    call, wish = call_of(request), await _wish(request)
    if wish.grant_type != "urn:ietf:params:oauth:grant-type:token-exchange":
        raise OAuthRefusal("unsupported_grant_type", "grant_type must be that of a token exchange")
    provider = call.service.config.oidc.get(wish.provider_name)
    if provider is None:
        raise OAuthRefusal("invalid_request", "there is no OIDC provider of that provider_name")
    mapping, subject = provider.identify(wish.subject_token, wish.identity_mapping_name or None)
    scope = USER_SCOPE if mapping.username else f"applied-permissions/groups:{','.join(mapping.groups)}"
    # The subject is for others to choose: it must not be the name of a user, whose permissions it would have.
    username = mapping.username or f"oidc-{subject.rpartition('/')[2]}"
    issued = await call.service.access.tokens.issue(
        username, scope, mapping.expires_in, has_reference=wish.include_reference_token
    )
    kind = "urn:ietf:params:oauth:token-type:access_token"
    return JSONResponse({"issued_token_type": kind, "username": username} | issued.answer())


async def list_tokens(request: Request) -> Response:
    """List the tokens that can be revoked: one's own, or all for an administrator."""
    call = await _authenticated(request)
    entries = await call.service.access.tokens.list("" if call.user.is_admin else call.user.name)
    return JSONResponse({"tokens": entries})


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


async def _create(request: Request, wish: _Wish) -> IssuedTokens:
    call = await _authenticated(request)
    user, access, path = call.user, call.service.access, call.address.path
    username = wish.username or user.name
    wanted = access.user_of(username, wish.scope)
    if wanted is None:
        raise OAuthRefusal("invalid_scope", f"the scope is not understood, or there is no user {username[:100]!r}")
    if not user.is_admin and not _is_within(wanted, user):
        raise Forbidden
    return await access.tokens.issue(
        username,
        wish.scope,
        _DEFAULT_SECONDS[path] if wish.expires_in is None else wish.expires_in,
        is_refreshable=wish.refreshable,
        has_reference=wish.include_reference_token,
    )


def _is_within(wanted: User, user: User) -> bool:
    """Tell whether a token gives no more than whoever asks for it has."""
    is_limited = not user.limits or (wanted.limits and set(wanted.limits) <= set(user.limits))
    is_same = wanted.name == user.name and (user.has_all or not wanted.has_all)
    return bool(is_same and is_limited) and set(wanted.groups) <= set(user.groups)


async def _authenticated(request: Request) -> Call:
    """Check the credentials of a request that may come without."""
    call = call_of(request)
    request.state.call = Call(call.service, await call.service.access.identify(request.headers), call.address)
    return call_of(request)


async def _revoke(call: Call, identifier: str) -> bool:
    tokens = call.service.access.tokens
    if not call.user.is_admin and all(one["token_id"] != identifier for one in await tokens.list(call.user.name)):
        raise Forbidden
    return await tokens.revoke(identifier)


async def _wish(request: Request) -> _Wish:
    body = await read_limited(request)
    values: Any = parse_qsl(body.decode("utf-8", "replace"))
    if "json" in request.headers.get("content-type", ""):
        try:
            values = json.loads(body).items()
        except (ValueError, RecursionError, AttributeError):
            raise Refusal(400, "The request body is not a JSON object.") from None
    try:
        return _Wish.model_validate({key: value for key, value in values if value is not None})
    except ValidationError as error:
        raise OAuthRefusal("invalid_request", first_problem(error)) from None


ROUTES = [
    Route(TOKENS, create_token, methods=["POST"]),
    Route(TOKENS, list_tokens, methods=["GET"]),
    Route(TOKENS + "/{identifier}", revoke_token, methods=["DELETE"]),
    Route(LEGACY, create_token, methods=["POST"]),
    Route(LEGACY + "/revoke", revoke_legacy_token, methods=["POST"]),
    Route(OIDC, exchange_identity, methods=["POST"]),
]
