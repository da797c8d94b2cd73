"""What people have accepted of the findings of audits: one Airflow Variable, which several may change at a time."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import TYPE_CHECKING

from artifactory_provider.audit.acceptances import Acceptances, check_finding_name, read_acceptances
from artifactory_provider.audit.findings import Acceptance
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.marks import check_reason
from artifactory_provider.tasks.variables import change_variable, read_variable
from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_NAME = 200
_DESCRIPTION = "What is accepted of the findings of audits: see the DAG audit_drift."


def find_acceptances(variable: str) -> Acceptances:
    """Return what is accepted now.

    :param variable: the Variable of the acceptances.
    :raises InvalidAcceptances: when it holds something else.
    :raises RulesUnreadable: when it cannot be read now.
    """
    return read_acceptances(read_variable(variable), name=variable)


def accept_findings(
    variable: str, findings: Sequence[str], *, reason: str, by: str, until: datetime.datetime | None
) -> tuple[Acceptance, ...]:
    """Accept findings for a time, and return the acceptances; one that stands already for a finding is replaced.

    :param variable: the Variable of the acceptances.
    :param findings: the names of the findings, as reports give them.
    :param reason: why, in one line of up to 500 characters.
    :param by: who accepts them: a person.
    :param until: until when, with a time zone.
    :raises InvalidPromotion: when a name is none, the reason is none, or the end is missing or has passed.
    :raises InvalidAcceptances: when the Variable holds something else: it is left as it is.
    :raises RulesUnreadable: when the acceptances did not stay there, or nobody can tell.
    """
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    if until is None or until <= now:
        raise InvalidPromotion(
            "Say until when it is accepted, a moment to come, such as 2027-03-31: then it is told again."
        )
    try:
        names = [check_finding_name(name) for name in findings]
    except ValueError as error:
        raise InvalidPromotion(str(error)) from error
    given = tuple(
        Acceptance(name, check_reason(reason), printable(by, longest=_LONGEST_NAME), now, until) for name in names
    )

    def add(standing: Acceptances) -> Acceptances:
        # Those that are over go, so that the document never becomes too long to be read.
        others = (one for one in standing.given if one.until > now and one.finding not in names)
        return replace(standing, given=(*others, *given))

    change_variable(
        variable,
        add,
        read=lambda text, name: read_acceptances(text, name=name),
        write=Acceptances.to_text,
        what="What is accepted",
        description=_DESCRIPTION,
    )
    return given
