"""What stands in stages, and whether a promotion explains it. Knows no Airflow."""

from __future__ import annotations

from artifactory_provider.audit.explanation import Explainer, Explanation
from artifactory_provider.audit.survey import StandingTag, Survey, take_survey

__all__ = ["Explainer", "Explanation", "StandingTag", "Survey", "take_survey"]
