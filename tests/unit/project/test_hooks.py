"""Before a commit, what CI checks is checked, with nothing that has to be fetched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
HOOKS: list[dict[str, Any]] = [hook for repository in CONFIG["repos"] for hook in repository["hooks"]]
SUBJECT = "Name the tag that was moved away"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A new repository with this project's hooks, which `make hooks` has switched on, and its virtual environment."""
    root = tmp_path / "clone"
    root.mkdir()
    for name in (".pre-commit-config.yaml", "pyproject.toml", "Makefile"):
        shutil.copy(ROOT / name, root)
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=shutil.ignore_patterns("install.sh", "__pycache__"))
    (root / "scripts" / "install.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (root / "scripts" / "install.sh").chmod(0o755)
    (root / ".venv").symlink_to(Path(sys.prefix))
    (root / ".gitignore").write_text(".venv\n", encoding="utf-8")
    run(root, "git", "init", "--quiet")
    run(root, "git", "add", ".")
    done = run(root, "make", "hooks")
    assert done.returncode == 0, done.stderr
    return root


def run(root: Path, *command: str, skip: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command where no network is: a proxy that nobody answers at stands before all of it."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        **{f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9"),
        "PRE_COMMIT_HOME": str(root.parent / "pre-commit"),
        "SKIP": skip,
    }
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def test_the_hooks_run_what_make_lint_runs_and_nothing_else() -> None:
    make = ["make", "--dry-run", "--no-print-directory", "lint"]
    done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True)
    commands = [line for line in done.stdout.splitlines() if line != "scripts/install.sh"]
    before = [hook["entry"] for hook in HOOKS if "stages" not in hook]
    assert before == commands
    assert len(commands) >= 4


def test_the_hooks_look_at_the_whole_project_as_ci_does() -> None:
    for hook in HOOKS:
        if "stages" not in hook:
            assert (hook["pass_filenames"], hook["always_run"]) == (False, True)
        assert "files" not in hook
        assert "exclude" not in hook


def test_the_hooks_need_nothing_but_the_virtual_environment() -> None:
    assert [repository["repo"] for repository in CONFIG["repos"]] == ["local"]
    for hook in HOOKS:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/")
        assert "additional_dependencies" not in hook


def test_what_ci_would_refuse_cannot_be_committed(clone: Path) -> None:
    (clone / "wrong.py").write_text("import os\n", encoding="utf-8")
    run(clone, "git", "add", "wrong.py")
    done = run(clone, "git", "commit", "-m", SUBJECT, skip="mypy,lint-imports")
    assert done.returncode == 1
    assert "`os` imported but unused" in done.stderr


def test_what_ci_would_take_can_be_committed_without_a_network(clone: Path) -> None:
    done = run(clone, "git", "commit", "-m", SUBJECT, skip="mypy,lint-imports")
    assert done.returncode == 0, done.stderr
    assert run(clone, "git", "log", "--format=%s").stdout.strip() == SUBJECT


def test_the_hooks_can_be_switched_on_again(clone: Path) -> None:
    assert run(clone, "make", "hooks").returncode == 0
    assert {path.name for path in (clone / ".git" / "hooks").iterdir()} >= {"pre-commit", "commit-msg"}
    assert not [path for path in (clone / ".git" / "hooks").iterdir() if "legacy" in path.name]


def test_a_message_that_is_not_in_the_form_cannot_be_committed(clone: Path) -> None:
    done = run(clone, "git", "commit", "-m", "name the tag", skip="ruff-check,ruff-format,mypy,lint-imports")
    assert done.returncode == 1
    assert "a capital letter" in done.stderr


def check_message(folder: Path, message: str) -> subprocess.CompletedProcess[str]:
    (folder / "COMMIT_EDITMSG").write_text(message, encoding="utf-8")
    script = ROOT / "scripts" / "check_commit_message.py"
    command = [sys.executable, str(script), str(folder / "COMMIT_EDITMSG")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ("N" + "a" * 72, "has 73 characters, and 72 at most"),
        ("name the tag", "a capital letter"),
        ("Name the tag.", "without a full stop"),
        ("Name the tag\nbecause it was moved", "An empty line"),
        ("# Nothing but a comment\n", "a capital letter"),
        ("", "a capital letter"),
    ],
)
def test_what_is_not_in_the_form_of_a_message_is_named(tmp_path: Path, message: str, word: str) -> None:
    done = check_message(tmp_path, message)
    assert done.returncode == 1
    assert word in done.stderr


@pytest.mark.parametrize(
    "message",
    [
        "N" + "ä" * 71,
        "Name the tag\n\nBecause it was moved.\nAnd more.",
        "Merge branch 'of-somebody-who-gives-their-branches-names-that-are-longer-than-a-subject'",
        "fixup! name the tag.",
        "Name the tag\n# Please enter the commit message\n",
        "Name the tag\n# ------------------------ >8 ------------------------\ndiff --git a b\n",
    ],
)
def test_a_message_in_the_form_is_taken(tmp_path: Path, message: str) -> None:
    done = check_message(tmp_path, message)
    assert (done.returncode, done.stderr) == (0, "")
