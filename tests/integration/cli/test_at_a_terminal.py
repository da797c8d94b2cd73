"""The commands as people and scripts run them: in a process of their own, at a terminal, a pipe, interrupted."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.configuration import conf
from tests.integration.cli.stored_rows import stored_connection

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.promotion.request import Promotion, PromotionOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

AIRFLOW = str(Path(sys.executable).with_name("airflow"))
ESCAPE = "\x1b["


def start(*args: str, **streams: int) -> subprocess.Popen[str]:
    return subprocess.Popen([AIRFLOW, "artifactory", *args], text=True, **streams)  # type: ignore[call-overload,no-any-return]


def at_a_terminal(*args: str) -> tuple[int, str]:
    """Run a command at a terminal, and return its exit code and all that the terminal was sent."""
    ours, theirs = pty.openpty()
    process = start(*args, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # the terminal's end, on Linux
            break
        if not chunk:
            break
        said += chunk
    os.close(ours)
    return process.wait(60), said.decode()


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Let what is started be interrupted, also where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _airflow(migrated_database: None, connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's tables, and the connection in the environment, for processes that know nothing of tests."""
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", conf.get_mandatory_value("database", "sql_alchemy_conn"))
    monkeypatch.setenv("AIRFLOW__CORE__UNIT_TEST_MODE", "False")


def push(sandbox: RunningSandbox, image: str, tags: int) -> None:
    sandbox.push_image(f"docker-dev/{image}:0")
    for number in range(1, tags):
        sandbox.tag(f"docker-dev/{image}:0", f"docker-dev/{image}:{number}")


def test_a_terminal_has_a_progress_bar_and_a_pipe_has_plain_lines(sandbox: RunningSandbox, image: str) -> None:
    push(sandbox, image, 40)
    code, said = at_a_terminal("promote", f"docker-dev/{image}", "docker-qa")
    assert code == 0
    assert re.search(r"Promoting .*/40", said)
    assert "40 promoted." in said
    piped = start("promote", f"docker-dev/{image}", "docker-qa", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = piped.communicate(timeout=60)
    assert (piped.returncode, err) == (0, "40 unchanged.\n")
    assert ESCAPE not in out
    assert out.count(f"docker-qa/{image}:") == 40


def test_a_hostile_name_never_reaches_the_terminal(sandbox: RunningSandbox, image: str) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.set_properties(f"docker-dev/{image}:1", {"unit.status": "\x1b]0;owned\x07"})
    code, said = at_a_terminal("verify", f"docker-dev/{image}:1", "--property", "unit.status")
    assert code == 4
    assert "owned" in said
    assert "\x1b]0;" not in said
    assert "\x07" not in said
    code, said = at_a_terminal("status", "\x1b]0;owned\x07", "--repository", "docker-dev")
    assert code == 2
    assert "\x1b]0;" not in said


def test_ctrl_c_in_mid_promotion_says_what_was_done_and_the_next_one_does_what_is_left(
    gateway: Gateway, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, image, 60)
    hurry = gateway.rule("POST", "v2/promote", pause=0.2)
    line = ("promote", f"docker-dev/{image}", "docker-qa", "--at-once", "2")
    process = start(*line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while len(sandbox.tags("docker-qa", image)) < 3 and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    said = re.search(
        r"Interrupted: (\d+) of 60 promotions had ended, 0 of them failed\. Run the same command again", err
    )
    assert said, err
    shown = {tag for tag in sandbox.tags("docker-qa", image) if sandbox.digest(f"docker-qa/{image}:{tag}")}
    assert 0 < int(said[1]) <= len(shown) < 60
    hurry()
    again = start(*line, "--output", "json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    outcomes = [row["outcome"] for row in json.loads(out)]
    assert outcomes.count("unchanged") >= int(said[1])
    assert sorted(sandbox.tags("docker-qa", image), key=int) == [str(number) for number in range(60)]


def test_ctrl_c_in_a_rollback_says_how_to_go_on(gateway: Gateway, sandbox: RunningSandbox, image: str) -> None:
    wanted, *_ = digests = [sandbox.push_image(f"docker-dev/{image}:{tag}") for tag in ("1.0", "1.1")]
    target = ImageReference("docker-qa", image, "1")
    for tag in ("1.0", "1.1"):
        options = PromotionOptions(on_conflict="backup")
        ArtifactoryHook().promote(
            Promotion(source=ImageReference("docker-dev", image, tag), target=target, options=options)
        )
    began = threading.Event()
    gateway.rule("POST", "v2/promote", before=began.set, pause=1.0, times=1)
    process = start("rollback", str(target), "--reason", "loses orders", stderr=subprocess.PIPE)
    assert began.wait(60)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, f"Interrupted. To go on, name the digest: {target.pinned(wanted)}\n")
    assert sandbox.digest(str(target)) in digests
    again = start("rollback", str(target.pinned(wanted)), "--reason", "loses orders", stdout=subprocess.DEVNULL)
    assert again.wait(60) == 0
    assert sandbox.digest(str(target)) == wanted


def test_a_reader_that_has_enough_ends_it_without_a_traceback(sandbox: RunningSandbox, image: str) -> None:
    push(sandbox, image, 1500)
    process = start(
        *("status", image, "--repository", "docker-dev", "--limit", "0", "--output", "plain"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr
    assert process.stderr.read() == ""
    assert process.wait(60) == 1


def test_files_are_checked_where_there_is_no_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql+psycopg2://nobody@127.0.0.1:1/none")
    (tmp_path / "bad.yaml").write_text("image: [")
    for folder, code in ((str(tmp_path), 1), ("dags/pipelines", 0)):
        process = start("validate", folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, "Traceback" in out + err) == (code, False)


def complete(line: str) -> set[str]:
    """Return what the shell is told that may follow a line."""
    read, write = os.pipe()
    environment = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": f"/dev/fd/{write}",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    subprocess.run([AIRFLOW], env={**os.environ, **environment}, pass_fds=[write], timeout=60, check=True)
    os.close(write)
    with os.fdopen(read) as pipe:
        return set(pipe.read().split())


def test_the_shell_completes_commands_options_and_choices() -> None:
    assert complete("airflow artifactory pro") == {"promote"}
    assert {"--on-conflict", "--conn-id"} <= complete("airflow artifactory promote --")
    assert complete("airflow artifactory promote a b --on-conflict b") == {"backup"}
    assert complete("airflow artifactory policy s") == {"set", "show"}


LAZY = """
import sys
import airflow.__main__
before = set(sys.modules)
from airflow.cli.cli_parser import get_parser
get_parser().parse_args(["artifactory", "status", "app"])
print(sorted(name for name in set(sys.modules) if name.startswith("artifactory_provider")))
print(sorted({"aiohttp", "requests"} & set(sys.modules)))
"""


def test_other_commands_of_airflow_load_nothing_of_the_provider_but_what_names_its_commands() -> None:
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, timeout=60, check=True)
    own, heavy = done.stdout.splitlines()[-2:]
    assert heavy == "[]"
    assert "artifactory_provider.cli.definition" in own
    for module in ("hooks.artifactory", "cli.look", "policy", "promotion", "verification"):
        assert f"artifactory_provider.{module}'" not in own


LOADED = """
import sys
import airflow.__main__
sys.argv[:] = ["airflow", "artifactory", *sys.argv[1:]]
airflow.__main__.main()
print(*sorted(sys.modules), file=sys.stderr)
"""
NOT_NEEDED = {
    "requests",
    "airflow.models.dagbag",
    "airflow.models.taskinstance",
    "airflow.serialization.serialized_objects",
    "artifactory_provider.hooks.artifactory",
    "artifactory_provider.policy.policy",
    "artifactory_provider.promotion.promote",
    "artifactory_provider.verification.signatures",
}


def test_a_look_loads_one_http_client_and_no_promotion_no_policy_and_not_all_of_airflow(
    sandbox: RunningSandbox, image: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    (tmp_path / "app.yaml").write_text(
        f"images: [{image}]\nstart: {{nightly: '0 2 * * *', timezone: UTC}}\n"
        "stages: [{name: dev, repository: docker-dev}, {name: qa, repository: docker-qa}]\n"
    )
    fields = {"conn_type": "artifactory", "host": sandbox.url, "login": "admin", "password": sandbox.password}
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", conf.get_mandatory_value("core", "fernet_key"))
    with stored_connection("artifactory_stored", **fields):
        for options in (("--repository", "docker-dev"), ("--folder", str(tmp_path))):
            line = ("status", image, "--conn-id", "artifactory_stored", *options)
            done = subprocess.run(
                [sys.executable, "-c", LOADED, *line], capture_output=True, text=True, timeout=60, check=True
            )
            loaded = set(done.stderr.split())
            assert "docker-dev" in done.stdout
            assert "aiohttp" in loaded
            assert sorted(loaded & NOT_NEEDED) == []
