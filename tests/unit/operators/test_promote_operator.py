from __future__ import annotations

import datetime
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, AssetAlias, ExceptionRetryPolicy, task

from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.operators.promote import ArtifactoryPromoteOperator
from artifactory_provider.operators.rollback import ArtifactoryRollbackOperator
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.tasks.assets import image_asset, repository_alias
from artifactory_provider.tasks.retries import RETRY_POLICY

DIGEST = "sha256:" + "a" * 64
PLAIN: dict[str, Any] = {
    "task_id": "promote",
    "source_repository": "docker-dev",
    "target_repository": "docker-qa",
    "image": "payments/api",
    "tag": "1.4.2",
}


TI = SimpleNamespace(dag_id="native", run_id="manual__1", task_id="promote", map_index=-1)


def operator(**changes: Any) -> ArtifactoryPromoteOperator:
    return ArtifactoryPromoteOperator(**{**PLAIN, **changes})


def test_every_field_of_the_endpoint_is_templated() -> None:
    fields = {"source_repository", "target_repository", "image", "tag", "target_image", "target_tag", "copy"}
    assert fields <= set(ArtifactoryPromoteOperator.template_fields)
    for field in ArtifactoryPromoteOperator.template_fields:
        assert hasattr(operator(), field)


def test_copying_and_failing_on_conflict_are_the_defaults() -> None:
    assert operator().copy is True
    assert operator().on_conflict == "fail"


@pytest.mark.parametrize(
    "changes",
    [
        {"source_repository": "docker dev"},
        {"target_repository": "docker-qa/payments"},
        {"target_repository": ""},
        {"image": "Payments/API"},
        {"image": "payments/api:1.4.2"},
        {"tag": "sha256:" + "a" * 64},
        {"tag": 1.4},
        {"tag": 7},
        {"digest": "sha256:abc"},
        {"digest": ""},
        {"target_image": "payments//api"},
        {"target_tag": "1 4"},
        {"target_tag": 2},
        {"target_tag": "1 4", "image": "{{ params.image }}"},
        {"pending_repository": "docker transit"},
        {"pending_repository": "docker-transit/payments", "tag": "{{ params.tag }}"},
    ],
)
def test_a_malformed_value_is_refused_when_the_dag_is_read(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidReference):
        operator(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"target_repository": "docker-dev"},
        {"target_repository": "docker-dev", "target_image": "payments/api", "target_tag": "1.4.2"},
        {"on_conflict": "ask"},
        {"on_conflict": "ask", "tag": "{{ params.tag }}"},
        {"on_conflict": "backup", "target_tag": "a" * 128},
        {"copy": "maybe"},
        {"copy": "maybe", "tag": "{{ params.tag }}"},
        {"copy": 2},
        {"confirmation_timeout": -1},
        {"property_prefix": "my prefix"},
        {"properties": {"by whom": "jane"}},
        {"properties": {"build": 5}, "tag": "{{ params.tag }}"},
        {"tag": None, "digest": f"sha256:{'a' * 64}"},
        {"one_request": True},
        {"pending_repository": "docker-dev"},
        {"pending_repository": "docker-qa"},
        {"pending_repository": "docker-transit", "two_phase": False},
        {"pending_repository": "docker-transit", "two_phase": False, "tag": "{{ params.tag }}"},
        {"pending_repository": "docker-transit", "one_request": True, "tag": None},
    ],
)
def test_a_promotion_that_makes_no_sense_is_refused_when_the_dag_is_read(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidPromotion):
        operator(**changes)


@pytest.mark.parametrize("template", ["{{ params.x }}", "{% if a %}b{% endif %}", "x{# comment #}"])
@pytest.mark.parametrize("field", ArtifactoryPromoteOperator.template_fields)
def test_a_template_is_left_to_the_run(field: str, template: str) -> None:
    assert getattr(operator(**{field: template}), field) == template


def test_another_tasks_result_is_left_to_the_run() -> None:
    with DAG("d", schedule=None):

        @task(multiple_outputs=True)
        def select() -> dict[str, str]:
            return {}

        chosen = select()
        promote = operator(image=chosen["image"], tag=chosen["tag"], digest=chosen["digest"])
        recording = operator(task_id="recording", properties={"by": chosen["by"], "on": "{{ ts }}"})
    assert promote.upstream_task_ids == recording.upstream_task_ids == {"select"}


def test_a_known_target_is_an_outlet_and_an_unknown_image_of_a_known_repository_is_its_alias() -> None:
    assert operator().outlets == [image_asset("docker-qa", "payments/api")]
    assert operator(target_image="shop/api").outlets == [image_asset("docker-qa", "shop/api")]
    assert operator(image="{{ params.image }}").outlets == [repository_alias("docker-qa")]
    assert operator(target_repository="{{ params.to }}").outlets == []


def test_outlets_that_the_author_gives_are_kept_and_not_doubled() -> None:
    own, other = Asset("releases"), AssetAlias("all-releases")
    assert operator(outlets=[own, other]).outlets == [own, other, image_asset("docker-qa", "payments/api")]
    asset, alias = image_asset("docker-qa", "payments/api"), repository_alias("docker-qa")
    assert operator(outlets=[asset]).outlets == [asset]
    assert operator(outlets=[alias], image="{{ params.image }}").outlets == [alias]


def test_an_outlet_with_a_name_of_its_own_for_the_same_uri_is_the_outlet() -> None:
    """Airflow refuses a DAG in which one URI has two names."""
    named = Asset(name="payments in qa", uri="artifactory://docker-qa/payments/api")
    assert operator(outlets=[named]).outlets == [named]


def test_the_retry_policy_is_ours_unless_the_author_has_one() -> None:
    own = ExceptionRetryPolicy(rules=[])
    assert operator().retry_policy is RETRY_POLICY
    assert operator(retry_policy=own).retry_policy is own
    assert operator(retry_policy=None).retry_policy is None
    with DAG("d", schedule=None, default_args={"retry_policy": own, "retry_delay": timedelta(seconds=1)}):
        assert operator().retry_policy is own


@pytest.mark.parametrize("own", [[], [Asset("other")], [repository_alias("docker-qa")]])
def test_a_mapped_operator_names_the_alias_of_its_target_where_the_dag_is_parsed(own: list[Any]) -> None:
    """Instances that end at the same moment must not have to make it: Airflow fails all but one then."""
    alias = repository_alias("docker-qa")
    with DAG("release", schedule=None):
        shared = {"image": "app", "outlets": own}
        promoted = ArtifactoryPromoteOperator.partial(
            task_id="promote", source_repository="docker-dev", target_repository="docker-qa", **shared
        ).expand(tag=["1", "2"])
        restored = ArtifactoryRollbackOperator.partial(task_id="restore", repository="docker-qa", **shared).expand(
            tag=["1", "2"]
        )
        unknown = ArtifactoryPromoteOperator.partial(
            task_id="unknown", source_repository="docker-dev", target_repository="{{ params.target }}", **shared
        ).expand(tag=["1", "2"])
    assert promoted.outlets == restored.outlets == [*(one for one in own if one != alias), alias]
    assert unknown.outlets == own


def test_a_mapped_operator_has_the_retry_policy_and_names_its_instances() -> None:
    with DAG("d", schedule=None):
        fixed = {name: value for name, value in PLAIN.items() if name != "tag"}
        mapped = ArtifactoryPromoteOperator.partial(**fixed).expand(tag=["1", "2"])
    assert mapped.retry_policy is RETRY_POLICY
    assert mapped.map_index_template == "{{ task.image }}:{{ task.tag }}"


def test_it_can_be_serialised_with_its_dag() -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("d", schedule=None) as dag:
        operator(image="{{ params.image }}")
        operator(task_id="other")
    restored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    assert restored.task_ids == ["promote", "other"]


FIXED = {name: PLAIN[name] for name in ("task_id", "source_repository", "target_repository", "image")}


@pytest.mark.parametrize(
    ("argument", "beside", "words"),
    [
        ("tag", {}, "no tag would mean all tags"),
        ("digest", {"tag": "1.4.2"}, "no digest would mean whatever the tag shows now"),
    ],
)
@pytest.mark.parametrize("is_expanded", [True, False])
def test_what_a_mapped_task_is_handed_empty_never_comes_to_mean_that_it_was_left_out(
    argument: str, beside: dict[str, Any], words: str, is_expanded: bool
) -> None:
    with DAG("release", schedule=None):
        if is_expanded:
            mapped = ArtifactoryPromoteOperator.partial(**FIXED, **beside).expand(**{argument: [None]})
        else:
            some = {name: value for name, value in FIXED.items() if name != "image"}
            mapped = ArtifactoryPromoteOperator.partial(**some, **beside, **{argument: None}).expand(image=["a"])
    instance = mapped.unmap({argument: None} if is_expanded else {"image": "a"})
    with pytest.raises(InvalidPromotion, match=words):
        instance.execute({})


def test_a_digest_that_is_left_out_of_a_mapped_task_or_none_elsewhere_is_no_digest_that_came_empty() -> None:
    from artifactory_provider.tasks.arguments import check_present

    with DAG("release", schedule=None):
        mapped = ArtifactoryPromoteOperator.partial(**FIXED).expand(tag=["1", "2"])
    for left_out in (mapped.unmap({"tag": "1"}), operator(), operator(digest=None, task_id="other")):
        assert isinstance(left_out, ArtifactoryPromoteOperator)
        assert left_out.digest is None
        check_present(left_out, left_out._given)


def test_a_rollback_to_a_digest_that_comes_empty_goes_back_to_no_other() -> None:
    with DAG("release", schedule=None):
        mapped = ArtifactoryRollbackOperator.partial(
            task_id="roll_back", repository="docker-qa", image="payments/api", tag="1"
        ).expand(digest=[None])
    with pytest.raises(InvalidPromotion, match="digest was asked for, but its value is empty"):
        mapped.unmap({"digest": None}).execute({})


@pytest.mark.parametrize("field", ["tag", "target_tag", "image", "target_image", "source_repository", "digest"])
@pytest.mark.parametrize("value", [1.10, 2, True, datetime.date(2026, 11, 1)])
def test_a_name_that_yaml_has_changed_is_refused_when_the_dag_is_read_with_how_to_keep_it(
    field: str, value: Any
) -> None:
    with pytest.raises(InvalidReference, match=rf"^{value} is a \w+, not .*: quote it"):
        operator(**{field: value})


@pytest.mark.parametrize("properties", [{"build": 5}, {"ok": True}, {5: "build"}])
def test_a_property_that_yaml_has_changed_is_refused_when_the_dag_is_read_with_how_to_keep_it(
    properties: dict[Any, Any],
) -> None:
    with pytest.raises(InvalidPromotion, match=r"^properties: .* not a property.*: quote it"):
        operator(properties=properties)


@pytest.mark.parametrize(
    ("field", "kind"), [("tag", InvalidReference), ("target_tag", InvalidReference), ("properties", InvalidPromotion)]
)
def test_a_name_that_a_native_template_has_changed_is_refused_when_the_task_runs(
    field: str, kind: type[Exception]
) -> None:
    given: Any = {"build": "{{ params.tag }}"} if field == "properties" else "{{ params.tag }}"
    with DAG("native", schedule=None, render_template_as_native_obj=True):
        made = operator(**{field: given})
    made.render_template_fields({"params": {"tag": "1.10"}})
    with pytest.raises(kind, match=r"1\.1 is a number, not a .*: quote it"):
        made.execute({"ti": TI})  # type: ignore[typeddict-item]


def test_a_name_in_quotes_survives_a_native_template() -> None:
    with DAG("native", schedule=None, render_template_as_native_obj=True):
        made = operator(tag="'{{ params.tag }}'")
    made.render_template_fields({"params": {"tag": "1.10"}})
    assert made.tag == "1.10"
