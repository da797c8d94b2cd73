"""What is built is whole and nothing more, and an index takes it; and the checks of a release find what is not so."""

from __future__ import annotations

import shutil
import tarfile
import tomllib
import zipfile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from packaging.version import Version
from scripts.distributions import (
    DISTRIBUTIONS,
    PROVIDER,
    ROOT,
    SANDBOX,
    build_all,
    find_faults_of_files,
    find_faults_of_sdist,
    find_faults_of_version,
    find_faults_of_wheel,
    modules_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHANGELOG = """\
# Changelog

## [Unreleased]

### Added

- Something.
"""
RELEASED = CHANGELOG.replace("## [Unreleased]\n", "## [Unreleased]\n\n## [1.0.0] - 2026-12-01\n")
PROJECTS = [tomllib.loads((one.folder / "pyproject.toml").read_text(encoding="utf-8")) for one in DISTRIBUTIONS]


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of both distributions, as `make build` makes them."""
    folder = tmp_path_factory.mktemp("dist")
    for one in DISTRIBUTIONS:
        build_all(one.folder, folder)
    return folder


@pytest.fixture
def files(dist: Path, tmp_path: Path) -> Path:
    """A copy of these files, to spoil."""
    return shutil.copytree(dist, tmp_path / "dist")


def change_wheel(wheel: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    change(contents)
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def change_metadata(old: str, new: str) -> Callable[[dict[str, bytes]], object]:
    def change(contents: dict[str, bytes]) -> None:
        [name] = [one for one in contents if one.endswith("/METADATA")]
        text = contents[name].decode()
        assert old in text
        contents[name] = text.replace(old, new).encode()

    return change


def test_both_distributions_are_whole_and_an_index_takes_them(dist: Path) -> None:
    assert list(find_faults_of_files(dist)) == []


def test_the_wheel_brings_types_and_pages_and_no_tests(dist: Path) -> None:
    with zipfile.ZipFile(dist / PROVIDER.wheel) as archive:
        names = archive.namelist()
    assert "artifactory_provider/py.typed" in names
    assert {path.name for path in (PROVIDER.source / "web" / "templates").iterdir()} == {
        name.rpartition("/")[2] for name in names if "/templates/" in name
    }
    assert [name for name in names if "tests" in name.split("/") or "/test_" in name] == []


@pytest.mark.parametrize("name", ["artifactory_provider/py.typed", "artifactory_provider/web/static/board/board.js"])
def test_a_wheel_that_lacks_a_file_is_found(files: Path, name: str) -> None:
    change_wheel(files / PROVIDER.wheel, lambda contents: contents.pop(name))
    assert f"{PROVIDER.wheel} lacks {name}." in list(find_faults_of_wheel(files / PROVIDER.wheel, PROVIDER))


def test_a_wheel_without_the_licence_is_found(files: Path) -> None:
    name = f"{SANDBOX.stem}.dist-info/licenses/LICENSE"
    change_wheel(files / SANDBOX.wheel, lambda contents: contents.pop(name))
    assert list(find_faults_of_wheel(files / SANDBOX.wheel, SANDBOX)) == [f"{SANDBOX.wheel} lacks {name}."]


def test_a_wheel_with_tests_in_it_is_found(files: Path) -> None:
    change_wheel(files / PROVIDER.wheel, lambda contents: contents.update({"tests/test_a.py": b""}))
    [fault] = find_faults_of_wheel(files / PROVIDER.wheel, PROVIDER)
    assert fault == f"{PROVIDER.wheel} has tests/test_a.py, which does not belong there."


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("\nVersion: ", "\nVersion: 9", "calls itself 9"),
        ("Development Status :: 4 - Beta", "Development Status :: Done", "no index knows"),
        ("Content-Type: text/markdown", "Content-Type: text/plain", "no README"),
        ("Requires-Dist: aiohttp", "Requires-Dist: aiohttp is nice", "requires-dist"),
        ("Requires-Python: >=3.11", "Requires-Python: new", "requires-python"),
        ("License-Expression: Apache-2.0", "License-Expression: free", "license-expression"),
    ],
)
def test_metadata_that_an_index_refuses_are_found(files: Path, old: str, new: str, word: str) -> None:
    change_wheel(files / PROVIDER.wheel, change_metadata(old, new))
    assert any(word in fault for fault in find_faults_of_wheel(files / PROVIDER.wheel, PROVIDER))


def test_a_source_distribution_with_more_than_its_source_is_found(files: Path) -> None:
    with tarfile.open(files / SANDBOX.sdist) as archive:
        archive.extractall(files, filter="data")
    (files / SANDBOX.stem / "notes.txt").write_text("to do")
    (files / SANDBOX.stem / "artifactory_sandbox" / "more.py").write_text('"""More."""\n')
    with tarfile.open(files / SANDBOX.sdist, "w:gz") as archive:
        archive.add(files / SANDBOX.stem, SANDBOX.stem)
    assert list(find_faults_of_sdist(files / SANDBOX.sdist, files / SANDBOX.wheel, SANDBOX)) == [
        f"{SANDBOX.sdist} has notes.txt, which does not belong there.",
        f"{SANDBOX.sdist} does not build {SANDBOX.wheel}, but another one.",
    ]


def test_files_of_another_version_beside_them_are_found(files: Path) -> None:
    (files / "artifactory_sandbox-0.0.1.tar.gz").write_bytes(b"")
    [fault] = find_faults_of_files(files)
    assert "artifactory_sandbox-0.0.1.tar.gz" in fault


def test_all_modules_are_imported_but_those_that_run_and_those_of_pytest(dist: Path) -> None:
    modules = modules_of(dist / SANDBOX.wheel)
    assert {"artifactory_sandbox", "artifactory_sandbox.cli"} <= set(modules)
    assert "artifactory_sandbox.__main__" not in modules
    assert "artifactory_sandbox.pytest_plugin" not in modules
    files = {path for path in PROVIDER.source.rglob("*.py") if path.name != "__main__.py"}
    assert len(modules_of(dist / PROVIDER.wheel)) == len(files)


@pytest.mark.parametrize(
    ("version", "changelog"),
    [
        ("1.0.0.dev0", CHANGELOG),
        ("1.0.0", RELEASED),
        ("1.1.0.dev0", RELEASED),
        ("1.1.0.dev0", RELEASED.replace("## [Unreleased]\n", "## [Unreleased]\n\n### Fixed\n\n- It.\n")),
    ],
)
def test_a_version_that_the_changelog_knows_is_fit(version: str, changelog: str) -> None:
    assert list(find_faults_of_version(Version(version), sandbox=Version(version), changelog=changelog)) == []


@pytest.mark.parametrize(
    ("version", "changelog", "word"),
    [
        ("1.0.0", CHANGELOG, "still stands under Unreleased"),
        ("1.0.0", CHANGELOG, "the newest release is not 1.0.0"),
        ("1.0.1", RELEASED, "the newest release is not 1.0.1"),
        ("1.0.0.dev1", RELEASED, "comes after a release that is newer"),
        ("1.0.0", "# Changes", "line 1"),
    ],
)
def test_a_version_that_the_changelog_does_not_know_is_not_fit(version: str, changelog: str, word: str) -> None:
    faults = list(find_faults_of_version(Version(version), sandbox=Version(version), changelog=changelog))
    assert any(word in fault for fault in faults), faults


def test_both_distributions_have_one_version() -> None:
    [fault] = find_faults_of_version(Version("1.0.0"), sandbox=Version("1.0.1"), changelog=RELEASED)
    assert "released together" in fault
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert list(find_faults_of_version(PROVIDER.version, sandbox=SANDBOX.version, changelog=text)) == []


def test_the_licence_of_both_distributions_is_the_same() -> None:
    assert (SANDBOX.folder / "LICENSE").read_bytes() == (PROVIDER.folder / "LICENSE").read_bytes()


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project["project"]["name"])
def test_the_addresses_of_a_distribution_are_those_of_what_it_is_about(project: dict[str, Any]) -> None:
    """The project has no address of its own yet: none is made up, and none of others' is called its own."""
    urls: dict[str, str] = project["project"]["urls"]
    own = {"homepage", "source", "repository", "documentation", "docs", "changelog", "issues", "download", "funding"}
    assert own & {label.casefold() for label in urls} == set()
    assert {urlsplit(url).hostname for url in urls.values()} <= {"airflow.apache.org", "github.com", "jfrog.com"}
    assert {urlsplit(url).scheme for url in urls.values()} == {"https"}
    assert all(len(label) <= 32 for label in urls), "an index takes no longer label"
