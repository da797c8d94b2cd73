"""Everything that the sandbox can do wrong, at every request of a promotion, and then the run's second try."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.contents import is_whole, named
from tests.integration.promotion.dev_to_qa import ABSENT, PLATFORMS, REPOSITORIES, TRANSIT, promotion
from tests.integration.promotion.history import History

from artifactory_provider.artifactory.authentication import Bearer
from artifactory_provider.artifactory.errors import ArtifactoryError, NotFound
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import PromotionError
from artifactory_provider.promotion.promote import promote

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.record import PromotionRecord
    from artifactory_provider.promotion.request import Promotion
    from artifactory_sandbox.journal import Record
    from artifactory_sandbox.pytest_plugin import RunningSandbox

    LogIn = Callable[..., Awaitable[ArtifactoryClient]]

RUN = "run1"
ANYWHERE: dict[str, Mapping[str, Any]] = {
    "429": {"effect": "status", "status": 429},
    "429 with Retry-After": {"effect": "status", "status": 429, "retry_after": 1},
    "429 again and again": {"effect": "status", "status": 429, "count": 4},
    "503": {"effect": "status", "status": 503},
    "an outage from here on": {"effect": "status", "status": 503, "count": None},
    "504 after the work": {"effect": "status", "status": 504, "when": "after", "html": True},
    "reset before the work": {"effect": "reset"},
    "reset after the work": {"effect": "reset", "when": "after"},
    "resets from here on": {"effect": "reset", "when": "after", "count": None},
    "a truncated answer": {"effect": "truncate"},
    "a proxy's page of an error": {"effect": "status", "status": 502, "html": True},
    "a proxy's page without an error": {"effect": "status", "status": 200, "html": True},
    "latency": {"effect": "latency", "seconds": 0.02},
    "a lag": {"effect": "lag", "reads": 3},
    "a stale node": {"effect": "stale", "count": 3},
    "an expired token": {"effect": "expire_token"},
}
BY_OTHERS: dict[str, Mapping[str, Any]] = {
    "the source tag moved": {"effect": "move_tag", "tag": "docker-dev/{image}:1", "to": "other"},
    "the source tag deleted": {"effect": "move_tag", "tag": "docker-dev/{image}:1"},
    "the target tag moved": {"effect": "move_tag", "tag": "{target}", "to": "other"},
    "the target tag deleted": {"effect": "move_tag", "tag": "{target}"},
}
EVERYWHERE = ("reset after the work", "a stale node")
AT_PROMOTIONS = (
    "429",
    "504 after the work",
    "reset before the work",
    "a truncated answer",
    "a proxy's page without an error",
    "a lag",
    "an expired token",
)
SCENARIOS = (
    "move",
    "copy",
    "backup",
    "retag",
    "fast",
    "fast move",
    "signed copy",
    "signed through transit",
    "move over a backup through transit",
)
WAYS = [
    *(("queries answered", scenario) for scenario in SCENARIOS),
    *(("queries refused", s) for s in ("move", "copy through transit", "signed copy")),
]
CASES = [
    (queries, scenario, fault)
    for queries, scenario in WAYS
    for fault in (ANYWHERE if (queries, scenario) == WAYS[0] else (*EVERYWHERE, *AT_PROMOTIONS))
]
"""A move meets every fault at each of its requests. The others meet two at each: an answer that does not come, and one
that is out of date; and all that differ in kind at those requests that are never sent again blindly, the promotions."""


@dataclass
class Scene:
    """One promotion, and what was there before it: its digests stand nowhere else, so that none is lost unseen."""

    sandbox: RunningSandbox
    promotion: Promotion
    digest: str
    before: str | None
    other: str
    belonging: tuple[str, ...]

    @property
    def target(self) -> str:
        target = self.promotion.target
        return f"{target.repository}/{target.image}:{target.tag}"

    def state(self) -> dict[str, Any]:
        """Return what stands in both repositories, each digest by its part: tag → digest, and the target's record."""
        image = self.promotion.source.image
        tags = {
            repository: {
                self._named(tag): self._named(self.sandbox.digest(f"{repository}/{image}:{tag}")) for tag in found
            }
            for repository in REPOSITORIES
            for found in [self.sandbox.tags(repository, image)]
        }
        properties = self.sandbox.properties(self.target)
        # Each scene has an image, and children, of its own.
        unlike = {"promotion.time", "promotion.source", "promotion.target", "promotion.children"}
        if not self.promotion.options.two_phase:
            unlike |= {"promotion.replaced"}
        own = {name for name in properties if name.startswith("promotion.")} - unlike
        return {**tags, "record": {name: [self._named(value) for value in properties[name]] for name in own}}

    def own_tags(self) -> list[str]:
        image = self.promotion.source.image
        tags = [tag for repository in REPOSITORIES for tag in self.sandbox.tags(repository, image)]
        return [tag for tag in tags if tag.startswith(("pending-", "moved-"))]

    def check_whole(self) -> None:
        assert self.sandbox.digest(self.target) == self.digest
        place = self.promotion.target
        for digest in (self.digest, *self.belonging):
            assert is_whole(self.sandbox, f"{place.repository}/{place.image}", digest), digest

    def _named(self, text: str | None) -> str:
        parts = {"wanted": self.digest, "before": self.before, "other": self.other}
        parts |= {f"belonging {number}": digest for number, digest in enumerate(self.belonging)}
        return named(text, parts)


def set_scene(sandbox: RunningSandbox, image: str, scenario: str, *, has_others: bool = False) -> Scene:
    digest = sandbox.push_image(f"docker-dev/{image}:1", content=f"wanted {image}", platforms=PLATFORMS)
    other = ABSENT
    for repository in ("docker-dev", "docker-qa") if has_others else ():
        other = sandbox.push_image(f"{repository}/{image}:other", content="other", platforms=PLATFORMS)
    changes: dict[str, Any] = {
        "digest": digest,
        "run": RUN,
        "confirmation_timeout": 0.4,
        "copy": "move" not in scenario,
    }
    before: str | None = None
    belonging: tuple[str, ...] = ()
    if "signed" in scenario:
        belonging = _attached(sandbox, image, digest)
    if "transit" in scenario:
        changes |= {"pending_repository": TRANSIT}
    if "backup" in scenario:
        before = sandbox.push_image(f"docker-qa/{image}:1", content=f"before {image}", platforms=PLATFORMS)
        changes |= {"on_conflict": "backup"}
    if scenario == "retag":
        changes |= {"target": ImageReference("docker-dev", image, "stable"), "copy": False}
    if "fast" in scenario:
        changes |= {"two_phase": False}
    return Scene(sandbox, promotion(image, **changes), digest, before, other, belonging)


def _attached(sandbox: RunningSandbox, image: str, digest: str) -> tuple[str, ...]:
    pusher = Pusher(sandbox, f"docker-dev/{image}")
    signature = pusher.sign(digest, "signature")
    referrer = pusher.refer(digest, "sbom")
    return signature, referrer


@pytest.fixture
async def log_in(reach: Callable[..., ArtifactoryClient], sandbox: RunningSandbox) -> AsyncIterator[LogIn]:
    """Give an open client with a token that has not expired."""
    async with AsyncExitStack() as stack:
        auth = ("admin", sandbox.password)
        http = await stack.enter_async_context(
            httpx.AsyncClient(auth=auth, base_url=sandbox.url, trust_env=False, verify=False)  # noqa: S501 - no TLS
        )
        known: list[ArtifactoryClient] = []

        async def give(*, anew: bool) -> ArtifactoryClient:
            if anew or not known:
                token = (await http.get("/v2/token")).json()["token"]
                known.append(await stack.enter_async_context(reach(authentication=Bearer(token))))
            return known[-1]

        yield give


async def run(scene: Scene, client: ArtifactoryClient) -> PromotionRecord | Exception:
    try:
        return await promote(client, scene.promotion)
    except (ArtifactoryError, PromotionError) as error:
        return error


async def requests_of(scene: Scene, client: ArtifactoryClient) -> list[Record]:
    """Return the requests that a promotion without any fault makes."""
    seen = scene.sandbox.service.journal.requests
    seen.clear()
    assert not isinstance(await run(scene, client), Exception)
    return list(seen)


def _meeting(requests: list[Record], scenario: str, fault: str) -> list[int]:
    """Return the numbers of the requests that meet a fault, the first one being 0."""
    is_everywhere = scenario == SCENARIOS[0] or fault in EVERYWHERE
    return [number for number, one in enumerate(requests) if is_everywhere or one.path.endswith("/promote")]


@pytest.mark.parametrize(("queries", "scenario", "fault"), CASES, indirect=["queries"])
async def test_a_fault_at_any_request_is_survived_or_reported_and_the_next_try_converges(
    faulty: RunningSandbox,
    image: str,
    log_in: LogIn,
    queries: str,
    scenario: str,
    fault: str,
) -> None:
    clean = set_scene(faulty, image, scenario)
    requests = await requests_of(clean, await log_in(anew=False))
    expected = clean.state()
    for number in _meeting(requests, scenario, fault):
        scene = set_scene(faulty, f"{image}/at-{number}", scenario)
        history = History(faulty)
        set_fault = faulty.add_fault(**{"count": 1, **ANYWHERE[fault], "skip": number})
        first = await run(scene, await log_in(anew=False))
        faulty.service.faults.remove(set_fault)
        _forget_lags(faulty, queries)
        if isinstance(first, Exception):
            assert str(first).endswith((".", ")")), first
        else:
            scene.check_whole()
        if isinstance(first, Exception) or scene.state() != expected:
            second = await run(scene, await log_in(anew=fault == "an expired token"))
            assert not isinstance(second, Exception), (number, first, second)
            scene.check_whole()
        assert scene.state() == expected, (number, first)
        _check_history(scene, history)


@pytest.mark.parametrize(
    ("queries", "scenario"),
    WAYS[:-1],
    indirect=["queries"],
)
@pytest.mark.parametrize("deed", BY_OTHERS)
async def test_what_others_do_between_any_two_requests_never_ends_in_a_digest_that_was_not_asked_for(
    faulty: RunningSandbox, image: str, log_in: LogIn, queries: str, scenario: str, deed: str
) -> None:
    client = await log_in(anew=False)
    requests = await requests_of(set_scene(faulty, image, scenario, has_others=True), client)
    for number in range(len(requests)):
        scene = set_scene(faulty, f"{image}/at-{number}", scenario, has_others=True)
        history = History(faulty)
        fields: dict[str, Any] = {
            name: value.format(image=scene.promotion.source.image, target=scene.target)
            if isinstance(value, str)
            else value
            for name, value in BY_OTHERS[deed].items()
        }
        set_fault = faulty.add_fault(**{"count": 1, **fields, "skip": number})
        first = await run(scene, client)
        faulty.service.faults.remove(set_fault)
        _check_others(scene, history, deed, first)
        second = await run(scene, client)
        _check_others(scene, history, deed, second)
        assert scene.own_tags() == [], (number, first, second)


def _check_others(scene: Scene, history: History, deed: str, ended: PromotionRecord | Exception) -> None:
    if "target" not in deed:
        if isinstance(ended, Exception):
            assert isinstance(ended, PromotionError | NotFound), ended
        else:
            scene.check_whole()
    elif isinstance(ended, Exception):
        assert isinstance(ended, PromotionError | NotFound), ended
    if scene.promotion.options.two_phase:
        allowed = {scene.digest, scene.before, scene.other if deed == "the target tag moved" else None}
        assert set(history.shown(scene.target)) <= allowed
    if deed in {"the source tag moved", "the target tag moved"}:
        assert history.lost(scene.other) == []


def _check_history(scene: Scene, history: History) -> None:
    assert set(history.shown(scene.target)) <= {scene.digest}
    for digest in (scene.digest, scene.before):
        assert digest is None or history.lost(digest) == []
    assert scene.own_tags() == []
    if scene.promotion.options.pending_repository:
        assert not [
            event for event in history.events() if event.place.startswith("docker-qa/") and "/pending-" in event.place
        ]


def _forget_lags(sandbox: RunningSandbox, queries: str) -> None:
    sandbox.clear_faults()
    if queries == "queries refused":
        sandbox.add_fault("status", path="*/api/search/aql", status=403)
