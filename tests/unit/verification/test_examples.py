"""What the document on verification says can be run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from artifactory_provider.verification import Check, check_from_dict, check_to_dict

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "verification.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_each_example_runs_and_makes_checks_that_a_trigger_can_be_given(number: int) -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    exec(compile(BLOCKS[number], "docs/verification.md", "exec"), names)  # noqa: S102 - the example itself
    for value in names.values():
        for check in value if isinstance(value, list) else [value]:
            if isinstance(check, Check):
                assert check_from_dict(json.loads(json.dumps(check_to_dict(check)))) == check


@pytest.mark.parametrize(
    "name",
    [
        "PropertyCheck",
        "AllOf",
        "AnyOf",
        "AtLeast",
        "SoakCheck",
        "SignatureCheck",
        "AttestationCheck",
        "XrayCheck",
        "HttpCheck",
    ],
)
def test_each_check_has_an_example(name: str) -> None:
    assert any(re.search(rf"\b{name}\(", block) for block in BLOCKS)


def test_the_example_of_a_check_of_ones_own_is_the_module_that_is_tested() -> None:
    module = ROOT / "tests" / "integration" / "verification" / "branch_check.py"
    assert module.read_text(encoding="utf-8") in BLOCKS
