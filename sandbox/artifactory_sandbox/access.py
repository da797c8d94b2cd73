"""Who is asking, and what they may do."""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from artifactory_sandbox.config import ANY_REPOSITORY, Action, Config, PermissionConfig
from artifactory_sandbox.errors import Forbidden, Unauthenticated
from artifactory_sandbox.names import ant_pattern
from artifactory_sandbox.tokens import REFERENCE_PREFIX, USER_SCOPE, Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TOKEN_SECONDS = 3600
_ADMIN_SCOPE = "applied-permissions/admin"
_ARTIFACT = "artifact:"
# Two wildcards at most: these patterns come from users, and more could be slow on purpose.
_ARTIFACT_SCOPE = re.compile(
    r"artifact:([\w.-]{1,64})(?:/([^*]{0,500}(?:\*{1,2}[^*]{1,500})?\*{0,2}))?:([rwdam*](?:,[rwdam*])*)", re.ASCII
)
_LETTERS = {
    "r": (Action.READ,),
    "w": (Action.DEPLOY,),
    "d": (Action.DELETE,),
    "a": (Action.ANNOTATE,),
    "m": (Action.MANAGE,),
    "*": tuple(Action),
}
_BAD_CREDENTIALS = "Bad credentials"
# Makes hashes of this process that are of no use outside it.
_RUN_KEY = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class User:
    """Someone whose credentials have been checked, or the anonymous user.

    :param has_all: whether he may do all, within the limits.
    :param limits: scopes `artifact:<repository>[/<path>]:<actions>`; where there are some, he may do no more than they
        say, whatever his permissions.
    """

    name: str
    has_all: bool = False
    groups: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()

    @property
    def is_admin(self) -> bool:
        """Tell whether he may use what is for administrators only."""
        return self.has_all and not self.limits


ANONYMOUS = User("anonymous")


@dataclass(frozen=True, slots=True)
class _Limit:
    """What a scope leaves of the permissions: actions, in one repository, at paths and below them."""

    repository: str
    path: re.Pattern[str]
    actions: frozenset[Action]


@functools.lru_cache(maxsize=1024)
def _limit(scope: str) -> _Limit | None:
    """Read `artifact:<repository>[/<path>]:<actions>`, or return None where it is none."""
    match = _ARTIFACT_SCOPE.fullmatch(scope)
    if match is None:
        return None
    repository, path, letters = match.groups()
    granted = frozenset(action for letter in letters.split(",") for action in _LETTERS[letter])
    return _Limit(repository, ant_pattern(f"{path}/**" if path else "**"), granted)


class Password:
    """A password as a salted scrypt hash; one that fitted is recognised again by a cheaper keyed hash."""

    def __init__(self, password: str) -> None:
        """Take a password, or the hash of one that `hashed` has made."""
        kind, _, rest = password.partition("$")
        salt, _, value = rest.partition("$")
        is_hash = kind == "scrypt" and bool(value)
        self._salt = bytes.fromhex(salt) if is_hash else secrets.token_bytes(16)
        self._hash = bytes.fromhex(value) if is_hash else self._slow(password)
        self._fitted = b""

    def hashed(self) -> str:
        """Return what stands in a configuration instead of the password: `scrypt$<salt>$<hash>`."""
        return f"scrypt${self._salt.hex()}${self._hash.hex()}"

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
        return hashlib.blake2b(password.encode(), key=_RUN_KEY).digest()


@dataclass(frozen=True, slots=True)
class _Target:
    """What a permission target says of repositories, paths and users."""

    config: PermissionConfig

    def names(self, repository: str) -> bool:
        return repository in self.config.repositories or ANY_REPOSITORY in self.config.repositories

    def covers(self, repository: str, path: str) -> bool:
        return (
            self.names(repository)
            and any(ant_pattern(pattern).fullmatch(path) for pattern in self.config.include_patterns)
            and not any(ant_pattern(pattern).fullmatch(path) for pattern in self.config.exclude_patterns)
        )

    def allows(self, user: User, action: Action) -> bool:
        in_groups = (self.config.groups.get(group, ()) for group in user.groups)
        return action in self.config.users.get(user.name, ()) or any(action in granted for granted in in_groups)


class Access:
    """The users and permissions of a configuration, and the tokens that stand for users.

    :param config: the configuration.
    :param tokens: the tokens of this sandbox.
    """

    def __init__(self, config: Config, tokens: Tokens) -> None:
        self.tokens = tokens
        self._anonymous = config.anonymous
        self._has_api_keys = config.api_keys
        self._passwords = {name: Password(user.password.get_secret_value()) for name, user in config.users.items()}
        self._nobody = Password(secrets.token_hex())
        self._users = {name: User(name, user.admin, user.groups) for name, user in config.users.items()}
        self._api_keys = {
            _digest(user.api_key.get_secret_value()): self._users[name]
            for name, user in config.users.items()
            if user.api_key is not None
        }
        self._targets = [_Target(permission) for permission in config.permissions]

    async def identify(self, headers: Mapping[str, str]) -> User:
        """Return the user that the headers of a request stand for.

        :raises Unauthenticated: when there are no credentials and anonymous access is off, or when they are wrong.
        :raises Forbidden: when an API key is wrong, or API keys are switched off.
        """
        authorization = headers.get("authorization")
        if not authorization:
            api_key = headers.get("x-jfrog-art-api")
            if api_key:
                return self._by_api_key(api_key)
            if self._anonymous:
                return ANONYMOUS
            raise Unauthenticated
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() == "basic":
            return await self._by_password(credentials)
        if scheme.lower() == "bearer":
            return await self._by_token(credentials.strip())
        raise Unauthenticated(_BAD_CREDENTIALS)

    def docker_token(self, user: User) -> str:
        """Return a token for Docker clients: as good as the user's login, for an hour."""
        scope, whole = USER_SCOPE, replace(user, limits=())
        if whole not in {ANONYMOUS, self._users.get(user.name)}:
            scope = _ADMIN_SCOPE if user.has_all else f"applied-permissions/groups:{','.join(user.groups)}"
        return self.tokens.sign(user.name, " ".join([scope, *user.limits]), TOKEN_SECONDS).access

    def user_of(self, name: str, scope: str) -> User | None:
        """Return whom a token of a scope stands for, or None where that is no one.

        :param name: who holds it; need not be a known user where the scope names groups.
        :param scope: `applied-permissions/user`, `…/admin` or `…/groups:a,b`, or `member-of-groups:a,b`; limited by
            what stands there of `artifact:<repository>[/<path>]:<actions>`, which is the user's own if it stands alone.
        """
        parts = scope.split()
        limits = tuple(part for part in parts if part.startswith(_ARTIFACT))
        if not all(map(_limit, limits)):
            return None
        whole = self._unlimited(name, [part for part in parts if part not in limits] or [USER_SCOPE])
        return whole and replace(whole, limits=limits)

    def _unlimited(self, name: str, scopes: Sequence[str]) -> User | None:
        for part in scopes:
            kind, _, groups = part.removeprefix("applied-permissions/").partition(":")
            if part == _ADMIN_SCOPE:
                return User(name, has_all=True)
            if part == USER_SCOPE:
                return ANONYMOUS if self._anonymous and name == ANONYMOUS.name else self._users.get(name)
            if kind in {"groups", "member-of-groups"}:
                named = tuple(group.strip('"') for group in groups.split(",") if group)
                known = self._users.get(name, ANONYMOUS).groups
                return User(name, groups=known if "*" in named else named)
        return None

    def allows(self, user: User, action: Action, repository: str, path: str) -> bool:
        """Tell whether a user may do something at a path of a repository."""
        if user.limits and not _is_within(user.limits, action, repository, path):
            return False
        return user.has_all or any(
            target.covers(repository, path) and target.allows(user, action) for target in self._targets
        )

    def require(self, user: User, action: Action, repository: str, path: str, *, message: str = "Forbidden") -> None:
        """Refuse what a user may not do.

        :raises Forbidden: with the message.
        """
        if not self.allows(user, action, repository, path):
            raise Forbidden(message)

    def sees(self, user: User, repository: str) -> bool:
        """Tell whether a repository shows up in a user's list."""
        if user.limits and all(limit.repository != repository for limit in map(_limit, user.limits) if limit):
            return False
        return user.has_all or any(
            target.names(repository) and target.allows(user, Action.READ) for target in self._targets
        )

    async def _by_password(self, credentials: str) -> User:
        try:
            name, separator, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except ValueError:
            raise Unauthenticated(_BAD_CREDENTIALS) from None
        if password.startswith(("eyJ", REFERENCE_PREFIX)):
            user = await self._by_token(password)
            if user.name == name:
                return user
        by_key = self._api_keys.get(_digest(password)) if self._has_api_keys else None
        if by_key is not None and by_key.name == name:
            return by_key
        # An unknown name costs as much as a wrong password, so that names cannot be guessed by the clock.
        known = self._passwords.get(name, self._nobody)
        if not known.fits_at_once(password) and not await asyncio.to_thread(known.fits, password):
            raise Unauthenticated(_BAD_CREDENTIALS)
        if not separator or name not in self._users:
            raise Unauthenticated(_BAD_CREDENTIALS)
        return self._users[name]

    async def _by_token(self, token: str) -> User:
        grant = await self.tokens.verify(token)
        user = self.user_of(grant.username, grant.scope)
        if user is None:
            raise Unauthenticated(_BAD_CREDENTIALS)
        return user

    def _by_api_key(self, key: str) -> User:
        user = self._api_keys.get(_digest(key)) if self._has_api_keys else None
        if user is None:
            raise Forbidden(_BAD_CREDENTIALS)
        return user


def _is_within(limits: Sequence[str], action: Action, repository: str, path: str) -> bool:
    return any(
        limit.repository == repository and action in limit.actions and limit.path.fullmatch(path)
        for limit in map(_limit, limits)
        if limit
    )


def _digest(key: str) -> bytes:
    """Return what stands for an API key; keys are told apart by it, so the clock tells nothing about them."""
    return hashlib.blake2b(key.encode(), key=_RUN_KEY).digest()
