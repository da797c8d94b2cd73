from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from openlineage.client.serde import Serde

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.operators.promote import ArtifactoryPromoteOperator
from artifactory_provider.tasks.lineage import MOST_IMAGES, describe_lineage

URL = "https://artifactory.example.com:8443/artifactory"
SERVER = "artifactory://artifactory.example.com:8443"
DIGEST, OTHER = (f"sha256:{letter * 64}" for letter in "ab")


def promotion(
    image: str = "payments/api", *, tag: str = "1", digest: str = DIGEST, target: str | None = None
) -> tuple[ImageReference, ImageReference]:
    source, written = (
        ImageReference(key, name, tag, digest) for key, name in (("dev", image), ("qa", target or image))
    )
    return source, written


def event(**told: Any) -> dict[str, Any]:
    """Return what is sent, as JSON."""
    lineage = describe_lineage(URL, **told)
    sent: dict[str, Any] = json.loads(Serde.to_json(lineage))
    return sent


def test_openlineage_is_told_the_image_in_both_repositories_and_its_digest() -> None:
    told = event(promoted=[promotion()])
    assert [(one["namespace"], one["name"]) for one in told["inputs"]] == [(SERVER, "dev/payments/api")]
    assert [(one["namespace"], one["name"]) for one in told["outputs"]] == [(SERVER, "qa/payments/api")]
    for dataset in (*told["inputs"], *told["outputs"]):
        assert dataset["facets"]["version"]["datasetVersion"] == DIGEST
        assert "columnLineage" not in dataset["facets"]


def test_many_tags_of_an_image_are_one_dataset_with_a_version_where_they_are_one_digest() -> None:
    told = event(promoted=[promotion(tag="1"), promotion(tag="latest")])
    assert told["outputs"][0]["facets"]["version"]["datasetVersion"] == DIGEST
    told = event(promoted=[promotion(tag="1"), promotion(tag="2", digest=OTHER)])
    assert (len(told["inputs"]), len(told["outputs"])) == (1, 1)
    assert "version" not in told["outputs"][0]["facets"]
    assert told["run_facets"]["artifactory_images"]["tags"] == 2


def test_of_many_images_each_output_says_which_input_it_comes_from() -> None:
    told = event(promoted=[promotion("a", target="one"), promotion("b", target="one"), promotion("c")])
    origins = {
        one["name"]: [origin["name"] for origin in one["facets"]["columnLineage"]["fields"]["manifest"]["inputFields"]]
        for one in told["outputs"]
    }
    assert origins == {"qa/one": ["dev/a", "dev/b"], "qa/c": ["dev/c"]}


@pytest.mark.parametrize("kind", ["promoted", "verified"])
def test_an_event_stays_small_and_counts_what_it_leaves_out(kind: str) -> None:
    promotions = [promotion(f"team/app-{number}") for number in range(10_000)]
    told = event(**{kind: promotions if kind == "promoted" else [(source, {"test": True}) for source, _ in promotions]})
    assert len(told["inputs"]) == MOST_IMAGES
    assert told["run_facets"]["artifactory_images"]["images"] == 10_000
    assert told["run_facets"]["artifactory_images"]["imagesLeftOut"] == 10_000 - MOST_IMAGES
    assert len(json.dumps(told)) < 200_000


def test_verdicts_are_assertions_about_what_was_looked_at() -> None:
    source, _ = promotion()
    told = event(verified=[(source, {"test.status": True}), (source, {"test.status": False, "xray": True})])
    [read] = told["inputs"]
    assert {one["assertion"]: one["success"] for one in read["inputFacets"]["dataQualityAssertions"]["assertions"]} == {
        "test.status": False,
        "xray": True,
    }
    assert read["facets"]["version"]["datasetVersion"] == DIGEST
    assert told["outputs"] == []


def test_a_task_that_promoted_nothing_tells_nothing() -> None:
    task = ArtifactoryPromoteOperator(
        task_id="promote", source_repository="docker-dev", target_repository="docker-qa", image="payments/api", tag="1"
    )
    assert task.get_openlineage_facets_on_complete(None) is None


def test_nothing_of_openlineage_is_loaded_where_nobody_asks() -> None:
    modules = "artifactory_provider.operators, artifactory_provider.sensors, artifactory_provider.triggers"
    code = f"import {modules}, sys; print([m for m in sys.modules if 'openlineage.cl' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
