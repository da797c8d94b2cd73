"""What commands print: rows as Airflow's own commands do, and lines for people. Whatever others wrote stays text."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from artifactory_provider.promotion.batch import Progress

_FOR_PROGRAMS = ("json", "yaml")
_BETWEEN = " | "
_SECONDS_BETWEEN_LINES = 5.0


def printed(text: str) -> str:
    """Return a text in which nothing can steer a terminal; its lines stay.

    :param text: anything that others wrote.
    """
    lines = text.split("\n")
    return "\n".join("".join(one if one.isprintable() else repr(one)[1:-1] for one in line) for line in lines)


def say(text: str) -> None:
    """Print a line for people, on standard error; where nobody reads it any more, the work goes on.

    :param text: the line.
    """
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Let a stream whose reader has gone lead nowhere, so that nothing fails for it, at the end of the process either.

    :param stream: standard output or standard error.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def count(number: int, noun: str) -> str:
    """Return a number of things: ``1 rule``, ``1,200 rules``.

    :param number: how many.
    :param noun: what one of them is called.
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show(rows: Sequence[Mapping[str, Any]], output: str) -> None:
    """Print rows as Airflow's own commands do.

    :param rows: the rows, all with the same columns.
    :param output: ``table``, ``json``, ``yaml`` or ``plain``.
    """
    from artifactory_provider.cli.airflow_internals import print_rows

    if not is_for_programs(output):
        # In one line each; a cell without a value is empty.
        rows = [{name: _cell(value) for name, value in row.items()} for row in rows]
    if output == "plain":
        _print_columns(rows, between="  ")
    elif output == "table" and rows and not sys.stdout.isatty():
        _print_columns(rows, between=_BETWEEN, rule="=+=")
    elif is_for_programs(output) and not sys.stdout.isatty():
        texts = [{name: None if value is None else str(value) for name, value in row.items()} for row in rows]
        _print_document(texts, output)
    elif output == "table":
        print_rows(_fit(rows), output)
    else:
        print_rows(rows, output)


def _fit(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return rows without the columns in which nothing stands, where a terminal is too narrow for all columns."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in (rows[0] if rows else ())}
    if sum(widths.values()) + len(_BETWEEN) * len(widths) <= shutil.get_terminal_size().columns:
        return rows
    return [{name: row[name] for name in widths if any(other[name] for other in rows)} for row in rows]


def _print_columns(rows: Sequence[Mapping[str, str]], *, between: str, rule: str = "") -> None:
    """Print a line for each row, and nothing where there are none.

    Airflow's own functions take the tag 1.10 for a number and print 1.1, or take seconds for thousands of rows, which
    they wrap at the width of no terminal.

    :param between: what stands between two columns.
    :param rule: what stands between two columns in the line under the head; without it, there is no such line.
    """
    if not rows:
        return
    lines = [list(rows[0]), *([*row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [between.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    if rule:
        texts.insert(1, rule.join(rule[0] * width for width in widths))
    for text in texts:
        print(text.rstrip())


def _print_document(rows: Sequence[Mapping[str, Any]], output: str) -> None:
    """Print what Airflow's own function does, without colours, which take it seconds for thousands of rows."""
    if output == "json":
        print(json.dumps(rows))
        return
    import yaml

    print(yaml.dump(rows, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)), end="")


def is_for_programs(output: str) -> bool:
    """Tell whether a way to print is read by programs, which take whole digests and moments.

    :param output: ``table``, ``json``, ``yaml`` or ``plain``.
    """
    return output in _FOR_PROGRAMS


def show_digest(digest: str | None, output: str) -> str | None:
    """Return a digest whole for programs, and its first twelve digits for people.

    :param digest: the digest, if there is one.
    :param output: ``table``, ``json``, ``yaml`` or ``plain``.
    """
    return digest if digest is None or is_for_programs(output) else digest.removeprefix("sha256:")[:12]


def _cell(value: Any) -> str:
    return "" if value is None else printed(" ".join(str(value).split()))


@contextmanager
def progress(label: str, *, quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """Show how far many promotions are: a bar on a terminal, a line now and then elsewhere.

    :param label: what is done, such as ``Promoting``.
    :param quiet: whether only lines are printed, as log lines come between.
    """
    if quiet or not sys.stderr.isatty():
        yield _Lines(label)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)

        def move(made: Progress) -> None:
            failed = f", {made.failed:,} failed" if made.failed else ""
            bar.update(task, completed=made.done, total=made.total, description=f"{label}{failed}")

        yield move


class _Lines:
    def __init__(self, label: str) -> None:
        self._label, self._said = label, time.monotonic()

    def __call__(self, made: Progress) -> None:
        now = time.monotonic()
        if now - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = now
            say(f"{self._label}: {made.done:,} of {made.total:,} done, {made.failed:,} of them failed.")
