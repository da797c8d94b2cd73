"""What the tests of authentication share: a sandbox with every kind of credentials, and another system's tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.artifactory.authentication.tokens import PROVIDER, IdentityFile
from tests.integration.conftest import PASSWORD

from artifactory_provider.artifactory.authentication import IdentityExchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_sandbox.pytest_plugin import RunningSandbox

    MakeSettings = Callable[..., ServerSettings]


API_KEY = "AKCp8keyOfTheAdministrator"


@pytest.fixture(scope="module")
def trusting_sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    """A sandbox that trusts another system's identity tokens, and lets anonymous users read one repository."""
    users = {"admin": {"password": PASSWORD, "admin": True, "api_key": API_KEY}}
    reading = {"repositories": ["docker-qa"], "users": {"anonymous": ["read"]}, "groups": {"readers": ["read"]}}
    return artifactory_sandbox_factory(
        {"users": users, "anonymous": True, "permissions": [reading], "oidc": {"ci-system": PROVIDER}}
    )


@pytest.fixture
def sandbox(trusting_sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    yield trusting_sandbox
    trusting_sandbox.clear_faults()


@pytest.fixture
def identity(tmp_path: Path) -> IdentityFile:
    identity = IdentityFile(tmp_path / "identity-token")
    identity.write()
    return identity


@pytest.fixture
def oidc(settings: MakeSettings, identity: IdentityFile) -> MakeSettings:
    """Make settings for an exchange of the identity token."""

    def make(**changes: Any) -> ServerSettings:
        exchange = {"provider": "ci-system", "token_file": str(identity.path), **changes}
        return settings(authentication=IdentityExchange(**exchange))

    return make
