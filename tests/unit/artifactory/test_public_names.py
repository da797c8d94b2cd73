from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

PACKAGES = ("artifactory_provider.artifactory", "artifactory_provider.hooks")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_that_of_its_module(package: str) -> None:
    module = import_module(package)
    assert module.__all__ == sorted(module.__all__)
    for name in module.__all__:
        named = getattr(module, name)
        assert named.__name__ == name
        assert named.__module__.startswith(f"{package}.")
        assert getattr(import_module(named.__module__), name) is named


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_is_not_there_is_no_attribute(package: str) -> None:
    assert not hasattr(import_module(package), "Nothing")
    with pytest.raises(ImportError):
        exec(f"from {package} import Nothing")  # noqa: S102


@pytest.mark.parametrize(
    ("line", "absent"),
    [
        ("from artifactory_provider.artifactory import ImageReference, ArtifactoryError", ("aiohttp", "airflow")),
        ("from artifactory_provider.artifactory import ArtifactoryClient", ("requests", "airflow")),
        ("import artifactory_provider.hooks", ("aiohttp", "requests", "airflow")),
    ],
)
def test_importing_a_name_brings_no_more_than_it_needs(line: str, absent: tuple[str, ...]) -> None:
    program = f"{line}\nimport sys\nprint(*sorted(set(sys.modules) & {set(absent)!r}))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_every_error_stands_in_the_tree_that_is_drawn_and_at_its_place() -> None:
    errors = import_module("artifactory_provider.artifactory.errors")
    drawn: dict[str, str | None] = {}
    above: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        name = line.strip(" │├└─").partition(" ")[0]
        if isinstance(getattr(errors, name, None), type):
            depth = line.index(name) // 4
            above[depth] = name
            drawn[name] = above.get(depth - 1)
            assert ("(may pass)" in line) is (getattr(errors, name) in errors.TRANSIENT)
    real = {
        name: one.__bases__[0].__name__
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, errors.ArtifactoryError)
    }
    assert drawn == {**real, "ArtifactoryError": None}
