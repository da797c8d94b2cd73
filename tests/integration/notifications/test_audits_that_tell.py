"""An audit tells people and DAGs what nobody has accepted, and nothing of what somebody has."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.notifications.test_runs_that_tell import connections, dags, told
from tests.integration.pipelines.climbing import push

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow.sdk import DAG
    from tests.integration.notifications.receivers import Webhook

    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["connections", "dags"]
HOSTILE = "=cmd|' /C calc'!A0 <b>*x*</b> \x1b[2J"


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave no acceptance behind."""
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    monkeypatch.setattr("artifactory_provider.tasks.variables._SETTLED_AFTER", 0.0)
    yield
    with create_session() as session:
        session.execute(delete(Variable).where(Variable.key.startswith("artifactory_")))


def drift_events() -> list[Any]:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        query = (
            select(AssetEvent).join(AssetModel, AssetEvent.asset_id == AssetModel.id).where(AssetModel.name == "drift")
        )
        return [event.extra for event in session.scalars(query.order_by(AssetEvent.id))]


def test_findings_are_told_in_one_message_a_file_and_an_event_until_somebody_accepts_them(
    sandbox: RunningSandbox, dags: dict[str, DAG], webhook: Webhook, tmp_path: Path
) -> None:
    push(sandbox, "telling-audit/unrecorded:1.0")
    sandbox.push_image("docker-qa/telling-audit/hand:2.0")
    digest = sandbox.push_image("docker-qa/telling-audit/hand:1.0")
    sandbox.set_properties("docker-qa/telling-audit/hand:2.0", {"promotion.rejected": HOSTILE})
    run = dags["telling_audit"].test(run_conf={"folder": str(tmp_path)})
    assert str(run.state) == "success"

    [(title, message)] = told(webhook).items()
    assert title == "telling_audit: 3 open findings in docker-qa"
    assert (message["event"], message["open"]) == ("digest", 3)
    assert message["lines"][:2] == ["No promotion explains it: 2", "Its digest is rejected: 1"]
    name = f"unexplained:docker-qa/telling-audit/hand:1.0@{digest[7:19]}"
    assert any(
        f"Finding: {name}: No promotion explains it. It was pushed by admin at" in one for one in message["lines"]
    )
    assert "\x1b" not in json.dumps(message["lines"], ensure_ascii=False)
    assert message["links"]["Plan"].endswith("/plugin/plan")
    with (tmp_path / "drift.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["kind"] for row in rows} == {"unexplained", "rejected"}
    assert len(json.loads((tmp_path / "drift.json").read_text())["findings"]) == 3
    assert drift_events()[-1]["counts"] == {"unexplained": 2, "rejected": 1}

    names = [row["finding"] for row in rows]
    assert str(dags["telling_acceptance"].test(run_conf={"findings": names[:2]}).state) == "success"
    webhook.all()
    dags["telling_audit"].test(run_conf={"folder": str(tmp_path)})
    [(title, _)] = told(webhook).items()
    assert title == "telling_audit: 1 open finding in docker-qa"
    dags["telling_acceptance"].test(run_conf={"findings": names[2:]})
    events = len(drift_events())
    dags["telling_audit"].test(run_conf={"folder": str(tmp_path)})
    assert told(webhook) == {}
    assert len(drift_events()) == events
    with (tmp_path / "drift.csv").open() as file:
        assert {row["accepted_reason"] for row in csv.DictReader(file)} == {"brought by hand in the outage"}
