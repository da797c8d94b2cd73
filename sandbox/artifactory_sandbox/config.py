"""The sandbox's configuration: repositories, users, permissions."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import jwt
import yaml
from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator

from artifactory_sandbox.names import is_repository_key, matches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic import ValidationInfo

ANY_REPOSITORY = "ANY"
RESERVED_KEYS = frozenset({"access", "api", "artifactory", "event", "null", "sandbox", "token", "ui", "v2", "xray"})


ScanStatus = Literal["NOT_SUPPORTED", "NOT_SCANNED", "PENDING", "SCANNING", "DONE", "PARTIAL", "FAILED"]
ScanPart = Literal["sca", "contextual_analysis", "exposures", "violations"]


class ConfigError(Exception):
    """A configuration that cannot be used; the message names the place and what is wrong there."""


class Action(StrEnum):
    """What a permission allows, in the words of Artifactory's permission targets."""

    READ = "read"
    ANNOTATE = "annotate"
    DEPLOY = "deploy"
    DELETE = "delete"
    MANAGE = "manage"


def _repository_key(key: str) -> str:
    if not is_repository_key(key):
        raise ValueError("a repository key is up to 64 letters, digits, dots, dashes and underscores")
    if key in RESERVED_KEYS:
        raise ValueError(f"{key!r} is a path of the sandbox itself and cannot name a repository")
    return key


RepositoryKey = Annotated[str, AfterValidator(_repository_key)]


class _Section(BaseModel):
    model_config = {"extra": "forbid", "frozen": True, "populate_by_name": True}


class RepositoryConfig(_Section):
    """One repository.

    `members` are what a virtual repository reads through to, in this order; those of a remote one stand for the
    registry that it is a proxy of. `port` is one on which the repository is reached alone, without its key.
    """

    repository_class: Literal["local", "remote", "virtual", "federated"] = Field(default="local", alias="class")
    package_type: str = "docker"
    description: str = ""
    members: tuple[str, ...] = ()
    port: int | None = Field(default=None, ge=1, le=65535)

    @property
    def is_docker(self) -> bool:
        """Return whether the repository holds Docker images."""
        return self.package_type in {"docker", "oci"}

    @property
    def is_writable(self) -> bool:
        """Return whether images can be pushed and promoted into the repository."""
        return self.repository_class in {"local", "federated"}


def _password(password: SecretStr) -> SecretStr:
    text = password.get_secret_value()
    if text.startswith("scrypt$") and not re.fullmatch(r"scrypt\$[0-9a-f]{32}\$[0-9a-f]{128}", text):
        raise ValueError("is no hash that `artifactory-sandbox hash-password` has made")
    return password


class UserConfig(_Section):
    """One user: the password (or its hash, by `artifactory-sandbox hash-password`), and if permissions are needed."""

    password: Annotated[SecretStr, AfterValidator(_password)]
    admin: bool = False
    groups: tuple[str, ...] = ()
    api_key: SecretStr | None = None


class PermissionConfig(_Section):
    """One permission target: who may do what, in which repositories, under which paths (Ant patterns)."""

    repositories: tuple[str, ...]
    include_patterns: tuple[str, ...] = ("**",)
    exclude_patterns: tuple[str, ...] = ()
    users: dict[str, tuple[Action, ...]] = Field(default_factory=dict)
    groups: dict[str, tuple[Action, ...]] = Field(default_factory=dict)

    def names(self, repository: str) -> bool:
        """Return whether it is about a repository."""
        return repository in self.repositories or ANY_REPOSITORY in self.repositories

    def covers(self, repository: str, path: str) -> bool:
        """Return whether it is about a path of a repository."""
        return self.names(repository) and matches(path, self.include_patterns, self.exclude_patterns)

    def grants(self, action: Action, name: str, groups: Sequence[str]) -> bool:
        """Return whether it lets a user, or one of their groups, do something where it covers."""
        return action in self.users.get(name, ()) or any(action in self.groups.get(group, ()) for group in groups)


class Switches(_Section):
    """What one Artifactory does and another does not; None follows the version.

    :param strict_target_tags: a promotion's target tag must follow OCI's grammar; from 7.94.1 on.
    :param rename_children: an index that is promoted to a new tag has its children under `<tag>-<os>-<architecture>`
        there, instead of under their digests; before 7.111.0.
    :param delete_shared_layers: a promotion over a tag deletes that tag's layers even where other tags need them;
        before 7.117.1.
    :param silent_promotion: a promotion from or to a remote or virtual repository answers 200 and does nothing.
    :param carry_attachments: a promotion brings cosign's tags and the referrers of what it promotes.
    :param keep_list: a manifest that is pushed over an index leaves the index under the tag, and pulls go on
        answering with the index.
    :param longest_query: the most characters of an AQL query; 6000 in an Artifactory that is not set up otherwise
        (`aql.search.query.size.limit`). None takes any that is not past reason.
    :param link_with_repository: the Link to the next page of tags has the repository key that path addressing needs.
    """

    strict_target_tags: bool | None = None
    rename_children: bool | None = None
    delete_shared_layers: bool | None = None
    silent_promotion: bool = False
    carry_attachments: bool = False
    keep_list: bool = False
    longest_query: int | None = Field(default=None, ge=1)
    link_with_repository: bool = False


class WebhookConfig(_Section):
    """How webhooks are delivered.

    :param attempts: how often a delivery is tried before it is given up.
    :param pause: seconds before the second attempt; doubled before each further one.
    :param queue: how many events may wait for one handler; the oldest are given up beyond.
    :param origin: the `jpd_origin` of events.
    :param promoted_repository: which repository the event of a promotion names; Artifactory's own choice is not
        documented.
    :param unchanged_properties: whether a property that is given the values that it has is told of again; what
        Artifactory does is not documented.
    """

    attempts: int = Field(default=10, ge=1, le=1000)
    pause: float = Field(default=0.5, ge=0)
    queue: int = Field(default=10_000, ge=1)
    origin: str = "http://artifactory-sandbox"
    promoted_repository: Literal["source", "target"] = "target"
    unchanged_properties: bool = False


class LimitsConfig(_Section):
    """How much clients may take of the sandbox; what one request may hold is bounded in any case.

    :param connections: how many may be open at once; 503 beyond.
    :param head_seconds: until a request's line and headers must be there, from its first byte or the connection's
        beginning; 408 after that.
    :param idle_seconds: how long a client may neither send any more of a body nor take any more of an answer.
    """

    connections: int = Field(default=1000, ge=1)
    head_seconds: float = Field(default=30.0, gt=0)
    idle_seconds: float = Field(default=60.0, gt=0)


class XrayFinding(_Section):
    """What a scan has found in some artifacts.

    :param artifact: the digest of a manifest, or an Ant pattern of `<repository>/<image>/<tag>/<file>`.
    :param status: how far the scan has come.
    :param parts: how far parts of it have come, where not as far: `sca`, `violations` and so on.
    :param issues: as Xray's summary lists them: `issue_id`, `severity`, `cves` and so on.
    :param licenses: as Xray's summary lists them.
    :param violations: as Xray lists them: `watch_name`, `severity`, `type`, `matched_policies` and so on.
    :param is_blocked: whether a policy forbids to download it.
    """

    artifact: str
    status: ScanStatus = "DONE"
    parts: dict[ScanPart, ScanStatus] = Field(default_factory=dict)
    issues: tuple[dict[str, Any], ...] = ()
    licenses: tuple[dict[str, Any], ...] = ()
    violations: tuple[dict[str, Any], ...] = ()
    is_blocked: bool = Field(default=False, alias="blocked")


class XrayWatch(_Section):
    """A watch, as far as Xray's API shows it; the violations of it are told with the findings.

    :param repositories: what it watches; all repositories if empty.
    :param policies: the names of the policies that it applies.
    """

    active: bool = True
    repositories: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()


class XrayConfig(_Section):
    """The findings and watches that stand from the start, and what holds for all that none of the findings covers."""

    findings: tuple[XrayFinding, ...] = ()
    watches: dict[str, XrayWatch] = Field(default_factory=dict)
    default_status: ScanStatus = "NOT_SCANNED"
    block_unscanned: bool = False


class OidcMapping(_Section):
    """Whom identity tokens stand for, if all claims fit (`*` matches any text): a user, or groups."""

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


def _keys(keys: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    try:
        jwt.PyJWKSet(list(keys))
    except jwt.PyJWTError as error:
        raise ValueError(f"no JWK set: {error}") from None
    return keys


class OidcProvider(_Section):
    """A system whose identity tokens are accepted: its issuer, its keys (a JWK set's), and who stands for whom."""

    issuer: str
    audience: str | None = None
    keys: Annotated[tuple[dict[str, Any], ...], AfterValidator(_keys)]
    mappings: tuple[OidcMapping, ...] = Field(min_length=1)


_REPOSITORIES = {f"docker-{environment}": RepositoryConfig() for environment in ("dev", "qa", "staging", "prod")}
_REPOSITORIES["generic-local"] = RepositoryConfig(package_type="generic")
DEFAULT_PASSWORD = "password"  # noqa: S105 (whoever keeps it is warned)
_USERS = {"admin": UserConfig(password=SecretStr(DEFAULT_PASSWORD), admin=True)}


class Config(_Section):
    """The whole configuration; every part has a default, and a part that is given replaces its default."""

    version: str = Field(default="7.117.1", pattern=r"^\d+\.\d{1,3}\.\d{1,2}$")
    switches: Annotated[Switches, Field(validate_default=True)] = Switches()
    anonymous: bool = False
    api_keys: bool = True
    oidc: dict[str, OidcProvider] = Field(default_factory=dict)
    repositories: dict[RepositoryKey, RepositoryConfig] = _REPOSITORIES
    users: dict[str, UserConfig] = _USERS
    permissions: tuple[PermissionConfig, ...] = ()
    webhooks: WebhookConfig = WebhookConfig()
    xray: XrayConfig = XrayConfig()
    limits: LimitsConfig = LimitsConfig()

    def sources(self, repository: str) -> tuple[str, ...]:
        """Return the repositories in which what a repository holds lies, in the order in which they are asked."""
        config = self.repositories[repository]
        if config.is_writable:
            return (repository,)
        found = [source for member in config.members for source in self.sources(member)]
        return tuple(dict.fromkeys(found))

    @field_validator("switches")
    @classmethod
    def _switches_follow_the_version(cls, switches: Switches, info: ValidationInfo) -> Switches:
        number = tuple(int(part) for part in info.data.get("version", "0").split("."))
        defaults = {
            "strict_target_tags": number >= (7, 94, 1),
            "rename_children": number < (7, 111, 0),
            "delete_shared_layers": number < (7, 117, 1),
        }
        return Switches.model_validate(defaults | switches.model_dump(exclude_none=True))

    @field_validator("repositories")
    @classmethod
    def _members_come_first(cls, value: dict[str, RepositoryConfig]) -> dict[str, RepositoryConfig]:
        """A member must be named above the repository that reads through to it, so none reads through to itself."""
        known: set[str] = set()
        for key, repository in value.items():
            if not set(repository.members) <= known:
                raise ValueError(f"{key}: no repository above it is called {min(set(repository.members) - known)!r}")
            if repository.members and repository.is_writable:
                raise ValueError(f"{key}: only virtual and remote repositories have members")
            known.add(key)
        return value

    @model_validator(mode="after")
    def _names_are_known(self) -> Config:
        for number, permission in enumerate(self.permissions):
            unknown = set(permission.repositories) - {*self.repositories, ANY_REPOSITORY}
            if unknown:
                raise ValueError(f"permissions.{number}: no repository is called {min(unknown)!r}")
            strangers = set(permission.users) - {*self.users, "anonymous"}
            if strangers:
                raise ValueError(f"permissions.{number}: no user is called {min(strangers)!r}")
        return self


def parse_config(values: Mapping[str, object]) -> Config:
    """Validate a configuration that was read from a file or written in a test.

    :param values: the sections, as in the YAML file.
    :raises ConfigError: naming the first place that is wrong.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(first_problem(error)) from None


def first_problem(error: ValidationError) -> str:
    """Return the first place that is wrong in a value from people, and what is wrong there."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    reason = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
    return f"{place}: {reason}" if place else reason


def load_config(path: Path | None) -> Config:
    """Read the configuration file, or take the defaults when there is none.

    :param path: a YAML file.
    :raises ConfigError: when the file cannot be read or does not describe a configuration.
    """
    if path is None:
        return Config()
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict | None):
            raise ConfigError("expected sections such as 'repositories:' and 'users:'")
        return parse_config(values or {})
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
