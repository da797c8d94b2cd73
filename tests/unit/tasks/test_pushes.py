from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.pipelines.model import TRIGGERING, Pipeline, Stage, Starts, TargetTag
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.templates import TargetTemplate
from artifactory_provider.tasks.push_schedules import TagMapper, schedule_on_push
from artifactory_provider.tasks.pushes import (
    LONGEST_KEY,
    describe_push,
    find_pushed,
    key_of_push,
    key_of_verdict,
    pushes_asset,
    read_key,
    start_of_verdicts,
    verdicts_asset,
)
from artifactory_provider.verification import AnyOf, PropertyCheck, SoakCheck

DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
IMAGE = ImageReference("docker-dev", "payments/api", "1.4.2", DIGEST)
LONGEST = ImageReference("docker-dev", "a" * 255, "t" * 128, DIGEST)


def pipeline(**changes: Any) -> Pipeline:
    stages = changes.pop("stages", None) or (
        Stage(name="dev", repository="docker-dev", checks=(PropertyCheck(),)),
        Stage(name="qa", repository="docker-qa", checks=(PropertyCheck(name="qa.test.status"),)),
        Stage(name="prod", repository="docker-prod"),
    )
    fields: dict[str, Any] = {"images": Patterns(("payments/*",), ("payments/old",)), **changes}
    fields.setdefault("starts", Starts(on_push="webhook"))
    return Pipeline(name="payments", stages=stages, **fields)


def schedule(**changes: Any) -> Any:
    """Return the timetable as the scheduler has it: written and read again."""
    with DAG("payments", schedule=schedule_on_push(pipeline(**changes))) as dag:
        pass
    return DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable


def started(timetable: Any, asset: Any, key: str) -> list[str]:
    return list(timetable.get_partition_mapper(name=asset.name, uri=asset.uri).to_downstream(key))


@pytest.mark.parametrize(
    ("tag", "pushed", "starts"),
    [
        (TRIGGERING, "payments/api:anything", True),
        ("newest", "payments/api:1.4.2", True),
        ("newest", "payments/api:latest", False),
        (">=1.4 <2", "payments/api:1.4.2", True),
        (">=1.4 <2", "payments/api:2.0.0", False),
        ("*-alpine", "payments/api:1.4-alpine", True),
        ("*-alpine", "payments/api:1.4", False),
        ("stable", "payments/api:stable", True),
        ("stable", "payments/api:1.0", False),
        ("{date:%Y%m%d}", "payments/api:20261101", False),
        (TRIGGERING, "tools/cli:1.0", False),
        (TRIGGERING, "payments/old:1.0", False),
    ],
)
def test_on_the_scheduler_only_tags_that_the_pipeline_means_start_a_run(tag: str, pushed: str, starts: bool) -> None:
    key = f"{pushed}@{DIGEST}"
    assert started(schedule(tag=tag), pushes_asset("docker-dev"), key) == ([key] if starts else [])


def test_a_verdict_starts_a_run_where_a_check_of_its_stage_reads_that_property() -> None:
    timetable = schedule(tag=TRIGGERING, starts=Starts(on_verdict=True))
    ours, others = (key_of_verdict(IMAGE, name, ["passed"]) for name in ("qa.test.status", "test.status"))
    assert started(timetable, verdicts_asset("docker-qa"), ours) == [ours]
    assert started(timetable, verdicts_asset("docker-qa"), others) == []
    assert started(timetable, verdicts_asset("docker-dev"), others) == [others]


def test_where_a_check_may_read_anything_each_property_starts_a_run() -> None:
    checks = (AnyOf([PropertyCheck(), SoakCheck(at_least=60)]),)
    stages = (Stage(name="dev", repository="docker-dev", checks=checks), Stage(name="qa", repository="docker-qa"))
    key = key_of_verdict(IMAGE, "whatever", ["x"])
    timetable = schedule(starts=Starts(on_verdict=True), stages=stages)
    assert started(timetable, verdicts_asset("docker-dev"), key) == [key]


def test_parts_of_a_combination_count_each() -> None:
    checks = (AnyOf([PropertyCheck(name="a"), PropertyCheck(name="b")]),)
    stages = (Stage(name="dev", repository="docker-dev", checks=checks), Stage(name="qa", repository="docker-qa"))
    timetable = schedule(starts=Starts(on_verdict=True), stages=stages)
    keys = {name: key_of_verdict(IMAGE, name, ["x"]) for name in "abc"}
    found = {name: started(timetable, verdicts_asset("docker-dev"), key) for name, key in keys.items()}
    assert found == {"a": [keys["a"]], "b": [keys["b"]], "c": []}


def test_a_stage_that_renames_tags_takes_verdicts_on_any_of_them() -> None:
    stages = (
        Stage(name="dev", repository="docker-dev"),
        Stage(
            name="qa",
            repository="docker-qa",
            checks=(PropertyCheck(),),
            tags=(TargetTag(template=TargetTemplate("{tag}-rc")),),
        ),
    )
    renamed = ImageReference("docker-qa", "payments/api", "stable-rc", DIGEST)
    key = key_of_verdict(renamed, "test.status", ["passed"])
    timetable = schedule(tag="stable", starts=Starts(on_verdict=True), stages=stages)
    assert started(timetable, verdicts_asset("docker-qa"), key) == [key]


def test_a_pipeline_that_nothing_of_the_two_starts_has_no_such_schedule() -> None:
    with pytest.raises(ValueError, match="Neither a push nor a verdict"):
        schedule_on_push(pipeline(starts=Starts()))


def test_the_mapper_is_small_however_many_images_there_are_in_the_registry() -> None:
    assert len(str(TagMapper(include=["payments/*"]).serialize())) < 200


@pytest.mark.parametrize("image", [IMAGE, LONGEST, ImageReference("docker-dev", "b" * 120, "t", DIGEST)])
def test_keys_fit_and_tell_images_tags_and_digests_apart(image: ImageReference) -> None:
    others = [
        ImageReference("docker-dev", image.image[:-1] + "x", image.tag, DIGEST),
        ImageReference("docker-dev", image.image, f"{str(image.tag)[:-1]}x", DIGEST),
        ImageReference("docker-dev", image.image, image.tag, OTHER),
    ]
    keys = [key_of_push(image), *map(key_of_push, others), key_of_verdict(image, "a", ["x"])]
    keys += [key_of_verdict(image, "a", ["y"]), key_of_verdict(image, "b", ["x"]), key_of_verdict(others[2], "a", "x")]
    assert len(set(keys)) == len(keys)
    assert max(map(len, keys)) <= LONGEST_KEY


def test_a_key_is_readable_and_says_image_and_tag() -> None:
    assert key_of_push(IMAGE) == f"payments/api:1.4.2@{DIGEST}"
    assert read_key(key_of_push(IMAGE)) == ("payments/api", "1.4.2", "")
    assert read_key(key_of_verdict(IMAGE, "a", ["x"]))[:2] == ("payments/api", "1.4.2")
    assert read_key(key_of_push(LONGEST)) == (None, None, "")
    assert key_of_verdict(IMAGE, "a", ["x"]).startswith(start_of_verdicts(IMAGE, "a"))


def test_values_in_another_order_are_the_same_verdict() -> None:
    assert key_of_verdict(IMAGE, "a", ["x", "y"]) == key_of_verdict(IMAGE, "a", ["y", "x"])
    assert key_of_verdict(IMAGE, "a", ["\ud800"]) != key_of_verdict(IMAGE, "a", ["?"])


def test_a_name_too_long_for_a_key_starts_the_pipeline_whose_run_knows_the_whole_of_it() -> None:
    key = key_of_push(LONGEST)
    assert TagMapper(include=["payments/*"]).to_downstream(key) == [key]
    assert find_pushed(context(key, describe_push(LONGEST))) == LONGEST


def context(key: str | None, *extras: Any) -> Any:
    events = [SimpleNamespace(extra=extra) for extra in extras]
    return {"dag_run": SimpleNamespace(partition_key=key), "triggering_asset_events": {"asset": events}}


def test_a_run_reads_from_its_event_what_has_started_it() -> None:
    assert find_pushed(context(key_of_push(IMAGE), {}, describe_push(IMAGE))) == IMAGE
    assert find_pushed(context(key_of_verdict(IMAGE, "a", ["x"]), describe_push(IMAGE))) == IMAGE


def test_a_run_without_a_key_was_started_by_no_push() -> None:
    assert find_pushed(context(None, describe_push(IMAGE))) is None


def test_a_person_may_start_a_run_with_a_key_where_the_repository_is_known() -> None:
    assert find_pushed(context(key_of_push(IMAGE)), repository="docker-dev") == IMAGE
    assert find_pushed(context(key_of_push(IMAGE))) is None
    assert find_pushed(context(key_of_push(LONGEST)), repository="docker-dev") is None


@pytest.mark.parametrize(
    "extra",
    [
        {"image": "docker-dev/payments/api:1.4.2"},
        {"image": "nonsense"},
        {"image": 7},
        {"image": f"docker-dev/payments/other:1.4.2@{DIGEST}"},
        {"image": f"docker-dev/payments/api:9@{DIGEST}"},
    ],
)
def test_an_event_that_does_not_fit_the_key_is_refused(extra: Any) -> None:
    with pytest.raises(InvalidReference):
        find_pushed(context(key_of_push(IMAGE), extra))
