"""A worker that is killed with SIGKILL at each request of a promotion, and the next try of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.contents import named
from tests.integration.promotion.dev_to_qa import PLATFORMS, REPOSITORIES, TRANSIT
from tests.integration.promotion.history import History
from tests.integration.promotion.killing import KILLED, Killer
from tests.integration.promotion.promoting_process import read_promotion

from artifactory_provider.promotion.promote import promote

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

OPTIONS: dict[str, dict[str, Any]] = {
    "signed copy": {},
    "signed copy through transit": {"pending_repository": TRANSIT},
    "move over a backup": {"copy": False, "on_conflict": "backup"},
    "move over a backup through transit": {"copy": False, "on_conflict": "backup", "pending_repository": TRANSIT},
    "fast move": {"copy": False, "two_phase": False},
}


@pytest.mark.parametrize("options", OPTIONS)
async def test_killed_at_any_request_the_next_try_comes_to_the_same_end(
    sandbox: RunningSandbox, gateway: Gateway, direct: ArtifactoryClient, image: str, options: str
) -> None:
    killer = Killer(gateway, sandbox)
    expected = None
    ended = KILLED
    number = 0
    for number in range(-1, 60):
        name = f"{image}/at-{number + 1}"
        digest = sandbox.push_image(f"docker-dev/{name}:1", content=f"wanted {name}", platforms=PLATFORMS)
        before = sandbox.push_image(f"docker-qa/{name}:1", content=f"before {name}") if "backup" in options else None
        belonging = Pusher(sandbox, f"docker-dev/{name}").sign(digest, "signature") if "signed" in options else digest
        promotion = {
            "source": f"docker-dev/{name}:1@{digest}",
            "target": f"docker-qa/{name}:1",
            "run": "run1",
            **OPTIONS[options],
        }
        history = History(sandbox)
        ended = killer.run(promotion, until=number)
        if number == -1:
            assert ended == 0
            expected = _state(sandbox, name, wanted=digest, before=before)
            continue
        await promote(direct, read_promotion(promotion))
        assert _state(sandbox, name, wanted=digest, before=before) == expected, number
        assert set(history.shown(f"docker-qa/{name}:1")) == {digest}
        assert history.lost(digest) == []
        assert before is None or history.lost(before) == []
        assert all(Pusher(sandbox, f"docker-qa/{name}").answers(one) for one in (digest, belonging))
        if ended == 0:
            break
        assert ended == KILLED
    assert ended == 0
    assert number > 5


def _state(sandbox: RunningSandbox, image: str, **parts: str | None) -> dict[str, Any]:
    """Return what stands in all repositories, each digest by its part: no image has its digest anywhere else."""
    return {
        repository: {
            named(tag, parts): named(sandbox.digest(f"{repository}/{image}:{tag}"), parts)
            for tag in sandbox.tags(repository, image)
        }
        for repository in REPOSITORIES
    }
