"""Airflow's public parts can be relied on; of its inside, few modules take some: for pages, webhooks, commands, and
Variables outside of tasks."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import artifactory_provider

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(artifactory_provider.__file__).parent
PUBLIC = ("airflow.partition_mappers.base", "airflow.providers.", "airflow.sdk", "airflow.triggers.base")
MANGLED = re.compile(r"_[A-Z]\w*__\w")
INSIDE = {
    PACKAGE / "cli" / "airflow_internals.py",
    PACKAGE / "cli" / "stored_secrets.py",
    PACKAGE / "tasks" / "stored_variables.py",
    PACKAGE / "web" / "airflow_internals.py",
    PACKAGE / "web" / "airflow_recording.py",
    PACKAGE / "web" / "airflow_xcoms.py",
    PACKAGE / "web" / "board" / "airflow_internals.py",
    PACKAGE / "web" / "trail" / "airflow_internals.py",
}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_few_modules_take_anything_from_airflows_inside() -> None:
    found = set()
    for path, tree in modules():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "airflow" and not name.startswith(PUBLIC) for name in names):
                found.add(path)
    assert found == INSIDE


def test_no_module_reads_what_a_class_of_airflow_keeps_for_itself() -> None:
    for path, tree in modules():
        texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        names = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        mangled = [text for text in (*texts, *names) if isinstance(text, str) and MANGLED.match(text)]
        assert mangled == [], path
