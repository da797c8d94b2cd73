"""The DAG by which a person decides about an image, run as Airflow runs it, against a real sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.dags.runs import explain

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.mark.parametrize("decision", ["hold", "reject"])
def test_what_the_tag_does_not_show_any_more_is_not_decided_about(
    sandbox: RunningSandbox, dags: dict[str, DAG], image: str, decision: str
) -> None:
    tag = f"docker-qa/{image}:1"
    seen = sandbox.push_image(tag, content="seen")
    form = {"decision": decision, "repository": "docker-qa", "image": image, "tag": "1", "reason": "it leaks"}
    sandbox.push_image(tag, content="pushed since")
    run = dags["hold_or_reject"].test(run_conf={**form, "digest": seen})
    assert run.state == "failed", explain(run)
    assert marks(sandbox, tag) == set()

    shown = sandbox.digest(tag)
    run = dags["hold_or_reject"].test(run_conf={**form, "digest": shown})
    assert run.state == "success", explain(run)
    assert {"hold": "promotion.hold", "reject": "promotion.rejected"}[decision] in marks(sandbox, tag)


def marks(sandbox: RunningSandbox, tag: str) -> set[str]:
    return {name for name in sandbox.properties(tag) if name.startswith("promotion.")}
