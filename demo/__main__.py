"""The commands behind ``make demo``, ``make up`` and ``make down``."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import signal
import sys
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.promotion.selection import newest_version
from demo.errors import DemoError
from demo.home import HOMES, Home
from demo.instance import Instance
from demo.metrics import print_metrics
from demo.processes import Register
from demo.report import Progress
from demo.scenario import (
    APPROVED,
    DEV,
    FAILING,
    FROZEN,
    LATE,
    PROD,
    VERDICT,
    ask_gates,
    candidates,
    held,
    newest_verdicts,
    pass_late,
    places,
    remove_verdict,
    run_qa_tests,
    sandbox_client,
    write_policy,
    write_verdict,
)
from demo.starts import OtherStarts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from artifactory_provider.artifactory.references import ImageReference
    from demo.airflow_api import Task

_LONGEST_RUN = 480.0
_ENDED = {"success", "failed"}
_A_DAY = timedelta(days=1)
_SECONDS_TO_PARK, _SECONDS_TO_TAKE_AN_ANSWER = 4.0, 8.0
"""An answer that comes before a task's process has ended makes Airflow take the task for lost, and try it again."""


def main() -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="run the main job from start to end, then stop everything")
    start = commands.add_parser("up", help="start everything and leave it running")
    start.add_argument("--empty", action="store_true", help="the first time, with nothing in qa and prod")
    commands.add_parser("down", help="stop what 'up' has started")
    commands.add_parser("qa-tests", help="pass everything that arrives in qa").add_argument("url")
    commands.add_parser("metrics", help="print what Airflow's metrics are told").add_argument("port", type=int)
    verdict = commands.add_parser("verdict", help="write what the tests in dev say of an image's newest version")
    verdict.add_argument("image")
    verdict.add_argument("status", choices=["passed", "failed", "none"])
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments.command == "qa-tests":
            asyncio.run(run_qa_tests(arguments.url))
        if arguments.command == "metrics":
            print_metrics(arguments.port)
        if arguments.command == "verdict":
            return asyncio.run(_give_verdict(arguments.image, arguments.status))
        if arguments.command == "up":
            return up(is_empty=arguments.empty)
        return {"run": run, "down": down}[arguments.command]()
    except (DemoError, ArtifactoryError, httpx.HTTPError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def run() -> int:
    """Run the main job: 0 only if prod holds exactly the verified digests."""
    with _alone("run"):
        _stop_leftovers("run")
        progress = Progress()
        home = Home.create("run", fresh=True)
        instance = Instance(home, progress)
        try:
            instance.start()
            starts = OtherStarts(instance.api, home, progress)
            tasks = _promote(instance, home, progress, starts)
            return asyncio.run(_judge(home, progress, tasks, starts))
        finally:
            instance.stop()
            progress.say(f"Everything is stopped. Logs: {home.shown_path}")


def up(*, is_empty: bool) -> int:
    """Start everything and leave it running; start again what has ended since.

    :param is_empty: whether qa and prod hold nothing when it starts for the first time.
    """
    with _alone("up"):
        progress = Progress()
        if Register(HOMES / "up" / "processes.json").is_running:
            home = Home.running("up")
            _mend(Instance(home, progress), progress)
        else:
            _stop_leftovers("up")
            home = Home.create("up", fresh=False)
            _start(Instance(home, progress, with_past=not is_empty))
        home.write_environment()
    asyncio.run(_say_what_to_try(home))
    return 0


def _start(instance: Instance) -> None:
    try:
        instance.start()
    except BaseException:
        instance.stop()
        raise


def _mend(instance: Instance, progress: Progress) -> None:
    dead = instance.find_dead()
    if not dead:
        print("It runs already; 'make down' stops it.")
        return
    progress.say(f"No sign of life from {' and '.join(dead)}: starting again what is needed.")
    instance.mend(dead)


async def _say_what_to_try(home: Home) -> None:
    """Print URLs, login and what to try, as things stand now."""
    async with sandbox_client(home.sandbox_url) as client:
        verdict = (await newest_verdicts(client))[LATE]
    waiting = _WAITING if verdict is None else _WAITED
    print(
        WHAT_TO_TRY.format(
            home=home,
            late=LATE,
            password=home.secrets.airflow_password,
            waiting=waiting.format(late=LATE, verdict=verdict).strip(),
        )
    )


def down() -> int:
    """Stop what ``up`` has started."""
    stopped = Register(HOMES / "up" / "processes.json").stop_all()
    print("Everything is stopped." if stopped else "Nothing was running.")
    return 0


def _promote(instance: Instance, home: Home, progress: Progress, starts: OtherStarts) -> list[Task]:
    """Let the data check start the nightly DAG, and whatever else starts promotions, and follow all to their ends."""
    now = datetime.now(UTC)
    instance.api.put_variable("artifactory_policy", write_policy(now - _A_DAY, now + _A_DAY))
    progress.say(f"A policy freezes {FROZEN} in {PROD} for a day, and wants {APPROVED} approved.")
    instance.api.trigger("service_catalog_check")
    progress.say("The service catalogue is checked; its asset will start promote_nightly.")
    night = _Night(instance, home, progress, starts)
    deadline = time.monotonic() + _LONGEST_RUN
    run_id = None
    while time.monotonic() < deadline:
        instance.check()
        run_id = run_id or instance.api.newest_run("promote_nightly", "asset_triggered")
        if run_id:
            state = instance.api.run_state("promote_nightly", run_id)
            tasks = instance.api.tasks("promote_nightly", run_id)
            progress.show(tasks)
            night.act(run_id, tasks)
            starts.act()
            if state in _ENDED and starts.have_ended:
                return tasks
        time.sleep(1)
    raise DemoError(f"Not all runs ended within {_LONGEST_RUN:.0f} s: see the logs in {home.shown_path}.")


class _Night:
    """What people and tests do while the night runs, each once it is their turn.

    :param instance: what runs.
    :param home: its files, ports and secrets.
    :param progress: where it says what happens.
    :param starts: what else starts promotions, once the night has to wait.
    """

    def __init__(self, instance: Instance, home: Home, progress: Progress, starts: OtherStarts) -> None:
        self._api, self._home, self._progress, self._starts = instance.api, home, progress, starts
        self._said: set[str] = set()
        self._answered = float("-inf")

    def act(self, run_id: str, tasks: list[Task]) -> None:
        """Do what the tasks wait for.

        :param run_id: the night's run.
        :param tasks: its tasks.
        """
        for task in tasks:
            if _is_late(task) and task.state == "deferred" and self._is_news("late"):
                self._progress.say(f"verify_dev of {LATE} waits in the triggerer: its tests are still running.")
                self._progress.say(f"The tests of {LATE} end now, and pass.")
                asyncio.run(pass_late(self._home.sandbox_url))
            if _is_of(task, "verify_qa", FROZEN) and task.state == "success" and self._is_news("freeze"):
                self._end_freeze()
            if _is_of(task, "promote_to_prod", FROZEN) and task.state == "deferred" and self._is_news("frozen"):
                self._progress.say(f"promote_to_prod of {FROZEN} waits until the freeze ends, without a worker.")
            if _is_of(task, "approve_prod", APPROVED) and task.state == "awaiting_input":
                self._approve(run_id, task)

    def _end_freeze(self) -> None:
        """Let the freeze end in a minute or two, which the next step of the image has to wait for."""
        end = (datetime.now(UTC) + timedelta(minutes=2)).replace(second=0, microsecond=0)
        self._api.put_variable("artifactory_policy", write_policy(end - _A_DAY, end))
        self._progress.say(f"{FROZEN} may go to {PROD} by its tests; the freeze ends at {end:%H:%M} UTC now.")
        self._starts.begin()

    def _approve(self, run_id: str, task: Task) -> None:
        """Approve some seconds after the question is there, and again later: Airflow loses what comes too soon."""
        if self._is_news("approval"):
            self._progress.say(f"approve_prod of {APPROVED} asks under Required Actions; admin approves it.")
            self._answered = time.monotonic() + _SECONDS_TO_PARK - _SECONDS_TO_TAKE_AN_ANSWER
        if time.monotonic() - self._answered > _SECONDS_TO_TAKE_AN_ANSWER:
            self._answered = time.monotonic()
            self._api.answer("promote_nightly", run_id, task.task_id, "Approve", map_index=task.map_index)

    def _is_news(self, what: str) -> bool:
        is_new = what not in self._said
        self._said.add(what)
        return is_new


def _is_of(task: Task, name: str, image: str) -> bool:
    return task.name == name and f"{image}:" in (task.image or "")


def _is_late(task: Task) -> bool:
    return task.name == "verify_dev" and (task.image or "").startswith(f"{LATE}:")


async def _give_verdict(image: str, status: str) -> int:
    url = Home.running("up").sandbox_url
    async with sandbox_client(url) as client:
        reference = await newest_version(client, DEV, image)
        if reference is None:
            raise DemoError(f"{DEV}/{image} has no version.")
        if status == "none":
            await remove_verdict(client, reference, url)
        else:
            await write_verdict(client, reference, VERDICT, status)
    print(f"{reference}: {VERDICT} is {'not set' if status == 'none' else status}.")
    return 0


async def _judge(home: Home, progress: Progress, tasks: list[Task], starts: OtherStarts) -> int:
    """Print the tables, and compare prod with what was verified."""
    async with sandbox_client(home.sandbox_url) as client:
        chosen = await candidates(client)
        progress.table(chosen, await places(client), tasks, await ask_gates(client, chosen))
        in_prod = await held(client, PROD)
    progress.list_starts(starts.all)
    promoted = [reference for image, reference in chosen.items() if image != FAILING]
    wanted = {_key(reference): reference.digest for reference in (*promoted, *await starts.check())}
    if in_prod == wanted:
        progress.say(f"{PROD} holds exactly the {len(wanted)} verified digests, and nothing else.")
        return 0
    for key in sorted(wanted.keys() - in_prod.keys()):
        progress.say(f"Missing in {PROD}: {key[0]}:{key[1]}.")
    for key, digest in sorted(in_prod.items()):
        if wanted.get(key) != digest:
            progress.say(f"Not verified, but in {PROD}: {key[0]}:{key[1]}@{digest}.")
    return 1


def _key(reference: ImageReference) -> tuple[str, str]:
    return reference.image, str(reference.tag)


def _stop_leftovers(name: str) -> None:
    """Stop what an earlier command that was killed has left running."""
    with suppress(FileNotFoundError):
        Register(HOMES / name / "processes.json").stop_all()


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Keep a second command of the same name from mixing with this one."""
    try:
        HOMES.mkdir(parents=True, exist_ok=True)
        lock = (HOMES / f"{name}.lock").open("w")
    except OSError as error:
        raise DemoError(
            f"{HOMES} cannot be written to ({error.strerror}); DEMO_HOME may name another folder."
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"Another 'make {'demo' if name == 'run' else name}' runs in this folder.") from None
        yield


WHAT_TO_TRY = """
Airflow    {home.airflow_url}    user admin, password {password}
Sandbox    {home.sandbox_url}    user admin, password password
Logs       {home.shown_path}

What to try:
  1. Open the board, {home.airflow_url}/plugin/board: what stands where, what each image waits for, what
     has changed since yesterday, and by whom. Promote, hold or reject from the dots at the end of a row; there, take
     controller back in prod, whose tag showed another build before. 'Stop the line' stops everything.
  2. In Airflow, trigger 'Service catalogue check' (service_catalog_check): when it is done, 'Promote nightly'
     (promote_nightly) starts by itself.
  3. {waiting}
  4. Beside the board's title, open History: what was promoted, where to, and by which run.
  5. Trigger 'Promote nightly' by hand with 'coredns:v1.10.1' as its only image.
  6. Trigger 'Retag backfill' (retag_backfill) as its form stands, and open the run's tab Plan: that was a dry run.
  7. The images were pushed over the last three weeks, and no night has run since last week: backfill those ('Promote
     nightly', Trigger, Backfill), or let 'Retag backfill' take only what came since (Fewer tags, Created from).
  8. Trigger 'Hold or reject an image' (hold_or_reject) for an image of docker-prod, or 'Stop the line'
     (stop_the_line), and look at what a dry run of the backfill says then.
  9. Trigger 'Promote on demand' (promote_on_demand) with coredns, the tag v1.10.1, from docker-dev to docker-qa: what
     the pipeline asks of the image, the form asks, too. 'Roll back' (rollback) takes a tag back to what it showed.
 10. Trigger 'Retention' (retention) as its form stands, and open the run's tab Plan: what would go by
     retention_rules.yaml, and what something needs still.
 11. Pull what was promoted:
       skopeo inspect --tls-verify=false --creds admin:password \\
         docker://127.0.0.1:{home.ports.sandbox}/docker-prod/coredns:v1.11.0
 12. Push a release of the storefront: 'Promote on push' (promote_pushed_on_push) starts, and waits for its tests.
       skopeo copy --src-tls-verify=false --src-creds admin:password \\
         --dest-tls-verify=false --dest-creds admin:password \\
         docker://127.0.0.1:{home.ports.sandbox}/docker-dev/coredns:v1.11.0 \\
         docker://127.0.0.1:{home.ports.sandbox}/docker-dev/storefront/web:2.0.0
       make verdict IMAGE=storefront/web STATUS=passed
     'Promote on push' (promote_pushed) takes up by hand what stands there.
 13. Watch what Airflow's metrics are told of all this; docs/metrics.md has a dashboard for them.
       tail -f {home.shown_path}/metrics.log
 14. In the same browser, read who has promoted what into production, and on which verdicts (docs/audit-trail.md); with
     .json it is JSON:
       {home.airflow_url}/artifactory/trail.csv?repository=docker-prod
 15. Trigger 'Audit the stages' (audit_drift): its run's tab Plan says what no promotion explains in qa and
     prod, who has pushed it, and when. One tag was pushed to docker-prod past Airflow; bring another:
       skopeo copy --src-tls-verify=false --src-creds admin:password \\
         --dest-tls-verify=false --dest-creds admin:password \\
         docker://127.0.0.1:{home.ports.sandbox}/docker-dev/coredns:v1.11.0 \\
         docker://127.0.0.1:{home.ports.sandbox}/docker-prod/coredns:by-hand
 16. Look and promote from a terminal (docs/command-line.md):
       . {home.shown_path}/environment
       .venv/bin/airflow artifactory status coredns
       .venv/bin/airflow artifactory plan docker-dev docker-qa --image 'csi-*'
 17. Have people told what waits for them, fails or is late: a connection, and the line 'notify' in
     dags/pipelines/_defaults.yaml (docs/notifications.md).

'make down' stops everything; what was promoted is there again after the next 'make up'.
"""

_WAITING = """
In the graph of its run, watch verify_dev of {late} wait in the triggerer: its tests have no verdict yet. Give it one:
       make verdict IMAGE={late} STATUS=passed
"""

_WAITED = """
The tests of {late} have a verdict by now: {verdict}. Take it away, and the next run waits for it in the triggerer:
       make verdict IMAGE={late} STATUS=none
"""

if __name__ == "__main__":
    sys.exit(main())
