"""``hold``, ``reject``, ``lift``, ``stop``, ``resume`` and ``policy``: decisions that hold for whoever promotes."""

from __future__ import annotations

import io
import os
import pwd
import sys
import time
from typing import TYPE_CHECKING

import pytest

from artifactory_provider.tasks.variables import read_variable, write_variable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.cli.conftest import Run

    from artifactory_sandbox.pytest_plugin import RunningSandbox

ME = pwd.getpwuid(os.getuid()).pw_name
FREEZE = """\
version: 1
rules:
  - name: winter freeze
    target: {repositories: [docker-qa]}
    windows: {timezone: Europe/Berlin, deny: ["2026-12-18/2027-01-03"]}
"""


def test_a_held_tag_stays_until_the_hold_is_lifted(run: Run, sandbox: RunningSandbox, image: str) -> None:
    digest = sandbox.push_image(f"docker-qa/{image}:1", content=f"{image} before")
    sandbox.push_image(f"docker-dev/{image}:1", content=f"{image} after")
    promotion = f"promote docker-dev/{image}:1 docker-qa --on-conflict overwrite"
    ended = run(f"hold docker-qa/{image}:1 --reason 'an audit [bold]'")
    assert (ended.code, ended.err) == (0, f"docker-qa/{image}:1 goes on showing {digest} until the hold is lifted.\n")
    assert sandbox.properties(f"docker-qa/{image}:1")["promotion.hold.by"] == [f"{ME} from the command line"]
    assert run(promotion).code == 3
    assert run(f"lift hold docker-qa/{image}:1 --reason 'it is over'").code == 0
    assert run(promotion).code == 0
    assert run(f"lift hold docker-qa/{image}:1 --reason 'it is over'").code == 1


def test_a_rejected_digest_is_promoted_again_only_after_it_was_lifted(
    run: Run, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", content=f"{image} is rejected")
    ended = run(f"reject docker-dev/{image}:1 --reason 'loses orders'")
    assert ended.code == 0
    assert f"docker-dev/{image}/1" in ended.err
    assert run(f"promote docker-dev/{image}:1 docker-qa").code == 3
    assert run(f"lift rejection docker-dev/{image}:1 --reason 'it was the test'").code == 0
    assert run(f"promote docker-dev/{image}:1 docker-qa").code == 0


@pytest.mark.parametrize("reason", ["''", "'\x1b[31m'"])
def test_a_reason_that_is_none_is_refused_and_stays_text(run: Run, image: str, reason: str) -> None:
    for line in (f"hold docker-qa/{image}:1", f"reject docker-qa/{image}:1", "stop", "resume"):
        ended = run(f"{line} --reason {reason}")
        assert ended.code == 2, line
        assert ended.err.replace("\n", "").isprintable()


def test_a_stop_holds_from_then_on_until_the_line_goes_on(run: Run, sandbox: RunningSandbox, image: str) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    ended = run("stop --reason 'it burns' --repository docker-qa --output json")
    assert ended.code == 0
    assert [(row["repositories"], row["reason"], row["by"]) for row in ended.rows] == [
        ("docker-qa", "it burns", f"{ME} from the command line")
    ]
    refused = run(f"promote docker-dev/{image}:1 docker-qa --output json")
    assert refused.code == 3
    assert "it burns" in refused.rows[0]["reason"]
    assert "it burns" in run("policy show").err
    assert run("resume --reason 'it is out' --repository docker-prod").code == 1
    assert run("resume --reason 'it is out'").code == 0
    assert run(f"promote docker-dev/{image}:1 docker-qa").code == 0
    assert run("stop --reason 'it burns' --until 2020-01-01").code == 2


def test_a_stop_says_which_variable_has_it_and_for_which_connections(run: Run, connect: Callable[..., None]) -> None:
    connect(extra={"stop": "artifactory_of_two_stops"})
    for line in ("stop --reason 'it burns'", "resume --reason 'it is out'"):
        ended = run(line)
        assert ended.code == 0
        assert "The Variable artifactory_of_two_stops has the orders for artifactory_default" in ended.err
        assert "artifactory_stop where it names none" in " ".join(run(f"{line.split()[0]} --help").out.split())


def test_a_stop_that_is_interrupted_may_stand_and_is_not_given_twice(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(time, "sleep", interrupt)
        ended = run("stop --reason 'it burns'")
    assert (ended.code, "the order may stand in the Variable artifactory_stop already" in ended.err) == (130, True)
    again = run("stop --reason 'it burns' --output json")
    assert (again.code, len(again.rows)) == (0, 1)
    with monkeypatch.context() as patched:
        patched.setattr(time, "sleep", interrupt)
        ended = run("resume --reason 'it is out'")
    assert (ended.code, "may be gone from the Variable artifactory_stop already" in ended.err) == (130, True)


def test_a_policy_is_set_shown_and_explained(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(FREEZE)
    assert run("policy show").err == "There is no policy: no Variable artifactory_policy.\n"
    ended = run(f"policy set {file}")
    assert (ended.code, ended.err) == (0, "artifactory_policy has 1 rule now.\n")
    assert run("policy show").out == FREEZE
    explained = run("policy show --target docker-qa/app:1 --at 2026-12-24T12:00+01:00 --output json")
    assert explained.code == 0
    assert "refuses it: denied 2026-12-18/2027-01-03" in explained.rows[0]["rule"]


def test_a_policy_comes_through_a_pipe(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, code in ((FREEZE, 0), ("rules: [", 1)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert run("policy check -").code == code


def test_what_is_no_policy_is_never_set(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(FREEZE)
    run(f"policy set {file}")
    file.write_text(FREEZE.replace("deny", "denied").replace("version: 1", "version: 2"))
    ended = run(f"policy set {file}")
    assert ended.code == 1
    assert "line 5" in ended.err
    assert read_variable("artifactory_policy") == FREEZE
    checked = run(f"policy check {file} --output json")
    assert checked.code == 1
    assert [row["line"] for row in checked.rows] == ["1", "5", "5"]
    file.write_bytes(b"\xff")
    assert run(f"policy set {file}").code == 1
    assert run(f"policy set {tmp_path / 'none.yaml'}").code == 1


def test_a_policy_that_the_environment_hides_is_not_said_to_be_set(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(FREEZE)
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_POLICY", '{"version": 1, "rules": []}')
    ended = run(f"policy set {file}")
    assert ended.code == 1
    assert "shows another text: a secrets backend or the environment comes first, or somebody else" in ended.err


def test_a_policy_that_refuses_everything_is_shown_with_what_is_wrong(run: Run, connect: Callable[..., None]) -> None:
    run("stop --reason 'it burns'")
    write_variable("artifactory_policy", "rules: [\n", description="")
    for line, out in (("policy show", "rules: [\n"), ("policy show --target docker-qa/app:1", "")):
        ended = run(line)
        assert (ended.code, ended.out) == (1, out)
        for said in ("artifactory_policy has", "line 2", "Nothing is promoted over artifactory_default", "it burns"):
            assert said in ended.err
    connect(extra={"policy": "artifactory_of_nobody"})
    ended = run("policy show")
    assert (ended.code, ended.out) == (1, "")
    assert "names the policy 'artifactory_of_nobody', and there is no such Variable: nothing is promoted" in ended.err


@pytest.mark.parametrize("line", ["policy check", "policy set", "validate --policy"])
def test_what_is_no_path_is_told_as_usage(run: Run, line: str) -> None:
    ended = run(line, "a\0b")
    assert (ended.code, "is no path of a file" in ended.err) == (2, True)


def test_who_has_changed_something_is_in_airflows_audit_log(run: Run, sandbox: RunningSandbox, image: str) -> None:
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from sqlalchemy import select

    sandbox.push_image(f"docker-qa/{image}:1")
    run(f"hold docker-qa/{image}:1 --reason 'an audit'")
    with create_session() as session:
        [entry, *_] = session.scalars(select(Log).where(Log.event == "cli_hold").order_by(Log.id.desc()))
    assert entry.owner == ME
