"""The sandbox's configuration: repositories, users, permissions."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from artifactory_sandbox.names import is_repository_key
from artifactory_sandbox.oidc import OidcProvider  # noqa: TC001 (pydantic reads it)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ANY_REPOSITORY = "ANY"
RESERVED_KEYS = frozenset({"access", "api", "artifactory", "event", "null", "sandbox", "token", "ui", "v2", "xray"})


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
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class RepositoryConfig(_Section):
    """One repository."""

    repository_class: Literal["local", "remote", "virtual", "federated"] = Field(default="local", alias="class")
    package_type: str = "docker"
    description: str = ""

    @property
    def is_docker(self) -> bool:
        """Tell whether the repository holds Docker images."""
        return self.package_type in {"docker", "oci"}

    @property
    def is_writable(self) -> bool:
        """Tell whether images can be pushed and promoted into the repository."""
        return self.repository_class in {"local", "federated"}


class UserConfig(_Section):
    """One user: the password, and whether permissions are needed at all."""

    password: SecretStr
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


def _default_repositories() -> dict[str, RepositoryConfig]:
    repositories = {f"docker-{environment}": RepositoryConfig() for environment in ("dev", "qa", "staging", "prod")}
    repositories["generic-local"] = RepositoryConfig(package_type="generic")
    return repositories


def _default_users() -> dict[str, UserConfig]:
    return {"admin": UserConfig(password=SecretStr("password"), admin=True)}


class Config(_Section):
    """The whole configuration; every part has a default, and a part that is given replaces its default."""

    version: str = Field(default="7.117.1", pattern=r"^\d+\.\d{1,3}\.\d{1,2}$")
    anonymous: bool = False
    api_keys: bool = True
    oidc: dict[str, OidcProvider] = Field(default_factory=dict)
    repositories: dict[RepositoryKey, RepositoryConfig] = Field(default_factory=_default_repositories)
    users: dict[str, UserConfig] = Field(default_factory=_default_users)
    permissions: tuple[PermissionConfig, ...] = ()

    @model_validator(mode="after")
    def _names_are_known(self) -> Config:
        for number, permission in enumerate(self.permissions):
            unknown = set(permission.repositories) - set(self.repositories) - {ANY_REPOSITORY}
            if unknown:
                raise ValueError(f"permissions.{number}: no repository is called {min(unknown)!r}")
            strangers = set(permission.users) - set(self.users) - {"anonymous"}
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
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict | None):
        raise ConfigError(f"{path}: expected sections such as 'repositories:' and 'users:'")
    try:
        return parse_config(values or {})
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
