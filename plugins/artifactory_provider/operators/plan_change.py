"""What the operators have that plan the change of one tag: it is shown, handed on, or refused in words."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.skipmixin import SkipMixin

from artifactory_provider.artifactory.errors import NotFound
from artifactory_provider.links.artifactory import ArtifactoryImageLink, image_url
from artifactory_provider.operators.base import ArtifactoryOperator
from artifactory_provider.promotion.errors import InvalidPlan, NothingToRestore, SourceMoved
from artifactory_provider.promotion.planning.rendering import inline_code
from artifactory_provider.tasks.arguments import check_literal
from artifactory_provider.tasks.changes import push_change
from artifactory_provider.tasks.forms import as_bool, check_conf
from artifactory_provider.tasks.handover import REPORT_SUMMARY, end_dry_run, tell_problems

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from artifactory_provider.promotion.planning.plan import PlannedPromotion
    from artifactory_provider.tasks.changes import PlannedChange


class ChangePlanOperator(ArtifactoryOperator, SkipMixin):
    """An operator that plans the change of one tag, and changes nothing; a subclass says which change.

    It shows the change on the run's page, and hands it on: ``tasks.changes.push_change`` says under which XComs. A
    change that may not be made fails the task, with the reason in the words of the DAG's form; one that only an
    override makes possible does not. Where the tag shows already what it should, all that follows is skipped.

    :param ask: whether people are asked, too, where the policy asks for no approval: anybody who may answer.
        (templated)
    :param plan_only: plans, then skips all downstream tasks: a dry run. (templated)
    :param artifactory_conn_id: the Airflow connection. (templated)
    :param kwargs: what every operator takes; ``retry_policy`` knows which failures are worth another try.
    """

    operator_extra_links = (ArtifactoryImageLink(),)
    inherits_from_skipmixin = True
    ui_color = "#e3ecf7"

    def __init__(self, *, ask: bool = False, plan_only: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ask = ask
        self.plan_only = plan_only
        self.image_url: str | None = None
        for name in ("ask", "plan_only"):
            check_literal(getattr(self, name), partial(as_bool, name=name))

    def execute(self, context: Context) -> dict[str, Any]:
        """Plan, and return the change as a JSON object: source, target, action, what the target tag shows, why.

        :raises PlanRefused: when there is no such change, or it may not be made.
        """
        ti = context["ti"]
        with tell_problems(self, ti, names=self.template_fields):
            check_conf(context)
            ask, plan_only = as_bool(self.ask, name="ask"), as_bool(self.plan_only, name="plan_only")
            words = self._words()
            try:
                made = self._plan()
            except (NotFound, NothingToRestore, SourceMoved) as error:
                raise InvalidPlan(str(error)) from error
            self.image_url = image_url(self._hook().settings().base_url, made.planned.target)
            push_change(ti, made, ask=ask, words=words)
            self.log.info("%s %s → %s", made.planned.action, made.planned.source, made.planned.target)
            if made.planned.action != "unchanged" and not made.may_be_made:
                raise InvalidPlan(made.planned.reason)
        if made.planned.action == "unchanged":
            reason = f": {inline_code(made.planned.reason)}" if made.planned.reason else ""
            target = inline_code(str(made.planned.target))
            ti.xcom_push(key=REPORT_SUMMARY, value=f"**Nothing was to be done**{reason}. {target} stays as it is.\n")
        elif plan_only:
            end_dry_run(self, context, is_worth_a_run=True, seen=self._name_seen(made.planned))
        if made.planned.action == "unchanged" or plan_only:
            self.skip(ti, context["task"].get_flat_relatives(upstream=False))
        return made.planned.as_dict()

    @abstractmethod
    def _plan(self) -> PlannedChange:
        """Return the change, as the rules let it be made now."""

    def _words(self) -> str:
        """Return what people are shown beside the change, as Markdown."""
        return ""

    def _name_seen(self, planned: PlannedPromotion) -> Mapping[str, str]:
        """Return the fields of a form by which a later run makes this very change, or none."""
        return {}
