"""Waits and promotions in a distributed Airflow whose parts are killed with SIGKILL and started again.

What "once" means: the sandbox promotes to each target tag exactly once, by its own events. A task whose worker is
killed may leave a promotion to a pending tag behind, and another try makes one more: nobody sees either.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from benchmarks.tag_sets import store_tags
from tests.e2e.conftest import ENDED, until
from tests.e2e.distributed import PARTS, running
from tests.e2e.distributed_dags import WAITS, name_wait
from tests.e2e.promotion_events import LAST, receiving
from tests.e2e.servers import run
from tests.e2e.task_history import TaskHistory
from tests.integration.promotion.history import History

from artifactory_provider.artifactory.references import ImageReference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.e2e.distributed import Cluster
    from tests.e2e.promotion_events import Receiver

    from artifactory_sandbox.pytest_plugin import RunningSandbox

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1200)]

PROMOTIONS, MANY, FLEET, NIGHTLY = "verified_promotions", "many_waits", "fleet", "nights"
CLIMB = "climb_to_prod"
FLEET_SIZE = 1000
NIGHTS = 20
FIRST_NIGHT = datetime.datetime(2025, 1, 1, 2, tzinfo=datetime.UTC)
TEAMS, IMAGES_A_TEAM = 3, 100
CAPACITY = 1000
"""Of one triggerer: ``[triggerer] capacity``, as docker-compose.yaml has it."""


@pytest.fixture(scope="module")
def sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    return artifactory_sandbox_factory()


@pytest.fixture(scope="module")
def cluster(sandbox: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    dags = Path(__file__).with_name("distributed_dags.py")
    with running(tmp_path_factory.mktemp("distributed"), sandbox, dags) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def tasks(cluster: Cluster) -> TaskHistory:
    return TaskHistory(cluster.engine)


@pytest.fixture
def receiver(sandbox: RunningSandbox) -> Iterator[Receiver]:
    """Who is told of every promotion into qa."""
    store_tags(sandbox.service, [LAST])
    url, auth = sandbox.url.removesuffix("/artifactory"), (sandbox.username, sandbox.password)
    with httpx.Client(base_url=url, auth=auth, trust_env=False) as client, receiving(client, "docker-qa") as receiver:
        yield receiver


def test_three_hundred_images_are_promoted_once_though_workers_a_triggerer_and_the_scheduler_are_killed(
    cluster: Cluster, sandbox: RunningSandbox, tasks: TaskHistory, receiver: Receiver
) -> None:
    teams = [[f"team-{team}/image-{number}" for number in range(IMAGES_A_TEAM)] for team in range(TEAMS)]
    digests = {image: sandbox.push_image(f"docker-dev/{image}:1") for team in teams for image in team}
    history = History(sandbox)

    sandbox.add_fault("latency", path="*", seconds=0.5)
    runs = [_start(cluster, PROMOTIONS, images=images) for images in teams]
    _kill_worker(cluster, "verify", when=lambda: _waiting(cluster) > 0)
    sandbox.clear_faults()
    until(lambda: _waiting(cluster) > len(digests) // 2, seconds=300, otherwise=cluster.explain)
    _kill_and_start(cluster, "scheduler")
    until(lambda: _waiting(cluster) == len(digests), seconds=300, otherwise=cluster.explain)
    assert _held(cluster)["triggerer-1"] > 0
    _kill_and_start(cluster, "triggerer-1")
    _pass(sandbox, [f"docker-dev/{image}:1" for image in digests])
    sandbox.add_fault("latency", path="*/promote", seconds=0.2)
    _kill_worker(cluster, "promote", when=lambda: bool(receiver.final))
    until(lambda: _states(cluster).keys() <= ENDED, seconds=300, otherwise=cluster.explain)
    receiver.wait_until_all_are_told()

    assert _states(cluster) == {"success": len(runs)}, cluster.explain()
    assert {image: sandbox.digest(f"docker-qa/{image}:1") for image in digests} == digests
    assert {image: history.shown(f"docker-qa/{image}:1") for image in digests} == {
        image: [digest] for image, digest in digests.items()
    }
    assert receiver.final == {("docker-qa", image, "1"): 1 for image in digests}
    assert _asset_events(cluster) == {f"artifactory://docker-qa/{image}": 1 for image in digests}
    _check_waits(tasks, {(run_id, number) for run_id in runs for number in range(IMAGES_A_TEAM)})
    killed = {
        task_id: tasks.counts(PROMOTIONS, task_id, "running", "up_for_retry") for task_id in ("verify", "promote")
    }
    print(f"tries that were killed: {killed}; promotions to any tag: {receiver.promoted.total()}")
    assert all(killed.values())


def _check_waits(tasks: TaskHistory, waits: set[tuple[str, int]]) -> None:
    """Each image was waited for, each wait ended once, and nothing that had passed was begun again."""
    begun = tasks.counts(PROMOTIONS, "verify", "running", "deferred")
    assert begun.keys() == waits
    assert tasks.counts(PROMOTIONS, "verify", "deferred", "scheduled") == begun
    assert tasks.counts(PROMOTIONS, "verify", "running", "success") == Counter(waits)


def test_two_thousand_waits_outlive_their_triggerers_and_none_ends_twice(
    cluster: Cluster, sandbox: RunningSandbox, tasks: TaskHistory
) -> None:
    images = [ImageReference("docker-dev", **name_wait(number)) for number in range(WAITS)]
    store_tags(sandbox.service, images)
    digests = [sandbox.digest(str(image)) for image in images]
    cluster.kill("triggerer-2")
    run_id = _start(cluster, MANY)
    run(
        sys.executable,
        "-m",
        "tests.e2e.defer_waits",
        run_id,
        environment=cluster.environment,
        given=json.dumps(digests),
    )

    # What is beyond the capacity of one triggerer is not looked at before there is another.
    until(lambda: _held(cluster) == {"triggerer-1": CAPACITY, "": WAITS - CAPACITY}, seconds=200)
    cluster.start("triggerer-2")
    until(lambda: _held(cluster) == {"triggerer-1": CAPACITY, "triggerer-2": WAITS - CAPACITY}, seconds=200)
    cluster.kill("triggerer-1")
    _pass(sandbox, map(str, images))
    cluster.start("triggerer-1")
    until(lambda: _waiting(cluster, MANY) == 0, seconds=400, otherwise=cluster.explain)

    ended = tasks.counts(MANY, "verify", "deferred", "scheduled")
    assert ended == {(run_id, number): 1 for number in range(WAITS)}
    assert len(tasks.changes(MANY, "verify")) == 2 * WAITS, "they were deferred, and resumed"
    assert _resumed_with(cluster) == {number: ("passed", digest) for number, digest in enumerate(digests)}
    until(lambda: not _held(cluster), seconds=60)


def test_a_thousand_images_climb_to_prod_once_though_worker_triggerer_and_scheduler_are_killed(
    cluster: Cluster, sandbox: RunningSandbox, tasks: TaskHistory
) -> None:
    images = [ImageReference("docker-dev", f"fleet/image-{number:04}", "1") for number in range(FLEET_SIZE)]
    store_tags(sandbox.service, images)
    digests = {image.image: sandbox.digest(str(image)) for image in images}
    _pass(sandbox, map(str, images))
    history = History(sandbox)

    sandbox.add_fault("latency", path="*/promote", seconds=0.5)
    run_id = _start(cluster, FLEET)
    _kill_worker(cluster, CLIMB, when=lambda: _count_shown(history, "docker-qa") > FLEET_SIZE // 4)
    in_qa = _count_shown(history, "docker-qa")
    sandbox.clear_faults()
    until(lambda: _count_shown(history, "docker-qa") == FLEET_SIZE, seconds=300, otherwise=cluster.explain)
    until(lambda: set(_held(cluster)) & set(PARTS) != set(), seconds=60, otherwise=cluster.explain)
    [holder] = _held(cluster)
    cluster.kill(holder)
    _pass(sandbox, (f"docker-qa/{image}:1" for image in digests), name="qa.test.status")
    cluster.start(holder)
    sandbox.add_fault("latency", path="*/promote", seconds=0.5)
    until(lambda: _count_shown(history, "docker-prod") > FLEET_SIZE // 4, seconds=300, otherwise=cluster.explain)
    cluster.kill("scheduler")
    in_prod = _count_shown(history, "docker-prod")
    sandbox.clear_faults()
    cluster.start("scheduler")
    until(lambda: _states(cluster, FLEET).keys() <= ENDED, seconds=300, otherwise=cluster.explain)

    print(f"in qa when the worker was killed: {in_qa}; in prod when the scheduler was: {in_prod}")
    assert max(in_qa, in_prod) < FLEET_SIZE, "the kills did not hit the middle"
    assert _states(cluster, FLEET) == {"success": 1}, cluster.explain()
    assert tasks.counts(FLEET, CLIMB, "running", "up_for_retry") == {(run_id, -1): 1}
    for repository in ("docker-qa", "docker-prod"):
        ever = _ever_shown(history, repository)
        assert {image: ever.pop((image, "1")) for image in digests} == {image: [one] for image, one in digests.items()}
        # What else there was are pending tags: of nothing but what was asked for, and none is left.
        for (image, tag), shown in ever.items():
            assert (tag.startswith("pending-"), set(shown)) == (True, {digests[image]}), (image, tag)
        assert all(sandbox.tags(repository, image) == ["1"] for image in digests)


def test_past_nights_that_are_backfilled_twice_come_to_the_same_and_the_second_time_writes_nothing(
    cluster: Cluster, sandbox: RunningSandbox, tasks: TaskHistory, tmp_path: Path
) -> None:
    tags = {f"1.{number}.0": FIRST_NIGHT + datetime.timedelta(days=number, hours=-1) for number in range(NIGHTS)}
    _seed(sandbox, tmp_path / "nights.yaml", "nights/app", tags)
    _pass(sandbox, (f"docker-dev/nights/app:{tag}" for tag in tags))
    _pass(sandbox, (f"docker-dev/nights/app:{tag}" for tag in tags), name="qa.test.status")
    cluster.airflow.patch(f"dags/{NIGHTLY}", {"is_paused": False})

    took = [_backfill(cluster, reprocess="none")]
    first = {tag: sandbox.digest(f"docker-prod/nights/app:{tag}") for tag in tags}
    history = History(sandbox)
    took.append(_backfill(cluster, reprocess="completed"))

    print(f"seconds of {NIGHTS} nights, first and second: {took}")
    assert first == {tag: sandbox.digest(f"docker-dev/nights/app:{tag}") for tag in tags}
    assert {tag: sandbox.digest(f"docker-prod/nights/app:{tag}") for tag in tags} == first
    assert history.events() == []
    ends = {run: count for (run, _), count in tasks.counts(NIGHTLY, CLIMB, "running", "success").items()}
    assert [count for run, count in ends.items() if run.startswith("backfill")] == [2] * NIGHTS, ends


def _seed(sandbox: RunningSandbox, file: Path, image: str, tags: dict[str, datetime.datetime]) -> None:
    """Store tags of an image in docker-dev, each with a digest of its own and the moment at which it was pushed."""
    names = {f"sha256:{hashlib.sha256(f'{image}{tag}'.encode()).hexdigest()}": [tag] for tag in tags}
    file.write_text(yaml.safe_dump([{"name": image, "dmap": names, "created": tags}]))
    sandbox.seed(file)


def _backfill(cluster: Cluster, *, reprocess: str) -> float:
    """Backfill all nights to their ends, and return the seconds that it took."""
    begun = time.monotonic()
    last = FIRST_NIGHT + datetime.timedelta(days=NIGHTS - 1)
    body: dict[str, Any] = {"dag_id": NIGHTLY, "from_date": FIRST_NIGHT.isoformat(), "to_date": last.isoformat()}
    body |= {"reprocess_behavior": reprocess, "dag_run_conf": {}}
    number = cluster.airflow.post("backfills", body | {"max_active_runs": 16})["id"]
    until(lambda: cluster.airflow.get(f"backfills/{number}")["completed_at"], seconds=600, otherwise=cluster.explain)
    query = "SELECT state, count(*) FROM dag_run WHERE dag_id = :dag_id AND run_type = 'backfill' GROUP BY 1"
    assert dict(cluster.query(query, dag_id=NIGHTLY)) == {"success": NIGHTS}
    return time.monotonic() - begun


def _ever_shown(history: History, repository: str) -> dict[tuple[str, str], list[str]]:
    """Return every digest that each tag of a repository has shown, by image and tag, each time that it was written."""
    shown: dict[tuple[str, str], list[str]] = {}
    for event in history.events():
        place, _, tag = event.place.rpartition("/")
        key, _, image = place.partition("/")
        if (event.event, key) == ("shows", repository) and not tag.startswith("sha256:"):
            shown.setdefault((image, tag), []).append(event.digest)
    return shown


def _count_shown(history: History, repository: str) -> int:
    """Return how many images have come to a repository."""
    return sum(tag == "1" for _, tag in _ever_shown(history, repository))


def _start(cluster: Cluster, dag_id: str, **conf: object) -> str:
    return str(cluster.airflow.post(f"dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"])


def _pass(sandbox: RunningSandbox, references: Iterable[str], *, name: str = "test.status") -> None:
    for reference in references:
        sandbox.set_properties(reference, {name: "passed"})


def _kill_worker(cluster: Cluster, task_id: str, *, when: Callable[[], bool]) -> None:
    """Kill a worker while it carries out a task, and start it again."""
    until(when, seconds=300, otherwise=cluster.explain)
    busy: list[str] = []

    def is_one_busy() -> bool:
        busy.extend(_busy(cluster, task_id))
        return bool(busy)

    until(is_one_busy, seconds=300, otherwise=cluster.explain)
    _kill_and_start(cluster, busy[0])


def _kill_and_start(cluster: Cluster, name: str) -> None:
    cluster.kill(name)
    cluster.start(name)


def _busy(cluster: Cluster, task_id: str) -> list[str]:
    """Return the workers that carry out a task now."""
    query = "SELECT hostname, pid FROM task_instance WHERE state = 'running' AND task_id = :task_id"
    pids = {name: {member.pid for member in part.members()} for name, part in cluster.parts.items()}
    return [str(name) for name, pid in cluster.query(query, task_id=task_id) if pid in pids.get(name, ())]


def _waiting(cluster: Cluster, dag_id: str = PROMOTIONS) -> int:
    query = "SELECT count(*) FROM task_instance WHERE dag_id = :dag_id AND state = 'deferred'"
    return int(cluster.value(query, dag_id=dag_id))


def _held(cluster: Cluster) -> Counter[str]:
    """Return how many waits each triggerer holds; those that none has taken yet are under an empty name."""
    query = "SELECT coalesce(hostname, ''), count(*) FROM trigger LEFT JOIN job ON job.id = triggerer_id GROUP BY 1"
    return Counter(dict(cluster.query(query)))


def _states(cluster: Cluster, dag_id: str = PROMOTIONS) -> dict[str, int]:
    query = "SELECT state, count(*) FROM dag_run WHERE dag_id = :dag_id GROUP BY 1"
    return dict(cluster.query(query, dag_id=dag_id))


def _asset_events(cluster: Cluster) -> dict[str, int]:
    return dict(cluster.query("SELECT uri, count(*) FROM asset_event JOIN asset ON asset.id = asset_id GROUP BY 1"))


def _resumed_with(cluster: Cluster) -> dict[int, tuple[str, str]]:
    """Return the verdict and the digest that each wait was told, by map index."""
    query = "SELECT map_index, next_kwargs FROM task_instance WHERE dag_id = :dag_id"
    told = {number: kwargs["event"] for number, kwargs in cluster.query(query, dag_id=MANY)}
    return {number: (event["status"], event["digest"]) for number, event in told.items()}
