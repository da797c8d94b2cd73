"""Replacing what was seen, and nothing that has come since: somebody may have been asked meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.promotion.dev_to_qa import ABSENT, PLATFORMS, RefusesFrom, promotion

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.promotion import promote_many
from artifactory_provider.promotion.errors import InvalidPromotion, TargetConflict
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.request import Promotion
from artifactory_provider.promotion.rules import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_sandbox.pytest_plugin import RunningSandbox

FORCEFUL: dict[str, Any] = {"on_conflict": "backup"}


@pytest.mark.parametrize("two_phase", [True, False])
async def test_what_was_seen_is_replaced(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, two_phase: bool
) -> None:
    old = sandbox.push_image(f"docker-qa/{image}:1", content=f"{image} old")
    new = sandbox.push_image(f"docker-dev/{image}:1", content=f"{image} new", platforms=PLATFORMS)
    record = await promote(client, promotion(image, replaces=old, two_phase=two_phase, **FORCEFUL))
    assert (record.outcome, record.replaced, sandbox.digest(f"docker-qa/{image}:1")) == ("promoted", old, new)


@pytest.mark.parametrize("two_phase", [True, False])
@pytest.mark.parametrize("expected", [ABSENT, "none"])
async def test_what_has_come_since_stays(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, expected: str, two_phase: bool
) -> None:
    newer = sandbox.push_image(f"docker-qa/{image}:1", content=f"{image} newer")
    sandbox.push_image(f"docker-dev/{image}:1", content=f"{image} new")
    wanted = promotion(image, replaces=expected, two_phase=two_phase, **FORCEFUL)
    with pytest.raises(TargetConflict, match=f"shows {newer} by now, and .* was to be replaced"):
        await promote(client, wanted)
    assert sandbox.digest(f"docker-qa/{image}:1") == newer
    assert sandbox.tags("docker-qa", image) == ["1"]


async def test_a_tag_that_is_gone_is_not_what_was_seen(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", content=f"{image} new")
    with pytest.raises(TargetConflict, match="shows nothing by now"):
        await promote(client, promotion(image, replaces=ABSENT, **FORCEFUL))
    assert sandbox.digest(f"docker-qa/{image}:1") is None
    record = await promote(client, promotion(image, replaces="none", **FORCEFUL))
    assert record.outcome == "promoted"


async def test_where_an_overwrite_may_delete_layers_a_try_may_have_renamed_the_tag_that_was_seen(
    artifactory_sandbox_factory: Callable[..., RunningSandbox], image: str
) -> None:
    old_server = artifactory_sandbox_factory({"version": "7.111.4"})
    new = old_server.push_image(f"docker-dev/{image}:1", content=f"{image} new")
    settings = ServerSettings(base_url=old_server.url, authentication=Basic("admin", old_server.password))
    async with ArtifactoryClient(settings) as client:
        await promote(client, promotion(image, replaces=ABSENT, **FORCEFUL))
    assert old_server.digest(f"docker-qa/{image}:1") == new


async def test_whoever_runs_it_again_finds_it_done(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    old = sandbox.push_image(f"docker-qa/{image}:1", content=f"{image} old")
    sandbox.push_image(f"docker-dev/{image}:1", content=f"{image} new")
    wanted = promotion(image, replaces=old, **FORCEFUL)
    assert (await promote(client, wanted)).outcome == "promoted"
    assert (await promote(client, wanted)).outcome == "unchanged"


def test_what_no_tag_can_show_is_refused_at_once() -> None:
    with pytest.raises(InvalidReference, match="is not a digest"):
        promotion("app", replaces="latest")
    whole = promotion("app", replaces=ABSENT)
    with pytest.raises(InvalidPromotion, match="one tag"):
        Promotion(source=replace(whole.source, tag=None), target=replace(whole.target, tag=None), options=whole.options)


@pytest.mark.parametrize("version", ["7.111.4", "7.146.2"])
@pytest.mark.parametrize("two_phase", [True, False])
@pytest.mark.parametrize("shared", [False, True], ids=["one", "many"])
async def test_whenever_a_rule_begins_to_refuse_the_tag_shows_the_old_image_or_the_new_one(
    artifactory_sandbox_factory: Callable[..., RunningSandbox], image: str, version: str, two_phase: bool, shared: bool
) -> None:
    server = artifactory_sandbox_factory({"version": version})
    settings = ServerSettings(base_url=server.url, authentication=Basic("admin", server.password))
    ends = []
    for number in range(5):
        name = f"{image}-{number}"
        old = server.push_image(f"docker-qa/{name}:1", content=f"{name} old")
        new = server.push_image(f"docker-dev/{name}:1", content=f"{name} new")
        wanted = promotion(name, two_phase=two_phase, **FORCEFUL)
        async with ArtifactoryClient(settings) as client:
            rules = RefusesFrom(number)
            if shared:
                outcome = (await promote_many(client, [wanted], rules=rules)).results[0].outcome
            else:
                try:
                    outcome = (await promote(client, wanted, rules=rules)).outcome
                except Refused:
                    outcome = "failed"
        assert server.digest(f"docker-qa/{name}:1") == {"promoted": new, "failed": old}[outcome]
        ends.append(outcome)
    assert (ends[0], ends[-1]) == ("failed", "promoted")
    assert ends == sorted(ends)
