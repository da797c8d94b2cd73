"""What commands print: the same rows in four ways, in which whatever others wrote stays text."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.cli import output
from artifactory_provider.cli.airflow_internals import print_rows
from artifactory_provider.cli.output import printed, progress, say, show
from artifactory_provider.promotion.batch import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS: list[dict[str, Any]] = [
    {"tag": "1.10", "line": 0, "digest": "sha256:00", "reason": None},
    {"tag": "007", "line": 12, "digest": None, "reason": "a\x1b[31m [bold]\nb :smile: \u202e"},
]


@pytest.fixture
def print_as(capsys: pytest.CaptureFixture[str]) -> Callable[[str, list[dict[str, Any]]], str]:
    def print_as(output: str, rows: list[dict[str, Any]]) -> str:
        show(rows, output)
        return capsys.readouterr().out

    return print_as


def test_a_tag_that_looks_like_a_number_stays_as_it_is(print_as: Any) -> None:
    assert [line.split()[:2] for line in print_as("plain", ROWS).splitlines()] == [
        ["tag", "line"],
        ["1.10", "0"],
        ["007", "12"],
    ]
    assert "1.10" in print_as("table", ROWS)


def test_programs_get_the_same_from_a_pipe_as_airflow_prints_at_a_terminal(
    print_as: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = [{name: None if value is None else str(value) for name, value in row.items()} for row in ROWS]
    assert json.loads(print_as("json", ROWS)) == wanted
    assert yaml.safe_load(print_as("yaml", ROWS)) == wanted
    print_rows(ROWS, "json")
    assert json.loads(capsys.readouterr().out) == wanted


@pytest.mark.parametrize("output", ["table", "plain", "json", "yaml"])
def test_what_others_wrote_is_neither_markup_nor_steers_a_terminal(print_as: Any, output: str) -> None:
    out = print_as(output, ROWS)
    assert out.replace("\n", "").isprintable()
    assert "[bold]" in out
    assert ":smile:" in out


@pytest.mark.parametrize(("output", "out"), [("json", "[]\n"), ("yaml", "[]\n"), ("plain", "")])
def test_no_rows_are_no_rows(print_as: Any, output: str, out: str) -> None:
    assert print_as(output, []) == out


def test_a_table_in_a_pipe_has_a_line_for_each_row_however_long_and_many(print_as: Any) -> None:
    rows = [{"tag": f"1.{number}", "reason": "because of this " * 20} for number in range(10_000)]
    head, rule, *lines = print_as("table", rows).splitlines()
    assert [name.strip() for name in head.split(" | ")] == ["tag", "reason"]
    assert set(rule) == {"=", "+"}
    assert [line.split(" | ")[0].strip() for line in lines] == [row["tag"] for row in rows]


@pytest.mark.parametrize(("columns", "named"), [("60", ["tag", "reason"]), ("200", ["tag", "current", "reason"])])
def test_a_terminal_that_is_too_narrow_is_spared_the_columns_in_which_nothing_stands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str, named: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    output.show([{"tag": "1.4.2", "current": None, "reason": "because of this " * 4}], "table")
    head = capsys.readouterr().out.splitlines()[0]
    assert re.findall(r"\b(?:tag|current|reason)\b", re.sub(r"\x1b\[[\d;]*m", "", head)) == named


@given(st.text())
def test_any_text_can_be_printed_in_as_many_lines(text: str) -> None:
    shown = printed(text)
    assert shown.count("\n") == text.count("\n")
    assert shown.replace("\n", "").isprintable()
    assert not text.isprintable() or shown == text


def test_what_nobody_reads_any_more_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as broken:
        monkeypatch.setattr(sys, "stderr", broken)
        monkeypatch.setattr(output, "_SECONDS_BETWEEN_LINES", 0.0)
        with progress("Promoting") as move:
            for done in (1, 2):
                move(Progress(done, 2, 0))
        say("2 promoted.")
