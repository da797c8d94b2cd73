"""The operator that plans what goes by the rules of retention."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.skipmixin import SkipMixin

from artifactory_provider.operators.base import ArtifactoryOperator
from artifactory_provider.policy import rule_as_dict
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.retention import plan_as_csv, plan_headline
from artifactory_provider.tasks.arguments import check_literal, is_known
from artifactory_provider.tasks.deletions import check_document, push_deletions, read_rules
from artifactory_provider.tasks.files import prepare_folder, write_file
from artifactory_provider.tasks.forms import as_bool, as_list, as_number, as_text, check_conf
from artifactory_provider.tasks.handover import REPORT_SUMMARY, end_dry_run, tell_problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from artifactory_provider.hooks.artifactory import ArtifactoryHook
    from artifactory_provider.retention import RetentionPlan


class ArtifactoryPlanRetentionOperator(ArtifactoryOperator, SkipMixin):
    """Plan which tags go by rules of retention, for ``ArtifactoryRetentionOperator``; nothing is deleted.

    The task returns the descriptors of the plan's chunks, which hold the deletions under XComs of their own. The XCom
    ``plan_summary`` shows the plan as Markdown, ``counts`` its numbers; ``approvals`` is the policy's rule for who has
    to approve it, empty where nobody has to. Where nothing goes, all that follows is skipped.

    :param retention: what may go: the document as text, or the name of its file beside the DAG. (templated)
    :param repositories: of which repositories something goes: patterns, a list or one a line; left empty, all of the
        rules. (templated)
    :param images: of which images something goes: patterns; left empty, all of the rules. (templated)
    :param largest: how many tags may go; a larger plan is refused. (templated)
    :param plan_path: CSV file that the whole plan is written to, as ``ObjectStoragePath`` takes it. (templated)
    :param plan_only: plans, then skips all downstream tasks: a dry run. (templated)
    :param artifactory_conn_id: the Airflow connection. (templated)
    :param kwargs: what every operator takes; ``retry_policy`` knows which failures are worth another try.
    :raises InvalidPromotion: when an argument makes no sense; for plain values at parse time.
    """

    template_fields: Sequence[str] = (
        "retention",
        "repositories",
        "images",
        "largest",
        "plan_path",
        "plan_only",
        "artifactory_conn_id",
    )
    template_ext: Sequence[str] = (".yaml", ".yml")
    inherits_from_skipmixin = True
    ui_color = "#f3e6e1"

    def __init__(
        self,
        *,
        retention: str,
        repositories: str | Sequence[str] | None = None,
        images: str | Sequence[str] | None = None,
        largest: int | None = None,
        plan_path: str | None = None,
        plan_only: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.retention = retention
        self.repositories = repositories
        self.images = images
        self.largest = largest
        self.plan_path = plan_path
        self.plan_only = plan_only
        check_document(retention)
        for name in ("repositories", "images"):
            if is_known(getattr(self, name)):
                _read_patterns(getattr(self, name), name)
        check_literal(largest, partial(as_number, name="largest"))
        check_literal(plan_only, partial(as_bool, name="plan_only"))

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Plan, and return the descriptors of the chunks.

        :raises PlanRefused: when the plan is refused.
        """
        ti = context["ti"]
        with tell_problems(self, ti, names=self.template_fields):
            check_conf(context)
            path = as_text(self.plan_path, name="plan_path", wanted="a path")
            if path is not None:
                prepare_folder(path, name="plan_path")
            hook = self._hook()
            plan = self._plan(hook)
            rule = hook.rules().find_approvals(row.tag.unpinned() for row in plan.to_delete())
        self.log.info("%s.", plan_headline(plan))
        if path is not None:
            text = plan_as_csv(plan)
            self.log.info("The whole plan is in %s.", write_file(path, lambda file: file.write(text)))
        chunks = push_deletions(ti, plan, approvals=rule_as_dict(rule) if rule else {})
        if as_bool(self.plan_only, name="plan_only"):
            end_dry_run(self, context, is_worth_a_run=bool(chunks), deed="deleted")
        elif not chunks:
            ti.xcom_push(key=REPORT_SUMMARY, value="**Nothing was to be deleted.**\n")
        if as_bool(self.plan_only, name="plan_only") or not chunks:
            self.skip(ti, context["task"].get_flat_relatives(upstream=False))
        return chunks

    def _plan(self, hook: ArtifactoryHook) -> RetentionPlan:
        return hook.plan_retention(
            read_rules(self.retention),
            repositories=_read_patterns(self.repositories, "repositories"),
            images=_read_patterns(self.images, "images"),
            largest=as_number(self.largest, name="largest"),
        )


def _read_patterns(value: Any, name: str) -> Patterns | None:
    given = as_list(value, name=name)
    return Patterns(given) if given else None
