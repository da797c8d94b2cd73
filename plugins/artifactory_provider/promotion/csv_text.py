"""CSV as all plans, reports and pages write it: spreadsheets open it, and outsiders have written some of its cells."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return CSV with a header; each cell is one line, and none is taken for a formula by a spreadsheet.

    :param columns: the header.
    :param rows: the cells of each row; None is an empty one.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_inert(" ".join(str("" if cell is None else cell).split())) for cell in row])
    return file.getvalue()


def _inert(cell: str) -> str:
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@"} else cell
