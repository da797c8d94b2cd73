"""The operator that gives a tag back what it showed before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from artifactory_provider.arguments import check_literal
from artifactory_provider.artifactory.references import (
    ImageReference,
    check_digest,
    check_image,
    check_repository,
    check_tag,
)
from artifactory_provider.assets import emit_promotion, promotion_outlets
from artifactory_provider.lineage import Lineage, promotion_lineage
from artifactory_provider.links.artifactory import ArtifactoryImageLink, image_url
from artifactory_provider.promotion.promotion import Promotion
from artifactory_provider.retries import RETRY_POLICY
from artifactory_provider.tries import PinnedDigest, run_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, RetryPolicy


class ArtifactoryRollbackOperator(BaseOperator):
    """Restore the digest that a tag showed before its last promotion, out of the backup that the promotion kept.

    That promotion must have had ``on_conflict="backup"``. The restored digest is verified like any promotion, its
    attachments included; what is replaced is kept as a backup in turn, so that a rollback can be rolled back.

    :param repository: repository key. (templated)
    :param image: image name, without host and repository key. (templated)
    :param tag: the tag that is given back what it showed. (templated)
    :param digest: the digest to go back to, if it is not the last one. (templated)
    :param property_prefix: the first part of the names of the properties that record promotions, as the promotion had
        it.
    :param artifactory_conn_id: the Airflow connection. (templated)
    :raises InvalidReference: when a repository key, image, tag or digest is malformed; for plain values at parse
        time.
    """

    template_fields: Sequence[str] = ("repository", "image", "tag", "digest", "artifactory_conn_id")
    operator_extra_links = (ArtifactoryImageLink(),)
    ui_color = "#f9e3d4"

    def __init__(
        self,
        *,
        repository: str,
        image: str,
        tag: str,
        digest: str | None = None,
        property_prefix: str = "promotion",
        artifactory_conn_id: str = "artifactory_default",
        retry_policy: RetryPolicy | None = RETRY_POLICY,
        map_index_template: str | None = "{{ task.image }}:{{ task.tag }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(retry_policy=retry_policy, map_index_template=map_index_template, **kwargs)
        self.repository = repository
        self.image = image
        self.tag = tag
        self.digest = digest
        self.property_prefix = property_prefix
        self.artifactory_conn_id = artifactory_conn_id
        self.image_url: str | None = None
        self._lineage: Lineage | None = None
        for value, check in (
            (repository, check_repository),
            (image, check_image),
            (tag, check_tag),
            (digest, check_digest),
        ):
            check_literal(value, check)
        self.outlets = [*self.outlets, *promotion_outlets(self, repository, image)]

    def execute(self, context: Context) -> dict[str, Any]:
        """Roll back, and return the record of the promotion that did it."""
        from artifactory_provider.hooks.artifactory import ArtifactoryHook

        tag = ImageReference(self.repository, self.image, self.tag)
        hook = ArtifactoryHook(self.artifactory_conn_id)
        server = hook.settings().base_url
        self.image_url = image_url(server, tag)
        # A second try must go back to the same digest: after the first, "the one before" is another one.
        pinned = PinnedDigest(context)
        digest = self.digest or pinned.get()
        previous = hook.find_previous(tag.pinned(digest) if digest else tag, property_prefix=self.property_prefix)
        pinned.keep(str(previous.digest))
        promotion = Promotion(
            source=previous,
            target=tag,
            on_conflict="backup",
            property_prefix=self.property_prefix,
            run=run_of(context),
        )
        record = hook.promote(promotion).as_dict()
        pinned.forget()
        self._lineage = (server, previous, tag, previous.digest)
        emit_promotion(self, context, tag, record)
        return record

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Tell OpenLineage, where its provider is installed, what was restored."""
        return promotion_lineage(*self._lineage) if self._lineage else None
