"""A full disk, bodies without end, many clients at one tag: clear errors, and never a tag without its bytes."""

from __future__ import annotations

import random
import re
import resource
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
from tests.integration.sandbox import oci
from tests.integration.sandbox.test_oci_conformance import push

from artifactory_sandbox.config import Config
from artifactory_sandbox.manifests import content_digest
from artifactory_sandbox.service import Service
from artifactory_sandbox.upkeep import check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from artifactory_sandbox.pytest_plugin import RunningSandbox

ADMIN = ("admin", "password")
IMAGE = "/api/docker/docker-dev/v2/app"
MEGABYTE = b"x" * 1_000_000


def test_a_file_that_the_disk_does_not_take_is_507_and_what_is_smaller_still_goes_in(tmp_path: Path) -> None:
    """The limit on the size of files stands in for a full disk: the same calls fail, in the same places."""
    line = [sys.executable, "-m", "artifactory_sandbox", "serve", "--data", str(tmp_path), "--port", "0"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"at (\S+) ", process.stdout.readline())
            assert found is not None
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))
            with httpx.Client(base_url=found[1], auth=ADMIN) as client:
                location = client.post(f"{IMAGE}/blobs/uploads/").headers["location"]
                refused = client.patch(location, content=MEGABYTE * 6)
                assert refused.status_code == 507
                assert refused.json()["errors"][0]["message"] == "No space is left on the sandbox's disk."
                assert client.get(location).status_code == 404
                push(client, IMAGE, oci.image())
            assert list((tmp_path / "uploads").iterdir()) == []
        finally:
            process.kill()
    service = Service(tmp_path, Config())
    assert list(check(service)) == []
    service.close()


def test_a_manifest_of_a_hundred_megabytes_is_413_long_before_it_is_there(client: httpx.Client) -> None:
    sent = 0

    def stream() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += len(MEGABYTE)
            yield MEGABYTE

    headers = {"Content-Type": oci.MANIFEST}
    try:
        response = client.put(f"{IMAGE}/manifests/1.0", content=stream(), headers=headers)
    except httpx.TransportError:
        assert sent < 100_000_000  # the server has hung up on a client that would not listen
    else:
        assert (response.status_code, response.json()["errors"][0]["code"]) == (413, "SIZE_INVALID")


def test_many_clients_at_the_same_tags_never_break_an_image(artifactory_sandbox: RunningSandbox) -> None:
    contents = [oci.index(), oci.image(), oci.nested_index(), oci.index()]
    for one in contents:
        [digest] = one.tags.values()
        one.tags = {"1.0": digest}
    barrier = threading.Barrier(6)

    def work(number: int) -> set[int]:
        choice, statuses = random.Random(number), set()  # noqa: S311
        with httpx.Client(base_url=artifactory_sandbox.url, auth=ADMIN) as client:
            barrier.wait()
            for _ in range(25):
                statuses |= {response.status_code for response in act(client, choice, contents)}
        return statuses

    with ThreadPoolExecutor(6) as pool:
        statuses = set.union(*pool.map(work, range(6)))
    assert statuses <= {200, 201, 202, 400, 404, 405}, "a push that lost its layers to a deletion is told so by 400"
    assert list(check(artifactory_sandbox.service)) == []


def act(client: httpx.Client, choice: random.Random, contents: list[oci.Contents]) -> Iterator[httpx.Response]:
    """Push, promote or delete, always the same tag in the same two places."""
    source, target = choice.sample(["docker-dev", "docker-qa"], 2)
    root = f"/api/docker/{source}/v2"
    match choice.choice(["push", "promote", "retag", "delete", "delete digest"]):
        case "push":
            yield from pushed(client, f"{root}/app", choice.choice(contents))
        case "promote":
            body = {"targetRepo": target, "dockerRepository": "app", "tag": "1.0", "copy": choice.random() < 0.5}
            yield client.post(f"{root}/promote", json=body)
        case "retag":
            body = {"targetRepo": source, "dockerRepository": "app", "tag": "1.0", "targetTag": "2.0", "copy": True}
            yield client.post(f"{root}/promote", json=body)
        case "delete":
            yield client.delete(f"{root}/app/manifests/{choice.choice(['1.0', '2.0'])}")
        case _:
            digest = choice.choice([digest for one in contents for digest in one.manifests])
            yield client.delete(f"{root}/app/manifests/{digest}")


def pushed(client: httpx.Client, root: str, contents: oci.Contents) -> Iterator[httpx.Response]:
    for content in contents.blobs.values():
        query = {"digest": content_digest(content)}
        yield client.post(f"{root}/blobs/uploads/", params=query, content=content)
    for reference, digest in [*((digest, digest) for digest in contents.manifests), *contents.tags.items()]:
        content = contents.manifests[digest]
        yield client.put(f"{root}/manifests/{reference}", content=content)
