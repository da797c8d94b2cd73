"""The endpoints that give, refresh, list and revoke tokens: Access's own, the legacy one, and OIDC's exchange."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from artifactory_sandbox.docker_call import read_limited
from artifactory_sandbox.errors import Forbidden, Refusal, Unauthenticated
from artifactory_sandbox.oidc import OidcError
from artifactory_sandbox.service import Call, call_of
from artifactory_sandbox.tokens import USER_SCOPE, IssuedTokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from artifactory_sandbox.access import User

TOKENS = "/access/api/v1/tokens"
LEGACY = "/api/security/token"
OIDC = "/access/api/v1/oidc/token"
# Refreshing and exchanging need no other credentials than the token that is sent, expired ones included.
PATHS = frozenset({TOKENS, LEGACY, OIDC})
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105
_LONGEST = 100 * 365 * 24 * 3600
_DEFAULT_SECONDS = {TOKENS: 365 * 24 * 3600, LEGACY: 3600}


class _Rejection(Exception):
    """A request for a token that is refused as OAuth 2.0 has it (RFC 6749, section 5.2)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


async def create_token(request: Request) -> Response:
    """Give a token to whoever asks with credentials, or new tokens for a refresh token."""
    call, fields = call_of(request), await _fields(request)
    try:
        if fields.get("grant_type") == "refresh_token":
            seconds = _seconds(fields, None)
            issued = await call.service.access.tokens.refresh(fields.get("refresh_token", ""), seconds)
            if issued is None:
                raise _Rejection("invalid_grant", "the refresh token is unknown, used up or revoked")
        else:
            issued = await _create(request, call, fields)
    except _Rejection as error:
        return JSONResponse({"error": error.error, "error_description": str(error)}, 400)
    return JSONResponse(
        _answer(issued, {} if request.url.path.endswith(LEGACY) else {"token_id": issued.grant.identifier})
    )


async def exchange_identity(request: Request) -> Response:
    """Give a token for another system's identity token (OIDC); it cannot be refreshed, only exchanged again."""
    call, fields = call_of(request), await _fields(request)
    try:
        if fields.get("grant_type") != _EXCHANGE:
            raise _Rejection("unsupported_grant_type", f"grant_type must be {_EXCHANGE}")
        provider = call.service.config.oidc.get(fields.get("provider_name", ""))
        if provider is None:
            raise _Rejection("invalid_request", "there is no OIDC provider of that provider_name")
        mapping, subject = provider.identify(
            fields.get("subject_token", ""), fields.get("identity_mapping_name") or None
        )
    except _Rejection as error:
        return JSONResponse({"error": error.error, "error_description": str(error)}, 400)
    except OidcError as error:
        return JSONResponse({"error": "invalid_grant", "error_description": str(error)}, 401)
    scope = USER_SCOPE if mapping.username else f"applied-permissions/groups:{','.join(mapping.groups)}"
    username = mapping.username or subject.rpartition("/")[2] or "oidc"
    has_reference = _flag(fields, "include_reference_token")
    issued = await call.service.access.tokens.issue(username, scope, mapping.expires_in, has_reference=has_reference)
    return JSONResponse(_answer(issued, {"issued_token_type": _ACCESS_TOKEN, "username": username}))


async def list_tokens(request: Request) -> Response:
    """List the tokens that can be revoked: one's own, or all for an administrator."""
    call = await _authenticated(request)
    tokens = call.service.access.tokens
    entries = [
        {
            "token_id": grant.identifier,
            "subject": tokens.subject(grant.username),
            "issued_at": issued,
            "expiry": grant.expires,
            "refreshable": is_refreshable,
        }
        for grant, issued, is_refreshable in await tokens.list()
        if call.user.is_admin or grant.username == call.user.name
    ]
    return JSONResponse({"tokens": entries})


async def revoke_token(request: Request) -> Response:
    """Revoke a token by its id."""
    call, identifier = call_of(request), request.path_params["identifier"]
    await _require_own(call, identifier)
    if not await call.service.access.tokens.revoke(identifier):
        raise Refusal(404, "Token not found")
    return Response(status_code=200)


async def revoke_legacy_token(request: Request) -> Response:
    """Revoke a token by itself or by its id; answers with a line of text."""
    call, fields = call_of(request), await _fields(request)
    tokens = call.service.access.tokens
    try:
        identifier = fields.get("token_id") or (await tokens.verify(fields.get("token", ""))).identifier
    except Unauthenticated:
        return PlainTextResponse("Token not found")
    await _require_own(call, identifier)
    return PlainTextResponse("Token revoked" if await tokens.revoke(identifier) else "Token not found")


async def _create(request: Request, call: Call, fields: Mapping[str, str]) -> IssuedTokens:
    user = (await _authenticated(request)).user
    if fields.get("grant_type", "client_credentials") != "client_credentials":
        raise _Rejection("unsupported_grant_type", "grant_type must be client_credentials or refresh_token")
    username, scope = fields.get("username") or user.name, fields.get("scope") or USER_SCOPE
    access = call.service.access
    wanted = access.user_of(username, scope)
    if wanted is None:
        raise _Rejection("invalid_scope", f"the scope is not understood, or there is no user {username[:100]!r}")
    if not user.is_admin and not _is_within(wanted, user):
        raise Forbidden
    return await access.tokens.issue(
        username,
        scope,
        _seconds(fields, _DEFAULT_SECONDS[TOKENS if call.address.path == TOKENS else LEGACY]) or 0,
        is_refreshable=_flag(fields, "refreshable"),
        has_reference=_flag(fields, "include_reference_token"),
    )


def _is_within(wanted: User, user: User) -> bool:
    return wanted.name == user.name and not wanted.is_admin and set(wanted.groups) <= set(user.groups)


async def _authenticated(request: Request) -> Call:
    """Check the credentials of a request that may come without."""
    call = call_of(request)
    user = await call.service.access.identify(request.headers)
    request.state.call = Call(call.service, user, call.address)
    return call_of(request)


async def _require_own(call: Call, identifier: str) -> None:
    if call.user.is_admin:
        return
    known = await call.service.access.tokens.list()
    if not any(grant.identifier == identifier and grant.username == call.user.name for grant, _, _ in known):
        raise Forbidden


async def _fields(request: Request) -> dict[str, str]:
    body = await read_limited(request.stream(), 256 * 1024)
    if "json" not in request.headers.get("content-type", ""):
        return dict(parse_qsl(body.decode("utf-8", "replace")))
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"The request body is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise Refusal(400, "The request body is not a JSON object.")
    return {key: str(value) for key, value in values.items() if value is not None}


def _flag(fields: Mapping[str, str], name: str) -> bool:
    return fields.get(name, "").lower() == "true"


def _seconds(fields: Mapping[str, str], default: int | None) -> int | None:
    text = fields.get("expires_in", "")
    if not text:
        return default
    if not text.isascii() or not text.isdecimal() or int(text[:12]) > _LONGEST:
        raise _Rejection("invalid_request", "expires_in must be a number of seconds, 0 for ever")
    return int(text)


def _answer(issued: IssuedTokens, more: Mapping[str, str]) -> dict[str, object]:
    grant = issued.grant
    answer: dict[str, object] = {**more, "access_token": issued.access, "scope": grant.scope, "token_type": "Bearer"}
    if grant.expires is not None:
        answer["expires_in"] = issued.seconds
    if issued.refresh is not None:
        answer["refresh_token"] = issued.refresh
    if issued.reference is not None:
        answer["reference_token"] = issued.reference
    return answer


ROUTES = [
    Route(TOKENS, create_token, methods=["POST"]),
    Route(TOKENS, list_tokens, methods=["GET"]),
    Route(TOKENS + "/{identifier}", revoke_token, methods=["DELETE"]),
    Route(LEGACY, create_token, methods=["POST"]),
    Route(LEGACY + "/revoke", revoke_legacy_token, methods=["POST"]),
    Route(OIDC, exchange_identity, methods=["POST"]),
]
