from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize("target", ["down", "clean"])
def test_what_stops_and_removes_everything_installs_nothing_first(tmp_path: Path, target: str) -> None:
    shutil.copy(PROJECT / "Makefile", tmp_path)
    done = subprocess.run(["make", target], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "nothing runs" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]
