from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.e2e.conftest import make

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]


def test_make_demo_brings_exactly_the_verified_digests_to_prod_and_leaves_nothing_running(tmp_path: Path) -> None:
    done = make("demo", home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "docker-prod holds exactly the 13 verified digests, and nothing else." in done.stdout
    assert "verify_dev of livenessprobe waits in the triggerer" in done.stdout
    assert "promote_to_prod of coredns waits until the freeze ends" in done.stdout
    assert "approve_prod of metrics-server asks under Required Actions" in done.stdout
    assert re.search(r"csi-resizer .* yes │ -   │ -    │ verify_dev failed: test.status is 'failed'. │", done.stdout)
    for start in (
        "a build pushes an image",
        "a past night is backfilled",
        "a person fills in a form",
        "many tags are retagged",
    ):
        assert re.search(rf"{start} +│ \w+ +│ success │", done.stdout)
    told = (tmp_path / "run" / "metrics.log").read_text()
    assert re.search(r"artifactory\.promotions +1  repository=docker-prod outcome=promoted", told)  # of a task
    assert re.search(r"artifactory\.wait_time +0:\d\d:\d\d  repository=docker-dev reason=verdict", told)  # after a wait
    assert re.search(r"artifactory\.looks +1  outcome=read", told)  # of the triggerer
    assert not [process for process in psutil.process_iter() if str(tmp_path) in _environment(process)]


def _environment(process: psutil.Process) -> str:
    try:
        return process.environ().get("AIRFLOW_HOME", "")
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return ""
