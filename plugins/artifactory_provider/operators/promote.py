"""The operator that promotes one image from one repository to the next."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.operators.image_promotion import ImagePromotionOperator
from artifactory_provider.promotion.errors import InvalidPromotion, TagsNotPromoted
from artifactory_provider.promotion.request import (
    Attachments,
    OnConflict,
    Promotion,
    PromotionOptions,
    check_pending_repository,
    check_record,
)
from artifactory_provider.promotion.rules import Refused
from artifactory_provider.tasks.arguments import NOT_GIVEN, check_literal, check_present, is_known, is_literal
from artifactory_provider.tasks.bulk import fail_if_lasting
from artifactory_provider.tasks.forms import as_bool, as_pairs, as_text, as_verdicts
from artifactory_provider.tasks.metrics import PromotionTally
from artifactory_provider.tasks.rules import Answers
from artifactory_provider.tasks.task_state import identify_run, pin_for_all_tries
from artifactory_provider.tasks.waiting import (
    WhenRefused,
    as_notifiers,
    check_when_refused,
    failures_of,
    find_waited,
    wait_if_refused,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from artifactory_provider.hooks.artifactory import ArtifactoryHook
    from artifactory_provider.promotion.record import PromotionRecord
    from artifactory_provider.promotion.reports import PromotionReport
    from artifactory_provider.tasks.waiting import Notifier


class ArtifactoryPromoteOperator(ImagePromotionOperator):
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
    :param replaces: the digest that the target tag has to show when another one takes its place, or ``none`` where it
        has to show nothing: what people were shown, say. Without it, whatever it shows. (templated)
    :param one_request: with ``tag=None``, sends the endpoint its own form for a whole image, once: nothing is verified
        before its tag shows it then, but everything after.
    :param two_phase: whether the image is verified under a pending tag before the target tag shows it.
    :param pending_repository: repository key of a transit repository in which the pending tag stands instead of in
        the target's repository, where nobody sees it and a new tag needs no Delete/Overwrite then; left empty, there is
        none. (templated)
    :param attachments: what is brought along first of what belongs to the image: ``none``; ``tags``, such as cosign's
        signatures; ``all``, which has OCI referrers and what belongs to children, too. (templated)
    :param property_prefix: the first part of the names of the properties that record the promotion on the target's
        manifest; None writes none.
    :param properties: further properties to record, name → value, or ``name=value`` lines. (templated)
    :param verdicts: the verdicts that it is promoted on, for the record: the XCom ``verdicts`` of a sensor. (templated)
    :param approval: what an ``ArtifactoryApprovalOperator`` has returned, where the policy asks for approvals.
        (templated)
    :param override: what an override has returned, where a rule allows one. (templated)
    :param when_refused: what happens while a hold, a stop or the policy forbids it: ``fail``; or ``wait``, which
        looks again when that may have ended, and needs no worker meanwhile. (templated)
    :param longest_wait: how long that goes on since the first refusal.
    :param notifiers: who is told when it begins to wait for a refusal to end, such as a ``PromotionNotifier``.
    :param confirmation_timeout: seconds that the target may take to show the image.
    :param artifactory_conn_id: the Airflow connection. (templated)
    :param kwargs: what every operator takes; ``retry_policy`` knows which failures are worth another try.
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
        "replaces",
        "pending_repository",
        "attachments",
        "properties",
        "verdicts",
        "approval",
        "override",
        "when_refused",
        "artifactory_conn_id",
    )
    ui_color = "#e3f4e1"

    def __init__(
        self,
        *,
        source_repository: str,
        target_repository: str,
        image: str,
        tag: str | None,
        digest: str | None = NOT_GIVEN,
        target_image: str | None = None,
        target_tag: str | None = None,
        copy: bool = True,
        on_conflict: OnConflict = "fail",
        replaces: str | None = None,
        one_request: bool = False,
        two_phase: bool = True,
        pending_repository: str | None = None,
        attachments: Attachments = "all",
        property_prefix: str | None = "promotion",
        properties: Mapping[str, str] | None = None,
        verdicts: Sequence[Mapping[str, Any]] | None = None,
        approval: Mapping[str, Any] | None = None,
        override: Mapping[str, Any] | None = None,
        when_refused: WhenRefused = "fail",
        longest_wait: timedelta = timedelta(days=1),
        notifiers: Sequence[Notifier] | Notifier | None = None,
        confirmation_timeout: float = 60,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source_repository = source_repository
        self.target_repository = target_repository
        self.image = image
        self.tag = tag
        self.digest = None if digest is NOT_GIVEN else digest
        self.target_image = target_image
        self.target_tag = target_tag
        self.copy = copy
        self.on_conflict = on_conflict
        self.replaces = replaces
        self.one_request = one_request
        self.two_phase = two_phase
        self.pending_repository = pending_repository
        self.attachments = attachments
        self.property_prefix = property_prefix
        self.properties = properties
        self.verdicts = verdicts
        self.approval = approval
        self.override = override
        self.when_refused = when_refused
        self.longest_wait = longest_wait
        self.notifiers = as_notifiers(notifiers)
        self.confirmation_timeout = confirmation_timeout
        self._check_arguments(
            target_repository=target_repository, target_image=target_image or image, tag=tag, digest=digest
        )
        named = (source_repository, target_repository, image, copy, on_conflict, attachments)
        optional = (tag, target_image, target_tag, pending_repository)
        check_literal(when_refused, check_when_refused)
        check_record(property_prefix, as_pairs(properties, name="properties") if is_known(properties) else {})
        if all(map(is_literal, named)) and all(part is None or is_literal(part) for part in optional):
            self._promotion(digest if is_literal(digest) else None, {})
        if one_request and tag is not None:
            raise InvalidPromotion("one_request promotes all tags of an image: it needs tag=None.")
        if is_literal(pending_repository):
            check_pending_repository(pending_repository, two_phase=two_phase and not one_request)

    def execute(self, context: Context) -> dict[str, Any]:
        """Promote, and return the record as a JSON object."""
        return self._promote(context, PromotionTally())

    def resume(self, context: Context, event: object = None) -> dict[str, Any]:
        """Promote once more after a wait, and return the record as a JSON object."""
        return self._promote(context, PromotionTally(waited=find_waited(context)))

    def _promote(self, context: Context, tally: PromotionTally) -> dict[str, Any]:
        check_present(self, self._given)
        properties = as_pairs(self.properties, name="properties")
        verdicts = as_verdicts(self.verdicts)
        wanted = self._promotion(
            self.digest, properties, verdicts=verdicts, replaces=self.replaces, run=identify_run(context)
        )
        hook, answers = self._connect(wanted.target), Answers.read(self.approval, self.override)
        with pin_for_all_tries(wanted, context, hook.pin) as promotion, tally:
            try:
                return self._report(context, promotion, self._send(hook, promotion, answers, tally))
            except (Refused, TagsNotPromoted) as error:
                if check_when_refused(self.when_refused) == "wait":
                    failures = failures_of(error)
                    wait_if_refused(self, context, failures, longest=self.longest_wait, notifiers=self.notifiers)
                if isinstance(error, TagsNotPromoted):
                    fail_if_lasting(error, policy=self.retry_policy)
                raise

    def _send(
        self, hook: ArtifactoryHook, promotion: Promotion, answers: Answers, tally: PromotionTally
    ) -> PromotionRecord | PromotionReport:
        with tally.of(promotion):
            if not promotion.is_whole_image:
                return tally.add_record(hook.promote(promotion, answers=answers))
            return hook.promote_image(promotion, one_request=self.one_request, answers=answers, on_report=tally.add)

    def _promotion(
        self,
        digest: str | None,
        properties: Mapping[str, str],
        *,
        verdicts: tuple[str, ...] = (),
        replaces: str | None = None,
        run: str = "run",
    ) -> Promotion:
        options = PromotionOptions(
            copy=as_bool(self.copy),
            on_conflict=self.on_conflict,
            replaces=replaces,
            two_phase=self.two_phase,
            pending_repository=as_text(self.pending_repository, name="pending_repository", wanted="a repository key"),
            attachments=self.attachments,
            property_prefix=self.property_prefix,
            properties=properties,
            verdicts=verdicts,
            run=run,
            confirmation_timeout=self.confirmation_timeout,
        )
        return Promotion(
            source=ImageReference(self.source_repository, self.image, self.tag, digest),
            target=ImageReference(self.target_repository, self.target_image or self.image, self.target_tag or self.tag),
            options=options,
        )
