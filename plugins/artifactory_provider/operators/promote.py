"""The operator that promotes one image from one repository to the next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from artifactory_provider.arguments import as_bool, check_literal, is_literal
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
from artifactory_provider.promotion.errors import InvalidPromotion, SourceMoved
from artifactory_provider.promotion.promotion import OnConflict, Promotion, check_on_conflict
from artifactory_provider.retries import RETRY_POLICY
from artifactory_provider.tries import PinnedDigest, run_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, RetryPolicy

    from artifactory_provider.hooks.artifactory import ArtifactoryHook
    from artifactory_provider.promotion.images import ImageRecord
    from artifactory_provider.promotion.records import PromotionRecord


class ArtifactoryPromoteOperator(BaseOperator):
    """Promote one image: pin its digest, promote it on the server, verify the target, return the record.

    It is safe to run again after any end: an image that the target tag shows already is left as it is. Success
    emits an asset event on ``artifactory://<target repository>/<target image>`` with the record as its extra.

    :param source_repository: repository key that is promoted from (the endpoint's ``repoKey``). (templated)
    :param target_repository: repository key that is promoted to (``targetRepo``). (templated)
    :param image: image name, without host and repository key (``dockerRepository``). (templated)
    :param tag: tag that is promoted (``tag``); None promotes all tags of the image, each like one of its own, not in
        a mapped task. (templated)
    :param digest: the digest that was verified, ``sha256:…``; the promotion fails when the tag shows another.
        Without it, what the tag shows when the task starts is promoted. (templated)
    :param target_image: image name in the target (``targetDockerRepository``), by default the same. (templated)
    :param target_tag: tag in the target (``targetTag``), by default the same. (templated)
    :param copy: True copies, False moves: the source tag is removed. Unlike the endpoint, which moves unless told
        otherwise, copying is the default. (templated)
    :param on_conflict: what happens when the target tag shows another digest: ``fail``, ``overwrite``, or
        ``backup``, which keeps the old one as ``<tag>-previous-<12 hex>`` for a rollback. (templated)
    :param one_request: with ``tag=None``, sends the endpoint its own form for a whole image, once: nothing is verified
        before its tag shows it then, but everything after.
    :param two_phase: whether the image is verified under a pending tag before the target tag shows it.
    :param attachments: whether signatures, attestations and referrers are looked for and brought along first.
    :param property_prefix: the first part of the names of the properties that record the promotion on the target's
        manifest; None writes none.
    :param properties: further properties to record, name → value. (templated)
    :param confirmation_timeout: seconds that the target may take to show the image.
    :param artifactory_conn_id: the Airflow connection. (templated)
    :param retry_policy: which failures are worth another try.
    :param map_index_template: how mapped instances are called in the UI.
    :raises InvalidReference: when a repository key, image, tag or digest is malformed; for plain values at parse
        time.
    """

    template_fields: Sequence[str] = (
        "source_repository",
        "target_repository",
        "image",
        "tag",
        "digest",
        "target_image",
        "target_tag",
        "copy",
        "on_conflict",
        "properties",
        "artifactory_conn_id",
    )
    operator_extra_links = (ArtifactoryImageLink(),)
    ui_color = "#e3f4e1"

    def __init__(
        self,
        *,
        source_repository: str,
        target_repository: str,
        image: str,
        tag: str | None,
        digest: str | None = None,
        target_image: str | None = None,
        target_tag: str | None = None,
        copy: bool = True,
        on_conflict: OnConflict = "fail",
        one_request: bool = False,
        two_phase: bool = True,
        attachments: bool = True,
        property_prefix: str | None = "promotion",
        properties: Mapping[str, str] | None = None,
        confirmation_timeout: float = 60,
        artifactory_conn_id: str = "artifactory_default",
        retry_policy: RetryPolicy | None = RETRY_POLICY,
        map_index_template: str | None = "{{ task.image }}:{{ task.tag }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(retry_policy=retry_policy, map_index_template=map_index_template, **kwargs)
        self.source_repository = source_repository
        self.target_repository = target_repository
        self.image = image
        self.tag = tag
        self.digest = digest
        self.target_image = target_image
        self.target_tag = target_tag
        self.copy = copy
        self.on_conflict = on_conflict
        self.one_request = one_request
        self.two_phase = two_phase
        self.attachments = attachments
        self.property_prefix = property_prefix
        self.properties = properties
        self.confirmation_timeout = confirmation_timeout
        self.artifactory_conn_id = artifactory_conn_id
        self.image_url: str | None = None
        self._lineage: Lineage | None = None
        # What a mapped instance gets may be another task's empty result, which must not come to mean all tags.
        self._tag_is_given = tag is not None or getattr(self, "_BaseOperator__from_mapped", False)
        self._digest_is_given = digest is not None
        self._check_literals()
        self.outlets = [*self.outlets, *promotion_outlets(self, target_repository, target_image or image)]

    def execute(self, context: Context) -> dict[str, Any]:
        """Promote, and return the record as a JSON object."""
        from artifactory_provider.hooks.artifactory import ArtifactoryHook

        promotion = replace(self._promotion(self._given_digest()), run=run_of(context))
        hook = ArtifactoryHook(self.artifactory_conn_id)
        server = hook.settings().base_url
        self.image_url = image_url(server, promotion.target)
        try:
            record = self._promote(self._pinned(promotion, hook, context), hook).as_dict()
        except SourceMoved:
            self._forget(promotion, context)
            raise
        self._forget(promotion, context)
        self._lineage = (server, promotion.source, promotion.target, record.get("digest"))
        emit_promotion(self, context, promotion.target, record)
        return record

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Tell OpenLineage, where its provider is installed, what was promoted to where."""
        return promotion_lineage(*self._lineage) if self._lineage else None

    def _promotion(self, digest: str | None) -> Promotion:
        return Promotion(
            source=ImageReference(self.source_repository, self.image, self.tag, digest),
            target=ImageReference(self.target_repository, self.target_image or self.image, self.target_tag or self.tag),
            copy=as_bool(self.copy),
            on_conflict=self.on_conflict,
            two_phase=self.two_phase,
            attachments=self.attachments,
            property_prefix=self.property_prefix,
            properties=self.properties or {},
            confirmation_timeout=self.confirmation_timeout,
        )

    def _promote(self, promotion: Promotion, hook: ArtifactoryHook) -> PromotionRecord | ImageRecord:
        if promotion.is_whole_image:
            return hook.promote_image(promotion, one_request=self.one_request)
        return hook.promote(promotion)

    def _given_digest(self) -> str | None:
        """Return the digest; one that was asked for and came empty must not become an unpinned promotion."""
        if self._tag_is_given and not self.tag:
            raise InvalidPromotion(
                "A tag was asked for, but its value is empty: nothing was promoted, since no tag would mean all tags."
            )
        if self._digest_is_given and not self.digest:
            raise InvalidPromotion(
                "A digest was asked for, but its value is empty: the task that should hand it on has handed on "
                "nothing. Check that it ran, and that it returned a digest."
            )
        return self.digest

    def _pinned(self, promotion: Promotion, hook: ArtifactoryHook, context: Context) -> Promotion:
        """Keep the digest of a move for the task's next try, which may find the source gone already."""
        if not self._has_to_remember(promotion):
            return promotion
        pinned = PinnedDigest(context)
        digest = pinned.get() or hook.pin(promotion.source)
        pinned.keep(digest)
        return replace(promotion, source=promotion.source.pinned(digest))

    def _forget(self, promotion: Promotion, context: Context) -> None:
        if self._has_to_remember(promotion):
            PinnedDigest(context).forget()

    def _has_to_remember(self, promotion: Promotion) -> bool:
        return not (promotion.copy or self._digest_is_given or promotion.is_whole_image)

    def _check_literals(self) -> None:
        """Refuse at parse time what no server could accept, as far as the values are known then."""
        for value, check in (
            (self.source_repository, check_repository),
            (self.target_repository, check_repository),
            (self.image, check_image),
            (self.tag, check_tag),
            (self.digest, check_digest),
            (self.target_image, check_image),
            (self.target_tag, check_tag),
            (self.copy, as_bool),
            (self.on_conflict, check_on_conflict),
        ):
            check_literal(value, check)
        named = (self.source_repository, self.target_repository, self.image, self.copy, self.on_conflict)
        optional = (self.tag, self.target_image, self.target_tag)
        if all(map(is_literal, named)) and all(part is None or is_literal(part) for part in optional):
            self._promotion(None)
