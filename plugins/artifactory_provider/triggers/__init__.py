"""Airflow triggers: they wait in the triggerer, and only read."""

from __future__ import annotations

from artifactory_provider.triggers.verification import VerificationTrigger

__all__ = ["VerificationTrigger"]
