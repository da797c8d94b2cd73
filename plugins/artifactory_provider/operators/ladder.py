"""The operator that takes any number of images up the stages of a pipeline, in one task."""

from __future__ import annotations

import asyncio
import datetime
import json
import time
from typing import TYPE_CHECKING, Any, Literal, cast

from airflow.sdk import Asset, BaseAsyncOperator
from airflow.sdk.exceptions import AirflowFailException

from artifactory_provider.operators.lineage import LineageOperator
from artifactory_provider.pipelines.ladder import Ladder
from artifactory_provider.promotion.batch import check_at_once
from artifactory_provider.promotion.errors import BatchInterrupted, InvalidPromotion, name_first
from artifactory_provider.promotion.request import PromotionOptions
from artifactory_provider.tasks.arguments import check_literal
from artifactory_provider.tasks.assets import stage_asset
from artifactory_provider.tasks.forms import as_number
from artifactory_provider.tasks.ladders import (
    LADDER,
    UNSELECTED,
    count_standings,
    pull_starts,
    push_next,
    read_positions,
)
from artifactory_provider.tasks.metrics import count_promotions
from artifactory_provider.tasks.rules import Answers
from artifactory_provider.tasks.rules_of_parts import RulesOfParts
from artifactory_provider.tasks.task_state import identify_run
from artifactory_provider.tasks.waiting import as_notifiers, next_look, note_first, tell_once
from artifactory_provider.triggers.ladder import LadderTrigger
from artifactory_provider.verification.check import check_to_dict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.pipelines.ladder import Awaited
    from artifactory_provider.pipelines.model import Pipeline
    from artifactory_provider.pipelines.standing import LadderReport, Position
    from artifactory_provider.tasks.waiting import Notifier

_BEGUN = "artifactory_ladder_begun"
_TOLD = "artifactory_ladder_told"
_SECONDS_BETWEEN_REPORTS = 5.0
_EMITTED = 100


class ArtifactoryLadderOperator(LineageOperator, BaseAsyncOperator):
    """Take images up the stages of a pipeline: what may move is promoted together, and nobody waits for others.

    It looks at all stages by few queries, promotes what has passed its checks, and waits in the triggerer, without a
    worker, until a verdict is there, a rule ends, or the time of an image is over. An image that fails ends alone, with
    its reason. The registry is the record of where each stands, so that a task that is killed goes on from there. The
    XCom ``ladder`` says at any time where each image is and what it waits for; the XCom ``arrived`` has the chunks of
    what has come to the goal, for an approval and the next such task. In the end the task fails where images have.

    :param pipeline: the pipeline.
    :param source_task_id: the task that has handed on the images: that of an ``ArtifactorySelectOperator``, or of
        another operator of this kind.
    :param until: the name of the stage that images climb to; None for the last one.
    :param goal: the name of a stage that they do not climb beyond, such as a field of a form. (templated)
    :param approval: what an ``ArtifactoryApprovalOperator`` has returned for these images. (templated)
    :param supersedes: whether an image ends whose first stage has a newer tag by now that the pipeline means, or shows
        another digest under its own.
    :param at_once: how many requests are under way at a time, at most. (templated)
    :param notifiers: who is told when it begins to wait for rules that refuse images to end, such as a
        ``PromotionNotifier``.
    :param on_failed: what images that have failed lead to in the end: ``fail``, or ``go_on``.
    :param kwargs: what every operator takes; ``retry_policy`` knows which failures are worth another try.
    :raises ValueError: when there is no such stage.
    """

    template_fields: Sequence[str] = ("goal", "approval", "at_once", "artifactory_conn_id")
    ui_color = "#e3f4e1"

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        source_task_id: str,
        until: str | None = None,
        goal: str | None = None,
        approval: Mapping[str, Any] | None = None,
        supersedes: bool = False,
        at_once: int = 32,
        notifiers: Sequence[Notifier] | Notifier | None = None,
        on_failed: Literal["fail", "go_on"] = "fail",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("artifactory_conn_id", pipeline.connection)
        super().__init__(rules=pipeline.rules(), **kwargs)
        self.pipeline = pipeline
        self.source_task_id = source_task_id
        self.until = until
        self.goal = goal
        self.approval = approval
        self.supersedes = supersedes
        self.at_once = at_once
        self.notifiers = as_notifiers(notifiers)
        self.on_failed = on_failed
        self._work: asyncio.Task[Any] | None = None
        self._is_killed = False
        self._find_level(until)
        check_literal(goal, self._find_level)
        if on_failed not in {"fail", "go_on"}:
            raise ValueError(f"on_failed is 'fail' or 'go_on', not {on_failed!r:.60}.")
        known = {getattr(outlet, "uri", None) for outlet in self.outlets}
        assets = [stage_asset(stage.repository) for stage in pipeline.stages[1:]]
        self.outlets = [*self.outlets, *(asset for asset in assets if asset.uri not in known)]

    def execute(self, context: Context) -> dict[str, int]:
        """Climb as far as possible, then wait; return how many stand how in the end."""
        return self._climb(context, is_resumed=False)

    def resume(self, context: Context, event: object = None) -> dict[str, int]:
        """Go on after a wait."""
        return self._climb(context, is_resumed=True)

    def _climb(self, context: Context, *, is_resumed: bool) -> dict[str, int]:
        now = self._looked = datetime.datetime.now(datetime.UTC)
        from artifactory_provider.hooks.http_connections import HttpConnections

        ti = context["ti"]
        parts = pull_starts(ti, self.source_task_id)
        self._goal = min(self._find_level(self.until), self._find_level(self.goal))
        self._unselected = ti.xcom_pull(task_ids=self.source_task_id, key=UNSELECTED) or []
        self._starts = list(dict.fromkeys(change.source for part in parts for change in part))
        self._known: Mapping[ImageReference, Position] | None = None
        if is_resumed:
            self._read_own_report(context)
        hook = self._hook()
        self._server = hook.settings().base_url
        rules = RulesOfParts(hook.rules(), parts, Answers.read(self.approval, None))
        self._ladder = Ladder(
            self.pipeline,
            goal=self._goal,
            options=PromotionOptions(run=identify_run(context), properties={"pipeline": self.pipeline.name}),
            rules=rules,
            begun=note_first(context, now, key=_BEGUN),
            connect=HttpConnections(),
            at_once=check_at_once(as_number(self.at_once, name="at_once") or 32),
        )
        self._reporting = _Reporting(context, self._unselected)
        report: LadderReport = super().execute(context)  # type: ignore[no-untyped-call]
        self._reporting.push(report)
        self._tell(report)
        if not all(position.has_ended for position in report.positions):
            self._wait(context, report)
        return self._end(context, report)

    async def aexecute(self, context: Context) -> LadderReport:
        """Climb as far as possible now."""
        self._work = asyncio.current_task()
        try:
            async with self._hook().client() as client:
                return await self._ladder.climb(
                    client,
                    self._starts,
                    known=self._known,
                    supersedes=self.supersedes,
                    on_pass=self._reporting,
                    on_promotions=lambda report: count_promotions(report.results, waits=True, has_waited=True),
                )
        except asyncio.CancelledError:
            if self._is_killed:
                raise BatchInterrupted(self._ladder.report().counts["arrived"], len(self._starts)) from None
            raise

    def on_kill(self) -> None:
        """Let what is under way end, and begin nothing new."""
        self._is_killed = True
        if self._work is not None:
            self._work.get_loop().call_soon_threadsafe(self._work.cancel)

    def _read_own_report(self, context: Context) -> None:
        """Take where all stood before the wait from the report: what is read of it can only keep images back."""
        ti = context["ti"]
        told = ti.xcom_pull(task_ids=ti.task_id, key=LADDER, map_indexes=ti.map_index)
        try:
            self._known = read_positions(told, self._starts, self.pipeline)
        except ValueError as error:
            self.log.warning("%s Looking at all images anew.", error)

    def _wait(self, context: Context, report: LadderReport) -> None:
        now = datetime.datetime.now(datetime.UTC)
        if report.counts["refused"]:
            tell_once(self, context, self.notifiers, key=_TOLD)
        until = min(next_look(one.until, now) for one in report.positions if not one.has_ended)
        self.log.info("Waiting until a verdict is there, %s at the latest.", until.isoformat(" ", timespec="seconds"))
        self.defer(
            trigger=LadderTrigger(
                artifactory_conn_id=self.artifactory_conn_id,
                waits=_group(self._ladder.awaited()),
                poke_interval=self.pipeline.poke_interval.total_seconds(),
                until=until.isoformat(sep=" ", timespec="seconds"),
                newer=self._find_supersedable(report) if self.supersedes else None,
            ),
            method_name="resume",
        )

    def _find_supersedable(self, report: LadderReport) -> dict[str, Any] | None:
        """Return, as ``LadderTrigger`` takes it, which images end for a newer tag; None where none do."""
        first = self.pipeline.stages[0].repository
        waiting = [
            str(start)
            for start, position in zip(self._starts, report.positions, strict=True)
            if not position.has_ended and start.repository == first
        ]
        if not waiting:
            return None
        return {"tag": self.pipeline.tag, "starts": waiting, "since": self._looked.isoformat()}

    def _tell(self, report: LadderReport) -> None:
        counts = {**report.counts, "failed": report.counts["failed"] + len(self._unselected)}
        self.log.info("%s.", ", ".join(f"{count:,} {standing}" for standing, count in counts.items() if count))
        known, awaited = self._known or {}, {one.reference for one in self._ladder.awaited()}
        count_standings(report, self._starts, known, self.pipeline, awaited=awaited)
        told = {one.reference for one in known.values() if one.has_ended}
        new = [one for one in report.failures if one.reference not in told]
        for position in new:
            self.log.error("%s: %s: %s", position.standing, position.reference, position.reason)

    def _end(self, context: Context, report: LadderReport) -> dict[str, int]:
        goal, arrivals = self._goal, self._ladder.arrivals()
        stood = zip(self._starts, report.positions, strict=True)
        self._promotions = [(start, one.reference) for start, one in stood if start != one.reference]
        if goal + 1 < len(self.pipeline.stages):
            # Where the form says that nothing climbs higher, nothing goes on from here.
            goes_on = arrivals if self._find_level(self.goal) > goal else []
            push_next(context["ti"], self.pipeline, goes_on, rules=self._hook().rules())
        repository = self.pipeline.stages[goal].repository
        for outlet in self.outlets:
            if arrivals and isinstance(outlet, Asset) and outlet.uri == stage_asset(repository).uri:
                shown = [str(reference) for reference, _ in arrivals[:_EMITTED]]
                extra: dict[str, Any] = {"pipeline": self.pipeline.name, "images": shown, "count": len(arrivals)}
                context["outlet_events"][outlet].extra.update(extra)
        failed = [f"{one.reference}: {one.reason}" for one in report.failures]
        failed += [f"{candidate}: {reason}" for candidate, reason in self._unselected]
        if failed and self.on_failed == "fail":
            total = len(report.positions) + len(self._unselected)
            raise AirflowFailException(
                f"{len(failed):,} of {total:,} images have not come to {self.pipeline.stages[goal].name}; the others "
                f"are where they belong. See to the reasons, then clear this task:\n{name_first(failed)}"
            )
        return report.counts

    def _find_level(self, name: Any) -> int:
        """Return which stage a name means, from 0."""
        names = [stage.name for stage in self.pipeline.stages]
        if name in (None, "", "None"):
            return len(names) - 1
        if name not in names[1:]:
            raise InvalidPromotion(
                f"{name!r:.80} is no stage that the pipeline {self.pipeline.name} promotes to: there are "
                f"{', '.join(names[1:])}."
            )
        return names.index(cast("str", name))


class _Reporting:
    """Keeps the XCom that says where each image stands, while the task runs: every five seconds at most."""

    def __init__(self, context: Context, unselected: Sequence[Sequence[str]]) -> None:
        self._ti, self._unselected, self._pushed = context["ti"], unselected, 0.0

    def __call__(self, report: LadderReport) -> None:
        """Take note of where all stand."""
        if time.monotonic() - self._pushed >= _SECONDS_BETWEEN_REPORTS:
            self.push(report)

    def push(self, report: LadderReport) -> None:
        """Hand it on at once."""
        self._ti.xcom_push(key=LADDER, value=report.as_dict(unselected=self._unselected))
        self._pushed = time.monotonic()


def _group(awaited: Sequence[Awaited]) -> list[dict[str, Any]]:
    """Return what is waited for, each list of checks written once."""
    groups: dict[str, dict[str, Any]] = {}
    for one in awaited:
        checks = [check_to_dict(check) for check in one.checks]
        group = groups.setdefault(json.dumps(checks, sort_keys=True), {"checks": checks, "references": []})
        group["references"].append(str(one.reference))
    return list(groups.values())
