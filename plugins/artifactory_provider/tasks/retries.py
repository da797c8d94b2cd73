"""Which failures are worth another try of the task."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from artifactory_provider.artifactory.errors import (
    AuthenticationFailed,
    InvalidSettings,
    NotFound,
    PermissionDenied,
    RateLimited,
    RequestRefused,
    TlsFailed,
    UnsupportedManifest,
    UnsupportedRepository,
)
from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.policy import ContradictoryRules, InvalidPolicy
from artifactory_provider.promotion.errors import (
    FolderShared,
    InvalidPromotion,
    NothingToLift,
    NothingToRestore,
    NotVerified,
    NotVerifiedYet,
    SourceIncomplete,
    SourceMoved,
    TargetConflict,
)
from artifactory_provider.promotion.rules import Refused

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=NotVerifiedYet,
            action=RetryAction.RETRY,
            reason="The evidence may come.",
        ),
        RetryRule(
            exception=[
                AuthenticationFailed,
                ContradictoryRules,
                FolderShared,
                InvalidPolicy,
                InvalidPromotion,
                InvalidReference,
                InvalidSettings,
                NotFound,
                NotVerified,
                NothingToLift,
                NothingToRestore,
                PermissionDenied,
                Refused,
                RequestRefused,
                SourceIncomplete,
                SourceMoved,
                TargetConflict,
                TlsFailed,
                UnsupportedManifest,
                UnsupportedRepository,
            ],
            action=RetryAction.FAIL,
            reason="The same request would fail again: somebody has to change something first.",
        ),
        RetryRule(
            exception=RateLimited,
            action=RetryAction.RETRY,
            retry_delay=timedelta(minutes=1),
            reason="The server limits requests.",
        ),
    ]
)
"""Wrong credentials, missing permissions, conflicts and the like fail at once; rate limits wait a minute."""
