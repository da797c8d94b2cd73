"""Airflow sensors: wait until digests have passed their checks."""

from __future__ import annotations

from artifactory_provider.sensors.batch_verification import ArtifactoryBatchVerificationSensor
from artifactory_provider.sensors.verification import (
    ArtifactoryVerificationSensor,
    VerificationFailed,
    VerificationSuperseded,
)

__all__ = [
    "ArtifactoryBatchVerificationSensor",
    "ArtifactoryVerificationSensor",
    "VerificationFailed",
    "VerificationSuperseded",
]
