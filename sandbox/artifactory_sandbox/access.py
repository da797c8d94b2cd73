"""Who is asking, and what they may do."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from artifactory_sandbox.config import ANY_REPOSITORY, Action, Config, PermissionConfig
from artifactory_sandbox.errors import Forbidden, Unauthenticated
from artifactory_sandbox.tokens import REFERENCE_PREFIX, USER_SCOPE, Tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

TOKEN_SECONDS = 3600
_PERMISSIONS = "applied-permissions/"
# Two wildcards at most: these patterns come from users, and more could be slow on purpose.
_ARTIFACT_SCOPE = re.compile(
    r"artifact:([\w.-]{1,64})(?:/([^*]{0,500}(?:\*{1,2}[^*]{1,500})?\*{0,2}))?:([rwdam*](?:,[rwdam*])*)", re.ASCII
)
_LETTERS = {"r": Action.READ, "w": Action.DEPLOY, "d": Action.DELETE, "a": Action.ANNOTATE, "m": Action.MANAGE}
_BAD_CREDENTIALS = "Bad credentials"
# Makes hashes of this process that are of no use outside it.
_RUN_KEY = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class User:
    """Someone whose credentials have been checked, or the anonymous user.

    :param has_all: whether they may do all, within the limits.
    :param limits: where there are some, they may do no more than these grant, whatever their permissions.
    :param scope: of the token that they came with; the limits are part of it.
    """

    name: str
    has_all: bool = False
    groups: tuple[str, ...] = ()
    limits: tuple[PermissionConfig, ...] = ()
    scope: str = field(default=USER_SCOPE, compare=False)

    @property
    def is_anonymous(self) -> bool:
        """Return whether they came without a name, be it with a token that was given to one without."""
        return self.name == ANONYMOUS.name and not self.has_all

    @property
    def is_admin(self) -> bool:
        """Return whether they may use what is for administrators only."""
        return self.has_all and not self.limits

    def is_within(self, other: User) -> bool:
        """Return whether this is the same user as another one, with no more than that one has."""
        return (
            self.name == other.name
            and self.has_all <= other.has_all
            and set(self.groups) <= set(other.groups)
            and (not other.limits or (bool(self.limits) and all(limit in other.limits for limit in self.limits)))
        )


ANONYMOUS = User("anonymous")


class Access:
    """The users and permissions of a configuration, and the tokens that stand for users.

    :param config: the configuration.
    :param tokens: the tokens of this sandbox.
    """

    def __init__(self, config: Config, tokens: Tokens) -> None:
        self.tokens = tokens
        self._config = config
        self._users = {name: User(name, user.admin, user.groups) for name, user in config.users.items()}
        given = {name: user.password.get_secret_value() for name, user in config.users.items()}
        self._hashes = {name: one if one.startswith("scrypt$") else hash_password(one) for name, one in given.items()}
        self._nobody = hash_password(secrets.token_hex())
        # The passwords that have fitted, by keyed hashes: to recognise them again is cheap.
        self._fitted: dict[str, bytes] = {}
        self._api_keys = {
            _digest(user.api_key.get_secret_value()): self._users[name]
            for name, user in config.users.items()
            if config.api_keys and user.api_key is not None
        }

    async def identify(self, authorization: str = "", *, api_key: str = "") -> User:
        """Return the user that credentials stand for.

        :param authorization: Basic or Bearer credentials, as in the header of that name.
        :param api_key: one that came in a header of its own; looked at where there are no other credentials.
        :raises Unauthenticated: when there are no credentials and anonymous access is off, or when they are wrong.
        :raises Forbidden: when an API key is wrong, or API keys are switched off.
        """
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() == "basic":
            return await self._check_password(credentials)
        if scheme.lower() == "bearer":
            return await self._check_token(credentials.strip())
        if scheme:
            raise Unauthenticated(_BAD_CREDENTIALS)
        if api_key:
            if user := self._api_keys.get(_digest(api_key)):
                return user
            raise Forbidden(_BAD_CREDENTIALS)
        if not self._config.anonymous:
            raise Unauthenticated
        return ANONYMOUS

    def docker_token(self, user: User) -> str:
        """Return a token for Docker clients: as good as the user's login, for an hour."""
        return self.tokens.sign(user.name, user.scope, TOKEN_SECONDS)[1]

    def user_of(self, name: str, scope: str) -> User | None:
        """Return whom a token of a scope stands for, or None where that is no one.

        :param name: who holds it; need not be a known user where the scope names groups.
        :param scope: `applied-permissions/user`, `…/admin` or `…/groups:a,b`, or `member-of-groups:a,b`; limited by
            what stands there of `artifact:<repository>[/<path>]:<actions>`, which is the user's own if it stands alone.
        """
        parts = scope.split()
        artifacts = [_ARTIFACT_SCOPE.fullmatch(part) for part in parts if part.startswith("artifact:")]
        limits = tuple(_limit(name, *match.groups()) for match in artifacts if match)
        whole = self._find_holder(name, parts if len(parts) > len(artifacts) else [USER_SCOPE])
        if whole is None or len(limits) < len(artifacts):
            return None
        return replace(whole, limits=limits, scope=scope)

    def _find_holder(self, name: str, scopes: Iterable[str]) -> User | None:
        for scope in scopes:
            if scope == f"{_PERMISSIONS}admin":
                return User(name, has_all=True)
            if scope == USER_SCOPE:
                return ANONYMOUS if self._config.anonymous and name == ANONYMOUS.name else self._users.get(name)
            kind, _, groups = scope.removeprefix(_PERMISSIONS).partition(":")
            if kind in {"groups", "member-of-groups"}:
                named = tuple(group.strip('"') for group in groups.split(",") if group)
                known = self._users.get(name, ANONYMOUS).groups
                return User(name, groups=known if "*" in named else named)
        return None

    def allows(self, user: User, action: Action, repository: str, path: str) -> bool:
        """Return whether a user may do something at a path of a repository."""

        def is_granted(targets: Iterable[PermissionConfig]) -> bool:
            return any(one.covers(repository, path) and one.grants(action, user.name, user.groups) for one in targets)

        return (user.has_all or is_granted(self._config.permissions)) and (not user.limits or is_granted(user.limits))

    def require(self, user: User, action: Action, repository: str, path: str, *, message: str = "Forbidden") -> None:
        """Refuse what a user may not do.

        :raises Forbidden: with the message.
        """
        if not self.allows(user, action, repository, path):
            raise Forbidden(message)

    def sees(self, user: User, repository: str) -> bool:
        """Return whether a repository shows up in a user's list."""

        def shows(targets: Iterable[PermissionConfig]) -> bool:
            return any(one.names(repository) and one.grants(Action.READ, user.name, user.groups) for one in targets)

        return (user.has_all or shows(self._config.permissions)) and (not user.limits or shows(user.limits))

    async def _check_password(self, credentials: str) -> User:
        try:
            name, password = base64.b64decode(credentials, validate=True).decode().split(":", 1)
        except ValueError:
            raise Unauthenticated(_BAD_CREDENTIALS) from None
        is_token, digest = password.startswith(("eyJ", REFERENCE_PREFIX)), _digest(password)
        user = await self._check_token(password) if is_token else self._api_keys.get(digest)
        if user is not None and user.name == name:
            return user
        if not hmac.compare_digest(self._fitted.get(name, b""), digest):
            # An unknown name costs as much as a wrong password, so that names cannot be guessed by the clock.
            hashed = self._hashes.get(name, self._nobody)
            salt = hashed.split("$")[1]
            if not hmac.compare_digest(await asyncio.to_thread(hash_password, password, salt), hashed):
                raise Unauthenticated(_BAD_CREDENTIALS)
            self._fitted[name] = digest
        return self._users[name]

    async def _check_token(self, token: str) -> User:
        held = await self.tokens.verify(token)
        user = self.user_of(held.username, held.scope)
        if user is None:
            raise Unauthenticated(_BAD_CREDENTIALS)
        return user


def hash_password(password: str, salt: str = "") -> str:
    """Return what stands in a configuration instead of a password; takes milliseconds on purpose.

    :param salt: of an older hash, to compare with that; left out, a new one is drawn.
    :returns: `scrypt$<salt>$<hash>`, in hex.
    """
    salt = salt or secrets.token_hex(16)
    return f"scrypt${salt}${hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=2**12, r=8, p=1).hex()}"


def is_password(password: str, stored: str) -> bool:
    """Return whether a password is the one that a configuration names, as it is or by its hash."""
    found = hash_password(password, stored.split("$")[1]) if stored.startswith("scrypt$") else password
    return hmac.compare_digest(found.encode(), stored.encode())


def _limit(name: str, repository: str, path: str | None, letters: str) -> PermissionConfig:
    """Return what a scope leaves of a user's permissions, in the form of one: a path stands for all below it, too."""
    return PermissionConfig(
        # There is no word for all repositories here.
        repositories=tuple({repository} - {ANY_REPOSITORY}),
        include_patterns=(f"{path}/**" if path else "**",),
        users={name: tuple(action for letter, action in _LETTERS.items() if letter in letters or "*" in letters)},
    )


def _digest(key: str) -> bytes:
    """Return what stands for an API key or a password here; as they are told apart by it, the clock tells nothing."""
    return hashlib.blake2b(key.encode(), key=_RUN_KEY).digest()
