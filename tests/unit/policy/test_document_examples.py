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
def test_each_example_in_python_runs(number: int) -> None:
    run(IN_PYTHON[number])


def test_the_refusal_that_the_document_quotes_is_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    [example] = [example for example in IN_PYTHON if "refusal" in example]
    refusal = str(run(example)["refusal"])
    assert "winter freeze" in capsys.readouterr().out
    quoted = " ".join(TEXT[TEXT.index("> docker-prod is frozen") :].partition("\n\n")[0].replace("> ", "").split())
    assert refusal.replace("policy.yaml", "artifactory_policy") == quoted


def run(example: str) -> dict[str, object]:
    found: dict[str, object] = {"__name__": "__main__"}
    exec(compile(example, "policy.md", "exec"), found)  # noqa: S102 - the example itself
    return found


def test_the_stop_that_is_set_by_hand_can_be_read() -> None:
    [example] = re.findall(r"^airflow variables set artifactory_stop '(.*)'$", TEXT, re.MULTILINE)
    [order] = read_stop(example).orders
    assert (order.reason, order.by) == ("it burns", "alice")
