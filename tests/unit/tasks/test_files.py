from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.tasks.files import prepare_folder, write_file

if TYPE_CHECKING:
    from pathlib import Path

# Root may write anywhere, so somebody else tries.
TRY = """
import os, sys
from artifactory_provider.tasks.files import prepare_folder
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
for path in sys.argv[1:]:
    try:
        prepare_folder(path, name="report_path")
    except Exception as error:
        print(type(error).__name__, error)
"""


@pytest.mark.parametrize("start", ["", "file://"])
def test_a_file_can_be_written_into_a_folder_that_was_prepared(tmp_path: Path, start: str) -> None:
    path = f"{start}{tmp_path}/reports/november/plan.csv"
    prepare_folder(path, name="plan_path")
    prepare_folder(path, name="plan_path")
    assert not (tmp_path / "reports/november/plan.csv").exists()
    write_file(path, lambda file: file.write("a,b\n"))
    assert (tmp_path / "reports/november/plan.csv").read_text() == "a,b\n"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("http://example.com/reports/plan.csv", "nothing here writes to http://"),
        ("https://jane:secret@example.com/plan.csv", "nothing here writes to https://"),
        ("s3://aws_default@bucket/plan.csv", r"s3:// needs apache-airflow-providers-amazon\[s3fs\]"),
        ("gs://bucket/plan.csv", "gs:// needs apache-airflow-providers-google"),
        ("abfs://bucket/plan.csv", "abfs:// needs apache-airflow-providers-microsoft-azure"),
        ("nonsense://bucket/plan.csv", "nothing here writes to nonsense://"),
    ],
)
def test_a_place_that_nothing_here_can_write_to_is_refused_with_what_is_missing(path: str, said: str) -> None:
    with pytest.raises(
        InvalidPromotion, match=f"^report_path cannot be used: {said}.* Nothing was promoted"
    ) as refused:
        prepare_folder(path, name="report_path")
    assert "secret" not in str(refused.value)


def test_a_folder_that_a_file_stands_in_the_way_of_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")
    for path in (f"{tmp_path}/reports/plan.csv", f"file://{tmp_path}/reports/november/plan.csv"):
        with pytest.raises(InvalidPromotion, match="Give a folder that the workers may write to"):
            prepare_folder(path, name="plan_path")


def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755 if folder != tmp_path else 0o555)
    command = [sys.executable, "-c", TRY, f"{tmp_path}/plan.csv", f"{tmp_path}/new/plan.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    lines = [
        line for line in done.stdout.splitlines() if line.startswith("InvalidPromotion report_path cannot be used")
    ]
    assert len(lines) == 2, done.stdout
    assert all("Permission denied" in line for line in lines)
    assert list(tmp_path.iterdir()) == []
