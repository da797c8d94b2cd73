"""What the provider's tests share: one sandbox, a gateway in front of it, and ways to ask through it."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.gateway import Gateway

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.settings import ServerSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from artifactory_sandbox.pytest_plugin import RunningSandbox

PASSWORD = "p4ss:wörd/+with=oddities"
_IMAGES = (f"team/app-{number}" for number in itertools.count(1))


_MAY = {
    "reader": {"docker-dev": ["read"], "docker-qa": ["read"]},
    "deployer": {"docker-dev": ["read"], "docker-qa": ["read", "deploy"]},
    "stranger": {},
    "blind-deployer": {"docker-dev": ["read"], "docker-qa": ["deploy"]},
}
SANDBOX: dict[str, Any] = {
    "repositories": {
        **{key: {} for key in ("docker-dev", "docker-qa", "docker-prod", "docker-transit")},
        "docker-virtual": {"class": "virtual"},
        "docker-remote": {"class": "remote"},
        "generic-local": {"package_type": "generic"},
    },
    "users": {"admin": {"password": PASSWORD, "admin": True}, **{name: {"password": PASSWORD} for name in _MAY}},
    "permissions": [
        {"repositories": [repository], "users": {name: actions}}
        for name, targets in _MAY.items()
        for repository, actions in targets.items()
    ],
}
"""What the sandbox of these tests has."""


@pytest.fixture(scope="session")
def sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    """One sandbox for all: each test has image names of its own."""
    return artifactory_sandbox_factory(SANDBOX)


@pytest.fixture
def gateway(sandbox: RunningSandbox) -> Iterator[Gateway]:
    """A gateway in front of the sandbox; without rules it changes nothing."""
    with Gateway(f"http://{sandbox.registry}").running() as gateway:
        yield gateway


@pytest.fixture
def image() -> str:
    """The name of an image that no other test uses."""
    return next(_IMAGES)


@pytest.fixture
def settings(gateway: Gateway) -> Callable[..., ServerSettings]:
    """Make settings that lead through the gateway, patient enough for a test and no more."""

    def make(**changes: Any) -> ServerSettings:
        username = changes.pop("username", "admin")
        return ServerSettings(
            **{
                "base_url": gateway.url,
                "authentication": Basic(username, PASSWORD),
                "attempts": 3,
                "longest_pause": 0.01,
                **changes,
            }
        )

    return make


@pytest.fixture
async def client(settings: Callable[..., ServerSettings]) -> AsyncIterator[ArtifactoryClient]:
    """An administrator's client, through the gateway."""
    async with ArtifactoryClient(settings()) as client:
        yield client


@pytest.fixture
def connect(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make the connection `artifactory_default` lead through the gateway."""

    def make(**changes: Any) -> None:
        fields = {"conn_type": "artifactory", "host": gateway.url, "login": "admin", "password": PASSWORD, **changes}
        monkeypatch.setenv("AIRFLOW_CONN_ARTIFACTORY_DEFAULT", json.dumps(fields))

    make()
    return make


@pytest.fixture(scope="session")
def migrated_database() -> None:
    """Airflow's tables, in the session's own SQLite file."""
    from airflow.utils.db import initdb

    initdb()
