"""The two distributions, as files: what they hold, and what an index would say of them."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.metadata import Metadata
from packaging.version import Version
from readme_renderer import markdown
from scripts.changelog import InvalidChangelog, read_changelog
from trove_classifiers import classifiers

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Distribution:
    """One of the two distributions.

    :param name: as an index knows it.
    :param folder: where its pyproject.toml is.
    :param source: the folder of its import package.
    """

    name: str
    folder: Path
    source: Path

    @property
    def version(self) -> Version:
        """The version that the source says."""
        text = (self.source / "__init__.py").read_text(encoding="utf-8")
        return Version(text.partition('__version__ = "')[2].partition('"')[0])

    @property
    def stem(self) -> str:
        """The start of its files' names."""
        return f"{self.name.replace('-', '_')}-{self.version}"

    @property
    def wheel(self) -> str:
        """The name of its wheel."""
        return f"{self.stem}-py3-none-any.whl"

    @property
    def sdist(self) -> str:
        """The name of its source distribution."""
        return f"{self.stem}.tar.gz"


PROVIDER = Distribution("airflow-provider-artifactory", ROOT, ROOT / "plugins" / "artifactory_provider")
SANDBOX = Distribution("artifactory-sandbox", ROOT / "sandbox", ROOT / "sandbox" / "artifactory_sandbox")
DISTRIBUTIONS = (PROVIDER, SANDBOX)


def find_faults_of_version(version: Version, *, sandbox: Version, changelog: str) -> Iterator[str]:
    """Yield what keeps a version from being released: who disagrees about it.

    :param version: the provider's.
    :param sandbox: the sandbox's.
    :param changelog: the text of CHANGELOG.md.
    """
    if version != sandbox:
        yield f"The provider is {version} and the sandbox is {sandbox}: they are released together."
    try:
        unreleased, *releases = read_changelog(changelog)
    except InvalidChangelog as error:
        yield f"CHANGELOG.md: {error}."
        return
    if version.is_devrelease:
        if any(release.version and release.version >= version for release in releases):
            yield f"CHANGELOG.md: {version} comes after a release that is newer than it."
        return
    if unreleased.changes:
        yield f"CHANGELOG.md: what is in {version} still stands under Unreleased."
    if not releases or releases[0].version != version:
        yield f"CHANGELOG.md: the newest release is not {version}."


def find_faults_of_wheel(wheel: Path, distribution: Distribution) -> Iterator[str]:
    """Yield what is wrong with a wheel: files that are missing or do not belong, and what an index would refuse.

    :param wheel: its path.
    :param distribution: what it is a wheel of.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = distribution.source
    there = {path.relative_to(package.parent).as_posix() for path in package.rglob("*") if path.is_file()}
    expected = {name for name in there if "__pycache__" not in name}
    information = {name for name in names if name.startswith(f"{distribution.stem}.dist-info/")}
    yield from (f"{wheel.name} lacks {name}." for name in sorted(expected - names))
    yield from (
        f"{wheel.name} has {name}, which does not belong there." for name in sorted(names - expected - information)
    )
    for name in (f"{package.name}/py.typed", f"{distribution.stem}.dist-info/licenses/LICENSE"):
        if name not in names:
            yield f"{wheel.name} lacks {name}."
    yield from _find_faults_of_metadata(wheel, distribution)


def _find_faults_of_metadata(wheel: Path, distribution: Distribution) -> Iterator[str]:
    information = PathDistribution(zipfile.Path(wheel, f"{distribution.stem}.dist-info/"))
    try:
        metadata = Metadata.from_email(information.read_text("METADATA") or "", validate=True)
    except ExceptionGroup as group:
        yield from (f"{wheel.name}: {error}." for error in group.exceptions)
        return
    unknown = [one for one in metadata.classifiers or () if one not in classifiers]
    yield from (f"{wheel.name}: no index knows {one!r}." for one in unknown)
    if metadata.version != distribution.version:
        yield f"{wheel.name} calls itself {metadata.version}."
    if metadata.description_content_type != "text/markdown" or not metadata.description:
        yield f"{wheel.name} has no README in Markdown."
    elif not (markdown.render(metadata.description) or "").strip():
        yield f"{wheel.name}: an index cannot render its README."


def find_faults_of_sdist(sdist: Path, wheel: Path, distribution: Distribution) -> Iterator[str]:
    """Yield how a source distribution differs from the wheel: what is built from it is that wheel, to the byte.

    :param sdist: its path.
    :param wheel: the path of the wheel that was built from the checkout.
    :param distribution: what they are distributions of.
    """
    expected = {"PKG-INFO", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".gitignore"}
    with tempfile.TemporaryDirectory() as folder, tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
        unpacked = Path(folder, distribution.stem)
        source = distribution.source.relative_to(distribution.folder)
        for path in sorted(path for path in unpacked.rglob("*") if path.is_file()):
            name = path.relative_to(unpacked)
            if source not in name.parents and str(name) not in expected:
                yield f"{sdist.name} has {name}, which does not belong there."
        build_all(unpacked, Path(folder, "dist"), "wheel")
        if Path(folder, "dist", wheel.name).read_bytes() != wheel.read_bytes():
            yield f"{sdist.name} does not build {wheel.name}, but another one."


def build_all(folder: Path, to: Path, *targets: str) -> None:
    """Build distributions.

    :param folder: where pyproject.toml is.
    :param to: the folder that they are written to.
    :param targets: ``sdist``, ``wheel``; both if none is named.
    """
    wanted = [word for target in targets for word in ("-t", target)]
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(to), *wanted]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def find_faults_of_files(dist: Path) -> Iterator[str]:
    """Yield what is wrong with the files of both distributions.

    :param dist: the folder that they are in, and nothing else.
    """
    expected = {name for one in DISTRIBUTIONS for name in (one.wheel, one.sdist)}
    there = {path.name for path in dist.iterdir()}
    if there != expected:
        yield f"{dist} has {sorted(there)} instead of {sorted(expected)}."
        return
    for one in DISTRIBUTIONS:
        yield from find_faults_of_wheel(dist / one.wheel, one)
        yield from find_faults_of_sdist(dist / one.sdist, dist / one.wheel, one)


def modules_of(wheel: Path) -> list[str]:
    """Return the names of all modules of a wheel that an import may run.

    :param wheel: its path. A ``__main__`` runs a program, and what pytest loads needs pytest: both are left out.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = [Path(name) for name in archive.namelist() if name.endswith(".py")]
        points = next((name for name in archive.namelist() if name.endswith("/entry_points.txt")), None)
        loaded_by_pytest = points is not None and "[pytest11]" in archive.read(points).decode()
    modules = [".".join(name.with_suffix("").parts).removesuffix(".__init__") for name in names]
    left_out = {"__main__", "pytest_plugin"} if loaded_by_pytest else {"__main__"}
    return sorted(module for module in modules if module.rpartition(".")[2] not in left_out)
