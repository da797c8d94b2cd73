"""What each step needs, and that what is missing is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.dev_to_qa import promotion

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.errors import PermissionDenied
from artifactory_provider.promotion.promotion import promote

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

DEV, QA = ("read", "deploy", "delete"), ("read", "deploy", "annotate", "delete")
USERS = {
    "two-phase": (("read",), QA),
    "fast": (("read",), ("read", "deploy", "annotate")),
    "move": (DEV, QA),
    "without-read": (("read",), ("deploy", "annotate", "delete")),
    "without-deploy": (("read",), ("read", "annotate", "delete")),
    "without-annotate": (("read",), ("read", "deploy", "delete")),
    "move-without-delete": (("read", "deploy"), QA),
    "move-without-deploy": (("read", "delete"), QA),
}


@pytest.fixture(scope="module")
def guarded(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    """A sandbox with a user for each set of permissions."""
    users: dict[str, Any] = {name: {"password": "secret"} for name in USERS}
    return artifactory_sandbox_factory(
        {
            "users": {"admin": {"password": "password", "admin": True}} | users,
            "permissions": [
                {"repositories": [repository], "users": {name: list(actions)}}
                for name, both in USERS.items()
                for repository, actions in zip(("docker-dev", "docker-qa"), both, strict=True)
            ],
        }
    )


@pytest.mark.parametrize(
    ("user", "changes"),
    [("two-phase", {}), ("fast", {"two_phase": False}), ("move", {"copy": False}), ("fast", {"property_prefix": None})],
)
async def test_these_permissions_are_enough(
    guarded: RunningSandbox, reach: Callable[..., ArtifactoryClient], image: str, user: str, changes: dict[str, Any]
) -> None:
    digest = guarded.push_image(f"docker-dev/{image}:1")
    if changes.get("property_prefix", "") is None:
        changes = {**changes, "two_phase": False}
    await _promote_as(user, guarded, reach, promotion(image, **changes))
    assert guarded.digest(f"docker-qa/{image}:1") == digest
    assert guarded.tags("docker-qa", image) == ["1"]


@pytest.mark.parametrize(
    ("user", "changes", "named"),
    [
        ("without-read", {}, "Read on 'docker-qa'"),
        ("without-deploy", {}, "Deploy/Cache on 'docker-qa'"),
        ("without-annotate", {}, "Annotate on 'docker-qa/"),
        ("fast", {}, "Delete/Overwrite on 'docker-qa'"),
    ],
)
async def test_a_permission_that_is_missing_is_named_and_the_target_tag_does_not_appear(
    guarded: RunningSandbox,
    reach: Callable[..., ArtifactoryClient],
    image: str,
    user: str,
    changes: dict[str, Any],
    named: str,
) -> None:
    guarded.push_image(f"docker-dev/{image}:1")
    with pytest.raises(PermissionDenied, match=named):
        await _promote_as(user, guarded, reach, promotion(image, **changes))
    assert guarded.digest(f"docker-qa/{image}:1") is None


@pytest.mark.parametrize(
    ("user", "named"),
    [
        ("move-without-delete", "Delete/Overwrite on 'docker-dev'"),
        ("move-without-deploy", "Deploy/Cache on 'docker-dev'"),
    ],
)
async def test_a_move_names_what_it_lacks_on_the_source_and_the_source_tag_stays(
    guarded: RunningSandbox, reach: Callable[..., ArtifactoryClient], image: str, user: str, named: str
) -> None:
    digest = guarded.push_image(f"docker-dev/{image}:1")
    with pytest.raises(PermissionDenied, match=named):
        await _promote_as(user, guarded, reach, promotion(image, copy=False))
    assert guarded.digest(f"docker-dev/{image}:1") == digest
    assert guarded.digest(f"docker-qa/{image}:1") == digest


async def test_whoever_may_not_read_the_source_of_a_referrer_gets_no_unsigned_image(
    guarded: RunningSandbox, reach: Callable[..., ArtifactoryClient], image: str
) -> None:
    digest = guarded.push_image(f"docker-dev/{image}:1")
    Pusher(guarded, f"docker-dev/{image}").refer(digest, "sbom")
    number = guarded.add_fault("status", status=403, path="*docker-dev/*/referrers/*")
    with pytest.raises(PermissionDenied, match="Read on 'docker-dev'"):
        await _promote_as("two-phase", guarded, reach, promotion(image))
    guarded.service.faults.remove(number)
    assert guarded.tags("docker-qa", image) == []


async def _promote_as(user: str, sandbox: RunningSandbox, reach: Callable[..., ArtifactoryClient], wanted: Any) -> None:
    async with reach(sandbox.url, authentication=Basic(user, "secret")) as client:
        await promote(client, wanted)
