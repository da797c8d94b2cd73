"""What the documents show as a pipeline, its defaults or an error can be read, or is what is said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.unit.pipelines.pipeline_files import DEFAULTS, STAGES

from artifactory_provider.pipelines import read_defaults, read_folder, read_pipeline

DOCUMENT = Path(__file__).parents[3] / "docs" / "pipelines.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
EXAMPLES = [
    example
    for example in re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    if re.search("^(image|images|# _defaults.yaml)\\b", example, re.MULTILINE)
]
IN_PYTHON = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_document_has_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_read(example: str) -> None:
    if "# _defaults.yaml" in example:
        assert read_defaults(example).entries
    else:
        assert read_pipeline(example, name="example", defaults=read_defaults(DEFAULTS)).stages


def test_the_examples_of_defaults_and_of_what_changes_them_fit(tmp_path: Path) -> None:
    [defaults] = [example for example in EXAMPLES if "# _defaults.yaml" in example]
    [change] = [example for example in EXAMPLES if "\nchange:" in example]
    (tmp_path / "_defaults.yaml").write_text(defaults)
    (tmp_path / "billing.yaml").write_text(change)
    folder = read_folder(tmp_path)
    assert not folder.errors
    assert folder.pipelines["billing"].stages[2].approvals is not None


def test_the_errors_that_the_document_quotes_are_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    [example] = [one for one in IN_PYTHON if "InvalidPipeline" in one]
    exec(compile(example, DOCUMENT.name, "exec"), {})  # noqa: S102 - the example itself
    assert f"```text\n{capsys.readouterr().out}```" in TEXT


def test_the_dag_that_the_document_makes_is_one() -> None:
    [example] = [one for one in IN_PYTHON if "promotion_dag" in one]
    found: dict[str, Any] = {}
    exec(compile(example, DOCUMENT.name, "exec"), found)  # noqa: S102 - the example itself
    assert found["payments"].task_ids == ["select", "approve_prod", "climb_to_prod"]


@pytest.mark.parametrize("tag", re.findall(r"`(\S[^`]*)`", TEXT[TEXT.index("| tag | means |") :].partition("\n\n")[0]))
def test_each_tag_that_the_document_names_can_be_chosen(tag: str) -> None:
    start = "start: {on_push: webhook}\n" if tag == "triggering" else ""
    assert read_pipeline(f"image: a\ntag: {tag}\n{start}{STAGES}", name="example").tag in tag
