"""Airflow sensors: wait until a digest has passed its checks."""

from __future__ import annotations

from artifactory_provider.sensors.verification import (
    ArtifactoryVerificationSensor,
    VerificationFailed,
    VerificationSuperseded,
)

__all__ = ["ArtifactoryVerificationSensor", "VerificationFailed", "VerificationSuperseded"]
