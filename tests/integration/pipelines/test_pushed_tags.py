"""What a run takes that a push or a verdict has started."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.pipelines.climbing import DEV, PROD, QA, pipeline, push

from artifactory_provider.operators import ArtifactorySelectOperator
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.tasks.ladders import ARRIVED
from artifactory_provider.tasks.pushes import describe_push, key_of_push

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


def take(pushed: ImageReference | None, *, images: str = "team/*", tag: str = "newest") -> list[dict[str, str]]:
    """Return what goes to the next stage in a run that was told of a tag."""
    handed_on: dict[str, Any] = {}
    ti = SimpleNamespace(task_id="select", xcom_push=lambda key, value: handed_on.__setitem__(key, value))
    events = {"asset": [SimpleNamespace(extra=describe_push(pushed))]} if pushed else {}
    run = SimpleNamespace(conf={}, partition_key=key_of_push(pushed) if pushed else None)
    context: Any = {"ti": ti, "dag": SimpleNamespace(params={}), "dag_run": run, "triggering_asset_events": events}
    of = pipeline(images=Patterns((images,)), tag=tag)
    ArtifactorySelectOperator(task_id="select", pipeline=of, pushed=True).execute(context)
    return [one for chunk in handed_on[ARRIVED] for one in handed_on[chunk["key"]]]


def test_the_pushed_digest_goes_on_and_no_newer_tag(sandbox: RunningSandbox, image: str) -> None:
    pushed = push(sandbox, f"{image}:1.0")
    push(sandbox, f"{image}:2.0")
    assert take(pushed) == [{"source": str(pushed), "target": f"{QA}/{image}:1.0"}]


def test_a_tag_that_was_pushed_again_is_left_to_the_run_of_that_push(sandbox: RunningSandbox, image: str) -> None:
    pushed = push(sandbox, f"{image}:1.0")
    sandbox.push_image(f"{DEV}/{image}:1.0", platforms=("linux/arm64",))
    assert take(pushed) == []
    sandbox.delete(f"{DEV}/{image}:1.0")
    assert take(pushed) == []


@pytest.mark.parametrize(("images", "tag"), [("other/*", "newest"), ("team/*", ">=2"), ("team/*", "edge")])
def test_a_tag_that_the_pipeline_does_not_mean_goes_nowhere(
    sandbox: RunningSandbox, image: str, images: str, tag: str
) -> None:
    assert take(push(sandbox, f"{image}:1.0"), images=images, tag=tag) == []


def test_a_verdict_in_a_later_stage_goes_on_from_there_and_in_the_last_one_nowhere(
    sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"{QA}/{image}:1.0")
    sandbox.push_image(f"{PROD}/{image}:1.0")
    in_qa = push(sandbox, f"{image}:1.0").__class__.parse(f"{QA}/{image}:1.0@{digest}")
    assert take(in_qa) == [{"source": str(in_qa), "target": f"{PROD}/{image}:1.0"}]
    assert take(in_qa.parse(f"{PROD}/{image}:1.0@{digest}")) == []


def test_a_run_by_hand_without_a_tag_says_what_to_trigger() -> None:
    with pytest.raises(InvalidPromotion, match="trigger promote_all"):
        take(None)
