"""Repositories that cannot promote: each is named with what it is, and nothing has been changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.contents import everything
from tests.integration.promotion.dev_to_qa import PLATFORMS, promotion

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.errors import RepositoryNotFound, UnsupportedRepository
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.promote import promote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

NAMES = {
    "nowhere": "no repository 'nowhere'",
    "generic": "'generic' is a local generic repository",
    "virtual": "'virtual' is a virtual docker repository",
    "remote": "'remote' is a remote docker repository",
}
PLACES = [*((name, "docker-qa") for name in NAMES), *(("docker-dev", name) for name in NAMES)]
WAYS: dict[str, dict[str, Any]] = {
    "two-phase": {},
    "fast": {"two_phase": False, "attachments": "none"},
    "fast, without a record": {"two_phase": False, "attachments": "none", "property_prefix": None},
    "move": {"copy": False},
    "through transit": {"pending_repository": "docker-transit"},
}


@pytest.fixture(scope="module", params=["refusing", "silent"])
def mixed(request: pytest.FixtureRequest, artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    """A sandbox with every kind of repository, which refuses promotions with them, or says that it has made them."""
    return artifactory_sandbox_factory(
        {
            "repositories": {
                "docker-dev": {},
                "docker-qa": {"class": "federated"},
                "docker-transit": {"class": "federated"},
                "generic": {"package_type": "generic"},
                "virtual": {"class": "virtual", "members": ["docker-dev", "docker-qa"]},
                "remote": {"class": "remote", "members": ["docker-dev"]},
            },
            "switches": {"silent_promotion": request.param == "silent"},
        }
    )


@pytest.fixture
def healthy(mixed: RunningSandbox) -> Iterator[RunningSandbox]:
    """The same sandbox; what a test does to its queries is taken back."""
    yield mixed
    mixed.clear_faults()


@pytest.mark.parametrize(
    ("way", "state"),
    [
        *((way, state) for way in WAYS for state in ("plain", "queries refused")),
        *((way, "signed") for way in ("two-phase", "move", "through transit")),
    ],
)
@pytest.mark.parametrize(("source", "target"), PLACES)
async def test_a_repository_that_cannot_promote_is_named_with_its_kind_and_nothing_has_changed(
    healthy: RunningSandbox,
    reach: Callable[..., ArtifactoryClient],
    image: str,
    source: str,
    target: str,
    way: str,
    state: str,
) -> None:
    digest = healthy.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    _set_state(healthy, image, digest, state)
    before = everything(healthy)
    places: dict[str, Any] = {
        "source": ImageReference(source, image, "1"),
        "target": ImageReference(target, image, "1"),
    }
    async with reach(healthy.url, authentication=Basic("admin", healthy.password)) as client:
        with pytest.raises((RepositoryNotFound, UnsupportedRepository), match=NAMES.get(source) or NAMES[target]):
            await promote(client, promotion(image, **places, **WAYS[way]))
    assert everything(healthy) == before


@pytest.mark.parametrize("state", ["plain", "queries refused", "signed"])
@pytest.mark.parametrize("kind", NAMES)
async def test_a_transit_repository_in_which_nothing_can_wait_is_named_with_its_kind_and_nothing_has_changed(
    healthy: RunningSandbox, reach: Callable[..., ArtifactoryClient], image: str, kind: str, state: str
) -> None:
    digest = healthy.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    _set_state(healthy, image, digest, state)
    before = everything(healthy)
    async with reach(healthy.url, authentication=Basic("admin", healthy.password)) as client:
        with pytest.raises((RepositoryNotFound, UnsupportedRepository), match=NAMES[kind]):
            await promote(client, promotion(image, pending_repository=kind))
    assert everything(healthy) == before


def _set_state(sandbox: RunningSandbox, image: str, digest: str, state: str) -> None:
    if state == "queries refused":
        sandbox.add_fault("status", path="*/api/search/aql", status=403)
    if state == "signed":
        pusher = Pusher(sandbox, f"docker-dev/{image}")
        pusher.sign(digest, "signature")
        pusher.refer(digest, "sbom")
