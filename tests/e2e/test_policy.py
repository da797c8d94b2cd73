"""Freeze, stop, hold and rejection on a running Airflow, as people set and lift them."""

from __future__ import annotations

import datetime
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.e2e.conftest import until
from tests.e2e.test_retag_backfill import digests, ended, give_verdicts, plan_tab, seed, start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import Airflow

IMAGE = "policy/orders"
MANY, TAGS, AT_ONCE = "policy/many", 2000, 2
REASON = "it loses <b>orders</b>"


pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def orders(airflow: Airflow, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Four tags in dev that nobody has promoted: tag → digest."""
    file = tmp_path_factory.mktemp("seed") / "orders.yaml"
    seed(airflow, file, {IMAGE: ["frozen", "held", "rejected", "stopped"]})
    return digests(airflow, "docker-dev", IMAGE)


@contextmanager
def variable(airflow: Airflow, key: str, value: object) -> Iterator[None]:
    """Set one of Airflow's Variables, as somebody does in its UI."""
    airflow.http.delete(f"/api/v2/variables/{key}")  # the line that goes on again leaves an empty one
    airflow.post("variables", {"key": key, "value": json.dumps(value)})
    try:
        yield
    finally:
        airflow.http.delete(f"/api/v2/variables/{key}").raise_for_status()


def decide(airflow: Airflow, dag_id: str, **form: Any) -> None:
    run = airflow.run(dag_id, form)
    assert airflow.get(run)["state"] == "success", airflow.states(run)


def backfill(airflow: Airflow, tag: str, **form: Any) -> tuple[str, str]:
    """Promote one tag to prod in bulk; return how the run ended, and what its tab says."""
    run = start(airflow, images=[IMAGE], tags=[tag], target_repository="docker-prod", dry_run=False, **form)
    return ended(airflow, run), plan_tab(airflow, run)


def test_a_freeze_in_the_policy_is_planned_as_refused_until_it_ends(airflow: Airflow, orders: dict[str, str]) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    rule = {
        "name": "winter",
        "target": {"repositories": ["docker-prod"], "images": ["policy/*"]},
        "windows": {"timezone": "UTC", "deny": [f"{today - datetime.timedelta(1)}/{today + datetime.timedelta(1)}"]},
    }
    with variable(airflow, "artifactory_policy", {"version": 1, "rules": [rule]}):
        state, page = backfill(airflow, "frozen")
    assert state == "failed"
    assert "1 promotion: 0 promote, 0 unchanged, 0 conflict, 1 refused, 0 missing" in page
    assert "docker-prod is frozen by the rule" in page
    assert "frozen" not in digests(airflow, "docker-prod", IMAGE)
    state, _ = backfill(airflow, "frozen")
    assert (state, digests(airflow, "docker-prod", IMAGE)["frozen"]) == ("success", orders["frozen"])


def test_an_emptied_policy_promotes_nothing_and_says_so_where_people_look(
    airflow: Airflow, orders: dict[str, str]
) -> None:
    with variable(airflow, "artifactory_policy", {}):
        state, page = backfill(airflow, "stopped")
    assert state == "failed"
    assert "artifactory_policy has 2 errors, and cannot be used" in page
    assert "stopped" not in digests(airflow, "docker-prod", IMAGE)


def test_the_line_is_stopped_and_goes_on_by_the_form(airflow: Airflow, orders: dict[str, str]) -> None:
    decide(airflow, "stop_the_line", reason=REASON, repositories=["docker-prod"], images=["policy/*"])
    state, page = backfill(airflow, "stopped")
    assert state == "failed"
    assert "The line is stopped for docker-prod until it is lifted, by admin since" in page
    assert REASON in page
    decide(airflow, "stop_the_line", action="resume", reason="it does not any more", repositories=["docker-prod"])
    state, _ = backfill(airflow, "stopped")
    assert (state, digests(airflow, "docker-prod", IMAGE)["stopped"]) == ("success", orders["stopped"])


def test_the_form_stops_a_bulk_run_between_two_promotions(
    airflow: Airflow, tmp_path: Path, orders: dict[str, str]
) -> None:
    seed(airflow, tmp_path / "many.yaml", {MANY: [str(number) for number in range(TAGS)]})
    form = {"images": [MANY], "largest": TAGS, "chunk_size": 1000, "at_once": AT_ONCE, "dry_run": False}
    run = start(airflow, **form)
    until(lambda: len(tags(airflow, "docker-qa", MANY)) > 100, seconds=240)
    decide(airflow, "stop_the_line", reason=REASON, repositories=["docker-qa"], images=[MANY])
    stopped = len(tags(airflow, "docker-qa", MANY))
    assert ended(airflow, run) == "failed"
    promoted = tags(airflow, "docker-qa", MANY)
    assert stopped <= len(promoted) <= stopped + 2 * AT_ONCE, "what was on its way"
    assert len(promoted) < TAGS, "it was stopped too late to show anything"
    assert f"{len(promoted):,} promoted, 0 found unchanged, {TAGS - len(promoted):,} failed" in plan_tab(airflow, run)

    decide(airflow, "stop_the_line", action="resume", reason="mended", repositories=["docker-qa"])
    assert ended(airflow, start(airflow, **form, two_phase=False, attachments="none")) == "success"
    assert sorted(tags(airflow, "docker-qa", MANY)) == sorted(tags(airflow, "docker-dev", MANY))


def test_a_held_tag_stays_and_a_rejected_digest_goes_nowhere_until_somebody_lifts_it(
    airflow: Airflow, orders: dict[str, str]
) -> None:
    assert backfill(airflow, "held")[0] == "success"
    image = {"repository": "docker-prod", "image": IMAGE, "tag": "held", "reason": REASON}
    decide(airflow, "hold_or_reject", decision="hold", **image)
    over = {"target_tags": ["held"], "on_conflict": "overwrite"}
    state, page = backfill(airflow, "rejected", **over)
    assert (state, digests(airflow, "docker-prod", IMAGE)["held"]) == ("failed", orders["held"])
    assert "is held, so it goes on showing" in page
    assert "(by admin at 20" in page
    decide(airflow, "hold_or_reject", decision="lift_hold", **image)

    decide(airflow, "hold_or_reject", decision="reject", **(image | {"repository": "docker-dev", "tag": "rejected"}))
    state, page = backfill(airflow, "rejected", **over)
    assert (state, digests(airflow, "docker-prod", IMAGE)["held"]) == ("failed", orders["held"])
    assert "is rejected, so it is not promoted anywhere" in page
    decide(
        airflow,
        "hold_or_reject",
        decision="lift_rejection",
        **(image | {"repository": "docker-dev", "tag": "rejected"}),
    )
    state, _ = backfill(airflow, "rejected", **over)
    assert (state, digests(airflow, "docker-prod", IMAGE)["held"]) == ("success", orders["rejected"])


def test_a_task_that_waits_goes_on_by_itself_when_the_line_goes_on(airflow: Airflow, orders: dict[str, str]) -> None:
    give_verdicts(airflow, [f"{IMAGE}/frozen"])
    order = {"reason": "a minute, please", "by": "alice", "since": "2026-01-01T00:00:00Z"}
    with variable(airflow, "artifactory_stop", {"version": 1, "stops": [order]}):
        body = {"logical_date": None, "conf": {"images": [f"{IMAGE}:frozen"]}}
        run = f"dags/promote_nightly/dagRuns/{airflow.post('dags/promote_nightly/dagRuns', body)['dag_run_id']}"
        until(lambda: _state(airflow, run, "ladder.promote_to_qa") == "deferred", seconds=120)
        assert "frozen" not in digests(airflow, "docker-qa", IMAGE)
    assert ended(airflow, run) == "success", airflow.states(run)
    for repository in ("docker-qa", "docker-prod"):
        assert digests(airflow, repository, IMAGE)["frozen"] == orders["frozen"]


def tags(airflow: Airflow, repository: str, image: str) -> list[str]:
    """Return the tags of an image, pending ones left out."""
    url = f"{airflow.home.sandbox_url}/api/docker/{repository}/v2/{image}/tags/list"
    answer = httpx.get(url, auth=("admin", "password"), trust_env=False)
    listed = answer.raise_for_status().json()["tags"] if answer.status_code != 404 else []
    return [tag for tag in listed if not tag.startswith("pending-")]


def _state(airflow: Airflow, run: str, task_id: str) -> str | None:
    return next((str(one["state"]) for one in airflow.instances(run, task_id)), None)
