"""Who is asking, and what they may do."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass

import jwt

from artifactory_sandbox.config import ANY_REPOSITORY, Action, Config, PermissionConfig
from artifactory_sandbox.errors import Forbidden, Unauthenticated

TOKEN_SECONDS = 3600
_BAD_CREDENTIALS = "Bad credentials"


@dataclass(frozen=True, slots=True)
class User:
    """Someone whose credentials have been checked, or the anonymous user."""

    name: str
    is_admin: bool = False
    groups: tuple[str, ...] = ()


ANONYMOUS = User("anonymous")


class _Password:
    """A password as a salted scrypt hash; one that fitted is recognised again by a cheaper keyed hash."""

    _KEY = secrets.token_bytes(32)

    def __init__(self, password: str) -> None:
        self._salt = secrets.token_bytes(16)
        self._hash = self._slow(password)
        self._fitted = b""

    def fits_at_once(self, password: str) -> bool:
        """Tell whether this is the password that fitted before; false says nothing."""
        return hmac.compare_digest(self._fast(password), self._fitted)

    def fits(self, password: str) -> bool:
        """Tell whether this is the password; takes milliseconds on purpose."""
        if not hmac.compare_digest(self._slow(password), self._hash):
            return False
        self._fitted = self._fast(password)
        return True

    def _slow(self, password: str) -> bytes:
        return hashlib.scrypt(password.encode(), salt=self._salt, n=2**12, r=8, p=1)

    def _fast(self, password: str) -> bytes:
        return hashlib.blake2b(password.encode(), key=self._KEY).digest()


class _Target:
    """A permission target with its patterns compiled."""

    def __init__(self, config: PermissionConfig) -> None:
        self._config = config
        self._include = [_ant_pattern(pattern) for pattern in config.include_patterns]
        self._exclude = [_ant_pattern(pattern) for pattern in config.exclude_patterns]

    def names(self, repository: str) -> bool:
        """Tell whether the target speaks of a repository."""
        return repository in self._config.repositories or ANY_REPOSITORY in self._config.repositories

    def covers(self, repository: str, path: str) -> bool:
        """Tell whether the target speaks of a path."""
        return (
            self.names(repository)
            and any(pattern.fullmatch(path) for pattern in self._include)
            and not any(pattern.fullmatch(path) for pattern in self._exclude)
        )

    def allows(self, user: User, action: Action) -> bool:
        """Tell whether the target gives an action to a user."""
        granted = set(self._config.users.get(user.name, ()))
        for group in user.groups:
            granted.update(self._config.groups.get(group, ()))
        return action in granted


class Access:
    """The users and permissions of a configuration.

    :param config: the configuration.
    :param signing_key: the key of the tokens that this sandbox issues.
    :param service_id: the sandbox's own identity, as it stands in tokens.
    """

    def __init__(self, config: Config, signing_key: str, service_id: str) -> None:
        self._signing_key = signing_key
        self._issuer = f"jfrt@{service_id}"
        self._anonymous = config.anonymous
        self._passwords = {name: _Password(user.password.get_secret_value()) for name, user in config.users.items()}
        self._nobody = _Password(secrets.token_hex())
        self._users = {name: User(name, user.admin, user.groups) for name, user in config.users.items()}
        self._targets = [_Target(permission) for permission in config.permissions]

    async def identify(self, authorization: str | None) -> User:
        """Return the user that an Authorization header stands for.

        :raises Unauthenticated: when there is none and anonymous access is off, or when it is wrong.
        """
        if not authorization:
            if self._anonymous:
                return ANONYMOUS
            raise Unauthenticated
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() == "basic":
            return await self._by_password(credentials)
        if scheme.lower() == "bearer":
            return self._by_token(credentials.strip())
        raise Unauthenticated(_BAD_CREDENTIALS)

    def issue_token(self, user: User) -> str:
        """Return a signed token that stands for a user for an hour."""
        now = int(time.time())
        claims = {
            "sub": f"{self._issuer}/users/{user.name}",
            "scp": "applied-permissions/user",
            "iss": self._issuer,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "jti": secrets.token_hex(16),
        }
        return jwt.encode(claims, self._signing_key, algorithm="HS256")

    def allows(self, user: User, action: Action, repository: str, path: str) -> bool:
        """Tell whether a user may do something at a path of a repository."""
        if user.is_admin:
            return True
        return any(target.covers(repository, path) and target.allows(user, action) for target in self._targets)

    def require(self, user: User, action: Action, repository: str, path: str, *, message: str = "Forbidden") -> None:
        """Refuse what a user may not do.

        :raises Forbidden: with the message.
        """
        if not self.allows(user, action, repository, path):
            raise Forbidden(message)

    def sees(self, user: User, repository: str) -> bool:
        """Tell whether a repository shows up in a user's list."""
        return user.is_admin or any(
            target.names(repository) and target.allows(user, Action.READ) for target in self._targets
        )

    async def _by_password(self, credentials: str) -> User:
        try:
            name, separator, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise Unauthenticated(_BAD_CREDENTIALS) from None
        if password.startswith("eyJ") and self._by_token(password).name == name:
            return self._users[name]
        # An unknown name costs as much as a wrong password, so that names cannot be guessed by the clock.
        known = self._passwords.get(name, self._nobody)
        if not known.fits_at_once(password) and not await asyncio.to_thread(known.fits, password):
            raise Unauthenticated(_BAD_CREDENTIALS)
        if not separator or name not in self._users:
            raise Unauthenticated(_BAD_CREDENTIALS)
        return self._users[name]

    def _by_token(self, token: str) -> User:
        try:
            claims = jwt.decode(token, self._signing_key, algorithms=["HS256"], options={"require": ["sub", "exp"]})
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("Token failed verification: expired") from None
        except jwt.InvalidTokenError:
            raise Unauthenticated("Token failed verification: parse") from None
        name = str(claims["sub"]).rpartition("/")[2]
        if self._anonymous and name == ANONYMOUS.name:
            return ANONYMOUS
        user = self._users.get(name)
        if user is None:
            raise Unauthenticated(_BAD_CREDENTIALS)
        return user


def _ant_pattern(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(/\*\*$|\*\*/|\*\*|\*|\?)", pattern)
    meanings = {"/**": "(?:/.*)?", "**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meanings.get(part, re.escape(part)) for part in parts))
