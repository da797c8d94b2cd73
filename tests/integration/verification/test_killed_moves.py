"""A worker that is killed at each request of a move whose checks have passed: the next try of its run ends it.

The checks can only be asked as long as the source shows the digest. What a try has moved before it was killed is known
by its target, which shows the digest before the source tag goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.promotion.dev_to_qa import PLATFORMS
from tests.integration.promotion.history import History
from tests.integration.promotion.killing import KILLED, Killer
from tests.integration.promotion.promoting_process import CHECKS, read_promotion

from artifactory_provider.verification.gate import promote_verified

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

WAYS: dict[str, tuple[int, dict[str, Any]]] = {
    "one": (1, {}),
    "one, the fast way": (1, {"two_phase": False}),
    "one, over a backup": (1, {"on_conflict": "backup"}),
    "many": (3, {}),
    "many, the fast way": (3, {"two_phase": False, "attachments": "tags"}),
}


@pytest.mark.parametrize("way", WAYS)
async def test_killed_at_any_request_a_verified_move_is_ended_by_the_next_try(
    sandbox: RunningSandbox, gateway: Gateway, client: ArtifactoryClient, image: str, way: str
) -> None:
    count, options = WAYS[way]
    killer = Killer(gateway, sandbox)
    ended, number = KILLED, 0
    for number in range(80):
        name = f"{image}/at-{number}"
        digests = {str(tag): _push(sandbox, name, str(tag), options) for tag in range(count)}
        moves = [
            {
                "source": f"docker-dev/{name}:{tag}@{digest}",
                "target": f"docker-qa/{name}:{tag}",
                "run": "run1",
                "copy": False,
                **options,
            }
            for tag, digest in digests.items()
        ]
        history = History(sandbox)
        ended = killer.run(*moves, until=number, is_verified=True)
        report = await promote_verified(client, list(map(read_promotion, moves)), CHECKS)
        assert [result.reason for result in report.failures] == [], number
        assert sandbox.tags("docker-dev", name) == []
        kept = [tag for tag in sandbox.tags("docker-qa", name) if "-previous-" not in tag]
        assert {tag: sandbox.digest(f"docker-qa/{name}:{tag}") for tag in kept} == digests
        for tag, digest in digests.items():
            assert set(history.shown(f"docker-qa/{name}:{tag}")) == {digest}
            assert history.lost(digest) == []
        if ended == 0:
            break
        assert ended == KILLED
    assert ended == 0
    assert number > 5


def _push(sandbox: RunningSandbox, image: str, tag: str, options: dict[str, Any]) -> str:
    """Push an image that has passed its checks, and where it will take another's place, that one."""
    if "on_conflict" in options:
        sandbox.push_image(f"docker-qa/{image}:{tag}", content=f"before {image}")
    digest = sandbox.push_image(f"docker-dev/{image}:{tag}", content=f"{image}:{tag}", platforms=PLATFORMS)
    sandbox.set_properties(f"docker-dev/{image}:{tag}", {"test.status": "passed"})
    return digest
