"""What the documents show as a policy or as a stop can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from artifactory_provider.policy import read_policy, read_stop

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLE = re.compile(r"^```yaml\n(version: 1\n.*?)^```$", re.MULTILINE | re.DOTALL)
PATHS = [DOCS.parent / "README.md", *DOCS.glob("policy*.md")]
TEXT = (DOCS / "policy.md").read_text(encoding="utf-8")
IN_PYTHON = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
EXAMPLES = [example for path in PATHS for example in EXAMPLE.findall(path.read_text(encoding="utf-8"))]


def test_the_documents_have_examples() -> None:
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_documents_can_be_read(example: str) -> None:
    if "\nstops:" in example:
        assert read_stop(example).orders
    else:
        assert read_policy(example).rules


@pytest.mark.parametrize("number", range(len(IN_PYTHON)))
def test_an_example_in_python_runs_and_explains(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    found: dict[str, object] = {"__name__": "__main__"}
    exec(compile(IN_PYTHON[number], "policy.md", "exec"), found)  # noqa: S102 - the example itself
    assert "winter freeze" in capsys.readouterr().out
    quoted = " ".join(TEXT[TEXT.index("> docker-prod is frozen") :].partition("\n\n")[0].replace("> ", "").split())
    assert str(found["refusal"]).replace("policy.yaml", "artifactory_policy") == quoted


def test_the_stop_that_is_set_by_hand_can_be_read() -> None:
    [example] = re.findall(r"^airflow variables set artifactory_stop '(.*)'$", TEXT, re.MULTILINE)
    [order] = read_stop(example).orders
    assert (order.reason, order.by) == ("it burns", "alice")
