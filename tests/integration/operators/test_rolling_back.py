"""The rollback operator, as a task runs it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from artifactory_provider.operators.promote import ArtifactoryPromoteOperator
from artifactory_provider.operators.rollback import ArtifactoryRollbackOperator
from artifactory_provider.promotion.errors import NothingToRestore

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
