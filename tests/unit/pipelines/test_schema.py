"""The published schema says what the reader says, as far as a schema can."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from tests.unit.pipelines.pipeline_files import DEFAULTS, GOOD, STAGES, problems_of, read, replace_stages
from tests.unit.pipelines.test_pipeline_examples import EXAMPLES

from artifactory_provider.pipelines.schema import main, make_schema
from artifactory_provider.policy.document import Node, read_document
from artifactory_provider.policy.problems import Problems

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

PUBLISHED = Path(__file__).parents[3] / "docs" / "pipeline.schema.json"
SCHEMA = make_schema()
DEFAULTS_SCHEMA = {"$defs": SCHEMA["$defs"], "$ref": "#/$defs/defaults"}


def as_json(node: Node) -> Any:
    """Return what an editor takes a part of a document for."""
    if isinstance(node.value, Mapping):
        return {name: as_json(part) for name, part in node.value.items()}
    if isinstance(node.value, tuple):
        return [as_json(part) for part in node.value]
    if node.kind == "int":
        return int(node.value)
    if node.kind == "float":
        return float(node.value)
    return {"null": None, "bool": node.value == "true"}.get(node.kind, node.value)


def validator_of(schema: Mapping[str, Any]) -> Validator:
    return Draft202012Validator(schema)


def is_valid(text: str, schema: Mapping[str, Any] = SCHEMA) -> bool:
    root = read_document(text, Problems())
    assert root is not None
    return validator_of(schema).is_valid(as_json(root))


def test_the_published_schema_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert PUBLISHED.read_text(encoding="utf-8") == capsys.readouterr().out, (
        "Run: python -m artifactory_provider.pipelines.schema > docs/pipeline.schema.json"
    )


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(json.loads(PUBLISHED.read_text(encoding="utf-8")))


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_of_the_documents_is_valid(example: str) -> None:
    schema = DEFAULTS_SCHEMA if "# _defaults.yaml" in example else SCHEMA
    root = read_document(example, Problems())
    assert root is not None
    validator_of(schema).validate(as_json(root))


@pytest.mark.parametrize(
    "extra",
    [
        "titel: a",
        "title: 7",
        "title: ' '",
        f"title: {'x' * 201}",
        "labels: a",
        "labels: []",
        "images: [a]",
        "tag: 1.10",
        "mode: trian",
        "supersede: 'yes'",
        "notify: people",
        "notify: {on: [failed]}",
        "notify: {connection: people, on: [fails]}",
        "notify: {connection: people, on: []}",
        "notify: {connection: people, to: [Team]}",
        "look_every: 5",
        "look_every: 5 minutes",
        "pool: []",
        "checks: {unit: [{property: a}]}",
        "change: {prod: {copy: false}}",
        "start: nightly",
        "start: {nightly: '02:00'}",
        "start: {nightly: '@dayly'}",
        "start: {timezone: UTC}",
        "start: {on_push: true}",
        "start: {after: catalog}",
        "start: {nigthly: '0 2 * * *'}",
    ],
)
def test_what_the_reader_refuses_in_a_file_the_schema_refuses_too(extra: str) -> None:
    assert is_valid(GOOD)
    assert problems_of(f"{GOOD}{extra}")
    assert not is_valid(f"{GOOD}{extra}")


@pytest.mark.parametrize(
    "stage",
    [
        "name: prod",
        "repository: a/b",
        "repository: p, nmae: prod",
        "repository: p, name: 'a b'",
        "repository: p, timeout: 90",
        "repository: p, approvals: anybody",
        "repository: p, approvals: {count: 0}",
        "repository: p, approvals: {cuont: 2}",
        "repository: p, windows: {allow: ['Mon 09:00-16:00']}",
        "repository: p, windows: {timezone: UTC}",
        "repository: p, windows: {timezone: UTC, allow: [{cron: '0 2 * * *'}]}",
        "repository: p, tags: stable",
        "repository: p, tags: [1.10]",
        "repository: p, tags: [{on_conflict: fail}]",
        "repository: p, on_conflict: never",
        "repository: p, copy: 0",
        "repository: p, checks: [{propperty: a}]",
        "repository: p, checks: [{kind: propperty}]",
        "repository: p, checks: [{property: a, soak: 2h}]",
        "repository: p, checks: {property: a}",
        "repository: p, checks: []",
    ],
)
def test_what_the_reader_refuses_in_a_stage_the_schema_refuses_too(stage: str) -> None:
    text = replace_stages("repository: d", stage, "repository: last")
    assert problems_of(text)
    assert not is_valid(text)


@pytest.mark.parametrize(
    "text", ["title: a", "image: a\nstages: [{repository: a}]", "image: a\nchange: {prod: {name: b}}"]
)
def test_other_files_that_the_reader_refuses_are_invalid(text: str) -> None:
    assert problems_of(text, defaults=DEFAULTS)
    assert not is_valid(text)


@pytest.mark.parametrize("text", ["image: a", "checks: {'': [{property: a}]}", "checks: {a: b}", "change: {}"])
def test_defaults_that_are_none_are_invalid(text: str) -> None:
    assert is_valid(DEFAULTS, DEFAULTS_SCHEMA)
    assert not is_valid(text, DEFAULTS_SCHEMA)


@pytest.mark.parametrize("start", ["'@daily'", "'30 1 * * 1-5'", "' 0  2 * * * '", "'0 2 * * MON,TUE'"])
def test_schedules_that_the_reader_takes_are_valid(start: str) -> None:
    text = f"image: a\nstart: {{nightly: {start}}}\n{STAGES}"
    assert read(text).starts.schedule
    assert is_valid(text)
