"""Running commands as Airflow's parser runs them: in this process, against the sandbox and a database of Airflow's."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., "Ended"]


@dataclass(frozen=True)
class Ended:
    """What a command has printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> Any:
        """What it has printed with ``--output json``."""
        return json.loads(self.out)


@pytest.fixture
def stored_variables(migrated_database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let commands find Variables in the database, and drop the provider's own ones afterwards."""
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    # The commands themselves set it, for their process.
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    monkeypatch.setattr("artifactory_provider.tasks.variables._SETTLED_AFTER", 0.0)
    yield
    with create_session() as session:
        session.execute(delete(Variable).where(Variable.key.startswith("artifactory_")))


@pytest.fixture
def run(stored_variables: None, connect: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line, without its ``airflow artifactory``."""
    from airflow.cli.cli_parser import get_parser

    def run(line: str, *more: str) -> Ended:
        capsys.readouterr()
        code = 0
        try:
            args = get_parser().parse_args(["artifactory", *shlex.split(line), *more])
            args.func(args)
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return run
