"""The operator that plans a rollback: what a tag shows, what it would show again, from where, and since when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.operators.plan_change import ChangePlanOperator
from artifactory_provider.promotion.marks import check_reason
from artifactory_provider.promotion.planning.rendering import inline_code
from artifactory_provider.promotion.planning.rollback import plan_rollback
from artifactory_provider.promotion.request import check_record
from artifactory_provider.tasks.arguments import check_literal, check_literals
from artifactory_provider.tasks.forms import as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.tasks.changes import PlannedChange


class ArtifactoryPlanRollbackOperator(ChangePlanOperator):
    """Plan a rollback for ``ArtifactoryRollbackOperator``; nothing is changed on the server.

    Of the policy's rules and the stops, those hold that name rollbacks. Without a version, a tag that a rollback has
    given what it shows is left as it is: asked for twice, the second does not bring back what the first took out.

    :param repository: repository key. (templated)
    :param image: image name, without host and repository key. (templated)
    :param tag: the tag that is given back what it showed. (templated)
    :param version: the digest to go back to, or the tag of its backup; left empty, what the tag showed before.
        (templated)
    :param replaces: the digest that the tag has to show when it goes back; left empty, whatever it shows. (templated)
    :param reason: why, for the people who are asked; None where nobody says. (templated)
    :param property_prefix: the first part of the names of the properties that record promotions, as the promotion had
        it.
    :param kwargs: what ``ChangePlanOperator`` takes: ``ask``, ``plan_only``, ``artifactory_conn_id``.
    :raises InvalidReference: when a repository key, image or tag is malformed; for plain values at parse time.
    """

    template_fields: Sequence[str] = (
        "repository",
        "image",
        "tag",
        "version",
        "replaces",
        "reason",
        "ask",
        "plan_only",
        "artifactory_conn_id",
    )

    def __init__(
        self,
        *,
        repository: str,
        image: str,
        tag: str,
        version: str | None = None,
        replaces: str | None = None,
        reason: str | None = None,
        property_prefix: str = "promotion",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.repository = repository
        self.image = image
        self.tag = tag
        self.version = version
        self.replaces = replaces
        self.reason = reason
        self.property_prefix = property_prefix
        check_record(property_prefix, {})
        check_literals(self, self.template_fields)
        check_literal(reason, check_reason)

    def _words(self) -> str:
        return "" if self.reason is None else f"Why: {inline_code(check_reason(self.reason))}"

    def _plan(self) -> PlannedChange:
        tag = ImageReference(self.repository, self.image, self.tag)
        version = as_text(self.version, name="version", wanted="a digest or the tag of a backup")
        replaces = as_text(self.replaces, name="replaces", wanted="a digest")
        return self._hook().plan_change(
            lambda client: plan_rollback(
                client, tag, version=version, replaces=replaces, property_prefix=self.property_prefix
            ),
            is_rollback=True,
        )
