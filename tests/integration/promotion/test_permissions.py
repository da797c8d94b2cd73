"""What each step needs, and that what is missing is named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.contents import everything
from tests.integration.promotion.dev_to_qa import PLATFORMS, REPOSITORIES, TRANSIT, promotion

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.errors import PermissionDenied, RepositoryNotFound
from artifactory_provider.promotion.batch import promote_many
from artifactory_provider.promotion.errors import AttachmentLost
from artifactory_provider.promotion.promote import promote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.request import Promotion
    from artifactory_sandbox.pytest_plugin import RunningSandbox

DEV, QA = ("read", "deploy", "delete"), ("read", "deploy", "annotate", "delete")
USED = ("read", "deploy")
USERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "two-phase": (("read",), QA),
    "fast": (("read",), ("read", "deploy", "annotate")),
    "move": (DEV, QA),
    "without-read": (("read",), ("deploy", "annotate", "delete")),
    "without-deploy": (("read",), ("read", "annotate", "delete")),
    "without-annotate": (("read",), ("read", "deploy", "delete")),
    "stranger": ((), QA),
    "move-without-delete": (("read", "deploy"), QA),
    "move-without-deploy": (("read", "delete"), QA),
    "transit": (("read",), USED, QA),
    "transit-move": (DEV, USED, QA),
    "transit-overwrite": (("read",), (*USED, "delete"), QA),
    "transit-without-read": (("read",), USED, ("deploy", "annotate", "delete")),
    "transit-without-deploy": (("read",), USED, ("read", "annotate", "delete")),
    "transit-without-annotate": (("read",), USED, ("read", "deploy", "delete")),
    "transit-without-delete": (("read",), USED, ("read", "deploy", "annotate")),
    "transit-target-without-deploy": (("read",), ("read",), QA),
    "transit-target-without-read": (("read",), ("deploy", "delete"), QA),
}
"""Who may do what in source, target and transit."""


@pytest.fixture(scope="module")
def guarded(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    """A sandbox with a user for each set of permissions."""
    users: dict[str, Any] = {name: {"password": "secret"} for name in USERS}
    return artifactory_sandbox_factory(
        {
            "repositories": {key: {} for key in REPOSITORIES},
            "users": {"admin": {"password": "password", "admin": True}} | users,
            "permissions": [
                {"repositories": [repository], "users": {name: list(actions)}}
                for name, permissions in USERS.items()
                for repository, actions in zip(REPOSITORIES, permissions, strict=False)
            ],
        }
    )


@pytest.mark.parametrize(
    ("user", "changes"),
    [
        ("two-phase", {}),
        ("fast", {"two_phase": False}),
        ("move", {"copy": False}),
        ("fast", {"property_prefix": None, "two_phase": False}),
        ("transit", {"pending_repository": TRANSIT}),
        ("transit-move", {"pending_repository": TRANSIT, "copy": False}),
    ],
)
async def test_these_permissions_are_enough(
    guarded: RunningSandbox, reach: Callable[..., ArtifactoryClient], image: str, user: str, changes: dict[str, Any]
) -> None:
    digest = guarded.push_image(f"docker-dev/{image}:1")
    await _promote_as(user, guarded, reach, promotion(image, **changes))
    assert guarded.digest(f"docker-qa/{image}:1") == digest
    assert guarded.tags("docker-qa", image) + guarded.tags(TRANSIT, image) == ["1"]


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
        ("transit-without-read", f"Read on '{TRANSIT}'"),
        ("transit-without-deploy", f"Deploy/Cache on '{TRANSIT}'"),
        ("transit-without-annotate", f"Annotate on '{TRANSIT}/"),
        (
            "transit-without-delete",
            f"Delete/Overwrite on '{TRANSIT}/.*needs on '{TRANSIT}': Read, Deploy/Cache and Del",
        ),
        ("transit-target-without-deploy", "Deploy/Cache on 'docker-qa'"),
    ],
)
async def test_a_permission_that_is_missing_is_named_and_nothing_has_changed(
    guarded: RunningSandbox, reach: Callable[..., ArtifactoryClient], image: str, user: str, named: str
) -> None:
    guarded.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    before = everything(guarded)
    transit = TRANSIT if "transit" in user else None
    with pytest.raises(PermissionDenied, match=named):
        await _promote_as(user, guarded, reach, promotion(image, copy="move" not in user, pending_repository=transit))
    assert everything(guarded) == before


@pytest.mark.parametrize("user", ["transit", "transit-overwrite"])
@pytest.mark.parametrize("count", ["alone", "many"])
async def test_through_transit_read_and_deploy_are_enough_in_the_target_until_a_tag_is_overwritten(
    guarded: RunningSandbox, reach: Callable[..., ArtifactoryClient], image: str, user: str, count: str
) -> None:
    new = guarded.push_image(f"docker-dev/{image}:new", platforms=PLATFORMS)
    pusher = Pusher(guarded, f"docker-dev/{image}")
    attached = (pusher.sign(new, "signature"), pusher.refer(new, "sbom"), pusher.sign(pusher.children(new)[0], "child"))
    old = guarded.push_image(f"docker-qa/{image}:old", content="old", platforms=PLATFORMS)
    other = guarded.push_image(f"docker-dev/{image}:old", content="other", platforms=PLATFORMS)
    wanted = [
        promotion(image, tag=tag, on_conflict="backup", pending_repository=TRANSIT, run=f"{tag}1")
        for tag in ("new", "old")
    ]
    qa = Pusher(guarded, f"docker-qa/{image}")
    errors = await _try_as(user, guarded, reach, wanted, count)
    assert guarded.digest(f"docker-qa/{image}:new") == new
    assert all(qa.answers(digest) for digest in (new, *attached))
    if user == "transit":
        assert [type(error) for error in errors] == [type(None), PermissionDenied]
        words = (
            r"Delete/Overwrite on 'docker-qa/.*This promotion needs on 'docker-qa': Read, .* a tag is overwritten there"
        )
        assert re.search(words, str(errors[1]))
        assert not [tag for tag in guarded.tags("docker-qa", image) if "previous" in tag]
        assert guarded.digest(f"docker-qa/{image}:old") == old
    else:
        assert errors == [None, None]
        assert guarded.digest(f"docker-qa/{image}:old") == other
        assert qa.answers(old), "kept as a backup, which takes Deploy/Cache alone"
    assert guarded.tags(TRANSIT, image) == []


async def test_who_may_not_overwrite_ends_well_where_another_run_has_promoted_the_same_digest_meanwhile(
    guarded: RunningSandbox, reach: Callable[..., ArtifactoryClient], image: str
) -> None:
    theirs = guarded.push_image(f"docker-qa/{image}:theirs", content=image, platforms=PLATFORMS)
    assert guarded.push_image(f"docker-dev/{image}:1", content=image, platforms=PLATFORMS) == theirs
    retag = {"path": f"*{TRANSIT}/v2/promote", "tag": f"docker-qa/{image}:1", "to": "theirs", "count": 1}
    number = guarded.add_fault("move_tag", **retag)
    await _promote_as("transit", guarded, reach, promotion(image, pending_repository=TRANSIT))
    guarded.service.faults.remove(number)
    assert guarded.digest(f"docker-qa/{image}:1") == theirs
    assert guarded.tags(TRANSIT, image) == []


async def test_many_overwrite_nothing_in_a_target_that_the_user_may_not_read(
    guarded: RunningSandbox, reach: Callable[..., ArtifactoryClient], image: str
) -> None:
    """Queries pass over what a user may not read, and what waits in transit would be seen all the same."""
    guarded.push_image(f"docker-dev/{image}:1")
    guarded.push_image(f"docker-qa/{image}:1", content="theirs")
    before = everything(guarded)
    wanted = [promotion(image, pending_repository=TRANSIT)]
    [error] = await _try_as("transit-target-without-read", guarded, reach, wanted, "many")
    assert isinstance(error, PermissionDenied)
    assert "Read on 'docker-qa'" in str(error)
    assert everything(guarded) == before


async def test_who_may_not_drop_what_waits_in_transit_is_refused_before_signatures_are_brought(
    guarded: RunningSandbox, reach: Callable[..., ArtifactoryClient], image: str
) -> None:
    digest = guarded.push_image(f"docker-dev/{image}:1")
    Pusher(guarded, f"docker-dev/{image}").sign(digest, "signature")
    before = everything(guarded)
    for pending_repository, words in ((TRANSIT, "Delete/Overwrite on"), ("docker-nowhere", "no repository 'docker-no")):
        wanted = promotion(image, pending_repository=pending_repository)
        with pytest.raises((PermissionDenied, RepositoryNotFound), match=words):
            await _promote_as("transit-without-delete", guarded, reach, wanted)
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


async def _try_as(
    user: str,
    sandbox: RunningSandbox,
    reach: Callable[..., ArtifactoryClient],
    wanted: Sequence[Promotion],
    count: str,
) -> list[Exception | None]:
    """Promote alone, one after the other, or as one batch; return what went wrong with each."""
    if count == "alone":
        errors: list[Exception | None] = []
        for one in wanted:
            try:
                await _promote_as(user, sandbox, reach, one)
                errors.append(None)
            except PermissionDenied as error:
                errors.append(error)
        return errors
    async with reach(sandbox.url, authentication=Basic(user, "secret")) as client:
        return [result.error for result in (await promote_many(client, wanted)).results]


async def _promote_as(user: str, sandbox: RunningSandbox, reach: Callable[..., ArtifactoryClient], wanted: Any) -> None:
    async with reach(sandbox.url, authentication=Basic(user, "secret")) as client:
        await promote(client, wanted)
