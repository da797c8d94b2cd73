from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, task_group

from artifactory_provider.operators import ArtifactoryPromoteOperator
from artifactory_provider.tasks.arguments import is_known, is_mapped

PLAIN: dict[str, Any] = {"task_id": "promote", "source_repository": "docker-dev", "target_repository": "docker-qa"}


@pytest.mark.parametrize(
    ("value", "known"),
    [
        ({"a": ["b", None]}, True),
        ({"a": ["{{ b }}"]}, False),
        ("{% if x %}a{% endif %}", False),
        (object(), False),
        ("{tag}", True),
    ],
)
def test_only_plain_values_are_checked_at_parse_time(value: Any, known: bool) -> None:
    assert is_known(value) is known


def test_only_an_instance_of_a_mapped_task_is_mapped_and_none_that_a_task_group_repeats() -> None:
    assert not is_mapped(ArtifactoryPromoteOperator(image="app", tag="1", **PLAIN))
    with DAG("release", schedule=None) as dag:
        plain = ArtifactoryPromoteOperator(image="app", tag="1", **PLAIN)
        mapped = ArtifactoryPromoteOperator.partial(image="app", **PLAIN | {"task_id": "many"}).expand(tag=["1", "2"])

        @task_group
        def ladder(tag: str) -> None:
            ArtifactoryPromoteOperator(image="app", tag=tag, **PLAIN)

        ladder.expand(tag=["1", "2"])
    assert not is_mapped(plain)
    assert is_mapped(mapped.unmap({"tag": "1"}))
    repeated = dag.get_task("ladder.promote")
    assert isinstance(repeated, ArtifactoryPromoteOperator)
    assert not is_mapped(repeated)
