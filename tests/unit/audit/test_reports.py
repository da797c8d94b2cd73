"""What others have written stays text wherever an audit is read: CSV, Markdown, messages, terminals."""

from __future__ import annotations

import csv
import datetime
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.audit import Acceptance, Acceptances, Audit, AuditReport, Finding
from artifactory_provider.audit.findings import KINDS
from artifactory_provider.web.markdown import read_blocks

DIGEST = "sha256:" + "ab" * 32
NOW = datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.UTC)
HOSTILE = (
    '=HYPERLINK("http://evil")',
    "@SUM(1)",
    "-2+3",
    "<script>alert(1)</script>",
    "| a | b |\n# heading",
    "[click](javascript:alert(1)) **bold** `code`",
    "\x1b[2J\x1b]0;title\x07",
    "<!channel> <@U1>",
    "\u202eevil",
)


def report(words: str, *, by: str = "ci", reason: str = "") -> AuditReport:
    finding = Finding("unexplained", ImageReference("docker-prod", "payments/api", "1.4", DIGEST), words, by=by)
    accepted = [Acceptance(finding.name, reason, by, NOW, NOW + datetime.timedelta(days=1))] if reason else []
    audit = Audit(1, ("docker-prod",), (finding,))
    return AuditReport.of(audit, Acceptances(tuple(accepted)), at=NOW)


def cells(made: AuditReport) -> list[dict[str, str]]:
    file = io.StringIO()
    made.write_csv(file)
    return list(csv.DictReader(io.StringIO(file.getvalue())))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_is_a_formula_and_none_steers_a_terminal(text: str) -> None:
    [row] = cells(report(text, by=text, reason=text))
    assert all(value[:1] not in {"=", "+", "-", "@"} for value in row.values())
    assert all(value.isprintable() for value in row.values())
    assert row["kind"] == "unexplained"


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_becomes_markup_on_the_tab(text: str) -> None:
    for made in (report(text, by=text), report("fine", by=text, reason=text)):
        headline, heading, table = read_blocks(made.as_markdown())
        assert (headline.kind, heading.kind, table.kind) == ("paragraph", "heading", "table")
        assert [len(row) for row in table.rows] == [len(table.rows[0])] * 2
        assert {span.style for row in table.rows for cell in row for span in cell} == {"", "code"}


@given(words=st.text(max_size=200), by=st.text(max_size=50), reason=st.text(min_size=1, max_size=50))
def test_whatever_is_written_a_table_has_as_many_rows_as_findings(words: str, by: str, reason: str) -> None:
    assert len(cells(report(words, by=by, reason=reason))) == 1
    made = report(words, by=by)
    assert len(read_blocks(made.as_markdown())[2].rows) == 2
    file = io.StringIO()
    made.write_json(file)
    assert json.loads(file.getvalue())["findings"][0]["what"] == words


def test_a_report_of_thousands_of_findings_stays_small_and_counts_all_of_them() -> None:
    places = [ImageReference("docker-prod", f"app-{number}", "1", DIGEST) for number in range(5000)]
    audit = Audit(5000, ("docker-prod",), tuple(Finding("unexplained", place, "It was pushed.") for place in places))
    made = AuditReport.of(audit, Acceptances(), at=NOW)
    assert len(made.as_markdown()) < 10_000
    assert len(json.dumps(made.as_dict())) < 3_000
    assert made.as_dict()["counts"] == {"unexplained": 5000}
    assert "… and 4,980 more" in made.as_markdown()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_heading_and_a_place_in_the_order(kind: Any) -> None:
    finding = Finding(kind, ImageReference("docker-prod", "app", "1", DIGEST), "It is so.")
    made = AuditReport.of(Audit(1, ("docker-prod",), (finding,)), Acceptances(), at=NOW)
    assert f"({1}, {finding.severity})" in made.as_markdown()
