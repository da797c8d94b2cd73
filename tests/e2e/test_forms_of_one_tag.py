"""What people do to one tag on a running Airflow: they promote it on demand, and roll it back, after a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.e2e.conftest import decide, until
from tests.e2e.test_policy import variable
from tests.e2e.test_retag_backfill import digests, ended, plan_tab, seed, start

if TYPE_CHECKING:
    from tests.e2e.conftest import Airflow

IMAGE = "forms/app"
LIVE = f"docker-prod/{IMAGE}:live"

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def versions(airflow: Airflow, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Three releases in dev, each of one platform, as no such one takes the place of an index: tag → digest."""
    seed(airflow, tmp_path_factory.mktemp("seed") / "forms.yaml", {IMAGE: ["1.0.0", "2.0.0", "3.0.0"]})
    return digests(airflow, "docker-dev", IMAGE)


def promote(airflow: Airflow, tag: str, **form: Any) -> str:
    places = {"source_repository": "docker-dev", "target_repository": "docker-prod", "target_tag": "live"}
    return start(airflow, "promote_on_demand", image=IMAGE, tag=tag, on_conflict="backup", **{**places, **form})


def roll_back(airflow: Airflow, **form: Any) -> str:
    tag = {"repository": "docker-prod", "image": IMAGE, "tag": "live", "reason": "it loses orders"}
    return start(airflow, "rollback", **{**tag, **form})


def ask(airflow: Airflow, run: str, task_id: str = "approve") -> dict[str, Any]:
    """Wait for a run's question, and return it."""
    until(
        lambda: airflow.states(run).get(f"{task_id}[None]") == "awaiting_input",
        seconds=120,
        otherwise=lambda: f"{airflow.states(run)} {plan_tab(airflow, run)}",
    )
    found: dict[str, Any] = airflow.get(f"{run}/taskInstances/{task_id}/-1/hitlDetails")
    return found


def live(airflow: Airflow) -> str | None:
    return digests(airflow, "docker-prod", IMAGE).get("live")


def record(airflow: Airflow) -> dict[str, list[str]]:
    """Return the properties of what the tag shows."""
    url = f"{airflow.home.sandbox_url}/api/storage/docker-prod/{IMAGE}/live/manifest.json?properties"
    answer = httpx.get(url, auth=("admin", "password"), trust_env=False)
    found: dict[str, list[str]] = answer.raise_for_status().json()["properties"]
    return found


def test_an_image_is_promoted_on_demand_once_somebody_has_approved_what_the_plan_shows(
    airflow: Airflow, versions: dict[str, str]
) -> None:
    run = promote(airflow, "1.0.0", approval=True)
    question = ask(airflow, run)
    assert question["subject"] == f"Promote docker-dev/{IMAGE}:1.0.0 to {LIVE}?"
    assert versions["1.0.0"][:19] in question["body"]
    assert "To change:" in plan_tab(airflow, run)
    assert live(airflow) is None

    decide(airflow, run, "Approve", comment="tested by hand")
    assert ended(airflow, run) == "success", airflow.states(run)
    assert live(airflow) == versions["1.0.0"]
    assert "tested by hand" in str(record(airflow)["promotion.approvals"])
    assert "Done: promoted." in plan_tab(airflow, run)
    link = airflow.get(f"{run}/taskInstances/promote/links")["extra_links"]["Artifactory"]
    assert link.endswith(f"/ui/repos/tree/General/{LIVE.replace(':', '/')}")

    refused = promote(airflow, "2.0.0", approval=True)
    ask(airflow, refused)
    decide(airflow, refused, "Reject")
    assert ended(airflow, refused) == "success"
    assert "somebody has said no" in plan_tab(airflow, refused)
    assert live(airflow) == versions["1.0.0"]


def test_a_rollback_goes_through_a_freeze_that_somebody_overrides_and_leaves_what_has_moved_meanwhile(
    airflow: Airflow, versions: dict[str, str]
) -> None:
    for tag in ("1.0.0", "2.0.0"):
        assert ended(airflow, promote(airflow, tag)) == "success"
    asked = roll_back(airflow)
    question = ask(airflow, asked)
    assert question["subject"] == f"Roll {LIVE} back?"
    assert "it loses orders" in question["body"]
    assert versions["2.0.0"][:19] in question["body"]
    assert versions["1.0.0"][:19] in question["body"]
    assert ended(airflow, promote(airflow, "3.0.0")) == "success"
    decide(airflow, asked, "Approve")
    assert ended(airflow, asked) == "failed"
    assert live(airflow) == versions["3.0.0"], "what has come since nobody was asked about"
    assert "The task roll_back has failed" in plan_tab(airflow, asked)

    freeze = {
        "target": {"repositories": ["docker-prod"], "images": [IMAGE]},
        "windows": {"timezone": "UTC", "deny": ["2020-01-01/2099-01-01"]},
        "applies_to": ["rollback"],
        "override": {"from": ["admin"], "longest": "4h"},
    }
    with variable(airflow, "artifactory_policy", {"version": 1, "rules": [freeze]}):
        run = roll_back(airflow)
        assert "docker-prod is frozen" in ask(airflow, run, "override")["body"]
        assert live(airflow) == versions["3.0.0"]
        decide(airflow, run, "Override", task_id="override", reason="orders are lost", hours=1)
        ask(airflow, run)
        decide(airflow, run, "Approve")
        assert ended(airflow, run) == "success", airflow.states(run)
    assert live(airflow) == versions["2.0.0"]
    found = record(airflow)
    assert found["promotion.hold"] == ["it loses orders"]
    assert "admin" in found["promotion.hold.by"][0]
    assert "orders are lost" in found["promotion.override"][0]
    assert "Done: promoted." in plan_tab(airflow, run)

    again = roll_back(airflow)
    assert ended(airflow, again) == "success"
    assert live(airflow) == versions["2.0.0"]
    assert "it was rolled back to this already" in plan_tab(airflow, again)
