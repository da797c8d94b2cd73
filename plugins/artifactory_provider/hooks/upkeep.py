"""What a hook does about what stands in repositories already: audits, and retention."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from artifactory_provider.audit import audit, survey_stages
from artifactory_provider.hooks.http_connections import HttpConnections
from artifactory_provider.hooks.rules import RulesHook
from artifactory_provider.retention import delete_planned, plan_retention, restore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from artifactory_provider.audit import Audit, AuditScope, Survey
    from artifactory_provider.promotion.batch import Progress
    from artifactory_provider.promotion.planning.patterns import Patterns
    from artifactory_provider.retention import PlannedDeletion, RetentionPlan, RetentionReport, RetentionRules
    from artifactory_provider.tasks.rules import Answers


class UpkeepHook(RulesHook):
    """Look after what stands in repositories, under the rules that the connection names."""

    def audit(self, scope: AuditScope, survey: Survey | None = None) -> Audit:
        """Look at all that stands in repositories, and return what is not as it should be; see ``audit.audit``.

        :param scope: what is audited; where it names no checks, those of the policy are asked that hold for everybody.
        :param survey: what stands in its repositories, where ``survey`` has looked already.
        """
        policy = self.rules().policy
        if scope.checks_of is None and policy is not None:
            scope = replace(scope, checks_of=lambda target: policy.required_checks(target, origin="person"))
        return self._run_client(lambda client: audit(client, replace(scope, connect=HttpConnections()), survey))

    def survey(self, repositories: Sequence[str], images: Patterns) -> Survey:
        """Return all that stands in repositories, with what is said of it; see ``audit.survey_stages``.

        :param repositories: their keys.
        :param images: which images are meant.
        :raises RepositoryNotFound: when one of the repositories is not there, which is no empty one.
        """
        return self._run_client(lambda client: survey_stages(client, repositories, images))

    def plan_retention(
        self,
        rules: RetentionRules,
        *,
        repositories: Patterns | None = None,
        images: Patterns | None = None,
        largest: int | None = None,
    ) -> RetentionPlan:
        """Return what would go by rules of retention, and delete nothing; see ``retention.plan_retention``.

        What a stop or the policy forbids now is planned as ``refused``.

        :param rules: what may go.
        :param repositories: of which repositories something goes; None for all of the rules.
        :param images: of which images something goes; None for all of the rules.
        :param largest: how many tags may go.
        :raises InvalidPlan: when more would go.
        """
        allowed = self.rules()
        return self._run_client(
            lambda client: plan_retention(
                client, rules, repositories=repositories, images=images, largest=largest, allowed=allowed
            )
        )

    def delete_planned(
        self,
        rules: RetentionRules,
        deletions: Sequence[PlannedDeletion],
        *,
        at_once: int = 16,
        answers: Answers | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> RetentionReport:
        """Delete those tags of a plan that may still go; one that fails does not stop the others.

        :param rules: what may go.
        :param deletions: what the plan says is to go.
        :param at_once: how many requests are under way at a time, at most.
        :param answers: what people have answered, where the policy asks them.
        :param on_progress: called with how far it has come.
        """
        allowed = self.rules().with_answers([one.change for one in deletions], answers)
        return self._run_client(
            lambda client: delete_planned(
                client, rules, deletions, allowed=allowed, at_once=at_once, on_progress=on_progress
            )
        )

    def restore(
        self, attic: str, *, repositories: Patterns | None = None, images: Patterns | None = None
    ) -> RetentionReport:
        """Bring back what retention has moved to the attic, where its tag is free.

        :param attic: the attic's repository key.
        :param repositories: to which repositories something is brought back; None for all.
        :param images: of which images something is brought back; None for all.
        """
        return self._run_client(lambda client: restore(client, attic, repositories=repositories, images=images))
