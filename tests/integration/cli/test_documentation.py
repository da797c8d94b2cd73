"""``docs/command-line.md`` shows what the commands print: each of its lines is run, and compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.cli.test_examples import POLICY, commands

from artifactory_provider.cli import decide, promote
from artifactory_provider.cli.definition import get_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest
    from tests.integration.cli.conftest import Run

    from artifactory_sandbox.pytest_plugin import RunningSandbox

DOCUMENT = (Path(__file__).parents[3] / "docs" / "command-line.md").read_text(encoding="utf-8")
TIME = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d\+00:00| \d\d:\d\d UTC)")


def shown() -> Iterator[tuple[str, list[str]]]:
    """Yield each command line of the document, and what it shows of its output."""
    for block in re.findall(r"```console\n(.*?)```", DOCUMENT, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, *output = part.splitlines()
            yield line, comparable("\n".join(output))


def comparable(text: str) -> list[str]:
    return [TIME.sub("TIME", line.rstrip()) for line in text.splitlines() if line.strip()]


def test_the_document_shows_what_is_printed(
    run: Run,
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
    connect: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (decide, promote):
        monkeypatch.setattr(module, "author", lambda _args: "alice from the command line")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY.replace("schedule", "person"))
    sandbox = artifactory_sandbox_factory({"repositories": {f"docker-{stage}": {} for stage in ("dev", "qa", "prod")}})
    connect(host=sandbox.url, login=sandbox.username, password=sandbox.password)
    for tag in ("1.4.1", "1.4.2", "1.5.0-rc.1"):
        sandbox.push_image(f"docker-dev/payments/api:{tag}")
    code = 0
    for line, output in shown():
        if line == "echo $?":
            assert output == [str(code)]
            continue
        ended = run(line.removeprefix("airflow artifactory "))
        code = ended.code
        printed = [re.sub(r"\d+ s$", "0 s", one) for one in comparable(f"{ended.out}\n{ended.err}")]
        assert printed == output, line


def test_the_document_names_each_command_and_exit_code() -> None:
    named = set(re.findall(r"^\| (`.+?) \|", DOCUMENT, re.MULTILINE))
    words = {word for text in named for word in re.findall(r"[a-z]+", text)}
    assert {one.name for one in commands(get_commands())} <= words
    for command in commands(get_commands()):
        for code, meaning in re.findall(r"^  (\d+) +(.+)$", command.epilog or "", re.MULTILINE):
            assert f"| {code} | {meaning} |" in DOCUMENT
