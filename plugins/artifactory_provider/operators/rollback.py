"""The operator that gives a tag back what it showed before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.operators.image_promotion import ImagePromotionOperator
from artifactory_provider.promotion.backup import make_rollback
from artifactory_provider.promotion.marks import check_reason
from artifactory_provider.promotion.request import check_record
from artifactory_provider.tasks.arguments import NOT_GIVEN, check_literal, check_present
from artifactory_provider.tasks.forms import as_text
from artifactory_provider.tasks.metrics import ROLLBACKS, PromotionTally
from artifactory_provider.tasks.rules import Answers, find_starter
from artifactory_provider.tasks.task_state import PinnedDigest, identify_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context


class ArtifactoryRollbackOperator(ImagePromotionOperator):
    """Restore the digest that a tag showed before its last promotion, out of the backup that the promotion kept.

    That promotion must have had ``on_conflict="backup"``. The restored digest is verified like any promotion, its
    attachments included; what is replaced is kept as a backup in turn, so that a rollback can be rolled back.

    The tag is held on it then: no schedule, event, backfill or person brings back what was taken out, until a person
    lifts the hold. Of the policy's rules and the stops, those hold that name rollbacks.

    :param repository: repository key. (templated)
    :param image: image name, without host and repository key. (templated)
    :param tag: the tag that is given back what it showed. (templated)
    :param digest: the digest to go back to, if it is not the last one. (templated)
    :param reason: why, for the hold and the record. (templated)
    :param replaces: the digest that the tag has to show when the other one takes its place: what people were shown,
        say. Without it, whatever it shows. (templated)
    :param approval: what an ``ArtifactoryApprovalOperator`` has returned, where the policy asks for approvals of
        rollbacks. (templated)
    :param override: what an override has returned, where a rule allows one. (templated)
    :param hold: whether the tag is held from then on.
    :param property_prefix: the first part of the names of the properties that record promotions, as the promotion had
        it.
    :param pending_repository: repository key of a transit repository, the same as for promotions to this repository;
        left empty, there is none. (templated)
    :param artifactory_conn_id: the Airflow connection. (templated)
    :param kwargs: what every operator takes; ``retry_policy`` knows which failures are worth another try.
    :raises InvalidReference: when a repository key, image, tag or digest is malformed; for plain values at parse
        time.
    """

    template_fields: Sequence[str] = (
        "repository",
        "image",
        "tag",
        "digest",
        "reason",
        "replaces",
        "approval",
        "override",
        "pending_repository",
        "artifactory_conn_id",
    )
    target_argument = "repository"
    ui_color = "#f9e3d4"

    def __init__(
        self,
        *,
        repository: str,
        image: str,
        tag: str,
        digest: str | None = NOT_GIVEN,
        reason: str = "rolled back",
        replaces: str | None = None,
        approval: Mapping[str, Any] | None = None,
        override: Mapping[str, Any] | None = None,
        hold: bool = True,
        property_prefix: str = "promotion",
        pending_repository: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.repository = repository
        self.image = image
        self.tag = tag
        self.digest = None if digest is NOT_GIVEN else digest
        self.reason = reason
        self.replaces = replaces
        self.approval = approval
        self.override = override
        self.hold = hold
        self.property_prefix = property_prefix
        self.pending_repository = pending_repository
        check_literal(reason, check_reason)
        check_record(property_prefix, {})
        self._check_arguments(target_repository=repository, target_image=image, tag=tag, digest=digest)

    def execute(self, context: Context) -> dict[str, Any]:
        """Roll back, and return the record of the promotion that did it."""
        check_present(self, self._given)
        tag = ImageReference(self.repository, self.image, self.tag)
        hook = self._connect(tag)
        # A second try must go back to the same digest: after the first, "the one before" is another one.
        pinned = PinnedDigest(context)
        digest = self.digest or pinned.get()
        previous = hook.find_previous(tag.pinned(digest) if digest else tag, property_prefix=self.property_prefix)
        pinned.keep(str(previous.digest))
        promotion = make_rollback(
            previous,
            tag,
            by=find_starter().name,
            reason=self.reason,
            hold=self.hold,
            replaces=self.replaces,
            property_prefix=self.property_prefix,
            pending_repository=as_text(self.pending_repository, name="pending_repository", wanted="a repository key"),
            run=identify_run(context),
        )
        answers = replace(Answers.read(self.approval, self.override), is_rollback=True)
        with PromotionTally(ROLLBACKS) as tally, tally.of(promotion):
            record = tally.add_record(hook.promote(promotion, answers=answers))
        pinned.forget()
        return self._report(context, promotion, record)
