"""Tokens: signed ones that carry their user, reference tokens that stand for one, and refreshing and revoking."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jwt

from artifactory_sandbox.errors import Unauthenticated

if TYPE_CHECKING:
    import sqlite3

    from artifactory_sandbox.metadata import Database

USER_SCOPE = "applied-permissions/user"
# What reference tokens begin with, so that no other password is looked up as one.
REFERENCE_PREFIX = "cmVmdGtu"
_INVALID = "Token failed verification: {}"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token says: who holds it, what for, and until when."""

    identifier: str
    username: str
    scope: str
    expires: int | None


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """A new token in all its forms; they are not stored, only hashes of them are."""

    grant: Grant
    access: str
    seconds: int
    refresh: str | None = None
    reference: str | None = None

    def answer(self) -> dict[str, object]:
        """Return what the client who asked for it is told."""
        fields = {
            "access_token": self.access,
            "scope": self.grant.scope,
            "token_type": "Bearer",
            "expires_in": self.seconds or None,
            "refresh_token": self.refresh,
            "reference_token": self.reference,
        }
        return {name: value for name, value in fields.items() if value is not None}


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

    def sign(self, username: str, scope: str, seconds: int) -> IssuedTokens:
        """Make a token of which nothing is kept: it cannot be refreshed or revoked.

        :param seconds: how long it is good for; 0 for ever.
        """
        now = int(time.time())
        grant = Grant(secrets.token_hex(16), username, scope, now + seconds if seconds else None)
        claims = {
            "sub": f"{self._issuer}/users/{username}",
            "scp": scope,
            "iss": self._issuer,
            "iat": now,
            "jti": grant.identifier,
        } | ({"exp": grant.expires} if seconds else {})
        return IssuedTokens(grant, jwt.encode(claims, self._signing_key, algorithm="HS256"), seconds)

    async def issue(
        self, username: str, scope: str, seconds: int, *, is_refreshable: bool = False, has_reference: bool = False
    ) -> IssuedTokens:
        """Make a token that can be revoked, and with a refresh token or a reference token where asked for."""
        return await self._database.write(
            lambda tx: self._issue(tx, username, scope, seconds, is_refreshable, has_reference)
        )

    async def refresh(self, token: str, seconds: int | None) -> IssuedTokens | None:
        """Exchange a refresh token for new tokens of the same user and scope; the old ones are good no more.

        :param seconds: how long the new one is good for; None for as long as the old one was.
        """

        def exchange(tx: sqlite3.Connection) -> IssuedTokens | None:
            row = tx.execute(
                "SELECT id, username, scope, issued, expires, reference FROM tokens "
                "WHERE refresh = ? AND NOT is_revoked",
                (_hash(token),),
            ).fetchone()
            if row is None:
                return None
            identifier, username, scope, issued, expires, reference = row
            self._revoke(tx, identifier)
            lifetime = (expires - issued if expires else 0) if seconds is None else seconds
            return self._issue(tx, username, scope, lifetime, True, reference is not None)

        return await self._database.write(exchange)

    async def verify(self, token: str) -> Grant:
        """Return what a signed or a reference token says.

        :raises Unauthenticated: when it is not one of this sandbox's, has expired or was revoked.
        """
        grant = await self._look_up(token) if token.startswith(REFERENCE_PREFIX) else self.read(token)
        if grant.identifier in self._revoked:
            raise Unauthenticated(_INVALID.format("revoked"))
        if grant.expires is not None and grant.expires <= time.time():
            raise Unauthenticated(_INVALID.format("expired"))
        return grant

    def read(self, token: str) -> Grant:
        """Return what a signed token of this sandbox says, be it good still or not."""
        try:
            claims = jwt.decode(
                token,
                self._signing_key,
                algorithms=["HS256"],
                options={"require": ["sub", "jti"], "verify_exp": False},
            )
        except jwt.InvalidTokenError:
            raise Unauthenticated(_INVALID.format("parse")) from None
        name = str(claims["sub"]).rpartition("/")[2]
        return Grant(str(claims["jti"]), name, str(claims.get("scp", "")), claims.get("exp"))

    async def revoke(self, identifier: str) -> bool:
        """Make a token good for nothing; tell whether it was good for something."""
        return await self._database.write(lambda tx: self._revoke(tx, identifier))

    async def list(self, username: str = "") -> list[dict[str, object]]:
        """Return the tokens that have not been revoked, as Access lists them; of one user, or of all."""
        query = (
            "SELECT id, username, issued, expires, refresh FROM tokens "
            "WHERE NOT is_revoked AND ? IN ('', username) ORDER BY issued, id"
        )
        return [
            {
                "token_id": identifier,
                "subject": f"{self._issuer}/users/{name}",
                "issued_at": issued,
                "expiry": expires,
                "refreshable": refresh is not None,
            }
            for identifier, name, issued, expires, refresh in await self._database.read(
                lambda tx: tx.execute(query, (username,)).fetchall()
            )
        ]

    async def _look_up(self, token: str) -> Grant:
        query = "SELECT id, username, scope, expires FROM tokens WHERE reference = ?"
        row = await self._database.read(lambda tx: tx.execute(query, (_hash(token),)).fetchone())
        if row is None:
            raise Unauthenticated(_INVALID.format("parse"))
        return Grant(*row)

    def _issue(
        self, tx: sqlite3.Connection, username: str, scope: str, seconds: int, is_refreshable: bool, has_reference: bool
    ) -> IssuedTokens:
        signed = self.sign(username, scope, seconds)
        grant = signed.grant
        refresh = secrets.token_urlsafe(48) if is_refreshable else None
        text = f"reftkn:01:{grant.expires or 0:010}:{secrets.token_urlsafe(20)}"
        reference = base64.b64encode(text.encode()).decode() if has_reference else None
        hashes = [token and _hash(token) for token in (refresh, reference)]
        tx.execute(
            "INSERT INTO tokens (id, username, scope, issued, expires, refresh, reference) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (grant.identifier, username, scope, int(time.time()), grant.expires, *hashes),
        )
        return IssuedTokens(grant, signed.access, seconds, refresh, reference)

    def _revoke(self, tx: sqlite3.Connection, identifier: str) -> bool:
        changed = tx.execute("UPDATE tokens SET is_revoked = 1 WHERE id = ? AND NOT is_revoked", (identifier,)).rowcount
        if changed:
            self._revoked.add(identifier)
        return changed > 0


def _hash(token: str) -> bytes:
    """Return the hash that stands for a token; tokens are long and random, so a fast one is as good as a slow one."""
    return hashlib.sha256(token.encode()).digest()
