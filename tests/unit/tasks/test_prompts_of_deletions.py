"""What people are asked about a plan of retention says that tags go, and not that they become something."""

from __future__ import annotations

from typing import Any

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.policy import fingerprint
from artifactory_provider.retention import PlannedDeletion, RetentionPlan
from artifactory_provider.tasks.deletions import pull_deletions, push_deletions
from artifactory_provider.tasks.prompts import read_prompt

DIGEST = f"sha256:{'1' * 64}"


def test_a_tag_that_goes_is_shown_as_deleted() -> None:
    tag = ImageReference("docker-dev", "payments/api", "1.0", DIGEST)
    row = PlannedDeletion(tag=tag, kind="tag", action="delete", reason="it came 95d ago")
    ti: Any = None
    prompt = read_prompt(ti, asked=[row.as_dict()], in_chunks=False, verdicts=None, subject=None, body=None)
    assert prompt is not None
    assert prompt.subject == "Delete 1 tag of docker-dev?"
    assert "| `docker-dev/payments/api:1.0` | `sha256:111111111111` | *deleted* |" in prompt.body
    assert PlannedDeletion.from_dict(row.as_dict()) == row


class Handing:
    """What a task hands on, kept in memory."""

    task_id = "plan"

    def __init__(self) -> None:
        self.xcoms: dict[tuple[str, str], Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[self.task_id, key] = value

    def xcom_pull(self, *, task_ids: str, key: str, **_: Any) -> Any:
        return self.xcoms.get((task_ids, key))


def test_an_approval_of_a_plan_of_several_chunks_holds_for_all_of_it_and_for_each_chunk() -> None:
    rows = [
        PlannedDeletion(
            tag=ImageReference("docker-dev", "payments/api", f"1.{number}", DIGEST),
            kind="tag",
            action="delete",
            reason="it came 95d ago",
        )
        for number in range(501)
    ]
    ti: Any = Handing()
    chunks = push_deletions(ti, RetentionPlan(tuple(rows)), approvals={})
    assert len(chunks) == 2
    prompt = read_prompt(ti, asked=chunks, in_chunks=True, verdicts=None, subject=None, body=None)
    assert prompt is not None
    together = [row.change for row in pull_deletions(ti, chunks)]
    assert {fingerprint(part) for part in (together, together[:500], together[500:])} <= set(prompt.of)
