"""What all operators that promote an image do around it: the connection, the link, the asset event, OpenLineage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from artifactory_provider.links.artifactory import ArtifactoryImageLink, image_url
from artifactory_provider.operators.lineage import LineageOperator
from artifactory_provider.promotion.reports import PromotionReport
from artifactory_provider.tasks.arguments import check_literals, find_given, is_literal
from artifactory_provider.tasks.assets import emit_promotion, find_outlets, repository_alias

if TYPE_CHECKING:
    from airflow.sdk import Context

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.hooks.artifactory import ArtifactoryHook
    from artifactory_provider.promotion.record import PromotionRecord
    from artifactory_provider.promotion.request import Promotion


class ImagePromotionOperator(LineageOperator):
    """An operator that promotes an image; a subclass says what is promoted to where.

    A subclass calls ``_check_arguments`` at the end of its constructor, and in ``execute`` ``_connect``, then
    ``_report``.

    :param map_index_template: how mapped instances are called in the UI.
    :cvar target_argument: which argument names the repository that is promoted to.
    """

    operator_extra_links = (ArtifactoryImageLink(),)
    target_argument: ClassVar[str] = "target_repository"

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Begin a mapped task, and name the alias of its target repository among the outlets, where that is known.

        Else each instance has to make it, and of two that end at the same moment Airflow 3.3 fails one.

        :param kwargs: arguments that all instances share.
        """
        made = super().partial(**kwargs)
        repository = made.kwargs.get(cls.target_argument)
        if isinstance(repository, str) and is_literal(repository):
            alias, named = repository_alias(repository), list(made.kwargs.get("outlets") or [])
            made.kwargs["outlets"] = named if alias in named else [*named, alias]
        return made

    def __init__(self, *, map_index_template: str | None = "{{ task.image }}:{{ task.tag }}", **kwargs: Any) -> None:
        super().__init__(map_index_template=map_index_template, **kwargs)
        self.image_url: str | None = None
        self._given: frozenset[str] = frozenset()

    def _check_arguments(self, *, target_repository: Any, target_image: Any, **must_not_be_empty: Any) -> None:
        """Refuse at parse time what no server could accept, as far as the values are known then; name the outlets.

        :param target_repository: the target repository, as the task was given it.
        :param target_image: the target image, as the task was given it.
        :param must_not_be_empty: name → value of arguments that, where they were given, must not come empty.
        """
        check_literals(self, self.template_fields)
        self._given = find_given(self, **must_not_be_empty)
        self.outlets = [*self.outlets, *find_outlets(self, target_repository, target_image)]

    def _connect(self, target: ImageReference) -> ArtifactoryHook:
        """Return the hook, and leave the link to the target for the task's end."""
        hook = self._hook()
        self._server = hook.settings().base_url
        self.image_url = image_url(self._server, target)
        return hook

    def _report(
        self, context: Context, promotion: Promotion, outcome: PromotionRecord | PromotionReport
    ) -> dict[str, Any]:
        """Tell Airflow and OpenLineage what was promoted, and return it as a JSON object."""
        record = outcome.as_dict()
        target = promotion.target.pinned(record["digest"]) if record.get("digest") else promotion.target
        self.log.info(
            "%s: %s → %s%s",
            record["outcome"].capitalize(),
            promotion.source.unpinned(),
            promotion.target,
            f" ({target.short_digest})" if target.short_digest else "",
        )
        records = outcome.records if isinstance(outcome, PromotionReport) else (outcome,)
        self._promotions = [(one.source, one.target) for one in records]
        emit_promotion(self, context, promotion.target, records)
        return record
