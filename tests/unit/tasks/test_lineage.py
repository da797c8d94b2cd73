from __future__ import annotations

import subprocess
import sys

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.operators.promote import ArtifactoryPromoteOperator
from artifactory_provider.tasks.assets import describe_lineage

DIGEST = f"sha256:{'a' * 64}"


def test_openlineage_is_told_the_image_in_both_repositories_and_its_digest() -> None:
    source, target = ImageReference("docker-dev", "payments/api", "1"), ImageReference("docker-qa", "payments/api", "1")
    lineage = describe_lineage("https://artifactory.example.com:8443/artifactory", source, target, DIGEST)
    found = [(dataset.namespace, dataset.name) for dataset in (*lineage.inputs, *lineage.outputs)]
    assert found == [
        ("artifactory://artifactory.example.com:8443", "docker-dev/payments/api"),
        ("artifactory://artifactory.example.com:8443", "docker-qa/payments/api"),
    ]
    for dataset in (*lineage.inputs, *lineage.outputs):
        assert dataset.facets["version"].datasetVersion == DIGEST


def test_a_task_that_promoted_nothing_tells_nothing() -> None:
    task = ArtifactoryPromoteOperator(
        task_id="promote", source_repository="docker-dev", target_repository="docker-qa", image="payments/api", tag="1"
    )
    assert task.get_openlineage_facets_on_complete(None) is None


def test_nothing_of_openlineage_is_loaded_where_nobody_asks() -> None:
    code = (
        "import artifactory_provider.operators.promote, sys; print([m for m in sys.modules if 'openlineage.cl' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
