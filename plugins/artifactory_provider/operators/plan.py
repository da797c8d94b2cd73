"""The operator that makes a plan: which of many tags a run would promote, and what keeps it from others."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.skipmixin import SkipMixin

from artifactory_provider.artifactory.references import check_repository, check_text
from artifactory_provider.operators.base import ArtifactoryOperator
from artifactory_provider.policy import rule_as_dict
from artifactory_provider.promotion.planning.chunks import split
from artifactory_provider.promotion.planning.rendering import as_csv, as_table, render_plan
from artifactory_provider.promotion.planning.templates import ImageTemplate, TargetTemplate
from artifactory_provider.promotion.request import Attachments, OnConflict, check_attachments, check_on_conflict
from artifactory_provider.tasks.arguments import check_literal, is_known
from artifactory_provider.tasks.files import prepare_folder, write_file
from artifactory_provider.tasks.forms import TagSelection, as_bool, as_list, as_number, as_text, read_criteria
from artifactory_provider.tasks.handover import end_dry_run, push_plan, tell_problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from artifactory_provider.hooks.artifactory import ArtifactoryHook
    from artifactory_provider.promotion.planning.plan import Plan

_LOGGED = 100


class ArtifactoryPlanOperator(ArtifactoryOperator, SkipMixin):
    """Plan the promotion of many tags, and hand the plan on in chunks; nothing is changed on the server.

    The task returns the chunks' descriptors, which ``ArtifactoryPromoteBatchOperator`` is mapped over; each chunk's
    promotions are an XCom of their own. The XCom ``plan_summary`` shows the plan as Markdown, ``counts`` its numbers.
    ``approvals`` is the policy's rule for who has to approve it, empty where nobody has to. Where there is no plan,
    ``plan_problem`` says why, in the words of the DAG's form.

    :param selection: which tags are meant, as ``TagSelection`` says. (templated)
    :param target_repository: repository key that is promoted to. (templated)
    :param target_image: template of the image name in the target, such as ``mirror/{image}``. (templated)
    :param target_tags: templates of the tags in the target, such as ``{version.major}.{version.minor}``: a list, or a
        text with one a line. (templated)
    :param on_conflict: ``fail`` plans a conflict where the target tag shows another digest; ``overwrite`` and
        ``backup`` plan a promotion. (templated)
    :param attachments: with ``tags`` or ``all``, tags of attachments that the target lacks make a promotion of an
        unchanged tag; with ``none`` they do not. (templated)
    :param largest: how many promotions there may be at most; more are refused. (templated)
    :param chunk_size: promotions in a chunk; more when there would be over 1,000 chunks. (templated)
    :param plan_path: CSV file that the whole plan is written to, as ``ObjectStoragePath`` takes it. (templated)
    :param plan_only: plans, then skips all downstream tasks: a dry run. Where the DAG's form has a switch ``dry_run``
        for it, the run's page offers to run the form for real. (templated)
    :param artifactory_conn_id: the Airflow connection. (templated)
    :param kwargs: what every operator takes; ``retry_policy`` knows which failures are worth another try.
    :raises InvalidPromotion: when an argument makes no sense; for plain values at parse time.
    """

    template_fields: Sequence[str] = (
        "selection",
        "target_repository",
        "target_image",
        "target_tags",
        "on_conflict",
        "attachments",
        "largest",
        "chunk_size",
        "plan_path",
        "plan_only",
        "artifactory_conn_id",
    )
    inherits_from_skipmixin = True
    ui_color = "#e3ecf7"

    def __init__(
        self,
        *,
        selection: TagSelection,
        target_repository: str,
        target_image: str = "{image}",
        target_tags: str | Sequence[str] = "{tag}",
        on_conflict: OnConflict = "fail",
        attachments: Attachments = "all",
        largest: int | None = None,
        chunk_size: int = 250,
        plan_path: str | None = None,
        plan_only: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.selection = selection
        self.target_repository = target_repository
        self.target_image = target_image
        self.target_tags = target_tags
        self.on_conflict = on_conflict
        self.attachments = attachments
        self.largest = largest
        self.chunk_size = chunk_size
        self.plan_path = plan_path
        self.plan_only = plan_only
        check_literal(target_repository, check_repository)
        check_literal(on_conflict, check_on_conflict)
        check_literal(attachments, check_attachments)
        if is_known(selection):
            read_criteria(selection)
        if is_known(target_tags):
            for template in as_list(target_tags, name="target_tags"):
                TargetTemplate(template)
        check_literal(target_image, _check_target_image)
        for name in ("largest", "chunk_size"):
            check_literal(getattr(self, name), partial(as_number, name=name))

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Plan, and return the descriptors of the chunks.

        :raises PlanRefused: when the plan is refused.
        """
        ti = context["ti"]
        with tell_problems(self, ti, names=(*TagSelection.__annotations__, *self.template_fields)):
            path = as_text(self.plan_path, name="plan_path", wanted="a path")
            if path is not None:
                prepare_folder(path, name="plan_path")
            size = as_number(self.chunk_size, name="chunk_size") or 250
            hook = self._hook()
            plan = self._plan(hook)
            rule = hook.rules().find_approvals(each.target for each in plan.to_promote())
            chunks = split(plan, size=size)
        self._show(plan)
        if path is not None:
            self.log.info("The whole plan is in %s.", write_file(path, lambda file: file.write(as_csv(plan))))
        push_plan(ti, plan, summary=render_plan(plan), chunks=chunks, approvals=rule_as_dict(rule) if rule else {})
        if as_bool(self.plan_only, name="plan_only"):
            end_dry_run(self, context, is_worth_a_run=bool(chunks))
            self.skip(ti, context["task"].get_flat_relatives(upstream=False))
        return [chunk.descriptor(self.task_id) for chunk in chunks]

    def _plan(self, hook: ArtifactoryHook) -> Plan:
        return hook.plan(
            read_criteria(self.selection),
            target_repository=self.target_repository,
            target_image=_check_target_image(self.target_image),
            target_tags=as_list(self.target_tags, name="target_tags"),
            on_conflict=self.on_conflict,
            attachments=self.attachments,
            largest=as_number(self.largest, name="largest"),
        )

    def _show(self, plan: Plan) -> None:
        for line in as_table(plan, limit=_LOGGED).splitlines():
            self.log.info("%s", line)


def _check_target_image(template: Any) -> str:
    return ImageTemplate(check_text(template, "an image name")).text
