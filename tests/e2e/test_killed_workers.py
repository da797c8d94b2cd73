"""A worker that is killed with SIGKILL at each request of a promotion by a real Airflow, and the next try of its task.

Each promotion has a connection of its own, which leads through the gateway under a path of its own: so the gateway
knows whose request it has before it, counts it, and kills the process at the other end of its connection once the
work of that request is done. (Killed before the work of a request is killed after that of the one before.)
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest
from demo.airflow_api import AirflowApi
from demo.home import Home
from demo.processes import Process
from tests.e2e.conftest import ENDED, PROJECT, Airflow, until
from tests.integration.gateway import Gateway
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.dev_to_qa import PLATFORMS
from tests.integration.promotion.history import History

from artifactory_provider.operators.promote import ArtifactoryPromoteOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.integration.gateway import Seen

    from artifactory_sandbox.pytest_plugin import RunningSandbox

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

OPTIONS: dict[str, dict[str, Any]] = {
    "copy": {},
    "move": {"copy": False},
    "backup": {"on_conflict": "backup"},
}
"""Way → what its promotions are told besides the image; a move pins the digest by itself, and remembers it."""


@dataclass(frozen=True)
class Victim:
    """One promotion, whose worker is killed at one of its requests.

    :param way: how it promotes.
    :param number: which request, the first one being 1; 0 is not killed at all.
    :param digest: what is promoted.
    :param before: what the target tag shows at first, if anything.
    """

    way: str
    number: int
    digest: str
    before: str | None

    @property
    def name(self) -> str:
        """Its image, its connection, and its path through the gateway."""
        return f"{self.way}_{self.number}"


class Killer:
    """The gateway's knowledge of who is to be killed at which request, and who was.

    :param gateway: the gateway; each victim's requests come under its name.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.killed: dict[str, Seen] = {}
        self._gateway = gateway
        gateway.rewrite = lambda _host, path: path[path.index("/", 1) :]

    def aim_at(self, victim: Victim) -> None:
        """Kill the victim's worker once its request's work is done, and leave its next try alone."""
        path = f"^/{victim.name}/"
        if victim.number > 1:
            self._gateway.rule("*", path, times=victim.number - 1)
        self._gateway.rule("*", path, times=1, after=lambda: self._kill(victim))

    def url(self, name: str) -> str:
        """Return the base URL under which requests are known by a name."""
        return f"{self._gateway.origin}/{name}/artifactory"

    def requests_of(self, name: str) -> list[Seen]:
        """Return what came by under a name, in order."""
        return [seen for seen in self._gateway.requests if seen.path.startswith(f"/{name}/")]

    def _kill(self, victim: Victim) -> None:
        seen = self.requests_of(victim.name)
        self.killed[victim.name] = seen[victim.number - 1]
        os.kill(self._sender(seen[-1]), signal.SIGKILL)

    def _sender(self, seen: Seen) -> int:
        """Return the process that holds the other end of a request's connection."""
        ends = (seen.connection, ("127.0.0.1", self._gateway.port))
        pids = [one.pid for one in psutil.net_connections("tcp4") if (one.laddr, one.raddr) == ends]
        [pid] = [pid for pid in pids if pid is not None]
        return pid


@pytest.fixture(scope="module")
def sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    return artifactory_sandbox_factory()


@pytest.fixture(scope="module")
def killer(sandbox: RunningSandbox) -> Iterator[Killer]:
    with Gateway(f"http://{sandbox.registry}").running() as gateway:
        yield Killer(gateway)


@pytest.fixture(scope="module")
def victims(sandbox: RunningSandbox, killer: Killer) -> list[Victim]:
    """One promotion for each request that each way makes, and one of each way that nobody kills."""
    found = []
    for way in OPTIONS:
        measured = _push(sandbox, way, "measured")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(*_connection(killer, sandbox, measured.name))
            _promote_here(measured)
        found += [_push(sandbox, way, number) for number in range(len(killer.requests_of(measured.name)) + 1)]
    return found


def _push(sandbox: RunningSandbox, way: str, number: Any) -> Victim:
    image = f"{way}_{number}"
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    before = sandbox.push_image(f"docker-qa/{image}:1", platforms=PLATFORMS) if way == "backup" else None
    return Victim(way, number, digest, before)


def _connection(killer: Killer, sandbox: RunningSandbox, name: str) -> tuple[str, str]:
    """Return a connection as the environment names it."""
    fields = {"conn_type": "artifactory", "login": "admin", "password": sandbox.password}
    return f"AIRFLOW_CONN_{name.upper()}", json.dumps({**fields, "host": killer.url(name)})


def _promote_here(victim: Victim) -> None:
    """Promote as the task does, in this process."""
    from airflow.sdk.execution_time.context import OutletEventAccessors

    ti = SimpleNamespace(dag_id="measured", run_id="manual", task_id="promote", map_index=-1)
    context: Any = {"ti": ti, "task_state_store": _Store(), "outlet_events": OutletEventAccessors()}
    ArtifactoryPromoteOperator(
        task_id="promote", source_repository="docker-dev", target_repository="docker-qa", tag="1", **_arguments(victim)
    ).execute(context)


def _arguments(victim: Victim) -> dict[str, Any]:
    return {"image": victim.name, "artifactory_conn_id": victim.name, **OPTIONS[victim.way]}


class _Store(dict[str, Any]):
    """A task's state store, as far as it is used."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


@pytest.fixture(scope="module")
def own_airflow(
    sandbox: RunningSandbox, killer: Killer, victims: list[Victim], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Airflow]:
    """An Airflow with eight workers, and a connection for each victim."""
    path = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("demo.home.HOMES", path)
        home = Home.create("airflow", fresh=True)
    dags = path / "dags"
    dags.mkdir()
    shutil.copy(Path(__file__).with_name("promotions_dag.py"), dags)
    environment = {
        **home.environment(),
        "PYTHONPATH": os.pathsep.join(str(PROJECT / folder) for folder in ("", "plugins")),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PARALLELISM": "8",
        **dict(_connection(killer, sandbox, victim.name) for victim in victims),
    }
    process = Process.start("airflow", ["airflow", "standalone"], environment=environment, log=home.log("airflow"))
    api = AirflowApi(home.airflow_url, home.secrets.airflow_password)
    try:
        until(api.is_healthy, seconds=150)
        with httpx.Client(base_url=home.airflow_url, timeout=30, trust_env=False) as http:
            token = http.post("/auth/token", json={"username": "admin", "password": home.secrets.airflow_password})
            http.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
            airflow = Airflow(home, http, "")
            until(lambda: http.get("/api/v2/dags/promotions").status_code == 200, seconds=60)
            yield airflow
    finally:
        api.close()
        process.stop()


def test_a_task_that_is_killed_at_any_request_ends_the_same_when_it_is_tried_again(
    own_airflow: Airflow, sandbox: RunningSandbox, killer: Killer, victims: list[Victim]
) -> None:
    history = History(sandbox)
    for victim in victims:
        if victim.number:
            killer.aim_at(victim)
    run = "dags/promotions/dagRuns/"
    run += own_airflow.post(
        "dags/promotions/dagRuns", {"logical_date": None, "conf": {"promotions": [_arguments(one) for one in victims]}}
    )["dag_run_id"]
    until(lambda: own_airflow.get(run)["state"] in ENDED, seconds=400)
    tries = {
        victims[one["map_index"]].name: (one["state"], one["try_number"])
        for one in own_airflow.instances(run, "promote")
    }
    assert tries == {victim.name: ("success", 2 if victim.number else 1) for victim in victims}
    assert killer.killed.keys() == {victim.name for victim in victims if victim.number}
    for victim in victims:
        _check_end(sandbox, history, victim)
    for way in OPTIONS:
        _check_that_each_request_was_met(killer, [victim for victim in victims if victim.way == way])


def _check_end(sandbox: RunningSandbox, history: History, victim: Victim) -> None:
    """The target shows the whole image, what it showed before is kept, and nothing is left over."""
    dev, qa = (_tags(sandbox, f"{repository}/{victim.name}") for repository in ("docker-dev", "docker-qa"))
    kept = {} if victim.before is None else {f"1-previous-{victim.before[7:19]}": victim.before}
    assert qa == {"1": victim.digest, **kept}, victim
    assert dev == ({} if victim.way == "move" else {"1": victim.digest}), victim
    pusher = Pusher(sandbox, f"docker-qa/{victim.name}")
    assert all(digest and pusher.answers(digest) for digest in qa.values()), victim
    assert set(history.shown(f"docker-qa/{victim.name}:1")) == {victim.digest}, victim
    assert history.lost(victim.digest) == []
    assert victim.before is None or history.lost(victim.before) == []


def _check_that_each_request_was_met(killer: Killer, victims: list[Victim]) -> None:
    """The requests at which workers were killed are, together, those of the promotion that nobody killed."""
    whole = Counter(_shape(seen, victim) for victim in victims[:1] for seen in killer.requests_of(victim.name))
    assert Counter(_shape(killer.killed[victim.name], victim) for victim in victims[1:]) == whole


def _shape(seen: Seen, victim: Victim) -> str:
    """Return method and path without what differs between two images; children are asked for in any order."""
    path = seen.path.partition("?")[0].replace(victim.name, "image")
    return f"{seen.method} {re.sub('[0-9a-f]{12,64}|(?<=-)[0-9a-f]{8}(?=[-/]|$)', '…', path)}"


def _tags(sandbox: RunningSandbox, image: str) -> Mapping[str, str | None]:
    return {tag: sandbox.digest(f"{image}:{tag}") for tag in sandbox.tags(*image.split("/", 1))}
