"""What a team writes first: one mapped task a tag, each the bare promotion request."""

from __future__ import annotations

import json

from airflow.providers.http.operators.http import HttpOperator
from airflow.sdk import Param, dag, get_current_context, task


@dag(
    schedule=None,
    params={"tags": Param([], type="array", description="Image and tag, as image:tag.")},
    doc_md=__doc__,
    tags=["benchmark"],
)
def naive_backfill() -> None:
    """Promote each tag from docker-dev to docker-qa."""

    @task
    def list_requests() -> list[str]:
        """Return the body of each request."""
        split = [tag.rpartition(":") for tag in get_current_context()["params"]["tags"]]
        return [
            json.dumps({"targetRepo": "docker-qa", "dockerRepository": image, "tag": tag, "copy": True})
            for image, _, tag in split
        ]

    HttpOperator.partial(
        task_id="promote",
        http_conn_id="artifactory_http",
        endpoint="artifactory/api/docker/docker-dev/v2/promote",
        method="POST",
        headers={"Content-Type": "application/json"},
    ).expand(data=list_requests())


naive_backfill()
