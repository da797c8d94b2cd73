"""What people are asked about a plan of retention says that tags go, and not that they become something."""

from __future__ import annotations

from typing import Any

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.retention import PlannedDeletion
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
