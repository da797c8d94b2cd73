"""What commands do is counted as what tasks do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.tasks.conftest import metrics, statsd
from tests.integration.tasks.receivers import sums

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Run
    from tests.integration.tasks.receivers import StatsdReceiver

    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["metrics", "statsd"]


def test_promotions_and_rollbacks_from_the_command_line_are_counted(
    run: Run, sandbox: RunningSandbox, image: str, statsd: StatsdReceiver
) -> None:
    for tag in "12":
        sandbox.push_image(f"docker-dev/{image}:{tag}", content=f"{image} {tag}")
        assert run(f"promote docker-dev/{image}:{tag} docker-qa/{image}:live --on-conflict backup").code == 0
    assert run(f"promote docker-dev/{image}:2 docker-dev/{image}:3 docker-qa").code == 1
    assert run(f"rollback docker-qa/{image}:live --reason 'it leaks'").code == 0
    assert run(f"promote docker-dev/{image}:2 docker-qa/{image}:live --on-conflict backup").code == 3
    found = statsd.packets()
    assert sums(found, "artifactory.promotions") == {
        ("docker-qa", "promoted"): 3,
        ("docker-qa", "failed"): 1,
        ("docker-qa", "refused"): 1,
    }
    assert sums(found, "artifactory.rollbacks") == {("docker-qa", "promoted"): 1}
    assert sums(found, "artifactory.refusals") == {("docker-qa", "hold"): 1}
