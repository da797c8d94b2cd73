"""From a webhook to the run that it starts, on a real Airflow, beside events that Airflow's own API has taken."""

from __future__ import annotations

import hmac
import json
import secrets
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from demo.home import PROJECT

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.tasks.pushes import PUSHES, describe_asset, describe_push, key_of_push
from benchmarks.airflow_runs import airflow
from benchmarks.registries import sandbox
from benchmarks.result import Result, at_most, told
from benchmarks.sandbox_promotions import opened
from benchmarks.tag_sets import pass_tests, store_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.airflow_runs import Runs
    from benchmarks.registries import Registry

_DAG = PROJECT / "benchmarks" / "dags" / "pushed_on_push.py"
_PUSHES = 12
"""By each way."""
_OVER = 3.0
_LONGEST = 120.0


def measure() -> Iterator[Result]:
    """Tell of pushes by webhook and by Airflow's API, in turns, each once the run before has ended."""
    with tempfile.TemporaryDirectory() as root:
        data = Path(root, "sandbox")
        names = [ImageReference("docker-dev", f"pushed/app-{number:02}", "1.0.0") for number in range(2 * _PUSHES)]
        with opened(data) as service:
            store_tags(service, names)
            pass_tests(service)
        with sandbox(data) as server, airflow([_DAG], server) as runs:
            images = [name.pinned(_digest(server, name)) for name in names]
            ways = (_tell_by_api(runs), _tell_by_webhook(runs, server))
            took = [_run(runs, image, ways[number % 2]) for number, image in enumerate(images)]
            for image in images:
                if _digest(server, ImageReference("docker-prod", image.image, image.tag)) != image.digest:
                    raise RuntimeError(f"docker-prod shows another digest than {image}")
    by_api, by_webhook = took[::2], took[1::2]
    loop = statistics.median(queued for queued, _ in by_api)
    yield told("push_to_run_scheduler", loop, "s, median")
    yield told("push_to_run_median", statistics.median(queued for queued, _ in by_webhook), "s, median")
    yield told("push_to_prod", statistics.median(ended for _, ended in by_webhook), "s, median")
    yield at_most("push_to_run", max(queued for queued, _ in by_webhook) - loop, _OVER, "s, slowest")


def _run(runs: Runs, image: ImageReference, tell: Callable[[ImageReference], None]) -> tuple[float, float]:
    """Return the seconds from telling of a push until its run is queued, and until it has ended."""
    begun = time.time()
    tell(image)
    run_id = runs.wait_for_key(_DAG.stem, key_of_push(image), longest=_LONGEST)
    times = runs.wait_for(_DAG.stem, run_id, longest=_LONGEST)
    return times.queued.timestamp() - begun, times.ended.timestamp() - begun


def _tell_by_api(runs: Runs) -> Callable[[ImageReference], None]:
    """Return what records an event as any client of Airflow's may: nothing of this project is in between."""
    name, _ = describe_asset(PUSHES, "docker-dev")
    found = runs.api.send("GET", str(httpx.URL("/api/v2/assets", params={"name_pattern": name}))).json()["assets"]
    [asset] = [one["id"] for one in found if one["name"] == name]

    def tell(image: ImageReference) -> None:
        event = {"asset_id": asset, "partition_key": key_of_push(image), "extra": describe_push(image)}
        runs.api.send("POST", "/api/v2/assets/events", event)

    return tell


def _tell_by_webhook(runs: Runs, server: Registry) -> Callable[[ImageReference], None]:
    """Return what delivers an event as Artifactory does, signed with the connection's secret."""
    secret = secrets.token_hex(32)
    runs.api.put_connection(
        {
            "connection_id": "artifactory_default",
            "conn_type": "artifactory",
            "host": f"http://127.0.0.1:{server.port}/artifactory",
            "login": "admin",
            "password": "password",
            "extra": json.dumps({"webhook_secret": secret}),
        }
    )
    url = f"{runs.url}/artifactory/webhooks/artifactory_default"

    def tell(image: ImageReference) -> None:
        data = {"repo_key": image.repository, "image_name": image.image, "tag": image.tag}
        data |= {"sha256": str(image.digest).removeprefix("sha256:")}
        body = json.dumps({"domain": "docker", "event_type": "pushed", "data": data}).encode()
        signature = hmac.digest(secret.encode(), body, "sha256").hex()
        httpx.post(
            url, content=body, headers={"X-JFrog-Event-Auth": signature}, timeout=30, trust_env=False
        ).raise_for_status()

    return tell


def _digest(server: Registry, image: ImageReference) -> str:
    with closing(server.connect()) as connection:
        status, headers, _ = connection.request("HEAD", f"/v2/{image.repository}/{image.image}/manifests/{image.tag}")
    if status != 200:
        raise RuntimeError(f"{image} is not there: HEAD answered {status}")
    return headers["Docker-Content-Digest"]
