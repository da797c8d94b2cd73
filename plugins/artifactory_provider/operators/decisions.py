"""The operators by which a person decides about an image: hold a tag, reject a digest, lift either again."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal, get_args

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.operators.base import ArtifactoryOperator
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.marks import check_reason
from artifactory_provider.tasks.arguments import NOT_GIVEN, check_literal, check_literals, check_present, find_given
from artifactory_provider.tasks.rules import find_starter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from artifactory_provider.hooks.artifactory import ArtifactoryHook

Lifted = Literal["hold", "rejection"]


class DecisionOperator(ArtifactoryOperator):
    """An operator that writes on an image what somebody has decided about it; a subclass says what.

    Who has triggered the run is written down as the author.

    :param repository: repository key. (templated)
    :param image: image name, without host and repository key. (templated)
    :param tag: the tag. (templated)
    :param digest: the digest that the tag has to show. (templated)
    :param reason: why, in one line of up to 500 characters. (templated)
    :param artifactory_conn_id: the Airflow connection. (templated)
    :param kwargs: what every operator takes; ``retry_policy`` knows which failures are worth another try.
    :raises InvalidReference: when a repository key, image, tag or digest is malformed; for plain values at parse
        time.
    :raises InvalidPromotion: when the reason is none.
    """

    template_fields: Sequence[str] = ("repository", "image", "tag", "digest", "reason", "artifactory_conn_id")
    ui_color = "#f9e3d4"

    def __init__(
        self,
        *,
        repository: str,
        image: str,
        tag: str,
        reason: str,
        digest: str | None = NOT_GIVEN,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.repository = repository
        self.image = image
        self.tag = tag
        self.digest = None if digest is NOT_GIVEN else digest
        self.reason = reason
        self._given = find_given(self, tag=tag, digest=digest)
        check_literals(self, self.template_fields)
        check_literal(reason, check_reason)

    def execute(self, context: Context) -> dict[str, Any]:
        """Decide, and return what was decided as a JSON object: reference, reason, author, places that say so."""
        check_present(self, self._given)
        image = ImageReference(self.repository, self.image, self.tag, self.digest or None)
        by = find_starter().name
        places = self._decide(self._hook(), image, by)
        return {"reference": str(image), "reason": check_reason(self.reason), "by": by, "places": list(places)}

    @abstractmethod
    def _decide(self, hook: ArtifactoryHook, image: ImageReference, by: str) -> Sequence[str]:
        """Decide, and return the places that say so."""


class ArtifactoryHoldOperator(DecisionOperator):
    """Hold a tag on what it shows: no schedule, event, backfill or person changes it until the hold is lifted."""

    def _decide(self, hook: ArtifactoryHook, image: ImageReference, by: str) -> Sequence[str]:
        return [str(hook.hold(image, reason=self.reason, by=by))]


class ArtifactoryRejectOperator(DecisionOperator):
    """Reject the digest that a tag shows: it is never promoted again, under whatever tag and from whatever repository.

    What shows it already goes on showing it: roll back what must not.
    """

    def _decide(self, hook: ArtifactoryHook, image: ImageReference, by: str) -> Sequence[str]:
        return hook.reject(image, reason=self.reason, by=by)


class ArtifactoryLiftOperator(DecisionOperator):
    """Lift the hold on a tag, or the rejection of the digest that it shows.

    :param lifted: ``hold`` or ``rejection``. (templated)
    """

    template_fields: Sequence[str] = (*DecisionOperator.template_fields, "lifted")

    def __init__(self, *, lifted: Lifted = "hold", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lifted = lifted
        check_literal(lifted, _check_lifted)

    def _decide(self, hook: ArtifactoryHook, image: ImageReference, by: str) -> Sequence[str]:
        if _check_lifted(self.lifted) == "hold":
            return [str(hook.lift_hold(image, reason=self.reason, by=by))]
        return hook.lift_rejection(image, reason=self.reason, by=by)


def _check_lifted(value: str) -> str:
    if value in get_args(Lifted):
        return value
    raise InvalidPromotion(f"lifted is 'hold' or 'rejection', not {value!r:.120}.")
