"""An acceptance holds for exactly that finding, as long as it says; what nobody can read accepts nothing."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from typing import Any

import pytest

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.audit import Acceptance, Acceptances, Finding, InvalidAcceptances, read_acceptances
from artifactory_provider.audit.acceptances import check_finding_name

DIGEST, OTHER = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
NOW = datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.UTC)
FINDING = Finding("unexplained", ImageReference("docker-prod", "payments/api", "1.4", DIGEST), "It was pushed.")
LOST = replace(FINDING, kind="attachment_lost", parts=("sha256-1.sig",))


def accept(finding: Finding, *, days: float = 1) -> Acceptance:
    return Acceptance(finding.name, "by hand in the outage", "jane", NOW, NOW + datetime.timedelta(days=days))


def test_what_is_written_is_read_again() -> None:
    made = Acceptances((accept(FINDING), accept(LOST, days=90)))
    assert read_acceptances(made.to_text()) == made


@pytest.mark.parametrize(
    "other",
    [
        replace(FINDING, place=ImageReference("docker-prod", "payments/api", "1.4", OTHER)),
        replace(FINDING, place=ImageReference("docker-prod", "payments/api", "1.5", DIGEST)),
        replace(FINDING, place=ImageReference("docker-qa", "payments/api", "1.4", DIGEST)),
        replace(FINDING, kind="rejected"),
        replace(LOST, parts=("sha256-1.sig", "sha256-1.att")),
    ],
)
def test_it_holds_for_that_place_digest_kind_and_those_parts_alone(other: Finding) -> None:
    made = Acceptances((accept(FINDING), accept(LOST)))
    marked = made.mark([FINDING, LOST, other], at=NOW)
    assert [one.acceptance is not None for one in marked] == [True, True, False]


def test_once_it_is_over_the_finding_is_told_again() -> None:
    made = Acceptances((accept(FINDING, days=1),))
    [before], [after] = (made.mark([FINDING], at=NOW + datetime.timedelta(days=days)) for days in (0.99, 1))
    assert before.acceptance is not None
    assert after.acceptance is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"finding": "unexplained:docker-prod/app:1"}, "names no finding"),
        ({"finding": "unexplained:docker-prod/app:1@abcdefabcdef\n"}, "names no finding|cannot"),
        ({"until": None}, "left empty"),
        ({"until": "tomorrow"}, "is no moment"),
        ({"reason": ""}, "empty text"),
        ({"extra": "x"}, "no such field"),
    ],
)
def test_a_document_that_is_wrong_is_refused_with_the_line(change: dict[str, Any], said: str) -> None:
    document = json.loads(Acceptances((accept(FINDING),)).to_text())
    document["accepted"][0] |= change
    with pytest.raises(InvalidAcceptances, match=said):
        read_acceptances(json.dumps(document, indent=1))


def test_names_of_findings_are_those_that_reports_give() -> None:
    assert check_finding_name(FINDING.name) == "unexplained:docker-prod/payments/api:1.4@abababababab"
    assert check_finding_name(LOST.name) == LOST.name
