"""Another system that gives identity tokens, and a sandbox's configuration that trusts it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from pathlib import Path

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
