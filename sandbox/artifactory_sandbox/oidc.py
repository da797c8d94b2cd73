"""OIDC: the identity tokens of other systems, and which user of the sandbox each stands for."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

import jwt
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from artifactory_sandbox.errors import OAuthRefusal

if TYPE_CHECKING:
    from collections.abc import Mapping

# Only what is verified by a public key: the keys of a configuration are no secrets.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class OidcMapping(BaseModel):
    """Whom identity tokens stand for, if all claims fit (`*` matches any text): a user, or groups."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    claims: dict[str, str] = Field(default_factory=dict)
    username: str | None = None
    groups: tuple[str, ...] = ()
    expires_in: int = Field(default=3600, ge=1)

    @model_validator(mode="after")
    def _names_someone(self) -> OidcMapping:
        if (self.username is None) == (not self.groups):
            raise ValueError("a mapping needs either 'username' or 'groups'")
        return self

    def fits(self, claims: Mapping[str, object]) -> bool:
        """Tell whether an identity token is one of these."""
        return all(fnmatch.fnmatchcase(str(claims.get(name, "")), value) for name, value in self.claims.items())


class OidcProvider(BaseModel):
    """A system whose identity tokens are accepted: its issuer, its keys (a JWK set's), and who stands for whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str
    audience: str | None = None
    keys: tuple[dict[str, Any], ...]
    mappings: tuple[OidcMapping, ...] = Field(min_length=1)

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, keys: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        try:
            jwt.PyJWKSet.from_dict({"keys": list(keys)})
        except jwt.PyJWTError as error:
            raise ValueError(f"no JWK set: {error}") from None
        return keys

    def identify(self, token: str, mapping_name: str | None) -> tuple[OidcMapping, str]:
        """Return the mapping that an identity token fits, and the token's subject.

        :param token: the signed token.
        :param mapping_name: the only mapping to look at, or None.
        :raises OAuthRefusal: when it is not the provider's, has expired, or fits none.
        """
        try:
            key = jwt.PyJWKSet.from_dict({"keys": list(self.keys)})[jwt.get_unverified_header(token).get("kid", "")]
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                issuer=self.issuer,
                audience=self.audience,
                options={"require": ["exp", "iss", "sub"], "verify_aud": self.audience is not None},
            )
        except KeyError:
            raise _refusal("the identity token is not signed by a known key") from None
        except jwt.PyJWTError as error:
            raise _refusal(f"the identity token is not accepted: {error}") from None
        for mapping in self.mappings:
            if mapping_name in {None, mapping.name} and mapping.fits(claims):
                return mapping, str(claims["sub"])
        raise _refusal("the identity token fits no identity mapping")


def _refusal(reason: str) -> OAuthRefusal:
    return OAuthRefusal("invalid_grant", reason, status=401)
