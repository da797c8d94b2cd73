"""`kill -9` in the middle of everything: what was acknowledged is there, and nothing is half there."""

from __future__ import annotations

import multiprocessing
import os
import random
import socket
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import pytest

from artifactory_sandbox import layout
from artifactory_sandbox.cli import main
from artifactory_sandbox.config import Config
from artifactory_sandbox.manifests import content_digest
from artifactory_sandbox.names import Place
from artifactory_sandbox.sample_images import PLATFORMS, SampleImage, make_image
from artifactory_sandbox.server import listen
from artifactory_sandbox.service import Service
from artifactory_sandbox.upkeep import check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.process import BaseProcess
    from pathlib import Path

KILLS = 50
WORKERS = 4
SECONDS = 30
REPOSITORIES = ("docker-dev", "docker-qa")
# All workers push the same few contents, so that each one's deletions are about what the others are pushing.
IMAGES = [make_image(str(number), platforms=PLATFORMS[: 1 + number % 2]) for number in range(4)]
# A server that is forked from a process that has imported everything is up in a tenth of the time.
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(["artifactory_sandbox.cli"])

World = dict[tuple[str, str], str]


@dataclass
class Worker:
    """A client that pushes, promotes and deletes tags of its own, and knows what each must stand for.

    :param worlds: what there may be: one world after an acknowledged request, two while one is under way.
    """

    name: str
    choice: random.Random
    worlds: list[World] = field(default_factory=lambda: [{}])

    def run(self, url: str, done: threading.Semaphore) -> None:
        """Work until the server is gone."""
        with httpx.Client(base_url=f"{url}/v2/", auth=("admin", "password"), timeout=SECONDS) as client:
            try:
                while True:
                    self.step(client)
                    done.release()
            except httpx.TransportError:
                done.release(1000)

    def step(self, client: httpx.Client) -> None:
        [world] = self.worlds
        place = (self.choice.choice(REPOSITORIES), f"{self.name}-{self.choice.randrange(3)}")
        if place not in world:
            self.push(client, place, self.choice.choice(IMAGES))
        elif self.choice.random() < 0.3:
            self.delete(client, place)
        else:
            self.promote(client, place, copy=self.choice.random() < 0.5)

    def send(self, client: httpx.Client, request: httpx.Request, after: World) -> None:
        """Send what changes the world; anything but success leaves it as it was."""
        [before] = self.worlds
        self.worlds = [before, after]
        response = client.send(request)
        assert response.status_code < 500, response.text
        self.worlds = [after if response.is_success else before]

    def push(self, client: httpx.Client, place: tuple[str, str], image: SampleImage) -> None:
        root = f"{place[0]}/app"
        for content in image.blobs:
            uploaded = client.post(f"{root}/blobs/uploads/").headers["location"]
            done = client.put(uploaded, params={"digest": content_digest(content)}, content=content)
            assert done.status_code == 201
        for child in image.children:
            headers = {"Content-Type": child.media_type}
            client.put(f"{root}/manifests/{child.digest}", content=child.content, headers=headers)
        headers = {"Content-Type": image.top.media_type}
        url = f"{root}/manifests/{place[1]}"
        request = client.build_request("PUT", url, content=image.top.content, headers=headers)
        self.send(client, request, {**self.worlds[0], place: image.top.digest})

    def delete(self, client: httpx.Client, place: tuple[str, str]) -> None:
        after = {key: digest for key, digest in self.worlds[0].items() if key != place}
        self.send(client, client.build_request("DELETE", f"{place[0]}/app/manifests/{place[1]}"), after)
        assert self.worlds == [after], "a tag that was acknowledged could not be deleted"

    def promote(self, client: httpx.Client, place: tuple[str, str], *, copy: bool) -> None:
        target = (self.choice.choice(REPOSITORIES), f"{self.name}-{self.choice.randrange(3)}")
        if target == place:
            return
        after = {**self.worlds[0], target: self.worlds[0][place]}
        if not copy:
            del after[place]
        body = {"targetRepo": target[0], "dockerRepository": "app", "tag": place[1], "targetTag": target[1]}
        request = client.build_request("POST", f"{place[0]}/promote", json={**body, "copy": copy})
        self.send(client, request, after)
        assert self.worlds == [after], "a tag that was acknowledged could not be promoted"

    def settle(self, found: World) -> None:
        """Take what has been found for the world, if it is one that may be."""
        mine = {place: digest for place, digest in found.items() if place[1].startswith(f"{self.name}-")}
        assert mine in self.worlds
        self.worlds = [mine]


@pytest.fixture
def port() -> int:
    with closing(listen("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    return number


def started(data: Path, port: int) -> BaseProcess:
    """Start a server and wait until it answers."""
    process = FORKING.Process(target=main, args=(["serve", "--data", str(data), "--port", str(port)],), daemon=True)
    process.start()
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.is_alive():
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            break
        os.sched_yield()
    assert httpx.get(f"http://127.0.0.1:{port}/artifactory/api/system/ping").text == "OK"
    return process


def problems(data: Path) -> tuple[list[str], World]:
    """Look into a data directory that nobody serves: what is broken in it, and what each tag stands for."""
    service = Service(data, Config())
    try:
        found = list(check(service))
        with service.database.reading() as tx:
            world = {
                (repository, tag): item.digest or ""
                for repository in REPOSITORIES
                for tag in layout.tags(tx, Place(repository, "app"))
                if (item := layout.find_manifest(tx, Place(repository, "app"), tag))
            }
    finally:
        service.close()
    return found, world


@pytest.mark.timeout(180)
def test_fifty_kills_under_load_lose_nothing_acknowledged_and_leave_nothing_half_done(
    tmp_path: Path, port: int
) -> None:
    choice = random.Random(20_240_607)  # noqa: S311
    workers = [Worker(f"w{number}", random.Random(number)) for number in range(WORKERS)]  # noqa: S311
    for _ in range(KILLS):
        process = started(tmp_path, port)
        done = threading.Semaphore(0)
        threads = [threading.Thread(target=worker.run, args=(f"http://127.0.0.1:{port}", done)) for worker in workers]
        for thread in threads:
            thread.start()
        for _ in range(choice.randrange(1, 30)):
            assert done.acquire(timeout=SECONDS)
        process.kill()
        for thread in threads:
            thread.join(SECONDS)
        process.join(SECONDS)
        broken, world = problems(tmp_path)
        assert broken == []
        for worker in workers:
            worker.settle(world)


@pytest.fixture(autouse=True)
def no_thread_fails_unseen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An assertion in a worker fails the test."""
    failures: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: failures.append(arguments.exc_value))
    yield
    assert failures == []
