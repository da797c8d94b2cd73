"""The operator that promotes many tags in one asynchronous task."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseAsyncOperator

from artifactory_provider.operators.lineage import LineageOperator
from artifactory_provider.promotion.batch import check_at_once
from artifactory_provider.promotion.errors import BatchInterrupted
from artifactory_provider.promotion.reports import ChunkOutcome
from artifactory_provider.promotion.rules import Change
from artifactory_provider.tasks.arguments import check_literal
from artifactory_provider.tasks.bulk import (
    ProgressLog,
    check_all_done,
    check_arguments,
    emit_promotions,
    find_promoted,
    read_batch,
)
from artifactory_provider.tasks.files import prepare_folder, write_file
from artifactory_provider.tasks.forms import as_bool, as_number, as_text
from artifactory_provider.tasks.handover import pull_chunk, push_outcome
from artifactory_provider.tasks.metrics import PromotionTally
from artifactory_provider.tasks.plan_rows import push_ends
from artifactory_provider.tasks.rules import Answers
from artifactory_provider.tasks.task_state import identify_run
from artifactory_provider.tasks.waiting import (
    WhenRefused,
    as_notifiers,
    check_when_refused,
    find_waited,
    wait_if_refused,
)
from artifactory_provider.verification.check import check_to_dict
from artifactory_provider.verification.gate import promote_verified

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.record import PromotionRecord
    from artifactory_provider.promotion.reports import PromotionReport
    from artifactory_provider.promotion.request import Attachments, OnConflict
    from artifactory_provider.tasks.waiting import Notifier
    from artifactory_provider.verification.check import Check


class ArtifactoryPromoteBatchOperator(LineageOperator, BaseAsyncOperator):
    """Promote many tags: those of one chunk of a plan, or any others; one that fails never stops the others.

    It is safe to run again after any end, and does only what is left then: the registry itself says what is done.
    While a failure may be gone at another try, the task is tried again; it fails at once when only such are left
    that somebody has to see to. The XCom ``outcome`` has counts and the first failures either way.

    :param chunk: a descriptor that ``ArtifactoryPlanOperator`` has returned. (templated)
    :param promotions: instead of a chunk, JSON objects with ``source`` and ``target``, each
        ``repository/image:tag[@digest]``; a source with a digest is pinned to it. (templated)
    :param copy: True copies; False moves, which needs sources with digests. (templated)
    :param on_conflict: what a target tag with another digest leads to: ``fail``, ``overwrite``, ``backup``. (templated)
    :param two_phase: whether each image is verified under a pending tag before its target tag shows it. (templated)
    :param pending_repository: repository key of a transit repository in which the pending tags stand instead of in the
        targets' repositories; left empty, there is none. (templated)
    :param attachments: what is brought along of what belongs to each image: ``none``; ``tags``, such as cosign's
        signatures; ``all``, which reads each manifest, so that children are compared, and OCI referrers come, too.
        (templated)
    :param property_prefix: the first part of the names of the properties that record each promotion on its target's
        manifest, a request each; None writes none.
    :param properties: further properties to record, name → value. (templated)
    :param confirmation_timeout: seconds that the targets may take to show what was promoted.
    :param checks: what must be true of each source's digest, asked for all together before anything is promoted; one
        that has not passed fails by itself, and is tried again while it may pass.
    :param approval: what an ``ArtifactoryApprovalOperator`` has returned, where the policy asks for approvals.
        (templated)
    :param override: what an override has returned, where a rule allows one. (templated)
    :param when_refused: what happens while a hold, a stop or the policy forbids some of them: ``fail``; or ``wait``,
        which looks again when that may have ended, and needs no worker meanwhile. (templated)
    :param longest_wait: how long that goes on since the first refusal.
    :param notifiers: who is told when it begins to wait for a refusal to end, such as a ``PromotionNotifier``.
    :param at_once: how many requests are under way at a time, at most. (templated)
    :param emit_assets: whether each promotion is an asset event, which may start other DAGs; without a
        ``property_prefix``, what a try promotes that does not end well has none. (templated)
    :param report_path: folder that the full report is written to as ``<chunk>.csv``, as ``ObjectStoragePath`` takes
        it. (templated)
    :param artifactory_conn_id: the Airflow connection. (templated)
    :param map_index_template: how mapped instances are called in the UI.
    :param kwargs: what every operator takes; ``retry_policy`` knows which failures are worth another try.
    :raises InvalidPromotion: when an argument makes no sense; for plain values at parse time.
    """

    template_fields: Sequence[str] = (
        "chunk",
        "promotions",
        "copy",
        "on_conflict",
        "two_phase",
        "pending_repository",
        "attachments",
        "properties",
        "approval",
        "override",
        "when_refused",
        "at_once",
        "emit_assets",
        "report_path",
        "artifactory_conn_id",
    )
    ui_color = "#e3f4e1"

    def __init__(
        self,
        *,
        chunk: Mapping[str, Any] | None = None,
        promotions: Sequence[Mapping[str, str]] | None = None,
        copy: bool = True,
        on_conflict: OnConflict = "fail",
        two_phase: bool = True,
        pending_repository: str | None = None,
        attachments: Attachments = "all",
        property_prefix: str | None = "promotion",
        properties: Mapping[str, str] | None = None,
        confirmation_timeout: float = 60,
        checks: Sequence[Check] = (),
        approval: Mapping[str, Any] | None = None,
        override: Mapping[str, Any] | None = None,
        when_refused: WhenRefused = "fail",
        longest_wait: timedelta = timedelta(days=1),
        notifiers: Sequence[Notifier] | Notifier | None = None,
        at_once: int = 32,
        emit_assets: bool = False,
        report_path: str | None = None,
        map_index_template: str | None = "{{ task.chunk.name if task.chunk else ti.map_index }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(map_index_template=map_index_template, **kwargs)
        self.chunk = chunk
        self.promotions = promotions
        self.copy = copy
        self.on_conflict = on_conflict
        self.two_phase = two_phase
        self.pending_repository = pending_repository
        self.attachments = attachments
        self.property_prefix = property_prefix
        self.properties = properties
        self.confirmation_timeout = confirmation_timeout
        self.checks = tuple(checks)
        self.approval = approval
        self.override = override
        self.when_refused = when_refused
        self.longest_wait = longest_wait
        self.notifiers = as_notifiers(notifiers)
        self.at_once = at_once
        self.emit_assets = emit_assets
        self.report_path = report_path
        self._promoted: Sequence[PromotionRecord] = ()
        self._work: asyncio.Task[Any] | None = None
        self._is_killed = False
        self._may_have_promoted = False
        check_arguments(self)
        check_literal(when_refused, check_when_refused)
        for check in self.checks:
            check_to_dict(check)

    def execute(self, context: Context) -> dict[str, Any]:
        """Promote what is left, and return counts and the first failures."""
        with PromotionTally() as self._tally:
            return self._promote_all(context)

    def resume(self, context: Context, event: object = None) -> dict[str, Any]:
        """Promote what is left after a wait, and return counts and the first failures."""
        self._may_have_promoted = True
        with PromotionTally(waited=find_waited(context)) as self._tally:
            return self._promote_all(context)

    def _promote_all(self, context: Context) -> dict[str, Any]:
        key, name, promotions = self.task_id, self.task_id, self.promotions
        folder = as_text(self.report_path, name="report_path", wanted="a path")
        if folder is not None:
            prepare_folder(f"{folder}/{key}.csv", name="report_path")
        if self.chunk is not None:
            promotions = pull_chunk(context["ti"], self.chunk)
            key, name = self.chunk["key"], self.chunk["name"]
        self._batch = read_batch(self, promotions, context)
        self._at_once = check_at_once(as_number(self.at_once, name="at_once") or 32)
        changes = [Change(each.source, each.target) for each in self._batch]
        hook = self._hook()
        self._server = hook.settings().base_url
        self._rules = hook.rules().with_answers(changes, Answers.read(self.approval, self.override))
        self._batch = self._rules.record_answers(self._batch)
        report: PromotionReport = super().execute(context)  # type: ignore[no-untyped-call]
        outcome = ChunkOutcome.of(report, key=key, name=name)
        self.log.info("%s: %s.", name, ", ".join(f"{number:,} {count}" for count, number in outcome.counts.items()))
        push_outcome(context["ti"], outcome)
        if self.chunk is not None:
            ends = ((one.outcome, one.reason if one.error else "") for one in report.results)
            push_ends(context["ti"], [self.chunk], ends)
        if folder is not None:
            self.log.info("The full report is in %s.", write_file(f"{folder}/{key}.csv", report.write_csv))
        if check_when_refused(self.when_refused) == "wait":
            errors = [each.error for each in report.failures]
            wait_if_refused(self, context, errors, longest=self.longest_wait, notifiers=self.notifiers)
        emit_promotions(self, context, self._promoted)
        check_all_done(report, name=name, policy=self.retry_policy)
        return outcome.as_dict()

    async def aexecute(self, context: Context) -> PromotionReport:
        """Promote what is left, and return the report."""

        progress = ProgressLog(self.log)
        self._work = asyncio.current_task()
        try:
            async with self._hook().client() as client:
                report = await self._promote(client, progress)
                self._tally.add(report)
                self._promotions = [(record.source, record.target) for record in report.records]
                if as_bool(self.emit_assets, name="emit_assets"):
                    self._promoted = await find_promoted(
                        client,
                        report,
                        prefix=self.property_prefix,
                        run=identify_run(context),
                        is_first_try=context["ti"].try_number == 1 and not self._may_have_promoted,
                    )
                return report
        except asyncio.CancelledError:
            if self._is_killed:
                raise BatchInterrupted(progress.done, len(self._batch)) from None
            raise

    async def _promote(self, client: ArtifactoryClient, progress: ProgressLog) -> PromotionReport:
        from artifactory_provider.hooks.http_connections import HttpConnections

        rules = self._rules
        return await promote_verified(
            client,
            self._batch,
            lambda target: (*self.checks, *rules.required_checks(target)),
            at_once=self._at_once,
            on_progress=progress,
            connect=HttpConnections(),
            rules=rules,
        )

    def on_kill(self) -> None:
        """Let what is under way end, and begin nothing new."""
        self._is_killed = True
        if self._work is not None:
            self._work.get_loop().call_soon_threadsafe(self._work.cancel)
