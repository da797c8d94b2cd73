"""What all tests share: an Airflow home of their own, set before anything imports Airflow."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xdist.remote import Producer

# In CI the same examples every time: what new ones find is found at a desk, not in somebody else's change. How long one
# takes says how busy the machine is, and nothing of the code.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "desk")

_HOME = tempfile.mkdtemp(prefix="airflow-home-")
for variable in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[variable]
os.environ |= {
    "AIRFLOW_HOME": _HOME,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
}


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def _own_process() -> Iterator[None]:
    """Put back what a command, or a job of Airflow's, sets for its process: here it shares one with all other tests."""
    before = os.environ.get("_AIRFLOW_PROCESS_CONTEXT")
    yield
    os.environ.pop("_AIRFLOW_PROCESS_CONTEXT", None)
    if before is not None:
        os.environ["_AIRFLOW_PROCESS_CONTEXT"] = before


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out the tests with real Docker clients where there are none, but never in CI."""
    if item.get_closest_marker("docker_clients") is None:
        return
    missing = [tool for tool in ("skopeo", "buildah", "podman") if shutil.which(tool) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"Not installed: {', '.join(missing)}.")
    if missing:
        pytest.skip(f"Not installed: {', '.join(missing)}.")


class _AirflowsInTurn(LoadScopeScheduling):  # type: ignore[misc]
    """Gives all tests that run a whole Airflow to one worker: two at a time starve each other.

    The groups of pytest-xdist 3.8 (``--dist loadgroup``) do not survive pytest 9.2, which keeps a test's id elsewhere.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "e2e" if nodeid.startswith("tests/e2e/") else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _AirflowsInTurn:
    return _AirflowsInTurn(config, log)
