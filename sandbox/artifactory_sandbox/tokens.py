"""Tokens: signed ones, and reference tokens that stand for one."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from typing import TYPE_CHECKING, NamedTuple

import jwt
from pydantic import BaseModel, Field

from artifactory_sandbox.errors import OAuthRefusal, Unauthenticated

if TYPE_CHECKING:
    import sqlite3

    from artifactory_sandbox.metadata import Database

USER_SCOPE = "applied-permissions/user"
# What reference tokens begin with, so that no other password is looked up as one.
REFERENCE_PREFIX = "cmVmdGtu"
_INVALID = "Token failed verification: {}"


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


class TokenRequest(BaseModel):
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

    def issue(self, tx: sqlite3.Connection, wanted: TokenRequest) -> dict[str, object]:
        """Make a token that can be revoked, and with a refresh token or a reference token where asked for.

        :returns: what the client who asked for it is told.
        """
        made, access = self.sign(wanted.username, wanted.scope, wanted.expires_in or 0)
        refresh = secrets.token_urlsafe(48) if wanted.refreshable else None
        text = f"reftkn:01:{made.expires or 0:010}:{secrets.token_urlsafe(20)}"
        reference = base64.b64encode(text.encode()).decode() if wanted.include_reference_token else None
        kept = made._replace(refresh=_hash(refresh), reference=_hash(reference))
        tx.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?)", kept)
        fields = {
            "token_id": made.identifier,
            "access_token": access,
            "scope": wanted.scope,
            "token_type": "Bearer",
            "expires_in": wanted.expires_in or None,
            "refresh_token": refresh,
            "reference_token": reference,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def refresh(self, tx: sqlite3.Connection, wanted: TokenRequest) -> dict[str, object]:
        """Exchange a refresh token for new tokens of the same user and scope; the old ones are good no more.

        :param wanted: with how long the new one is good for; None for as long as the old one was.
        :raises OAuthRefusal: when it is none that can be refreshed.
        """
        query = "SELECT * FROM tokens WHERE refresh = ? AND NOT is_revoked"
        row = tx.execute(query, (_hash(wanted.refresh_token),)).fetchone()
        if row is None:
            raise OAuthRefusal("invalid_grant", "the refresh token is unknown, used up or revoked")
        old = Token(*row)
        self.revoke(tx, old.identifier)
        lifetime = old.expires - old.issued if old.expires else None
        again = {
            "username": old.username,
            "scope": old.scope,
            "expires_in": lifetime if wanted.expires_in is None else wanted.expires_in,
            "refreshable": True,
            "include_reference_token": old.reference is not None,
        }
        return self.issue(tx, wanted.model_copy(update=again))

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
        """Make a token good for nothing; return whether it was good for something.

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


def _hash(token: str | None) -> bytes | None:
    """Return the hash that stands for a token; tokens are long and random, so a fast one is as good as a slow one."""
    return None if token is None else hashlib.sha256(token.encode()).digest()
