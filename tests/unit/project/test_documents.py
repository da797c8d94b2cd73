"""What the documents say of commands, files and folders is there, and what is there is said."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown_it import MarkdownIt
from scripts.check_commit_message import LONGEST_SUBJECT

ROOT = Path(__file__).parents[3]
DOCUMENTS = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "sandbox/README.md"]
DOCUMENTS += sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def links(name: str) -> list[str]:
    """Return where the links and pictures of a document lead, as Markdown reads them."""
    tokens = [child for token in MarkdownIt().parse(read(name)) for child in token.children or ()]
    return [str(target) for token in tokens if (target := token.attrs.get("href") or token.attrs.get("src"))]


def anchors(name: str) -> set[str]:
    """Return the anchors of a document's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", read(name), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_into_the_repository_leads_somewhere(name: str) -> None:
    for link in links(name):
        target = urlsplit(link)
        if target.scheme:
            continue
        path = (ROOT / name).parent / target.path if target.path else ROOT / name
        assert path.exists(), link
        if target.fragment:
            assert target.fragment in anchors(path.relative_to(ROOT).as_posix()), link


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_make_target_that_a_document_names_exists(name: str) -> None:
    named = re.findall(r"(?:`|^)make((?: [a-z-]+)+)", read(name), re.MULTILINE)
    assert {word for words in named for word in words.split()} <= TARGETS


def test_every_make_target_is_listed_and_never_taken_for_a_file() -> None:
    done = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(re.findall(r"^  make ([a-z-]+) ", done.stdout, re.MULTILINE)) == TARGETS
    [phony] = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert set(phony.split()) == TARGETS


def test_contributing_names_every_folder_and_marker_of_the_tests_and_no_other() -> None:
    text = read("CONTRIBUTING.md")
    folders = {path.name for path in (ROOT / "tests").iterdir() if any(path.glob("**/test_*.py"))}
    assert set(re.findall(r"^\| `tests/(\w+)` \|", text, re.MULTILINE)) == folders
    markers = tomllib.loads(read("pyproject.toml"))["tool"]["pytest"]["ini_options"]["markers"]
    assert all(f"`{marker.partition(':')[0]}`" in text for marker in markers)


def test_contributing_names_the_limit_of_a_subject_that_is_checked() -> None:
    assert f"in {LONGEST_SUBJECT} characters at most" in read("CONTRIBUTING.md")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_the_documents_name_the_pythons_that_are_claimed(name: str) -> None:
    classifiers = tomllib.loads(read("pyproject.toml"))["project"]["classifiers"]
    *others, last = [one.rpartition(" ")[2] for one in classifiers if "Python :: 3" in one]
    assert re.search(rf"Python {re.escape(', '.join(others))} (and|or) {re.escape(last)}", read(name))


def test_every_path_that_contributing_names_exists() -> None:
    named = re.findall(r"`((?:tests|plugins|sandbox|docs|\.ci|\.github)/[\w./-]+)`", read("CONTRIBUTING.md"))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_readme_leads_to_how_to_contribute_and_how_to_report() -> None:
    assert {"CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"} <= set(links("README.md"))
    assert {"SECURITY.md", "docs/architecture.md", "CHANGELOG.md"} <= set(links("CONTRIBUTING.md"))


def test_reports_of_vulnerabilities_go_to_no_address_that_is_made_up() -> None:
    text = read("SECURITY.md")
    assert "private vulnerability reporting" in text
    assert re.findall(r"\S+@\S+|\w+://\S+", text) == []
