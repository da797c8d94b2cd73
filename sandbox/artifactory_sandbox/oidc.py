"""Other systems' identity tokens (OIDC): which are accepted, and whom they stand for."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

import jwt

from artifactory_sandbox.errors import OAuthRefusal

if TYPE_CHECKING:
    from jwt.types import Options

    from artifactory_sandbox.config import OidcMapping, OidcProvider

# Only what is verified by a public key: the keys of a configuration are no secrets.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


def find_mapping(provider: OidcProvider, token: str, mapping_name: str | None) -> tuple[OidcMapping, str]:
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
