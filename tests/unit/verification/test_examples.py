"""What the documents say of checks can be run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from artifactory_provider.verification import Check, check_from_dict, check_to_dict

ROOT = Path(__file__).parents[3]
PARTS = sorted((ROOT / "docs" / "verification-parts").glob("*.md"))


def blocks(path: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.stem)
def test_the_example_of_each_check_makes_checks_that_a_trigger_can_be_given(path: Path) -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(path):
        exec(compile(block, path, "exec"), names)  # noqa: S102 - the example itself
    checks = [value for value in names.values() if isinstance(value, Check)]
    assert checks or path.stem == "custom"
    for check in checks:
        assert check_from_dict(json.loads(json.dumps(check_to_dict(check)))) == check


def test_the_example_of_a_check_of_ones_own_is_the_module_that_is_tested() -> None:
    module = ROOT / "tests" / "integration" / "verification" / "branch_check.py"
    [block] = blocks(ROOT / "docs" / "verification-parts" / "custom.md")
    assert block == module.read_text(encoding="utf-8")
