"""What the board reads of a run that has really been: where its plan is, and which chunk each task promotes."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from artifactory_provider.web.board.airflow_internals import find_task, list_tasks, read_handed_on
from artifactory_provider.web.board.chunks import find_bulk_tasks
from artifactory_provider.web.board.shipped import BULK
from artifactory_provider.web.board.subjects import PROMOTE_BATCH, QUESTIONS, Page, find_wait

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from artifactory_sandbox.pytest_plugin import RunningSandbox


def test_each_task_of_a_bulk_run_is_found_with_what_it_promotes(
    sandbox: RunningSandbox, dags: dict[str, DAG], image: str
) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import update

    for tag in ("1.1", "1.2", "1.3"):
        sandbox.push_image(f"docker-dev/{image}:{tag}", content=tag)
    form = {"images": [image], "target_repository": "docker-qa", "chunk_size": 1, "dry_run": False}
    run = dags[BULK].test(run_conf=form)
    assert run.state == "success"
    now = datetime.datetime.now(datetime.UTC)
    # As if people were asked still, and two chunks were under way and had failed.
    found = [("approve", -1, "awaiting_input"), ("promote", 1, "running"), ("promote", 2, "failed")]
    with create_session() as session:
        for task_id, map_index, state in found:
            meant = (TaskInstance.run_id == run.run_id, TaskInstance.task_id == task_id)
            changed = update(TaskInstance).where(*meant, TaskInstance.map_index == map_index)
            session.execute(changed.values(state=state, end_date=now))
    with create_session() as session:
        tasks = list_tasks(session, [BULK], failed_since=now - datetime.timedelta(hours=1))
        told = find_bulk_tasks(session, [task for task in tasks if task.run_id == run.run_id])
        question = find_task(session, BULK, run.run_id, "approve", -1)
        chunk = find_task(session, BULK, run.run_id, "promote", 1)
        assert question is not None
        assert chunk is not None
        wait = find_wait(question, None, Page(1, 1), lambda places: read_handed_on(session, BULK, places))

    tags = {key[1:]: [change.target.tag for change in task.changes] for key, task in told.items()}
    assert {key: sorted(map(str, some)) for key, some in tags.items()} == {
        ("approve", -1): ["1.1", "1.2", "1.3"], ("promote", 1): tags["approve", -1][1:2],
        ("promote", 2): tags["approve", -1][2:3],
    }  # fmt: skip
    assert (question.operator in QUESTIONS, chunk.operator) == (True, PROMOTE_BATCH)
    assert chunk.fields["chunk"]["key"] == "chunk_0002"
    assert (wait.found, [subject.finding.tag for subject in wait.subjects]) == (3, tags["approve", -1][1:2])
