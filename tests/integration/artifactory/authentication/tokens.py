"""Another system that gives identity tokens, a sandbox's configuration that trusts it, and the sandbox's own tokens."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from tests.integration.conftest import PASSWORD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

TOKENS, EXCHANGE = "^/access/api/v1/tokens$", "^/access/api/v1/oidc/token$"

_ISSUER = "https://ci.example.com"
_KEY = ec.generate_private_key(ec.SECP256R1())
_PUBLIC_KEY = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(_KEY.public_key())) | {"kid": "one", "alg": "ES256"}

PROVIDER: dict[str, Any] = {
    "issuer": _ISSUER,
    "audience": "artifactory",
    "keys": [_PUBLIC_KEY],
    "mappings": [
        {"name": "promoters", "claims": {"sub": "airflow"}, "username": "admin"},
        {"name": "readers", "claims": {"sub": "airflow"}, "groups": ["readers"], "expires_in": 60},
    ],
}


class IdentityFile:
    """A file with an identity token, as a platform projects one and replaces it.

    :param path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.token = ""

    def write(self, subject: str = "airflow", *, seconds: int = 300) -> str:
        """Put a new token there, and return it."""
        claims = {"iss": _ISSUER, "aud": "artifactory", "sub": subject, "exp": int(time.time()) + seconds}
        self.token = jwt.encode(claims | {"jti": str(time.monotonic_ns())}, _KEY, "ES256", {"kid": "one"})
        self.path.write_text(f"{self.token}\n")
        return self.token


def granted(sandbox: RunningSandbox, **fields: Any) -> dict[str, Any]:
    """Let the sandbox give the administrator a token."""
    url = f"{sandbox.url.removesuffix('/artifactory')}/access/api/v1/tokens"
    answer: dict[str, Any] = httpx.post(url, json=fields, auth=("admin", sandbox.password)).json()
    return answer


def use_up(sandbox: RunningSandbox, refresh_token: str) -> None:
    """Refresh a token, as another process would."""
    url = f"{sandbox.url.removesuffix('/artifactory')}/access/api/v1/tokens"
    httpx.post(url, json={"grant_type": "refresh_token", "refresh_token": refresh_token}).raise_for_status()


def revoke(sandbox: RunningSandbox, identifier: str) -> None:
    """Let the sandbox accept a token no more."""
    url = f"{sandbox.url.removesuffix('/artifactory')}/access/api/v1/tokens/{identifier}"
    httpx.delete(url, auth=("admin", PASSWORD)).raise_for_status()


def authorizations(gateway: Gateway) -> list[str]:
    """Return what the requests to Artifactory itself were authorised with, in their order."""
    return [seen.headers.get("Authorization", "") for seen in gateway.requests if seen.path.startswith("/artifactory/")]
