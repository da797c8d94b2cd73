"""The operator that deletes what a plan of retention says, as far as it may still go."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from artifactory_provider.artifactory.errors import TRANSIENT
from artifactory_provider.operators.base import ArtifactoryOperator
from artifactory_provider.promotion.errors import PromotionError, name_first
from artifactory_provider.retention import render_deletions, report_as_csv, report_headline
from artifactory_provider.tasks.arguments import NOT_GIVEN, check_literal
from artifactory_provider.tasks.assets import emit_removals, removals_alias
from artifactory_provider.tasks.bulk import ProgressLog
from artifactory_provider.tasks.deletions import check_asked, check_document, pull_deletions, read_rules
from artifactory_provider.tasks.files import prepare_folder, write_file
from artifactory_provider.tasks.forms import as_number, as_text
from artifactory_provider.tasks.handover import REPORT_SUMMARY
from artifactory_provider.tasks.plan_rows import push_ends
from artifactory_provider.tasks.rules import Answers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from artifactory_provider.retention import RetentionReport


class DeletionsFailed(PromotionError):
    """Some tags could not be deleted; another try deletes what is left."""


class ArtifactoryRetentionOperator(ArtifactoryOperator):
    """Delete the tags of a plan of ``ArtifactoryPlanRetentionOperator`` that may still go.

    Right before, each has to show the digest that was planned, and nothing may have come to need it: what has changed
    is left, and told. It is safe to run again after any end. The XCom ``report_summary`` has the report as Markdown.
    Events on ``removals_asset(repository)`` name what is gone, so that no audit misses it.

    :param chunks: what the plan's task has returned. (templated)
    :param retention: what may go, as the plan's task has it. (templated)
    :param approval: what an ``ArtifactoryApprovalOperator`` has returned. (templated)
    :param rule: who had to approve, as the ``ArtifactoryApprovalOperator`` was told: where that is not empty, nothing
        goes without an approval, and neither does where it was to be handed on and is missing. (templated)
    :param override: what an override has returned, where a rule allows one. (templated)
    :param at_once: how many requests are under way at a time. (templated)
    :param report_path: CSV file that the whole report is written to, as ``ObjectStoragePath`` takes it. (templated)
    :param artifactory_conn_id: the Airflow connection. (templated)
    :param kwargs: what every operator takes; ``retry_policy`` knows which failures are worth another try.
    :raises InvalidPromotion: when an argument makes no sense; for plain values at parse time.
    """

    template_fields: Sequence[str] = (
        "chunks",
        "retention",
        "approval",
        "rule",
        "override",
        "at_once",
        "report_path",
        "artifactory_conn_id",
    )
    template_ext: Sequence[str] = (".yaml", ".yml")
    ui_color = "#f3d9d4"

    def __init__(
        self,
        *,
        chunks: Sequence[Mapping[str, Any]],
        retention: str,
        approval: Mapping[str, Any] | None = None,
        rule: Mapping[str, Any] | str | None = NOT_GIVEN,
        override: Mapping[str, Any] | None = None,
        at_once: int = 16,
        report_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.chunks = chunks
        self.retention = retention
        self.approval = approval
        self.rule = rule
        self.override = override
        self.at_once = at_once
        self.report_path = report_path
        check_document(retention)
        check_literal(at_once, partial(as_number, name="at_once"))
        self.outlets = [*self.outlets, removals_alias()]

    def execute(self, context: Context) -> dict[str, int]:
        """Delete what may go, and return how many there are of each outcome."""
        ti = context["ti"]
        path = as_text(self.report_path, name="report_path", wanted="a path")
        if path is not None:
            prepare_folder(path, name="report_path")
        answers = Answers.read(self.approval, self.override)
        check_asked(self.rule, answers)
        report = self._hook().delete_planned(
            read_rules(self.retention),
            pull_deletions(ti, self.chunks),
            at_once=as_number(self.at_once, name="at_once") or 16,
            answers=answers,
            on_progress=ProgressLog(self.log),
        )
        ti.xcom_push(key=REPORT_SUMMARY, value=render_deletions(report))
        push_ends(ti, self.chunks, ((one.outcome, one.reason) for one in report.results))
        emit_removals(context, (one.tag for one in report.results if one.outcome in {"deleted", "moved"}))
        self.log.info("%s.", report_headline(report))
        if path is not None:
            text = report_as_csv(report)
            self.log.info("The whole report is in %s.", write_file(path, lambda file: file.write(text)))
        self._check_ended(report)
        return report.counts

    def _check_ended(self, report: RetentionReport) -> None:
        """Fail where tags could not be deleted, or were not allowed to be."""
        ends = [one for one in report.results if one.outcome in {"failed", "refused"}]
        if not ends:
            return
        lines = name_first([f"{one.tag.unpinned()}: {one.reason}" for one in ends])
        message = (
            f"{len(ends):,} of {len(report.results):,} tags were not deleted, all others were as planned:\n{lines}"
        )
        if any(isinstance(one.error, TRANSIENT) for one in ends):
            raise DeletionsFailed(f"{message}\nAnother try deletes what is left.")
        raise AirflowFailException(message)
