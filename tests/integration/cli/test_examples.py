"""The examples of ``--help`` are run as they stand there, in the order of a release."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from artifactory_provider.cli.airflow_internals import ActionCommand, GroupCommand
from artifactory_provider.cli.definition import get_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import pytest
    from tests.integration.cli.conftest import Run

    from artifactory_provider.cli.airflow_internals import CLICommand
    from artifactory_sandbox.pytest_plugin import RunningSandbox

EXAMPLE = re.compile(r"\Aexample:\n(?P<lines>(?:  airflow artifactory .+\n)+)\nexit codes:")
IN_ORDER = (
    *("validate", "policy", "plan", "verify", "promote", "status", "diff", "audit", "trail", "accept"),
    *("hold", "lift", "rollback", "reject", "stop", "resume", "retention"),
)
POLICY = """\
version: 1
rules:
  - name: winter freeze
    target: {repositories: [docker-prod]}
    windows: {timezone: Europe/Berlin, deny: ["2026-12-18/2027-01-03"]}
    applies_to: [schedule]
"""


def commands(these: Iterable[CLICommand]) -> Iterator[ActionCommand]:
    for one in these:
        if isinstance(one, GroupCommand):
            yield from commands(one.subcommands)
        else:
            assert isinstance(one, ActionCommand)
            yield one


def examples() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in commands(get_commands()):
        example = EXAMPLE.match(one.epilog or "")
        assert example, f"{one.name} has no example"
        for line in example["lines"].splitlines():
            words = line.removeprefix("  airflow artifactory ")
            found.setdefault(words.split()[0], []).append(words)
    return found


def test_each_example_of_the_help_works_as_it_stands_there(
    run: Run,
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
    connect: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox = artifactory_sandbox_factory({"repositories": {f"docker-{stage}": {} for stage in ("dev", "qa", "prod")}})
    connect(host=sandbox.url, login=sandbox.username, password=sandbox.password)
    for tag in ("1.4.1", "1.4.2"):
        sandbox.push_image(f"docker-dev/payments/api:{tag}")
        sandbox.set_properties(f"docker-dev/payments/api:{tag}", {"test.status": "passed"})
        ended = run(f"promote docker-dev/payments/api:{tag} docker-prod/payments/api:1.4 --on-conflict backup")
        assert ended.code == 0, ended
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "dags").symlink_to(f"{__file__.partition('/tests/')[0]}/dags")
    monkeypatch.chdir(tmp_path)
    lines = examples()
    assert set(lines) == set(IN_ORDER)
    for line in [line for name in IN_ORDER for line in sorted(lines[name])]:
        ended = run(line)
        assert ended.code == 0, (line, ended)
    assert sandbox.digest("docker-prod/payments/api:1.4") == sandbox.digest("docker-dev/payments/api:1.4.1")
