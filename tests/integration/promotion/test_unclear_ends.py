from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.integration.gateway import Reply, html
from tests.integration.promotion.dev_to_qa import PLATFORMS, PROMOTE, promotion
from tests.integration.promotion.history import History

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import (
    ConnectionFailed,
    RateLimited,
    RequestNotSent,
    ServerFailed,
    UnsupportedRepository,
)
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.batch import promote_many
from artifactory_provider.promotion.errors import SourceRemains, TargetUnverified
from artifactory_provider.promotion.promote import promote

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

    MakeSettings = Callable[..., Any]


@pytest.mark.parametrize(
    ("reply", "ending"),
    [(None, "reset"), (None, "cut"), (html(504, "Gateway Timeout"), "whole"), (Reply(500), "whole")],
)
@pytest.mark.parametrize("copy", [True, False])
async def test_work_that_was_done_before_the_end_went_wrong_counts_as_done(
    client: ArtifactoryClient,
    sandbox: RunningSandbox,
    gateway: Gateway,
    image: str,
    reply: Any,
    ending: Any,
    copy: bool,
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    gateway.rule("POST", PROMOTE, reply=reply, ending=ending)
    record = await promote(client, promotion(image, copy=copy))
    assert record.outcome == "promoted"
    assert sandbox.digest(f"docker-qa/{image}:1") == digest
    assert gateway.count("POST", PROMOTE) == (2 if copy else 3)


async def test_work_that_was_done_behind_a_timeout_counts_as_done(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", PROMOTE, ending="never")
    async with ArtifactoryClient(settings(promote_timeout=0.5)) as client:
        await promote(client, promotion(image))
    assert sandbox.digest(f"docker-qa/{image}:1") == digest


@pytest.mark.parametrize(
    ("reply", "ending", "kind"),
    [
        (None, "reset", ConnectionFailed),
        (html(503, "Maintenance"), "whole", ServerFailed),
        (Reply(504), "whole", ServerFailed),
        (Reply(429), "whole", RateLimited),
    ],
)
async def test_work_that_was_not_done_is_reported_as_what_went_wrong_and_may_be_run_again(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, reply: Any, ending: Any, kind: Any
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", PROMOTE, times=1, reply=reply, ending=ending, does_work=False)
    with pytest.raises(kind):
        await promote(client, promotion(image, digest=digest))
    assert sandbox.digest(f"docker-qa/{image}:1") is None
    assert (await promote(client, promotion(image, digest=digest))).outcome == "promoted"


async def test_a_server_that_refused_is_not_looked_at_for_as_long_as_one_that_may_be_at_work(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an hour of patience for the target, a 503 is reported after the short look."""
    from artifactory_provider.promotion import transfer as module

    monkeypatch.setattr(module, "_SHORT_LOOK", 0.1)
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", PROMOTE, reply=Reply(503), does_work=False)
    with pytest.raises(ServerFailed):
        await promote(client, promotion(image, confirmation_timeout=3600))


async def test_a_request_that_was_never_sent_is_not_looked_for(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    urls = {"docker-dev": "http://artifactory.invalid/v2"}
    gateway.rule("GET", "/api/docker/docker-qa", reply=Reply(500))
    async with ArtifactoryClient(settings(docker_urls=urls)) as client:
        with pytest.raises(RequestNotSent, match=r"was not sent: there is no server at http://artifactory.invalid"):
            await promote(client, promotion(image))


async def test_work_that_a_server_finishes_after_a_gateway_gave_up_is_waited_for(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", content="late")
    gateway.rule("POST", PROMOTE, reply=Reply(504), does_work=False)
    looks = f"docker-qa/v2/{image}/manifests/1$"
    gateway.rule("GET", looks, times=1)
    gateway.rule("GET", looks, times=1, before=lambda: sandbox.push_image(f"docker-qa/{image}:1", content="late"))
    record = await promote(client, promotion(image, confirmation_timeout=30, two_phase=False, property_prefix=None))
    assert record.target.digest == digest


@pytest.mark.parametrize("status", [200, 404])
async def test_a_target_that_shows_its_image_with_a_delay_is_waited_for(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, status: int
) -> None:
    new = sandbox.push_image(f"docker-dev/{image}:1", content="new", platforms=PLATFORMS)
    stale = Reply(404)
    if status == 200:
        sandbox.push_image(f"docker-qa/{image}:1", content="old")
        url = f"{sandbox.url}/api/docker/docker-qa/v2/{image}/manifests/1"
        async with httpx.AsyncClient(auth=(sandbox.username, sandbox.password)) as http:
            old = await http.get(url)
        stale = Reply(200, old.content, dict(old.headers))
    gateway.rule("GET", f"docker-qa/v2/{image}/manifests/1$", times=2, reply=stale)
    record = await promote(client, promotion(image, on_conflict="overwrite", confirmation_timeout=30))
    assert record.target.digest == new


async def test_a_promotion_that_is_answered_200_and_does_nothing_is_found_out(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", PROMOTE, reply=Reply(200, b"Promotion ended successfully"), does_work=False)
    with pytest.raises(TargetUnverified, match=r"does not exist although .* local or federated"):
        await promote(client, promotion(image))


async def test_a_repository_for_which_the_server_does_nothing_in_silence_is_named(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", PROMOTE, reply=Reply(200, b"Promotion ended successfully"), does_work=False)
    with pytest.raises(UnsupportedRepository, match="'docker-virtual' is a virtual docker repository"):
        await promote(client, promotion(image, target=ImageReference("docker-virtual", image, "1")))


async def test_a_move_that_is_answered_200_and_leaves_the_source_is_found_out(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    await promote(client, promotion(image))
    gateway.rule("POST", PROMOTE, reply=Reply(200, b"Promotion ended successfully"), does_work=False)
    with pytest.raises(SourceRemains, match="whether it was is unclear: run the promotion again"):
        await promote(client, promotion(image, copy=False))


def carry_out_late(gateway: Gateway, sandbox: RunningSandbox, image: str) -> None:
    """Keep the first promotion back; carry it out just before the image is retagged, with the source tag moved."""

    def carry_out() -> None:
        sandbox.push_image(f"docker-dev/{image}:1", content="unverified")
        [kept_back, *_] = [seen for seen in gateway.requests if seen.path.endswith("/promote")]
        url = sandbox.url + kept_back.path.removeprefix("/artifactory")
        httpx.post(url, content=kept_back.body, auth=("admin", sandbox.password)).raise_for_status()

    gateway.rule("POST", PROMOTE, times=1, reply=Reply(504), does_work=False)
    gateway.rule("POST", PROMOTE, times=1)
    gateway.rule("POST", PROMOTE, times=1, before=carry_out)


@pytest.mark.parametrize("is_batch", [False, True])
async def test_a_request_that_is_carried_out_when_nobody_waits_for_it_any_more_changes_nothing_under_the_target_tag(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, is_batch: bool
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    history = History(sandbox)
    carry_out_late(gateway, sandbox, image)
    one = promotion(image, digest=digest, run="run1")
    if is_batch:
        report = await promote_many(client, [one])
        assert report.counts["promoted"] == 1
    else:
        with pytest.raises(ServerFailed):
            await promote(client, one)
        await promote(client, one)
    assert history.shown(f"docker-qa/{image}:1") == [digest]
    [late] = [tag for tag in sandbox.tags("docker-qa", image) if tag != "1"]
    assert sandbox.digest(f"docker-qa/{image}:{late}") == sandbox.digest(f"docker-dev/{image}:1") != digest

    sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    await promote(client, promotion(image, run="run2", on_conflict="overwrite", pending_timeout=0))
    assert sandbox.tags("docker-qa", image) == ["1"], "the next promotion drops it"
