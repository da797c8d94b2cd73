"""What rooms name as public is there, is imported when it is first used, also where a module has its name."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import artifactory_provider

ROOMS = [
    one.name
    for one in pkgutil.walk_packages(artifactory_provider.__path__, "artifactory_provider.")
    if one.ispkg and hasattr(import_module(one.name), "__all__")
]


@pytest.mark.parametrize("room", ROOMS)
def test_each_public_name_is_what_type_checkers_take_it_for(room: str) -> None:
    module = import_module(room)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    places = {
        alias.name: str(node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(room)
        for alias in node.names
    }
    assert set(module.__all__) <= {*places, *vars(module)}
    for name, place in places.items():
        assert getattr(module, name) is getattr(import_module(place), name)


def test_a_name_that_a_room_does_not_have_is_told_as_python_tells_it() -> None:
    with pytest.raises(AttributeError, match=r"^module 'artifactory_provider.policy' has no attribute 'Polecy'$"):
        _ = import_module("artifactory_provider.policy").Polecy


def test_a_room_loads_nothing_until_it_is_asked() -> None:
    rooms = ("artifactory", "hooks", "operators", "pipelines", "policy", "promotion", "tasks", "verification")
    code = "".join(f"import artifactory_provider.{room}\n" for room in rooms)
    code += "import sys; print(*(name for name in sys.modules if name.startswith('artifactory_provider.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert set(done.stdout.split()) == {
        "artifactory_provider.exports",
        *(f"artifactory_provider.{one}" for one in rooms),
    }


@pytest.mark.parametrize("first", ["import artifactory_provider.promotion.promote", "pass"])
def test_a_public_name_stands_before_a_module_of_the_same_name(first: str) -> None:
    code = f"{first}\nfrom artifactory_provider.promotion import promote; print(type(promote).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["function"]
