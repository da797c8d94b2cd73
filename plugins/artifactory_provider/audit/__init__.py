"""What stands in stages, and whether a promotion explains it. Knows no Airflow."""

from __future__ import annotations

from artifactory_provider.audit.acceptances import Acceptances, InvalidAcceptances, read_acceptances
from artifactory_provider.audit.auditing import Audit, AuditScope, audit, survey_stages
from artifactory_provider.audit.event_log import Event, EventLog, LastPromotion
from artifactory_provider.audit.explanation import Explainer, Explanation
from artifactory_provider.audit.findings import Acceptance, Finding
from artifactory_provider.audit.reports import AuditReport
from artifactory_provider.audit.survey import StandingTag, Survey, by_age, take_survey
from artifactory_provider.audit.trail import Maker, Period, ToldPromotion, TrailRow, kind_of, make_trail

__all__ = [
    "Acceptance",
    "Acceptances",
    "Audit",
    "AuditReport",
    "AuditScope",
    "Event",
    "EventLog",
    "Explainer",
    "Explanation",
    "Finding",
    "InvalidAcceptances",
    "LastPromotion",
    "Maker",
    "Period",
    "StandingTag",
    "Survey",
    "ToldPromotion",
    "TrailRow",
    "audit",
    "by_age",
    "kind_of",
    "make_trail",
    "read_acceptances",
    "survey_stages",
    "take_survey",
]
