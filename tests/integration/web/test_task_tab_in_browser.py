"""The tab of a task as people see it: what it waits for, live, and answered where it stands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from playwright.sync_api import expect
from tests.integration.web.board_api import api_server, headers, pipelines, sandbox, store_run
from tests.integration.web.board_in_browser import address, browser, page, serious_findings, shared_session
from tests.integration.web.test_board_task import CHECKS, RUN, UNTIL, change, image, store_waiting

from artifactory_provider.pipelines.model import ON_PUSH
from artifactory_provider.triggers.ladder import LadderTrigger

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["address", "api_server", "browser", "headers", "image", "page", "pipelines", "sandbox", "shared_session"]

HOSTILE = '"><img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'


def open_tab(page: Page, dag_id: str, task_id: str) -> Any:
    page.goto(f"/dags/{dag_id}/runs/{RUN}/tasks/{task_id}/plugin/waits-for")
    tab = page.locator(".ab-page")
    expect(tab.get_by_role("heading", name="Waits for")).to_be_visible(timeout=60_000)
    return tab


def test_a_waiting_task_of_a_push_dag_shows_its_images_and_follows_them(page: Page, image: ImageReference) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import update

    dag_id = f"nightly{ON_PUSH}"
    store_run(dag_id, RUN)
    waits = [{"checks": CHECKS, "references": [str(image)]}]
    trigger = LadderTrigger(artifactory_conn_id="artifactory_default", waits=waits, poke_interval=60, until=UNTIL)
    store_waiting(dag_id, RUN, "climb_to_prod", "deferred", operator="ArtifactoryLadderOperator", trigger=trigger)
    tab = open_tab(page, dag_id, "climb_to_prod")
    waiting = tab.get_by_role("list", name="Images").get_by_role("listitem")
    expect(waiting).to_contain_text("test.status is not set.", timeout=60_000)
    expect(waiting).to_contain_text("dev → qa")
    link = waiting.get_by_role("link", name=image.image)
    expect(link).to_have_attribute("href", re.compile(r"/plugin/board/image\?image=team%2Fapp&ladder=nightly$"))
    assert serious_findings(page, ".ab-page") == []
    with create_session() as session:
        session.execute(update(TaskInstance).values(state="success"))
    expect(tab).to_contain_text("It has ended: success.", timeout=60_000)
    expect(waiting).to_have_count(0)


def test_a_task_that_has_ended_has_the_registry_looked_at_no_more(page: Page, image: ImageReference) -> None:
    store_run("nightly", RUN)
    store_waiting("nightly", RUN, "report", "success", operator="PythonOperator")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.clock.install()
    tab = open_tab(page, "nightly", "report")
    expect(tab.get_by_role("status")).to_have_text("It has ended: success.")
    before = asked.count("/artifactory/board/task.json")
    page.clock.run_for(60_000)
    page.evaluate("fetch('/artifactory/board/actions.json?ladder=last').then(answer => answer.status)")
    assert asked.count("/artifactory/board/task.json") == before


def test_a_question_that_the_board_cannot_answer_leads_to_where_it_is(page: Page, image: ImageReference) -> None:
    store_run("nightly", RUN)
    store_waiting(
        "nightly", RUN, "choose", "awaiting_input", asks=[], operator="HITLBranchOperator", subject="Which one?",
    )  # fmt: skip
    tab = open_tab(page, "nightly", "choose")
    expect(tab.get_by_role("status")).to_have_text("It waits for an answer of anybody who may answer.")
    expect(tab).to_contain_text("Which one?")
    expect(tab.get_by_role("button", name="Answer …")).to_have_count(0)
    expect(tab.get_by_role("link", name="Its question, under Required Actions")).to_have_attribute(
        "href", f"/dags/nightly/runs/{RUN}/tasks/choose/required_actions"
    )


def test_an_approval_on_demand_is_answered_where_it_stands(
    page: Page, image: ImageReference, sandbox: RunningSandbox
) -> None:
    sandbox.set_properties("docker-dev/team/app:1.0", {"test.status": "passed"})
    store_run("promote_on_demand", RUN, user="dana")
    store_waiting(
        "promote_on_demand", RUN, "approve", "awaiting_input", asks=[], operator="ArtifactoryApprovalOperator",
        fields={"promotions": [change(image)]}, subject=f"Promote it? {HOSTILE}",
    )  # fmt: skip
    sent: list[Any] = []

    def accept(route: Route) -> None:
        sent.append((route.request.method, urlsplit(route.request.url).path, route.request.post_data_json))
        route.fulfill(json={})

    page.route("**/hitlDetails", accept)
    tab = open_tab(page, "promote_on_demand", "approve")
    expect(tab).to_contain_text(f"Promote it? {HOSTILE}")
    expect(tab).to_contain_text("It waits for an answer of anybody who may answer.")
    expect(tab.get_by_role("listitem")).to_contain_text("waits for approval")
    tab.get_by_role("button", name="Answer …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("team/app:1.0")
    dialog.get_by_role("button", name="Approve").click()
    expect(dialog).to_contain_text("done")
    path = f"/api/v2/dags/promote_on_demand/dagRuns/{RUN}/taskInstances/approve/-1/hitlDetails"
    assert sent == [("PATCH", path, {"chosen_options": ["Approve"], "params_input": {"comment": ""}})]
    assert page.evaluate("window.hurt") is None
