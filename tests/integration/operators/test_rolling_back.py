"""The rollback operator, as a task runs it."""

from __future__ import annotations

import datetime
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.conftest import PASSWORD

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.operators.promote import ArtifactoryPromoteOperator
from artifactory_provider.operators.rollback import ArtifactoryRollbackOperator
from artifactory_provider.policy import Approval, ApprovalRule, Override, fingerprint
from artifactory_provider.policy.responses import Response
from artifactory_provider.policy.seals import derive_key
from artifactory_provider.promotion.errors import NothingToRestore, TargetConflict
from artifactory_provider.promotion.rules import Change, Refused
from artifactory_provider.promotion.tags import name_backup

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox


class Store(dict[str, Any]):
    """A task's state store, as far as it is used."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


@pytest.fixture
def context() -> Any:
    from airflow.sdk.execution_time.context import OutletEventAccessors

    ti = SimpleNamespace(dag_id="ops", run_id="manual", task_id="roll_back", map_index=-1)
    return {"task_state_store": Store(), "outlet_events": OutletEventAccessors(), "ti": ti}


@pytest.fixture
def replaced(sandbox: RunningSandbox, image: str, context: Any, connect: Callable[..., None]) -> tuple[str, str]:
    """An image that was replaced in qa, with a record under a prefix of its own: the old and the new digest."""
    old = sandbox.push_image(f"docker-qa/{image}:1", content="old")
    new = sandbox.push_image(f"docker-dev/{image}:1", content="new")
    ArtifactoryPromoteOperator(
        task_id="promote",
        source_repository="docker-dev",
        target_repository="docker-qa",
        image=image,
        tag="1",
        on_conflict="backup",
        property_prefix="release",
    ).execute(context)
    return old, new


def operator(image: str, **changes: Any) -> ArtifactoryRollbackOperator:
    fields = {"task_id": "roll_back", "repository": "docker-qa", "image": image, "tag": "1"}
    return ArtifactoryRollbackOperator(**{**fields, "property_prefix": "release", **changes})


@pytest.mark.parametrize("pending_repository", [None, "docker-transit"])
def test_a_rollback_restores_what_was_replaced_and_says_what_it_replaced(
    sandbox: RunningSandbox,
    gateway: Gateway,
    image: str,
    context: Any,
    replaced: tuple[str, str],
    pending_repository: str | None,
) -> None:
    old, new = replaced
    record = operator(image, pending_repository=pending_repository).execute(context)
    assert any("docker-transit" in seen.path for seen in gateway.requests) == bool(pending_repository)
    assert (record["outcome"], record["digest"], record["replaced"]) == ("promoted", old, new)
    assert sandbox.digest(f"docker-qa/{image}:1") == old
    assert context["task_state_store"] == {}


def test_a_second_try_goes_back_to_the_same_digest_and_not_forth_again(
    sandbox: RunningSandbox, gateway: Gateway, image: str, context: Any, replaced: tuple[str, str]
) -> None:
    """The first try has done the work and was not told so."""
    old, _ = replaced
    gateway.rule("GET", f"docker-qa/v2/{image}/manifests/1$", ending="reset")
    with pytest.raises(Exception, match="broke"):
        operator(image).execute(context)
    assert sandbox.digest(f"docker-qa/{image}:1") == old
    gateway.forget_rules()
    assert operator(image).execute(context)["digest"] == old
    assert sandbox.digest(f"docker-qa/{image}:1") == old


def test_nothing_recorded_under_this_prefix_is_nothing_to_go_back_to(
    sandbox: RunningSandbox, image: str, context: Any, replaced: tuple[str, str]
) -> None:
    with pytest.raises(NothingToRestore, match=r"promotion\.replaced is not set.*Name the digest"):
        operator(image, property_prefix="promotion").execute(context)
    assert sandbox.digest(f"docker-qa/{image}:1") == replaced[1]


def test_a_tag_that_has_moved_since_people_saw_it_stays(
    sandbox: RunningSandbox, image: str, context: Any, replaced: tuple[str, str]
) -> None:
    old, new = replaced
    newer = sandbox.push_image(f"docker-qa/{image}:1", content=f"newer {image}")
    with pytest.raises(TargetConflict, match=f"shows {newer} by now, and {new} was to be replaced"):
        operator(image, digest=old, replaces=new).execute(context)
    assert sandbox.digest(f"docker-qa/{image}:1") == newer


def test_where_the_policy_asks_people_about_rollbacks_their_answers_count_for_what_they_saw(
    sandbox: RunningSandbox,
    image: str,
    context: Any,
    replaced: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old, new = replaced
    frozen = {
        "target": {"repositories": ["docker-qa"], "images": [image]},
        "applies_to": ["rollback"],
        "windows": {"timezone": "UTC", "deny": ["2020-01-01/2099-01-01"]},
        "approvals": {"count": 1, "not_the_trigger": False},
        "override": {"from": ["alice"], "longest": "4h"},
    }
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_POLICY", json.dumps({"version": 1, "rules": [frozen]}))
    tag = ImageReference("docker-qa", image, "1")
    shown, other = ([Change(name_backup(tag, digest), tag)] for digest in (old, new))
    with pytest.raises(Refused, match="docker-qa is frozen"):
        operator(image, approval=approval(shown)).execute(context)
    with pytest.raises(Refused, match="Nobody was asked to approve this"):
        operator(image, override=override(shown)).execute(context)
    with pytest.raises(Refused, match="docker-qa is frozen"):
        operator(image, approval=approval(other), override=override(other)).execute(context)
    assert sandbox.digest(f"docker-qa/{image}:1") == new
    operator(image, approval=approval(shown), override=override(shown)).execute(context)
    assert sandbox.digest(f"docker-qa/{image}:1") == old
    found = sandbox.properties(f"docker-qa/{image}:1")
    assert "bob" in found["release.approvals"][0]
    assert "orders are lost" in found["release.override"][0]


def approval(changes: list[Change]) -> dict[str, Any]:
    """Return bob's approval of some changes."""
    answers = (Response(by="bob", at=datetime.datetime.now(datetime.UTC), comment=""),)
    rule = ApprovalRule(not_the_trigger=False)
    given = Approval(
        of=(fingerprint(changes),), subject="", rule=rule, answers=answers, run="ops", triggered_by=None, expires=None
    )
    return given.as_dict(derive_key(PASSWORD))


def override(changes: list[Change]) -> dict[str, Any]:
    """Return alice's override of what refuses some changes."""
    now = datetime.datetime.now(datetime.UTC)
    given = Override(
        of=(fingerprint(changes),),
        subject="",
        by="alice",
        at=now,
        reason="orders are lost",
        until=now + datetime.timedelta(hours=1),
        run="ops",
    )
    return given.as_dict(derive_key(PASSWORD))
