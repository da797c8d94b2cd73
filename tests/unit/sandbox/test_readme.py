"""What the README says is proven is proven."""

from __future__ import annotations

import re
from pathlib import Path

from artifactory_sandbox.config import Switches

ROOT = Path(__file__).parents[3]
README = (ROOT / "sandbox" / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (?:([\d, ]+) )?\| .+? \| .+? \| (.+) \|$", README, re.MULTILINE)


def test_every_row_of_the_emulator_table_names_tests_that_there_are() -> None:
    files = (ROOT / "tests").glob("*/sandbox/test_*.py")
    there = {name for file in files for name in re.findall(r"def (test_\w+)\(", file.read_text(encoding="utf-8"))}
    named = [name for _, tests in ROWS for name in re.findall(r"`(test_\w+)`", tests)]
    assert len(named) >= len(ROWS)
    assert [name for name in named if name not in there] == []


def test_no_row_of_the_emulator_table_is_missing() -> None:
    assert [int(number) for numbers, _ in ROWS if numbers for number in numbers.split(",")] == list(range(1, 38))


def test_every_switch_is_described_with_its_default() -> None:
    described = re.findall(r"^\| `(\w+)` \| (?:off|from|before) ?[\d.]* \|", README, re.MULTILINE)
    assert described == list(Switches.model_fields)


def test_every_module_stands_in_the_map_and_every_name_in_the_map_is_a_module() -> None:
    package, section = ROOT / "sandbox" / "artifactory_sandbox", README.partition("## What is where")[2]
    endpoints, outside = section.partition("\n## ")[0].split("| outside | |")
    tables = {package / "api": endpoints.partition("| `api/` | |")[2], package: outside}
    for folder, table in tables.items():
        cells = "".join(re.findall(r"^\| (.+?) \|", table, re.MULTILINE))
        named = {name.partition(".")[0] for name in cells.split("`")[1::2]}
        there = {file.stem for file in folder.iterdir() if file.suffix in {".py", ".sql", ".yaml"}}
        assert named == there - {"__init__", "__main__", "application", "connection", "server"}
