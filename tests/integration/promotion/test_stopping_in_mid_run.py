"""The line is stopped, or a freeze begins, while thousands are promoted: what follows is refused."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING

from tests.integration.promotion.history import History

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.policy import StopOrder
from artifactory_provider.promotion import PromotionOptions, make_promotions, promote_many
from artifactory_provider.promotion.rules import Refused
from artifactory_provider.tasks.rules import Starter, VariableRules

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion import Progress
    from artifactory_provider.promotion.request import Promotion
    from artifactory_sandbox.pytest_plugin import RunningSandbox

TAGS, AT_ONCE, DONE_BEFORE = 2000, 16, 500


def push(sandbox: RunningSandbox, image: str) -> tuple[Promotion, ...]:
    """Make two thousand tags that show one image, as the sandbox stores that once."""
    sandbox.push_image(f"docker-dev/{image}:0")
    for number in range(1, TAGS):
        sandbox.tag(f"docker-dev/{image}:0", f"docker-dev/{image}:{number}")
    digest = sandbox.digest(f"docker-dev/{image}:0")
    pairs = [
        (ImageReference("docker-dev", image, str(number), digest), ImageReference("docker-qa", image, str(number)))
        for number in range(TAGS)
    ]
    return make_promotions(pairs, PromotionOptions(attachments="none", property_prefix=None))


async def test_a_stop_in_mid_run_lets_end_what_is_on_its_way_and_nothing_else(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    promotions, texts, shown_before = push(sandbox, image), dict[str, str](), list[int]()
    history = History(sandbox)

    def count_shown() -> int:
        return sum(one.event == "shows" and "pending-" not in one.place for one in history.events())

    def stop(progress: Progress) -> None:
        if progress.done == DONE_BEFORE:
            order = StopOrder(reason="it burns", by="alice", since=datetime.datetime.now(datetime.UTC))
            texts["artifactory_stop"] = json.dumps({"version": 1, "stops": [order.to_dict()]})
            shown_before.append(count_shown())

    rules = VariableRules.read(
        policy_variable=None, stop_variable=None, starter=Starter("person", "bob"), key=lambda: b"", read=texts.get
    )
    report = await promote_many(direct, promotions, at_once=AT_ONCE, on_progress=stop, rules=rules)
    after = count_shown() - shown_before[0]
    print(f"{after} of {TAGS} were on their way when the line was stopped, {AT_ONCE} requests at once")
    refused = [one for one in report.failures if isinstance(one.error, Refused)]
    assert len(report.failures) == len(refused) == TAGS - report.counts["promoted"]
    assert after <= 2 * AT_ONCE
    assert all("it burns" in one.reason for one in refused)
    assert not [tag for tag in sandbox.tags("docker-qa", image) if tag.startswith("pending-")]

    texts.clear()
    again = await promote_many(direct, promotions, at_once=AT_ONCE, rules=rules)
    assert again.counts == {"promoted": len(refused), "unchanged": TAGS - len(refused), "failed": 0}
