"""What requests about tags cost in the sandbox: by size, by number, beside docker-registry."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from artifactory_sandbox.config import load_config
from artifactory_sandbox.items import stamp
from artifactory_sandbox.names import Place
from artifactory_sandbox.sample_images import make_image
from artifactory_sandbox.seeding import store_image, write_contents
from artifactory_sandbox.service import Service
from benchmarks.registries import (
    STEP,
    Connection,
    descriptor,
    digest_of,
    docker_registry,
    has_docker_registry,
    sandbox,
)
from benchmarks.result import Result, at_most, missing, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MANY, _FEW = 50_000, 500
_DIGESTS = 100
_ROUNDS = 200
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_FIRST_PAGE = (
    'items.find({{"repo": "{}", "name": {{"$match": "*manifest.json"}}}})'
    '.include("repo", "path", "name", "sha256", "{}").sort({{"{}": ["{}"]}}).limit(1000)'
)
_ORDERS = (("path", "$asc"), ("created", "$desc"), ("modified", "$desc"), ("updated", "$desc"))


def measure() -> Iterator[Result]:
    """Measure all in one sandbox with a repository of many tags and one of few."""
    with tempfile.TemporaryDirectory() as root:
        data = Path(root, "sandbox")
        _fill(data, {"docker-dev": _MANY, "docker-qa": _FEW})
        with sandbox(data, "docker-staging") as server, closing(server.connect()) as connection:
            yield _by_size(connection)
            yield _by_number(connection)
            for field, direction in _ORDERS:
                yield _first_page(connection, field, direction)
            if has_docker_registry():
                with docker_registry(Path(root, "registry")) as other, closing(other.connect()) as theirs:
                    yield from _beside(connection, theirs)
            else:
                for name in ("head", "promote"):
                    yield missing(f"sandbox_{name}_vs_docker_registry", "docker-registry is not installed")


def _by_size(connection: Connection) -> Result:
    for image, chunk, count in (("large", os.urandom(STEP), 1024), ("small", os.urandom(1024), 1)):
        digest = digest_of(chunk, count)
        connection.push_blob(image, digest, chunk, count)
        connection.push_image(image, "1", [descriptor(_LAYER, digest, len(chunk) * count)])
    large, small = _side_by_side(
        lambda number: _promote(connection, "docker-staging", "docker-prod", "large", "1", f"p{number}"),
        lambda number: _promote(connection, "docker-staging", "docker-prod", "small", "1", f"p{number}"),
    )
    return at_most("sandbox_promote_1_gib_vs_1_kib", large / small, 1.2)


def _by_number(connection: Connection) -> Result:
    many, few = _side_by_side(
        lambda number: _promote(connection, "docker-dev", "docker-dev", "app", f"t{number}", f"p{number}"),
        lambda number: _promote(connection, "docker-qa", "docker-qa", "app", f"t{number}", f"p{number}"),
    )
    return at_most("sandbox_promote_50000_tags_vs_500", many / few, 1.3)


def _first_page(connection: Connection, field: str, direction: str) -> Result:
    query = _FIRST_PAGE.format("docker-dev", field, direction, field).encode()

    def ask(number: int) -> None:
        status, _, body = connection.request(
            "POST", "/artifactory/api/search/aql", query, {"Content-Type": "text/plain"}
        )
        if status != 200 or len(json.loads(body)["results"]) != 1000:
            raise RuntimeError(f"the query answered {status}: {body[:300]!r}")

    page, head = _side_by_side(ask, lambda number: _head(connection, f"/v2/docker-dev/app/manifests/t{number}"), 30)
    return at_most(f"sandbox_aql_first_page_by_{field}_vs_head", page / head, 30)


def _beside(ours: Connection, theirs: Connection) -> Iterator[Result]:
    layer = os.urandom(1024)
    paths = []
    for connection in (ours, theirs):
        connection.push_blob("app", digest_of(layer), layer, 1)
        paths.append(connection.push_image("app", "1", [descriptor(_LAYER, digest_of(layer), len(layer))]))
    head, their_head = _side_by_side(lambda _: _head(ours, paths[0]), lambda _: _head(theirs, paths[1]))
    yield told("sandbox_head", 1 / head, "per second")
    yield told("sandbox_head_vs_docker_registry", their_head / head, "ratio")
    promotion, retag = _side_by_side(
        lambda number: _promote(ours, "docker-staging", "docker-prod", "app", "1", f"p{number}"),
        lambda number: _retag(theirs, paths[1], f"p{number}"),
    )
    yield told("sandbox_promote", 1 / promotion, "per second")
    yield told("sandbox_promote_vs_docker_registry", retag / promotion, "ratio")


def _side_by_side(
    one: Callable[[int], None], other: Callable[[int], None], rounds: int = _ROUNDS
) -> tuple[float, float]:
    """Do two things by turns and return the median seconds of each."""
    for number in (-1, -2, -3):
        for work in (one, other):
            work(number % _FEW)
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for work, taken in zip((one, other), times, strict=True):
            begun = time.perf_counter()
            work(number)
            taken.append(time.perf_counter() - begun)
    return statistics.median(times[0]), statistics.median(times[1])


def _promote(connection: Connection, source: str, target: str, image: str, tag: str, target_tag: str) -> None:
    body = {"targetRepo": target, "dockerRepository": image, "tag": tag, "targetTag": target_tag, "copy": True}
    path = f"/artifactory/api/docker/{source}/v2/promote"
    status, _, text = connection.request("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    if status != 200:
        raise RuntimeError(f"the promotion answered {status}: {text[:300]!r}")


def _retag(connection: Connection, path: str, tag: str) -> None:
    """Do what comes nearest to a promotion in a registry that knows none: pull the manifest, push it anew."""
    _, headers, manifest = connection.request("GET", path)
    target = f"{path.rpartition('/')[0]}/{tag}"
    status, _, text = connection.request("PUT", target, manifest, {"Content-Type": headers["Content-Type"]})
    if status != 201:
        raise RuntimeError(f"the push answered {status}: {text[:300]!r}")


def _head(connection: Connection, path: str) -> None:
    status, _, _ = connection.request("HEAD", path)
    if status != 200:
        raise RuntimeError(f"HEAD {path} answered {status}")


def _fill(data: Path, numbers: dict[str, int]) -> None:
    """Store an image `app` with tags `t0`, `t1`, … in repositories, over a hundred contents."""
    images = [make_image(f"content {number}") for number in range(_DIGESTS)]
    with opened(data) as service:
        for image in images:
            write_contents(service, image)
        for repository, count in numbers.items():
            with service.database.writing() as tx:
                for number in range(count):
                    image = images[number % _DIGESTS]
                    store_image(tx, service, Place(repository, "app"), f"t{number}", image, stamp("seed"))


@contextmanager
def opened(data: Path) -> Iterator[Service]:
    """Open the sandbox's data without a server."""
    service = Service(data, load_config(None))
    try:
        yield service
    finally:
        service.close()
