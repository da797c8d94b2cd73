"""What each step needs, and that what is missing is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.contents import everything
from tests.integration.promotion.dev_to_qa import PLATFORMS, promotion

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.errors import PermissionDenied
from artifactory_provider.promotion.errors import AttachmentLost
from artifactory_provider.promotion.promote import promote

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
    "stranger": ((), QA),
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
    ("user", "named"),
    [
        ("stranger", "Read on 'docker-dev'"),
        ("without-read", "Read on 'docker-qa'"),
        ("without-deploy", "Deploy/Cache on 'docker-qa'"),
        ("without-annotate", "Annotate on 'docker-qa/"),
        ("fast", "Delete/Overwrite on 'docker-qa/.*This promotion needs on 'docker-qa': Read, Deploy/Cache and Delete"),
        ("move-without-delete", "Delete/Overwrite on 'docker-dev/.*needs on 'docker-dev': Read, Deploy/Cache and Del"),
        ("move-without-deploy", "Deploy/Cache on 'docker-dev'.*needs on 'docker-dev': Read, Deploy/Cache and Delete"),
    ],
)
async def test_a_permission_that_is_missing_is_named_and_nothing_has_changed(
    guarded: RunningSandbox, reach: Callable[..., ArtifactoryClient], image: str, user: str, named: str
) -> None:
    guarded.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    before = everything(guarded)
    with pytest.raises(PermissionDenied, match=named):
        await _promote_as(user, guarded, reach, promotion(image, copy="move" not in user))
    assert everything(guarded) == before


async def test_a_signed_image_that_may_not_be_promoted_leaves_no_signature_in_the_target(
    guarded: RunningSandbox, reach: Callable[..., ArtifactoryClient], image: str
) -> None:
    digest = guarded.push_image(f"docker-dev/{image}:1")
    Pusher(guarded, f"docker-dev/{image}").sign(digest, "signature")
    before = everything(guarded)
    for user, copy in (("fast", True), ("without-deploy", True), ("move-without-delete", False)):
        with pytest.raises((PermissionDenied, AttachmentLost), match="docker-"):
            await _promote_as(user, guarded, reach, promotion(image, copy=copy))
        assert everything(guarded) == before


async def test_a_copy_that_asks_for_nothing_first_names_what_it_lacks_and_the_target_tag_does_not_appear(
    guarded: RunningSandbox, reach: Callable[..., ArtifactoryClient], image: str
) -> None:
    """Without Delete nobody can take the pending tag away."""
    guarded.push_image(f"docker-dev/{image}:1")
    with pytest.raises(PermissionDenied, match="Delete/Overwrite on 'docker-qa'"):
        await _promote_as("fast", guarded, reach, promotion(image, attachments="none"))
    assert guarded.digest(f"docker-qa/{image}:1") is None


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
