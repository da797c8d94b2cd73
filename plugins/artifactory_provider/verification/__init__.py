"""What must be true of a digest before it may move. Knows no Airflow, and only reads."""

from __future__ import annotations

from artifactory_provider.verification.checks import Check, PropertyCheck
from artifactory_provider.verification.verdicts import State, Verdict

__all__ = ["Check", "PropertyCheck", "State", "Verdict"]
