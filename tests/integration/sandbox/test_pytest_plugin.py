"""The fixtures, as a project that tests against them sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_sandbox.pytest_plugin import RunningSandbox

pytest_plugins = ["pytester"]


def test_a_sandbox_is_there_with_its_url_and_login(artifactory_sandbox: RunningSandbox) -> None:
    assert artifactory_sandbox.url.endswith("/artifactory")
    login = (artifactory_sandbox.username, artifactory_sandbox.password)
    assert httpx.get(f"{artifactory_sandbox.url}/api/system/version", auth=login).status_code == 200
    assert artifactory_sandbox.data.is_dir()


def test_images_are_pushed_tagged_marked_and_deleted(artifactory_sandbox: RunningSandbox) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/a:1", content="same")
    assert artifactory_sandbox.push_image("docker-qa/b:2", content="same") == digest
    assert artifactory_sandbox.push_image("docker-dev/a:2") != digest
    assert artifactory_sandbox.tag("docker-dev/a:1", "docker-dev/a:2") == digest
    assert artifactory_sandbox.tag(f"docker-dev/a@{digest}", "docker-dev/a:3") == digest
    assert artifactory_sandbox.tags("docker-dev", "a") == ["1", "2", "3"]
    artifactory_sandbox.set_properties("docker-dev/a:2", {"k": "v"})
    assert artifactory_sandbox.properties("docker-dev/a:2")["k"] == ["v"]
    assert "k" not in artifactory_sandbox.properties("docker-dev/a:1")
    artifactory_sandbox.delete("docker-dev/a:2")
    assert artifactory_sandbox.digest("docker-dev/a:2") is None
    with pytest.raises(LookupError, match="docker-dev/a:2 is not in the sandbox"):
        artifactory_sandbox.delete("docker-dev/a:2")


def test_the_factory_starts_configured_sandboxes_side_by_side(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    plain, configured = artifactory_sandbox_factory(), artifactory_sandbox_factory({"users": {"ci": {"password": "x"}}})
    assert plain.url != configured.url
    assert (configured.username, configured.password) == ("ci", "x")


def test_a_project_needs_three_lines(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(artifactory_sandbox):
            digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.4.2")
            assert artifactory_sandbox.digest("docker-dev/payments/api:1.4.2") == digest
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
