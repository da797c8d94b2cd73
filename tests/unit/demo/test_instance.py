from __future__ import annotations

import asyncio
import datetime
import itertools
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import demo.home
import httpx
import psutil
import pytest
from demo.errors import DemoError
from demo.home import Home
from demo.instance import PARTS, Instance
from demo.report import Progress
from demo.scenario import (
    DEV,
    FAILING,
    IMAGES,
    LATE,
    ask_gates,
    candidates,
    describe_verdicts,
    newest_verdicts,
    places,
    remove_verdict,
    sandbox_client,
    write_verdict,
)

if TYPE_CHECKING:
    from pathlib import Path

Beat = Callable[[str], str | None]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(demo.home, "HOMES", tmp_path)
    monkeypatch.setitem(os.environ, "SANDBOX_PORT", "")
    monkeypatch.setitem(os.environ, "AIRFLOW_PORT", "")
    return Home.create("run", fresh=True)


@pytest.fixture
def instance(home: Home) -> Iterator[Instance]:
    instance = Instance(home, Progress())
    yield instance
    instance.stop()


@contextmanager
def health(port: int, beat: Beat) -> Iterator[None]:
    """Answer as the health endpoint of Airflow does.

    :param beat: returns a part's last sign of life.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts: dict[str, Any] = {
                part: {"status": "healthy", f"latest_{part}_heartbeat": beat(part)}
                for part in ("scheduler", "triggerer", "dag_processor")
            }
            content = json.dumps({"metadatabase": {"status": "healthy"}} | parts).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def pretend_to_run(home: Home) -> None:
    """Let the register name this very process as all that an instance has started."""
    started = psutil.Process().create_time()
    entries = [{"name": name, "pid": os.getpid(), "started": started} for name in PARTS]
    (home.path / "processes.json").write_text(json.dumps(entries))


def test_a_port_that_another_program_takes_while_the_sandbox_starts_is_said_at_once(
    home: Home, instance: Instance
) -> None:
    with (
        socket.create_server(("127.0.0.1", home.ports.sandbox)),
        pytest.raises(DemoError, match=f"Another program has taken port {home.ports.sandbox} while sandbox started"),
    ):
        instance.start()


def test_parts_of_airflow_whose_heart_has_stopped_are_found_although_it_calls_them_healthy(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo.instance._LONGEST_SILENCE", 2.0)
    instance, ticks = Instance(home, Progress()), itertools.count()
    instance.start(["sandbox"])
    sandbox = json.loads((home.path / "processes.json").read_text())
    try:
        pretend_to_run(home)
        with health(home.ports.airflow, lambda part: str(next(ticks)) if part == "dag_processor" else "long ago"):
            assert instance.find_dead() == ["scheduler", "triggerer"]
        with health(home.ports.airflow, lambda part: str(next(ticks))):
            assert instance.find_dead() == []
        with health(home.ports.airflow, lambda part: None):
            assert instance.find_dead() == ["DAG processor", "scheduler", "triggerer"]
        assert instance.find_dead() == ["API server"]
    finally:
        (home.path / "processes.json").write_text(json.dumps(sandbox))
        instance.stop()


def test_what_has_ended_or_was_never_started_is_found_without_waiting(instance: Instance) -> None:
    assert instance.find_dead() == list(PARTS)


def test_a_sandbox_that_was_killed_is_started_again_with_all_it_had(home: Home, instance: Instance) -> None:
    instance.start(["sandbox"])
    before = items(home)
    (killed,) = json.loads((home.path / "processes.json").read_text())
    os.kill(killed["pid"], 9)
    instance.mend(["sandbox"])
    assert items(home) == before
    assert [entry["name"] for entry in json.loads((home.path / "processes.json").read_text())] == ["sandbox"]


def items(home: Home) -> list[dict[str, str]]:
    """Return path, digest and time of each manifest in docker-dev."""
    query = f'items.find({{"repo":"{DEV}","name":{{"$match":"*manifest.json"}}}}).include("path","sha256","created")'
    answer = httpx.post(f"{home.sandbox_url}/api/search/aql", content=query, auth=("admin", "password"))
    found: list[dict[str, str]] = answer.json()["results"]
    return sorted(found, key=lambda item: item["path"])


async def test_the_images_were_pushed_over_three_weeks_and_not_all_have_passed_their_tests(
    home: Home, instance: Instance
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    await in_thread(instance.start, ["sandbox"])
    days = sorted((now - datetime.datetime.fromisoformat(item["created"])).days for item in items(home))
    assert (days[0], days[-1]) == (0, 20)
    assert {day // 7 for day in days} == {0, 1, 2}
    async with sandbox_client(home.sandbox_url) as client:
        found = [place.verdict for place in await places(client)]
        newest = await newest_verdicts(client)
    assert {verdict: found.count(verdict) for verdict in found} == {"passed": 62, "failed": 5, None: 5}
    assert {image: verdict for image, verdict in newest.items() if verdict != "passed"} == {
        FAILING: "failed",
        LATE: None,
    }


async def test_a_second_start_leaves_verdicts_and_times_as_they_are_and_says_how_they_stand(
    home: Home, instance: Instance
) -> None:
    await in_thread(instance.start, ["sandbox"])
    before = items(home)
    async with sandbox_client(home.sandbox_url) as client:
        newest = await candidates(client)
        assert describe_verdicts(await newest_verdicts(client)) == (
            "The tests in dev have written their verdicts, but for livenessprobe's; csi-resizer's failed."
        )
        await write_verdict(client, newest[LATE], "test.status", "failed")
        await write_verdict(client, newest[FAILING], "test.status", "passed")
        await in_thread(instance.mend, ["sandbox"])
        verdicts = await newest_verdicts(client)
        assert (verdicts[LATE], verdicts[FAILING]) == ("failed", "passed")
        assert describe_verdicts(verdicts) == "The tests in dev have written their verdicts; livenessprobe's failed."
        assert describe_verdicts(dict.fromkeys(IMAGES, "passed")) == "The tests in dev have written their verdicts."
        await remove_verdict(client, newest[LATE], home.sandbox_url)
        assert (await newest_verdicts(client))[LATE] is None
    assert items(home) == before


async def in_thread(function: Callable[..., None], *arguments: object) -> None:
    """Run what makes an event loop of its own."""
    await asyncio.to_thread(function, *arguments)


async def test_the_gates_say_which_check_holds_an_image_and_why(home: Home, instance: Instance) -> None:
    await in_thread(instance.start, ["sandbox"])
    async with sandbox_client(home.sandbox_url) as client:
        chosen = await candidates(client)
        told = await ask_gates(client, chosen)
    in_dev = {image: reason for (gate, image), reason in told.items() if gate == "verify_dev"}
    assert in_dev == {
        FAILING: "verify_dev failed: test.status is 'failed'.",
        LATE: "verify_dev waits: test.status is not set.",
    }
    assert {image for gate, image in told if gate == "verify_qa"} == set(chosen)
