"""A transit repository: nobody who looks at production sees what waits, and what has waited comes there whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.contents import everything
from tests.integration.promotion.dev_to_qa import PLATFORMS, REPOSITORIES, TRANSIT, promotion
from tests.integration.promotion.history import History
from tests.integration.sandbox.receiving import Receiver, receiving, subscribe

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.promotion.errors import TargetUnverified
from artifactory_provider.promotion.promote import promote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

LAST = "last"


@pytest.fixture
def telling(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    """A sandbox that tells of what happens, soon."""
    return artifactory_sandbox_factory(
        {"repositories": {key: {} for key in REPOSITORIES}, "webhooks": {"pause": 0.01, "unchanged_properties": True}}
    )


@pytest.fixture
def receiver(telling: RunningSandbox) -> Iterator[Receiver]:
    """One who hears of everything that happens to images and properties in the target repository."""
    criteria = {"anyLocal": False, "repoKeys": ["docker-qa"]}
    auth = (telling.username, telling.password)
    with receiving() as receiver, httpx.Client(base_url=telling.url, auth=auth, trust_env=False) as client:
        subscribe(client, receiver.url, key="images", criteria=criteria)
        event_filter = {"domain": "artifact_property", "event_types": ["added", "deleted"], "criteria": criteria}
        subscribe(client, receiver.url, key="properties", event_filter=event_filter)
        yield receiver


async def test_neither_webhooks_nor_scanners_of_the_target_ever_meet_what_waits(
    telling: RunningSandbox, receiver: Receiver, reach: Callable[..., ArtifactoryClient], image: str
) -> None:
    digest = telling.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    telling.push_image(f"docker-qa/{image}:old", content="old", platforms=PLATFORMS)
    newer = telling.push_image(f"docker-dev/{image}:old", content="newer", platforms=PLATFORMS)
    Pusher(telling, f"docker-dev/{image}").sign(digest, "signature")
    history = History(telling)
    async with reach(telling.url, authentication=Basic("admin", telling.password)) as client:
        for tag in ("1", "old"):
            await promote(client, promotion(image, tag=tag, on_conflict="backup", pending_repository=TRANSIT))
    told = _hear(telling, receiver, image)
    promoted = [event["data"]["tag"] for event in told if event["event_type"] == "promoted"]
    assert [tag for tag in promoted if not tag.startswith(("sha256-", "old-previous-"))] == ["1", "old"]
    assert "pending-" not in json.dumps(told)
    assert _pending(history, "docker-qa") == []
    assert set(_pending(history, TRANSIT)) == {digest, newer}


async def test_what_waits_leaves_nothing_behind_in_transit_and_the_target_has_every_part(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    await promote(direct, promotion(image, pending_repository=TRANSIT))
    assert Pusher(sandbox, f"docker-qa/{image}").answers(digest)
    assert [item for item in everything(sandbox) if item[0] == TRANSIT and image in item[1]] == []


async def test_a_part_that_the_last_step_loses_is_missed(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    """What was seen in transit proves nothing of the target."""
    index = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    child = Pusher(sandbox, f"docker-dev/{image}").children(index)[0]
    gateway.rule("POST", f"/{TRANSIT}/v2/promote$", after=lambda: sandbox.delete(f"docker-qa/{image}@{child}"))
    with pytest.raises(TargetUnverified, match=child):
        await promote(client, promotion(image, pending_repository=TRANSIT))


def _hear(sandbox: RunningSandbox, receiver: Receiver, image: str) -> list[dict[str, Any]]:
    """Return all that was told until both subscriptions have told of the last thing."""
    sandbox.push_image(f"docker-qa/{image}:{LAST}", content=LAST)
    sandbox.set_properties(f"docker-qa/{image}:{LAST}", {LAST: "yes"})
    told: list[dict[str, Any]] = []
    while len([event for event in told if f"/{LAST}/" in event["data"]["path"]]) < 2:
        told.append(receiver.next().event)
    return told


def _pending(history: History, repository: str) -> list[str]:
    shown = [event for event in history.events() if event.event == "shows"]
    return [event.digest for event in shown if event.place.startswith(f"{repository}/") and "/pending-" in event.place]
