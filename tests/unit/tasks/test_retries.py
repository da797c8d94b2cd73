from __future__ import annotations

import pytest
from airflow.sdk import RetryAction

from artifactory_provider.artifactory import errors
from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.policy import InvalidPolicy
from artifactory_provider.promotion import errors as promotion_errors
from artifactory_provider.promotion.rules import Refusal, Refused
from artifactory_provider.tasks.retries import RETRY_POLICY

FAIL = [
    errors.AuthenticationFailed,
    errors.PermissionDenied,
    errors.NotFound,
    errors.RepositoryNotFound,
    errors.ImageNotFound,
    errors.TagNotFound,
    errors.UnsupportedRepository,
    errors.UnsupportedManifest,
    errors.RequestRefused,
    errors.InvalidSettings,
    errors.TlsFailed,
    InvalidReference,
    promotion_errors.InvalidPlan,
    promotion_errors.VersionUncertain,
    promotion_errors.InvalidPromotion,
    promotion_errors.SourceMoved,
    promotion_errors.SourceIncomplete,
    promotion_errors.FolderShared,
    promotion_errors.TargetConflict,
    promotion_errors.NothingToRestore,
    promotion_errors.NothingToLift,
    promotion_errors.NotVerified,
]
TRY_AGAIN = [
    errors.ConnectionFailed,
    errors.RequestNotSent,
    errors.RequestTimedOut,
    errors.ServerFailed,
    errors.UnexpectedAnswer,
    errors.QueryUnusable,
    errors.NotArtifactory,
    errors.OtherContent,
    errors.TooMuchAsked,
    promotion_errors.NotVerifiedYet,
    promotion_errors.TargetUnverified,
    promotion_errors.NotShownYet,
    promotion_errors.PartsMissing,
    promotion_errors.SourceRemains,
    promotion_errors.AttachmentLost,
    promotion_errors.DecisionIncomplete,
    promotion_errors.RulesUnreadable,
]


@pytest.mark.parametrize("kind", FAIL)
def test_what_would_fail_again_fails_at_once(kind: type[Exception]) -> None:
    assert RETRY_POLICY.evaluate(kind("…"), 1, 3, None).action is RetryAction.FAIL


@pytest.mark.parametrize("kind", TRY_AGAIN)
def test_what_may_be_gone_is_tried_again(kind: type[Exception]) -> None:
    assert RETRY_POLICY.evaluate(kind("…"), 1, 3, None).action is not RetryAction.FAIL


@pytest.mark.parametrize("error", [Refused(Refusal("Frozen.")), InvalidPolicy("artifactory_policy", [])])
def test_what_somebody_has_to_allow_first_fails_at_once(error: Exception) -> None:
    assert RETRY_POLICY.evaluate(error, 1, 3, None).action is RetryAction.FAIL


def test_a_rate_limit_is_waited_for() -> None:
    decision = RETRY_POLICY.evaluate(errors.RateLimited("…"), 1, 3, None)
    assert decision.action is RetryAction.RETRY
    assert decision.retry_delay is not None


def test_every_error_has_a_decision() -> None:
    known = {*FAIL, *TRY_AGAIN, errors.RateLimited, errors.ArtifactoryError, promotion_errors.PromotionError}
    # What is left is tried again; what is done is not done twice.
    known |= {promotion_errors.TagsNotPromoted, promotion_errors.PromotionsFailed, promotion_errors.BatchInterrupted}
    for module in (errors, promotion_errors):
        for value in vars(module).values():
            assert not (isinstance(value, type) and issubclass(value, Exception)) or value in known
