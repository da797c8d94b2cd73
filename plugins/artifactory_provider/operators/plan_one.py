"""The operator that plans the promotion of one tag, which a person has chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import check_image, check_repository
from artifactory_provider.operators.plan_change import ChangePlanOperator
from artifactory_provider.promotion.on_demand import plan_one
from artifactory_provider.promotion.planning.templates import TargetTemplate
from artifactory_provider.promotion.request import NOTHING
from artifactory_provider.promotion.selection import NEWEST, name_candidate
from artifactory_provider.tasks.arguments import check_literal, check_literals
from artifactory_provider.tasks.forms import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.promotion.planning.plan import PlannedPromotion
    from artifactory_provider.promotion.request import OnConflict
    from artifactory_provider.tasks.changes import PlannedChange


class ArtifactoryPlanOneOperator(ChangePlanOperator):
    """Plan the promotion of one image for ``ArtifactoryPromoteOperator``; nothing is changed on the server.

    :param source_repository: repository key that is promoted from. (templated)
    :param target_repository: repository key that is promoted to. (templated)
    :param image: image name, without host and repository key. (templated)
    :param tag: the tag; ``newest`` for the newest release; a pattern or a range for the newest of these. (templated)
    :param target_tag: template of the tag in the target, such as ``{version.major}``. (templated)
    :param digest: the digest that the tag has to show; left empty, whatever it shows. (templated)
    :param on_conflict: ``fail`` refuses a target tag that shows another digest; ``overwrite`` and ``backup`` plan to
        replace it. (templated)
    :param replaces: the digest that the target tag has to show where another one takes its place, or ``none`` where it
        has to show nothing; left empty, whatever it shows. (templated)
    :param kwargs: what ``ChangePlanOperator`` takes: ``ask``, ``plan_only``, ``rules``, ``artifactory_conn_id``.
    :raises InvalidReference: when a repository key, image or digest is malformed; for plain values at parse time.
    :raises InvalidPromotion: when another argument makes no sense.
    """

    template_fields: Sequence[str] = (
        "source_repository",
        "target_repository",
        "image",
        "tag",
        "target_tag",
        "digest",
        "on_conflict",
        "replaces",
        "ask",
        "plan_only",
        "artifactory_conn_id",
    )

    def __init__(
        self,
        *,
        source_repository: str,
        target_repository: str,
        image: str,
        tag: str = NEWEST,
        target_tag: str = "{tag}",
        digest: str | None = None,
        on_conflict: OnConflict = "fail",
        replaces: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source_repository = source_repository
        self.target_repository = target_repository
        self.image = image
        self.tag = tag
        self.target_tag = target_tag
        self.digest = digest
        self.on_conflict = on_conflict
        self.replaces = replaces
        check_literals(self, ("source_repository", "target_repository", "image", "digest", "on_conflict", "replaces"))
        check_literal(target_tag, TargetTemplate)

    def _name_seen(self, planned: PlannedPromotion) -> Mapping[str, str]:
        source = planned.source
        return {"tag": str(source.tag), "digest": str(source.digest), "replaces": planned.current or NOTHING}

    def _plan(self) -> PlannedChange:
        digest = as_text(self.digest, name="digest", wanted="a digest")
        candidate = name_candidate(check_image(self.image), self.tag, digest=digest)
        replaces = as_text(self.replaces, name="replaces", wanted="a digest, or none")
        return self._hook().plan_change(
            lambda client: plan_one(
                client,
                check_repository(self.source_repository),
                candidate,
                target_repository=self.target_repository,
                target_tag=self.target_tag,
                on_conflict=self.on_conflict,
                replaces=replaces,
            )
        )
