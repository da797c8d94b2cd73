"""The operator that promotes many tags in one asynchronous task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseAsyncOperator

from artifactory_provider.operators.base import ArtifactoryOperator
from artifactory_provider.promotion.batch import check_at_once, promote_many
from artifactory_provider.promotion.errors import BatchInterrupted
from artifactory_provider.promotion.reports import ChunkOutcome
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
from artifactory_provider.tasks.task_state import identify_run
from artifactory_provider.verification.check import check_to_dict
from artifactory_provider.verification.gate import promote_verified

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.record import PromotionRecord
    from artifactory_provider.promotion.reports import PromotionReport
    from artifactory_provider.promotion.request import Attachments, OnConflict
    from artifactory_provider.verification.check import Check


class ArtifactoryPromoteBatchOperator(ArtifactoryOperator, BaseAsyncOperator):
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
        at_once: int = 32,
        emit_assets: bool = False,
        report_path: str | None = None,
        map_index_template: str | None = "{{ task.chunk.name }}",
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
        self.at_once = at_once
        self.emit_assets = emit_assets
        self.report_path = report_path
        self._promoted: Sequence[PromotionRecord] = ()
        self._work: asyncio.Task[Any] | None = None
        self._is_killed = False
        check_arguments(self)
        for check in self.checks:
            check_to_dict(check)

    def execute(self, context: Context) -> dict[str, Any]:
        """Promote what is left, and return counts and the first failures."""
        key, name, promotions = self.task_id, self.task_id, self.promotions
        folder = as_text(self.report_path, name="report_path", wanted="a path")
        if folder is not None:
            prepare_folder(f"{folder}/{key}.csv", name="report_path")
        if self.chunk is not None:
            promotions = pull_chunk(context["ti"], self.chunk)
            key, name = self.chunk["key"], self.chunk["name"]
        self._batch = read_batch(self, promotions, context)
        self._at_once = check_at_once(as_number(self.at_once, name="at_once") or 32)
        report: PromotionReport = super().execute(context)  # type: ignore[no-untyped-call]
        outcome = ChunkOutcome.of(report, key=key, name=name)
        self.log.info("%s: %s.", name, ", ".join(f"{number:,} {count}" for count, number in outcome.counts.items()))
        push_outcome(context["ti"], outcome)
        if folder is not None:
            self.log.info("The full report is in %s.", write_file(f"{folder}/{key}.csv", report.write_csv))
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
                if as_bool(self.emit_assets, name="emit_assets"):
                    self._promoted = await find_promoted(
                        client,
                        report,
                        prefix=self.property_prefix,
                        run=identify_run(context),
                        is_first_try=context["ti"].try_number == 1,
                    )
                return report
        except asyncio.CancelledError:
            if self._is_killed:
                raise BatchInterrupted(progress.done, len(self._batch)) from None
            raise

    async def _promote(self, client: ArtifactoryClient, progress: ProgressLog) -> PromotionReport:
        if not self.checks:
            return await promote_many(client, self._batch, at_once=self._at_once, on_progress=progress)
        from artifactory_provider.hooks.http_connections import HttpConnections

        return await promote_verified(
            client,
            self._batch,
            self.checks,
            at_once=self._at_once,
            on_progress=progress,
            connect=HttpConnections(),
        )

    def on_kill(self) -> None:
        """Let what is under way end, and begin nothing new."""
        self._is_killed = True
        if self._work is not None:
            self._work.get_loop().call_soon_threadsafe(self._work.cancel)
