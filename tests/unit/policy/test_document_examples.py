"""What the documents show as a policy or as a stop can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from artifactory_provider.policy import read_policy, read_stop

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLE = re.compile(r"^```yaml\n(version: 1\n.*?)^```$", re.MULTILINE | re.DOTALL)
PATHS = [*DOCS.glob("policy*.md"), *DOCS.glob("policy*/*.md")]
EXAMPLES = [example for path in PATHS for example in EXAMPLE.findall(path.read_text(encoding="utf-8"))]


def test_the_documents_have_examples() -> None:
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_documents_can_be_read(example: str) -> None:
    if "\nstops:" in example:
        assert read_stop(example).orders
    else:
        assert read_policy(example).rules
