"""The line is stopped, or a freeze begins, while thousands are promoted: what follows is refused."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING

import pytest
from tests.integration.promotion.history import History

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.policy import StopOrder
from artifactory_provider.promotion import PromotionOptions, make_promotions, promote_many
from artifactory_provider.promotion.rules import Refused
from artifactory_provider.tasks.rules import Starter, VariableRules

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion import Progress
    from artifactory_provider.promotion.request import Promotion
    from artifactory_sandbox.pytest_plugin import RunningSandbox

AT_ONCE = 16


def push(sandbox: RunningSandbox, image: str, tags: int) -> tuple[Promotion, ...]:
    """Make so many tags that show one image, as the sandbox stores that once."""
    sandbox.push_image(f"docker-dev/{image}:0")
    for number in range(1, tags):
        sandbox.tag(f"docker-dev/{image}:0", f"docker-dev/{image}:{number}")
    digest = sandbox.digest(f"docker-dev/{image}:0")
    pairs = [
        (ImageReference("docker-dev", image, str(number), digest), ImageReference("docker-qa", image, str(number)))
        for number in range(tags)
    ]
    return make_promotions(pairs, PromotionOptions(attachments="none", property_prefix=None))


@pytest.mark.parametrize("kind", ["stop", "freeze"])
@pytest.mark.parametrize("is_slow", [False, True], ids=["quick", "slow"])
async def test_what_begins_in_mid_run_lets_end_what_is_on_its_way_and_nothing_else(
    direct: ArtifactoryClient,
    client: ArtifactoryClient,
    gateway: Gateway,
    sandbox: RunningSandbox,
    image: str,
    kind: str,
    *,
    is_slow: bool,
) -> None:
    tags = 400 if is_slow else 2000
    promotions, shown_before = push(sandbox, image, tags), list[int]()
    rule = {
        "target": {"repositories": ["docker-qa"]},
        "windows": {"timezone": "UTC", "deny": ["2026-12-18/2027-01-03"]},
    }
    texts = {"artifactory_policy": json.dumps({"version": 1, "rules": [rule]})}
    moment = [datetime.datetime(2026, 12, 17, 23, 59, 59, tzinfo=datetime.UTC)]
    rules = VariableRules.read(
        policy_variable=None,
        stop_variable=None,
        starter=Starter("person", "bob"),
        key=lambda: b"",
        read=texts.get,
        now=lambda: moment[0],
    )
    history = History(sandbox)

    def count_shown() -> int:
        return sum(one.event == "shows" and "pending-" not in one.place for one in history.events())

    def begin() -> None:
        if kind == "freeze":
            moment[0] += datetime.timedelta(seconds=1)
        else:
            order = StopOrder(reason="it burns", by="alice", since=moment[0])
            texts["artifactory_stop"] = json.dumps({"version": 1, "stops": [order.to_dict()]})
        shown_before.append(count_shown())

    def begin_after(progress: Progress) -> None:
        if not is_slow and progress.done == 500:
            begin()

    # Each retag takes its time, so hundreds wait for their turn when it begins, at the fiftieth.
    gateway.rule("POST", "docker-qa/v2/promote", times=49, pause=0.3)
    gateway.rule("POST", "docker-qa/v2/promote", times=1, pause=0.3, before=begin)
    gateway.rule("POST", "docker-qa/v2/promote", pause=0.3)
    server = client if is_slow else direct
    report = await promote_many(server, promotions, at_once=AT_ONCE, on_progress=begin_after, rules=rules)
    after = count_shown() - shown_before[0]
    print(f"{after} of {tags} were on their way when the {kind} began, {AT_ONCE} requests at once")
    refused = [one for one in report.failures if isinstance(one.error, Refused)]
    assert len(report.failures) == len(refused) == tags - report.counts["promoted"] > 0
    assert after <= AT_ONCE
    assert {"stop": "it burns", "freeze": "is frozen"}[kind] in refused[-1].reason
    standing = sandbox.tags("docker-qa", image)
    assert len(standing) == report.counts["promoted"]
    assert not [tag for tag in standing if tag.startswith("pending-")]

    again = await promote_many(direct, promotions[: tags // 2], at_once=AT_ONCE)
    assert again.counts["failed"] == 0
    assert len(sandbox.tags("docker-qa", image)) == len(standing) + again.counts["promoted"]
