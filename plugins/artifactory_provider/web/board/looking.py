"""One look at all ladders: what the registry holds, what checks and rules say of it, and what tasks are at."""

from __future__ import annotations

import asyncio
import datetime
import logging
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.board.gates import judge_gates, leave_unjudged
from artifactory_provider.board.rows import find_rows
from artifactory_provider.board.stock import Stock
from artifactory_provider.board.survey import find_rejections, survey
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.pipelines import InvalidPipeline, read_folder
from artifactory_provider.pipelines.model import ON_PUSH
from artifactory_provider.policy import InvalidPolicy
from artifactory_provider.promotion.errors import RulesUnreadable
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.rules import Refusal
from artifactory_provider.tasks.rules import Starter
from artifactory_provider.tasks.variables import read_variable
from artifactory_provider.web.airflow_internals import AirflowLacks
from artifactory_provider.web.board.airflow_internals import open_session
from artifactory_provider.web.board.joining import Promotions
from artifactory_provider.web.board.task_findings import find_all_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_provider.board.findings import RowFinding
    from artifactory_provider.board.tasks import GateKey, TaskFinding
    from artifactory_provider.pipelines.model import Pipeline
    from artifactory_provider.policy import StopOrder
    from artifactory_provider.tasks.rules import VariableRules

log = logging.getLogger(__name__)

_SERVERS_AT_ONCE = 8
_ATTEMPTS, _PAUSE = 2, 2.0
"""Fewer than tasks make: the board looks again within a minute."""
_LONGEST = 120.0
"""Seconds after which the look at a server is given up."""


class StagePlace(NamedTuple):
    """Where a stage stands: two servers may have repositories of one key.

    :param connection: the connection of the server.
    :param repository: the repository key.
    """

    connection: str
    repository: str


@dataclass(frozen=True, repr=False)
class Snapshot:
    """What one look has found.

    :param times: connection → when its server was looked at; one that never was is missing.
    :param pipelines: the ladders.
    :param stocks: connection → what its repositories hold.
    :param rows: all rows, by owner, ladder and image.
    :param base_urls: connection → the server's URL.
    :param stops: the orders to stop that are given, and by which Variable each is known.
    :param trouble: what could not be asked; None where all could.
    :param promotions: who has promoted what.
    """

    times: Mapping[str, datetime.datetime] = field(default_factory=dict)
    pipelines: tuple[Pipeline, ...] = ()
    stocks: Mapping[str, Stock] = field(default_factory=dict)
    rows: tuple[RowFinding, ...] = ()
    base_urls: Mapping[str, str] = field(default_factory=dict)
    stops: tuple[StopOrder, ...] = ()
    trouble: str | None = None
    promotions: Promotions = field(default_factory=Promotions)

    @property
    def as_of(self) -> datetime.datetime | None:
        """When the server was looked at that was not for the longest time; None where none was."""
        return min(self.times.values(), default=None)

    @cached_property
    def dag_ids(self) -> frozenset[str]:
        """The ids of all DAGs that it tells something of."""
        ladders = {name for one in self.pipelines for name in (one.name, f"{one.name}{ON_PUSH}")}
        tasks = {task.dag_id for row in self.rows for task in row.tasks if task is not None}
        return self.promotions.dag_ids | ladders | tasks

    def find_stock(self, place: StagePlace) -> Stock | None:
        """Return what is known of a stage, or None.

        :param place: its connection and repository key.
        """
        stock = self.stocks.get(place.connection)
        return stock if stock is not None and stock.knows(place.repository) else None


async def look(folder: Path, before: Snapshot) -> Snapshot:
    """Look at the ladders of a folder.

    :param folder: the folder of the pipeline files.
    :param before: what was found the last time: what cannot be asked now stays as it was.
    """
    try:
        read = read_folder(folder)
    except InvalidPipeline as error:
        return replace(before, trouble=f"The pipelines cannot be read: {error}")
    pipelines = tuple(read.pipelines.values())
    visit = _Visit(before, datetime.datetime.now(datetime.UTC))
    visit.troubles += [f"{name} cannot be read, so its ladder is not shown." for name in read.errors]
    joined = asyncio.create_task(asyncio.to_thread(visit.ask_airflow, pipelines))
    by_connection: dict[str, list[Pipeline]] = {}
    for pipeline in pipelines:
        by_connection.setdefault(pipeline.connection, []).append(pipeline)
    # A server that does not answer keeps no other waiting, and Airflow's database is asked meanwhile.
    await concurrently(lambda one: visit.ask_registry(*one, joined), by_connection.items(), at_once=_SERVERS_AT_ONCE)
    await joined
    return visit.conclude(pipelines)


async def read_settings(hook: ArtifactoryHook) -> ServerSettings:
    """Return how the server of a connection is asked for people who look: who is told no is told so soon.

    :param hook: the hook of the connection.
    """
    settings = await asyncio.to_thread(hook.settings)
    return replace(settings, attempts=_ATTEMPTS, longest_pause=min(_PAUSE, settings.longest_pause))


class _Visit:
    """What one look has found so far.

    :param before: what was found the last time.
    :param now: when it began.
    """

    def __init__(self, before: Snapshot, now: datetime.datetime) -> None:
        self._before, self._now = before, now
        self.troubles: list[str] = []
        self._rows: list[RowFinding] = []
        self._stocks: dict[str, Stock] = {}
        self._urls = dict(before.base_urls)
        self._stops: dict[StopOrder, None] = {}
        self._tasks: Mapping[GateKey, list[TaskFinding]] = {}
        self._times = dict(before.times)
        self._unsure: set[str] = set()
        """Connections of which a part could not be asked, and shows what it showed before."""
        # Hundreds of ladders ask for the same Variables: one read is as good as any other of this look.
        self._read = cache(read_variable)

    def ask_airflow(self, pipelines: Sequence[Pipeline]) -> None:
        """Ask for what Airflow knows of all ladders, as few queries as there are kinds."""
        try:
            with open_session() as session:
                self._before.promotions.read_on(session, pipelines)
                self._tasks = find_all_tasks(session, pipelines, now=self._now)
        except AirflowLacks as error:
            self.troubles.append(str(error))
        except Exception as error:
            log.warning("What Airflow's tasks are at cannot be told.", exc_info=error)
            self.troubles.append(f"What Airflow's tasks are at cannot be told now ({type(error).__name__}).")

    async def ask_registry(self, conn_id: str, pipelines: Sequence[Pipeline], joined: asyncio.Task[None]) -> None:
        """Ask one server for all that its ladders need; what it does not say stays as it was.

        :param joined: ends when Airflow has been asked.
        """
        try:
            hook = ArtifactoryHook(conn_id)
            settings = await read_settings(hook)
            self._urls[conn_id] = settings.base_url
            async with asyncio.timeout(_LONGEST), ArtifactoryClient(settings) as client:
                stock = await self._take_stock(client, pipelines, joined)
                judged = [await self._judge(client, hook, pipeline, stock) for pipeline in pipelines]
            self._rows += [row for rows in judged for row in rows]
            self._stocks[conn_id] = stock
            if conn_id not in self._unsure:
                self._times[conn_id] = self._now
        except Exception as error:
            if not isinstance(error, ArtifactoryError | TimeoutError):
                log.warning("The ladders of the connection %s could not be looked at.", conn_id, exc_info=error)
            reason = str(error) if isinstance(error, ArtifactoryError) else type(error).__name__
            self.troubles.append(f"The server of the connection {conn_id} could not be asked: {reason}")
            await joined
            self._keep(conn_id)

    async def _take_stock(
        self, client: ArtifactoryClient, pipelines: Sequence[Pipeline], joined: asyncio.Task[None]
    ) -> Stock:
        found, failed = await survey(client, pipelines)
        await joined
        if failed and not found:
            raise next(iter(failed.values()))
        conn_id = pipelines[0].connection
        old = self._before.stocks.get(conn_id)
        for repository, error in failed.items():
            self.troubles.append(f"{repository} could not be looked at: {error}")
            self._unsure.add(conn_id)
            if old is not None and (kept := old.survey(repository)) is not None:
                found[repository] = kept
        return Stock(
            found,
            await find_rejections(client),
            known=self._before.promotions.find_digests(conn_id),
            server_version=client.server_version,
        )

    async def _judge(
        self, client: ArtifactoryClient, hook: ArtifactoryHook, pipeline: Pipeline, stock: Stock
    ) -> list[RowFinding]:
        rows = list(find_rows(pipeline, stock))
        try:
            rules = await asyncio.to_thread(_read_rules, hook, pipeline, self._read)
            await self._note_stops(rules)
            async with Ledger(client) as ledger:
                rows = await judge_gates(rows, pipeline, ledger, rules)
        except (InvalidPolicy, RulesUnreadable) as error:
            reason = f"What the rules say of {pipeline.name} cannot be told: {error}"
            self.troubles.append(reason)
            rows = leave_unjudged(rows, reason)
        return [row.with_tasks(self._tasks) for row in rows]

    async def _note_stops(self, rules: VariableRules) -> None:
        stop = await rules.read_stops()
        if isinstance(stop, Refusal):
            self.troubles.append(str(stop))
            return
        self._stops |= {order: None for order in stop.orders if order.until is None or order.until > self._now}

    def _keep(self, conn_id: str) -> None:
        """Keep what was known of a server."""
        if conn_id in self._before.stocks:
            self._stocks[conn_id] = self._before.stocks[conn_id]
            old = [row for row in self._before.rows if row.pipeline.connection == conn_id]
            self._rows += [row.with_tasks(self._tasks) for row in old]

    def conclude(self, pipelines: tuple[Pipeline, ...]) -> Snapshot:
        """Return all that was found."""
        rows = sorted(self._rows, key=lambda row: (row.pipeline.owner, row.pipeline.name, row.image))
        return Snapshot(
            times={conn_id: self._times.get(conn_id, self._now) for conn_id in self._stocks},
            pipelines=pipelines,
            stocks=self._stocks,
            rows=tuple(rows),
            base_urls=self._urls,
            stops=tuple(self._stops),
            trouble=" ".join(dict.fromkeys(self.troubles)) or None,
            promotions=self._before.promotions,
        )


def _read_rules(hook: ArtifactoryHook, pipeline: Pipeline, read: Callable[[str], str | None]) -> VariableRules:
    """Return what the rules say to whatever starts a ladder's runs by itself; to people, where nothing does."""
    starts = pipeline.starts
    starter = Starter("person")
    if starts.schedule is not None:
        starter = Starter("schedule", dag_id=pipeline.name)
    elif starts.on_push or starts.on_verdict or starts.after:
        starter = Starter("event", dag_id=pipeline.name)
    return hook.rules(read=read).with_rules(pipeline.rules()).started_by(starter)
