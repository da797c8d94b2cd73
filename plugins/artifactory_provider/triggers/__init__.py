"""Airflow triggers: they wait in the triggerer, and only read."""

from __future__ import annotations

from artifactory_provider.triggers.pushes import ArtifactoryPushTrigger
from artifactory_provider.triggers.verification import BatchVerificationTrigger, VerificationTrigger

__all__ = ["ArtifactoryPushTrigger", "BatchVerificationTrigger", "VerificationTrigger"]
