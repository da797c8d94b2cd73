"""What a task does around a batch: it makes it out of its arguments, says how far it is, and judges its failures."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowFailException

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.promotion.errors import InvalidPromotion, PromotionsFailed, TagsNotPromoted
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.request import (
    PromotionOptions,
    check_attachments,
    check_on_conflict,
    check_pending_repository,
    check_record,
    make_promotions,
)
from artifactory_provider.tasks.arguments import check_literal, is_known, is_literal
from artifactory_provider.tasks.assets import emit_promotion
from artifactory_provider.tasks.forms import as_bool, as_pairs, as_text
from artifactory_provider.tasks.handover import read_promotions
from artifactory_provider.tasks.task_state import identify_run
from artifactory_provider.verification.evidence import Evidence
from artifactory_provider.verification.looks import look_at_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import BaseOperator, Context, RetryPolicy

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.batch import Progress
    from artifactory_provider.promotion.record import PromotionRecord
    from artifactory_provider.promotion.reports import PromotionReport
    from artifactory_provider.promotion.request import Attachments, OnConflict, Promotion

_SECONDS_BETWEEN_LINES = 10.0
_PARTS = 10


class Arguments(Protocol):
    """The rendered arguments of a task that promotes many tags; those that came out of templates may be text."""

    chunk: Mapping[str, Any] | None
    promotions: Sequence[Mapping[str, str]] | None
    copy: bool
    on_conflict: OnConflict
    two_phase: bool
    pending_repository: str | None
    attachments: Attachments
    property_prefix: str | None
    properties: Mapping[str, str] | None
    confirmation_timeout: float
    at_once: int


def check_arguments(task: Arguments) -> None:
    """Refuse at parse time what makes no sense, as far as it is known then.

    :param task: the task, before its arguments are rendered.
    :raises InvalidPromotion: when an argument makes no sense.
    """
    if (task.chunk is None) == (task.promotions is None):
        raise InvalidPromotion("Give the batch either a chunk of a plan, or promotions.")
    check_literal(task.on_conflict, check_on_conflict)
    check_literal(task.attachments, check_attachments)
    check_literal(task.copy, as_bool)
    two_phase = as_bool(task.two_phase, name="two_phase") if is_literal(task.two_phase) else True
    check_literal(task.pending_repository, lambda key: check_pending_repository(key, two_phase=two_phase))
    check_record(
        task.property_prefix, as_pairs(task.properties, name="properties") if is_known(task.properties) else {}
    )


def read_batch(
    task: Arguments, promotions: Sequence[Mapping[str, str]] | None, context: Context
) -> tuple[Promotion, ...]:
    """Return the promotions that a task's rendered arguments stand for.

    :param task: the task.
    :param promotions: JSON objects with source and target.
    :param context: the task's context.
    :raises InvalidPromotion: when an argument makes no sense, or a move could not be told from one that is done.
    """
    pairs = read_promotions(promotions)
    copy = as_bool(task.copy)
    if not copy and (unpinned := next((source for source, _ in pairs if source.digest is None), None)):
        raise InvalidPromotion(
            f"A move needs the digest of each source, so that another try can tell what is done: {unpinned} has none. "
            "Plan it first, or give the source as repository/image:tag@digest."
        )
    options = PromotionOptions(
        copy=copy,
        on_conflict=task.on_conflict,
        two_phase=as_bool(task.two_phase, name="two_phase"),
        pending_repository=as_text(task.pending_repository, name="pending_repository", wanted="a repository key"),
        attachments=task.attachments,
        property_prefix=task.property_prefix,
        properties=as_pairs(task.properties, name="properties"),
        run=identify_run(context),
        confirmation_timeout=task.confirmation_timeout,
    )
    return make_promotions(pairs, options)


class ProgressLog:
    """Logs how far a batch is, every ten seconds or tenth part.

    :param log: the task's logger.
    """

    def __init__(self, log: Any) -> None:
        self._log = log
        self._start = self._said = time.monotonic()
        self._part = 0
        self.done = 0

    def __call__(self, progress: Progress) -> None:
        """Take note of how far it is."""
        self.done = progress.done
        now, part = time.monotonic(), progress.done * _PARTS // max(progress.total, 1)
        if now - self._said < _SECONDS_BETWEEN_LINES and part == self._part:
            return
        self._said, self._part = now, part
        speed = progress.done / max(now - self._start, 0.001)
        self._log.info(
            "%s of %s done, %s of them failed, %s left; %.0f a second.",
            f"{progress.done:,}",
            f"{progress.total:,}",
            f"{progress.failed:,}",
            f"{progress.total - progress.done:,}",
            speed,
        )


def check_all_done(report: PromotionReport, *, name: str, policy: RetryPolicy | None) -> None:
    """Raise when promotions have failed: so that the task is tried again where that can mend any of them.

    :param report: what became of the batch.
    :param name: what the batch is called.
    :param policy: says which failures are not worth another try.
    :raises PromotionsFailed: when another try may mend some.
    :raises AirflowFailException: when no other try can mend any.
    """
    errors = [result.error for result in report.failures]
    if not errors:
        return
    lasting = sum(error is not None and _is_lasting(error, policy) for error in errors)
    lines = [f"{each.source} → {each.target}: {each.reason}" for each in report.failures]
    failed = PromotionsFailed(name, lines, total=len(report.results), lasting=lasting)
    if lasting == len(errors):
        raise AirflowFailException(str(failed)) from failed
    raise failed


def fail_if_lasting(error: TagsNotPromoted, *, policy: RetryPolicy | None) -> None:
    """Fail for good when no other try can mend any of a whole image's failures, such as those that a rule refuses.

    :param error: the error.
    :param policy: says which failures are not worth another try.
    :raises AirflowFailException: when none is.
    """
    if all(_is_lasting(failure, policy) for failure in error.failures.values()):
        raise AirflowFailException(str(error)) from error


async def find_promoted(
    client: ArtifactoryClient, report: PromotionReport, *, prefix: str | None, run: str, is_first_try: bool
) -> tuple[PromotionRecord, ...]:
    """Return the records of what this try has promoted, and of what an earlier try of the same run had before it died.

    Airflow takes the asset events of the try that ends well, and of no other; that one finds unchanged what an earlier
    one has promoted. Whose work it is says the record on the target's manifest.

    :param client: an open client.
    :param report: what became of the batch.
    :param prefix: the first part of the names of the records' properties; where there are none, nothing is known of
        earlier tries.
    :param run: what names the run, the same for all its tries.
    :param is_first_try: whether there can be nothing of an earlier one.
    :raises ArtifactoryError: when the records cannot be read.
    """
    unchanged = [] if is_first_try or prefix is None else [one for one in report.records if one.outcome == "unchanged"]
    earlier: dict[ImageReference, str | None] = {}
    async with Ledger(client) as ledger:
        evidence = Evidence(ledger)
        for seen in await look_at_all(ledger, [record.target for record in unchanged]):
            if isinstance(seen, ArtifactoryError):
                raise seen
            properties = await evidence.properties(seen) if seen else {}
            if seen and properties.get(f"{prefix}.run") == (run,):
                replaced = "".join(properties.get(f"{prefix}.replaced", ()))
                earlier[seen.reference] = None if replaced in {"", "none", "unknown"} else replaced
    return tuple(
        replace(record, outcome="promoted", replaced=earlier[record.target]) if record.target in earlier else record
        for record in report.records
        if record.outcome == "promoted" or record.target in earlier
    )


def emit_promotions(task: BaseOperator, context: Context, records: Sequence[PromotionRecord]) -> None:
    """Emit an asset event for each image that was promoted, with the records of all its tags.

    :param task: the task that promoted.
    :param context: its context.
    :param records: the records of what was promoted.
    """
    images: dict[tuple[str, str], list[PromotionRecord]] = {}
    for record in records:
        images.setdefault((record.target.repository, record.target.image), []).append(record)
    for of_image in images.values():
        emit_promotion(task, context, of_image[0].target, of_image)


def _is_lasting(error: BaseException, policy: RetryPolicy | None) -> bool:
    return policy is not None and policy.evaluate(error, 1, 1).action is RetryAction.FAIL
