"""What the document on approvals says can be run."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from artifactory_provider.operators import ArtifactoryApprovalOperator

PATH = Path(__file__).parents[3] / "docs" / "approvals.md"
TEXT = PATH.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_each_example_runs(number: int) -> None:
    exec(compile(BLOCKS[number], PATH.name, "exec"), {"__name__": "__main__"})  # noqa: S102 - the example itself


def test_the_example_in_code_prints_what_the_document_says(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = [block for block in BLOCKS if "print(" in block]
    exec(compile(block, PATH.name, "exec"), {"__name__": "__main__"})  # noqa: S102 - the example itself
    assert f"prints `{capsys.readouterr().out.strip()}`" in TEXT


def test_every_argument_in_the_documents_table_is_one_of_the_operator() -> None:
    kinds: tuple[Any, ...] = ArtifactoryApprovalOperator.__mro__
    known = {name for kind in kinds for name in inspect.signature(kind.__init__).parameters}
    rows = re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {"rule", "count", "promotions", "chunks"} <= named <= known
