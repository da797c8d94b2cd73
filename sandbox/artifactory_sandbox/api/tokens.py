"""The endpoints that give, refresh, list and revoke tokens.

There are those of the registry API, of Access, the legacy ones, and OIDC's exchange of another system's identity
tokens.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from artifactory_sandbox.access import TOKEN_SECONDS
from artifactory_sandbox.api.calls import Call, call_of, identify, read_limited
from artifactory_sandbox.config import first_problem
from artifactory_sandbox.errors import Forbidden, OAuthRefusal, Refusal, Unauthenticated
from artifactory_sandbox.oidc import find_mapping
from artifactory_sandbox.tokens import USER_SCOPE, TokenRequest

if TYPE_CHECKING:
    from starlette.requests import Request

_TOKENS = "/access/api/v1/tokens"
_LEGACY = "/api/security/token"
_OIDC = "/access/api/v1/oidc/token"
# Refreshing and exchanging need no other credentials than the token that is sent, expired ones included.
PATHS = frozenset({_TOKENS, _LEGACY, _OIDC})
# Anyone may send one, so it is smaller than what users may send.
_LARGEST_REQUEST = 128 * 1024
_DEFAULT_SECONDS = {_TOKENS: 365 * 24 * 3600, _LEGACY: 3600}


async def token(request: Request) -> Response:
    """Give a user who has logged in a token, whatever its scope: permissions are asked for at each request."""
    if request.method != "GET":
        raise Refusal(405, "Method Not Allowed")
    call = call_of(request)
    return JSONResponse({"token": call.service.access.docker_token(call.user), "expires_in": TOKEN_SECONDS})


async def create_token(request: Request) -> Response:
    """Give a token to whoever asks with credentials, or new tokens for a refresh token."""
    call, wanted = call_of(request), await _read_token_request(request)
    give = call.service.access.tokens.issue
    if wanted.grant_type == "refresh_token":
        give = call.service.access.tokens.refresh
    elif wanted.grant_type == "client_credentials":
        wanted = _check_entitlement(await _authenticate(request), wanted)
    else:
        raise OAuthRefusal("unsupported_grant_type", "grant_type must be client_credentials or refresh_token")
    answer = await call.service.database.write(lambda tx: give(tx, wanted))
    if call.address.path == _LEGACY:
        del answer["token_id"]
    return JSONResponse(answer)


def _check_entitlement(call: Call, wanted: TokenRequest) -> TokenRequest:
    """Return a request with what it left out, if the user may have a token like that."""
    seconds = _DEFAULT_SECONDS[call.address.path] if wanted.expires_in is None else wanted.expires_in
    wanted = wanted.model_copy(update={"username": wanted.username or call.user.name, "expires_in": seconds})
    holder = call.service.access.user_of(wanted.username, wanted.scope)
    if holder is None:
        problem = f"the scope is not understood, or there is no user {wanted.username[:100]!r}"
        raise OAuthRefusal("invalid_scope", problem)
    if not call.user.is_admin and not holder.is_within(call.user):
        raise Forbidden
    return wanted


async def exchange_identity(request: Request) -> Response:
    """Give a token for another system's identity token (OIDC); it cannot be refreshed, only exchanged again."""
    call, wanted = call_of(request), await _read_token_request(request)
    if wanted.grant_type != "urn:ietf:params:oauth:grant-type:token-exchange":
        raise OAuthRefusal("unsupported_grant_type", "grant_type must be that of a token exchange")
    provider = call.service.config.oidc.get(wanted.provider_name)
    if provider is None:
        raise OAuthRefusal("invalid_request", "there is no OIDC provider of that provider_name")
    mapping, subject = find_mapping(provider, wanted.subject_token, wanted.identity_mapping_name)
    scope = USER_SCOPE if mapping.username else f"applied-permissions/groups:{','.join(mapping.groups)}"
    # The subject is for others to choose: it must not be the name of a user, whose permissions it would have.
    username = mapping.username or f"oidc-{subject.rpartition('/')[2]}"
    granted = {"username": username, "scope": scope, "expires_in": mapping.expires_in, "refreshable": False}
    issue, wanted = call.service.access.tokens.issue, wanted.model_copy(update=granted)
    answer = await call.service.database.write(lambda tx: issue(tx, wanted))
    del answer["token_id"]
    kind = "urn:ietf:params:oauth:token-type:access_token"
    return JSONResponse({"issued_token_type": kind, "username": username} | answer)


async def list_tokens(request: Request) -> Response:
    """List the tokens that can be revoked: one's own, or all for an administrator."""
    call = await _authenticate(request)
    return JSONResponse({"tokens": await call.service.access.tokens.list(_holder(call))})


async def revoke_token(request: Request) -> Response:
    """Revoke a token by its id."""
    if not await _revoke(call_of(request), request.path_params["identifier"]):
        raise Refusal(404, "Token not found")
    return Response(status_code=200)


async def revoke_legacy_token(request: Request) -> Response:
    """Revoke a token by itself or by its id; answers with a line of text."""
    call, wanted = call_of(request), await _read_token_request(request)
    try:
        identifier = wanted.token_id or (await call.service.access.tokens.verify(wanted.token)).identifier
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


async def _authenticate(request: Request) -> Call:
    """Check the credentials of a request that may come without."""
    call = call_of(request)
    request.state.call = replace(call, user=await identify(call.service, request.headers))
    return call_of(request)


async def _read_token_request(request: Request) -> TokenRequest:
    body = await read_limited(request, _LARGEST_REQUEST)
    try:
        is_json = "json" in request.headers.get("content-type", "")
        values = json.loads(body).items() if is_json else parse_qsl(body.decode("utf-8", "replace"))
        return TokenRequest.model_validate({key: value for key, value in values if value is not None})
    except ValidationError as error:
        raise OAuthRefusal("invalid_request", first_problem(error)) from None
    except (ValueError, RecursionError, AttributeError):
        raise Refusal(400, "The request body is not a JSON object.") from None


ROUTES = [
    Route("/api/docker/{repository}/v2/token", token, methods=["GET", "POST"]),
    Route(_TOKENS, create_token, methods=["POST"]),
    Route(_TOKENS, list_tokens, methods=["GET"]),
    Route(_TOKENS + "/{identifier}", revoke_token, methods=["DELETE"]),
    Route(_LEGACY, create_token, methods=["POST"]),
    Route(_LEGACY + "/revoke", revoke_legacy_token, methods=["POST"]),
    Route(_OIDC, exchange_identity, methods=["POST"]),
]
