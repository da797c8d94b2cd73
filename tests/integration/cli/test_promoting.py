"""``plan``, ``promote`` and ``rollback``: what they do, what they say, and what their exit codes tell scripts."""

from __future__ import annotations

import json
import os
import pwd
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.conftest import PASSWORD
from tests.integration.gateway import Reply

from artifactory_provider.tasks.variables import write_variable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.cli.conftest import Run
    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

ME = pwd.getpwuid(os.getuid()).pw_name


def set_policy(**rule: Any) -> None:
    rules = [{"target": {"repositories": ["docker-qa"]}, **rule}]
    write_variable("artifactory_policy", json.dumps({"version": 1, "rules": rules}), description="")


def test_a_tag_is_promoted_once_and_its_record_says_who_did_it(run: Run, sandbox: RunningSandbox, image: str) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1.0")
    ended = run(f"promote docker-dev/{image}:1.0 docker-qa --output json")
    assert (ended.code, ended.err) == (0, "1 promoted.\n")
    assert ended.rows == [
        {
            "outcome": "promoted",
            "source": f"docker-dev/{image}:1.0",
            "target": f"docker-qa/{image}:1.0",
            "digest": digest,
            "reason": "",
        }
    ]
    assert sandbox.digest(f"docker-qa/{image}:1.0") == digest
    assert sandbox.properties(f"docker-qa/{image}:1.0")["promotion.by"] == [f"{ME} from the command line"]
    again = run(f"promote docker-dev/{image}:1.0 docker-qa")
    assert (again.code, again.err) == (0, "1 unchanged.\n")


def test_a_whole_image_and_single_tags_are_promoted_together(run: Run, sandbox: RunningSandbox, image: str) -> None:
    for tag in ("1.0", "1.1", "edge"):
        sandbox.push_image(f"docker-dev/{image}:{tag}")
    sandbox.push_image(f"docker-dev/{image}/other:2.0")
    ended = run(f"promote docker-dev/{image} docker-dev/{image}/other:2.0 docker-qa")
    assert (ended.code, ended.err) == (0, "4 promoted.\n")
    assert sorted(sandbox.tags("docker-qa", image)) == ["1.0", "1.1", "edge"]
    assert sandbox.tags("docker-qa", f"{image}/other") == ["2.0"]


def test_the_target_may_have_another_name_and_tag(run: Run, sandbox: RunningSandbox, image: str) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1.0")
    assert run(f"promote docker-dev/{image}:1.0@{digest} docker-qa/{image}/copy:stable").code == 0
    assert sandbox.digest(f"docker-qa/{image}/copy:stable") == digest


def test_one_that_fails_stops_no_other_and_is_told_with_its_reason(
    run: Run, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    sandbox.push_image(f"docker-dev/{image}:1.1")
    sandbox.push_image(f"docker-qa/{image}:1.1", content="another")
    ended = run(f"promote docker-dev/{image}:1.0 docker-dev/{image}:1.1 docker-qa --output json")
    assert ended.code == 1
    assert [row["outcome"] for row in ended.rows] == ["promoted", "failed"]
    assert "shows" in ended.rows[1]["reason"]
    assert run(f"promote docker-dev/{image}:1.1 docker-qa --on-conflict backup").code == 0


def test_a_freeze_refuses_it_and_says_until_when(run: Run, sandbox: RunningSandbox, image: str) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    set_policy(name="freeze", windows={"timezone": "UTC", "deny": ["2020-01-01/2190-01-01"]})
    ended = run(f"promote docker-dev/{image}:1.0 docker-qa --output json")
    assert ended.code == 3
    assert ended.rows[0]["outcome"] == "refused"
    assert "docker-qa is frozen by the rule 'freeze'" in ended.rows[0]["reason"]
    assert sandbox.digest(f"docker-qa/{image}:1.0") is None
    planned = run(f"plan docker-dev docker-qa --image {image} --output json")
    assert (planned.code, [row["action"] for row in planned.rows]) == (0, ["refused"])


def test_who_has_to_be_asked_is_not_passed_over(run: Run, sandbox: RunningSandbox, image: str) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    set_policy(name="two people", approvals={"count": 2, "from": ["alice", "bob"]})
    ended = run(f"promote docker-dev/{image}:1.0 docker-qa")
    assert (ended.code, sandbox.digest(f"docker-qa/{image}:1.0")) == (3, None)


@pytest.mark.parametrize(("status", "code", "outcome"), [("", 4, "pending"), ("failed", 3, "refused")])
def test_a_check_of_the_policy_that_has_not_passed_holds_it_back(
    run: Run, sandbox: RunningSandbox, image: str, status: str, code: int, outcome: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    if status:
        sandbox.set_properties(f"docker-dev/{image}:1.0", {"unit.status": status})
    set_policy(require=[{"property": "unit.status"}])
    ended = run(f"promote docker-dev/{image}:1.0 docker-qa --output json")
    assert (ended.code, ended.rows[0]["outcome"]) == (code, outcome)
    assert sandbox.digest(f"docker-qa/{image}:1.0") is None


@pytest.fixture
def pipelines(image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a pipeline that asks something of the test's image, where commands look without being told."""
    folder = tmp_path / "pipelines"
    folder.mkdir()
    (folder / "own.yaml").write_text(
        f"images: [{image}]\nowner: platform\nstages:\n"
        "  - {name: dev, repository: docker-dev, checks: [{property: unit.status}]}\n"
        "  - {name: qa, repository: docker-qa}\n"
        "  - {name: prod, repository: docker-prod, windows: {timezone: UTC, deny: [2020-01-01/2190-01-01]}}\n"
    )
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path))
    return folder


def test_what_the_stages_ask_of_their_images_is_asked_whoever_promotes_them(
    run: Run, sandbox: RunningSandbox, image: str, pipelines: Path, tmp_path: Path
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1.0", content=f"{image} of a pipeline")
    line = f"promote docker-dev/{image}:1.0 docker-qa"
    assert (run(line).code, sandbox.digest(f"docker-qa/{image}:1.0")) == (4, None)
    sandbox.set_properties(f"docker-dev/{image}:1.0", {"unit.status": "passed"})
    assert (run(line).code, sandbox.digest(f"docker-qa/{image}:1.0")) == (0, digest)
    frozen = run(f"promote docker-qa/{image}:1.0 docker-prod --output json")
    assert (frozen.code, sandbox.digest(f"docker-prod/{image}:1.0")) == (3, None)
    assert "stage prod of own" in frozen.rows[0]["reason"]
    planned = run(f"plan docker-qa docker-prod --image {image} --output json")
    assert [row["action"] for row in planned.rows] == ["refused"]
    (tmp_path / "others").mkdir()
    assert run(f"promote docker-qa/{image}:1.0 docker-prod --folder {tmp_path / 'others'}").code == 0


def test_a_pipeline_file_that_is_broken_lets_nothing_through(
    run: Run, sandbox: RunningSandbox, image: str, pipelines: Path, tmp_path: Path
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    (pipelines / "broken.yaml").write_text("image: [")
    for folder, said in (("", "broken.yaml"), (f"--folder {tmp_path / 'none'}", "The folder cannot be read")):
        for line in (f"promote docker-dev/{image}:1.0 docker-qa", f"plan docker-dev docker-qa --image {image}"):
            ended = run(f"{line} {folder}")
            assert (ended.code, said in ended.err) == (1, True), ended.err
    assert sandbox.digest(f"docker-qa/{image}:1.0") is None


def test_a_policy_that_is_broken_lets_nothing_through(run: Run, sandbox: RunningSandbox, image: str) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    write_variable("artifactory_policy", "rules: [", description="")
    ended = run(f"promote docker-dev/{image}:1.0 docker-qa")
    assert (ended.code, sandbox.digest(f"docker-qa/{image}:1.0")) == (1, None)
    assert "artifactory_policy has" in ended.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("promote docker-dev docker-qa", "All tags are meant"),
        ("promote", "or a saved --plan"),
        ("promote docker-qa", "or a saved --plan"),
        ("promote docker-dev/app:1.0 docker-qa --versions '>=1'", "--versions chooses among the tags of a repository"),
        ("promote docker-dev docker-dev/app:1 docker-qa", "is not an image reference"),
        ("promote --plan plan.json --exclude-tag 1", "leave out --exclude-tag, or --plan"),
        ("promote --plan plan.json docker-dev/app:1 docker-qa", "without references"),
        ("promote --plan plan.json --on-conflict backup", "without references and policies"),
        ("hold docker-qa/app:1 --reason why --as 'alice, for bob'", "is no name of whom this is done for"),
        ("hold docker-qa/app:1 --reason why --as ''", "is no name of whom this is done for"),
        ("promote docker-dev/app:1.0 docker-dev", "Source and target are both"),
        ("promote docker-dev/app:1.0 docker-dev/app:1.1 docker-qa/app:1", "is the target of one source"),
        ("promote docker-dev/app@sha256:" + "0" * 64 + " docker-qa", "names no tag"),
        ("promote docker-dev/app:1.0 docker-qa --at-once 0", "invalid positive int value"),
        ("promote docker-dev/app:1.0 docker-qa --at-once 300", "at_once is a number of requests"),
        ("plan docker-dev docker-qa", "All tags are meant"),
        ("plan docker-dev docker-qa --image 'regex:('", "regex:("),
        ("rollback docker-qa/app --reason why", "names no tag"),
        ("rollback docker-qa/app:1", "--reason"),
    ],
)
def test_what_makes_no_sense_is_told_as_usage(run: Run, line: str, said: str) -> None:
    ended = run(line)
    assert ended.code == 2
    assert said in ended.err


def test_an_image_that_is_not_there_is_named(run: Run, image: str) -> None:
    ended = run(f"promote docker-dev/{image} docker-qa")
    assert (ended.code, ended.err) == (1, f"There is no tag of docker-dev/{image} that could be promoted.\n")
    ended = run(f"promote docker-dev/{image}:1.0 docker-qa --output json")
    assert ended.code == 1
    assert "no image" in ended.rows[0]["reason"]


def test_a_plan_has_each_promotion_with_its_action(run: Run, sandbox: RunningSandbox, image: str) -> None:
    for tag in ("1.0", "1.1", "2.0"):
        sandbox.push_image(f"docker-dev/{image}:{tag}")
    run(f"promote docker-dev/{image}:1.0 docker-qa")
    ended = run(f"plan docker-dev docker-qa --image {image} --versions '<2' --output json")
    assert [(row["action"], row["target"]) for row in ended.rows] == [
        ("unchanged", f"docker-qa/{image}:1.0"),
        ("promote", f"docker-qa/{image}:1.1"),
    ]
    assert "1 promote, 1 unchanged" in ended.err
    assert sandbox.tags("docker-qa", image) == ["1.0"]


def test_a_rollback_gives_a_tag_back_what_it_showed_and_holds_it(run: Run, sandbox: RunningSandbox, image: str) -> None:
    for tag in ("1.0", "1.1"):
        sandbox.push_image(f"docker-dev/{image}:{tag}")
        run(f"promote docker-dev/{image}:{tag} docker-qa/{image}:1 --on-conflict backup")
    ended = run(f"rollback docker-qa/{image}:1 --reason 'loses orders'")
    assert ended.code == 0, ended.err
    assert sandbox.digest(f"docker-qa/{image}:1") == sandbox.digest(f"docker-dev/{image}:1.0")
    found = sandbox.properties(f"docker-qa/{image}:1")
    assert found["promotion.hold.by"] == found["promotion.by"] == [f"{ME} from the command line"]
    ended = run(f"promote docker-dev/{image}:1.1 docker-qa/{image}:1 --on-conflict overwrite --output json")
    assert ended.code == 3
    assert "is held" in ended.rows[0]["reason"]


def roll_forth(run: Run, sandbox: RunningSandbox, image: str) -> tuple[str, str]:
    """Promote one image after the other to a tag, and return their digests."""
    good, bad = (sandbox.push_image(f"docker-dev/{image}:{tag}", content=f"{image} {tag}") for tag in ("1.0", "1.1"))
    for tag in ("1.0", "1.1"):
        assert run(f"promote docker-dev/{image}:{tag} docker-qa/{image}:1 --on-conflict backup").code == 0
    return good, bad


def test_a_rollback_that_is_run_twice_does_not_bring_back_what_it_took_out(
    run: Run, sandbox: RunningSandbox, image: str
) -> None:
    good, bad = roll_forth(run, sandbox, image)
    line = f"rollback docker-qa/{image}:1 --reason 'loses orders' --output json"
    assert run(line).rows[0]["outcome"] == "promoted"
    again = run(line)
    assert (again.code, again.rows[0]["outcome"], again.rows[0]["digest"]) == (0, "unchanged", good)
    assert "it was rolled back to this already" in again.err
    assert sandbox.digest(f"docker-qa/{image}:1") == good
    named = run(f"rollback docker-qa/{image}:1@{bad} --reason 'it was not that'")
    assert (named.code, sandbox.digest(f"docker-qa/{image}:1")) == (0, bad)


def test_a_digest_that_the_tag_shows_already_is_held(run: Run, sandbox: RunningSandbox, image: str) -> None:
    _, bad = roll_forth(run, sandbox, image)
    for more, held in (("--no-hold", []), ("", [f"{ME} from the command line"])):
        ended = run(f"rollback docker-qa/{image}:1@{bad} --reason 'it is this one' {more}")
        assert (ended.code, "stays as it is" in ended.err) == (0, True)
        assert sandbox.properties(f"docker-qa/{image}:1").get("promotion.hold.by", []) == held


def test_a_rollback_that_fails_names_the_digest_to_go_on_with(
    run: Run, gateway: Gateway, sandbox: RunningSandbox, image: str
) -> None:
    good, bad = roll_forth(run, sandbox, image)
    line = f"rollback docker-qa/{image}:1 --reason 'loses orders'"
    go_on = f"To go on, name the digest: docker-qa/{image}:1@{good}\n"
    mend = gateway.rule("POST", "promote", reply=Reply(403, b"no"))
    ended = run(line)
    assert (ended.code, ended.err.endswith(go_on)) == (1, True)
    mend()
    set_policy(name="freeze", windows={"timezone": "UTC", "deny": ["2020-01-01/2190-01-01"]}, applies_to=["rollback"])
    refused = run(line)
    assert (refused.code, refused.err.endswith(go_on)) == (3, True)
    assert sandbox.digest(f"docker-qa/{image}:1") == bad


def test_where_there_is_nothing_to_go_back_to_nothing_is_changed(run: Run, sandbox: RunningSandbox, image: str) -> None:
    sandbox.push_image(f"docker-qa/{image}:1")
    ended = run(f"rollback docker-qa/{image}:1 --reason 'loses orders'")
    assert ended.code == 1
    assert "There is nothing to go back to." in ended.err


@pytest.mark.parametrize("verbose", ["", "--verbose"])
@pytest.mark.parametrize("output", ["table", "json", "yaml", "plain"])
def test_no_secret_is_printed_and_nothing_that_a_server_says_steers_the_terminal(
    run: Run, gateway: Gateway, sandbox: RunningSandbox, image: str, output: str, verbose: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    gateway.rule("POST", "promote", reply=Reply(403, b'{"errors":[{"message":"no \\u001b[31m[bold red]\\u0007"}]}'))
    ended = run(f"promote docker-dev/{image}:1.0 docker-qa {verbose} --output {output}")
    assert ended.code == 1
    assert "[bold" in ended.out
    for text in (ended.out, ended.err):
        assert PASSWORD not in text
        if not verbose:
            assert text.replace("\n", "").isprintable()


def test_credentials_that_are_refused_are_told_and_not_shown(
    run: Run, connect: Callable[..., None], sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    connect(password="wr0ng-s3cret")
    ended = run(f"promote docker-dev/{image}:1.0 docker-qa")
    assert ended.code == 1
    assert "401" in ended.err + ended.out
    assert "wr0ng-s3cret" not in ended.err + ended.out


def test_what_patterns_mean_is_promoted_as_plan_shows_it(run: Run, sandbox: RunningSandbox, image: str) -> None:
    digests = {tag: sandbox.push_image(f"docker-dev/{image}:{tag}", content=tag) for tag in ("1.0", "1.1", "2.0")}
    sandbox.push_image(f"docker-qa/{image}:1.1", content="another")
    patterns = f"docker-dev docker-qa --image {image} --versions '>=1 <2' --output json"
    shown = run(f"plan {patterns}")
    assert [(row["action"], row["digest"]) for row in shown.rows] == [
        ("promote", digests["1.0"]),
        ("conflict", digests["1.1"]),
    ]
    ended = run(f"promote {patterns}")
    assert (ended.code, ended.err) == (1, "1 failed, 1 promoted.\n")
    assert sandbox.digest(f"docker-qa/{image}:1.0") == digests["1.0"]
    assert sandbox.digest(f"docker-qa/{image}:1.1") != digests["1.1"]
    assert sandbox.digest(f"docker-qa/{image}:2.0") is None


def test_a_saved_plan_is_promoted_as_it_was_shown_and_what_has_moved_since_fails_by_itself(
    run: Run, sandbox: RunningSandbox, image: str, tmp_path: Path
) -> None:
    tags = ("stays", "source-moves", "target-moves", "target-comes")
    digests = {tag: sandbox.push_image(f"docker-dev/{image}:{tag}", content=tag) for tag in tags}
    sandbox.push_image(f"docker-qa/{image}:target-moves", content="seen")
    plan = tmp_path / "plan.json"
    planned = run(f"plan docker-dev docker-qa --image {image} --on-conflict backup --save {plan}")
    assert (planned.code, planned.err.splitlines()[0]) == (
        0,
        "4 promotions: 4 promote, 0 unchanged, 0 conflict, 0 refused, 0 missing.",
    )
    sandbox.push_image(f"docker-dev/{image}:source-moves", content="not seen")
    theirs = {tag: sandbox.push_image(f"docker-qa/{image}:{tag}", content="not seen") for tag in tags[2:]}
    sandbox.push_image(f"docker-dev/{image}:new", content="new")
    ended = run(f"promote --plan {plan} --output json")
    assert (ended.code, ended.err) == (1, "3 failed, 1 promoted.\n")
    reasons = {row["source"].rpartition(":")[2]: row["reason"] for row in ended.rows}
    assert reasons["stays"] == ""
    assert digests["source-moves"] in reasons["source-moves"]
    for tag, digest in theirs.items():
        assert digest in reasons[tag]
        assert sandbox.digest(f"docker-qa/{image}:{tag}") == digest
    assert sandbox.digest(f"docker-qa/{image}:stays") == digests["stays"]
    assert sandbox.digest(f"docker-qa/{image}:source-moves") is None
    assert sandbox.digest(f"docker-qa/{image}:new") is None


def test_a_saved_plan_may_be_promoted_twice(run: Run, sandbox: RunningSandbox, image: str, tmp_path: Path) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", content="new")
    sandbox.push_image(f"docker-qa/{image}:1", content="old")
    plan = tmp_path / "plan.json"
    run(f"plan docker-dev docker-qa --image {image} --on-conflict overwrite --save {plan}")
    assert run(f"promote --plan {plan}").err == "1 promoted.\n"
    again = run(f"promote --plan {plan}")
    assert (again.code, again.err) == (0, "1 unchanged.\n")


def test_what_is_no_saved_plan_is_refused_before_anything_is_sent(
    run: Run, gateway: Gateway, sandbox: RunningSandbox, image: str, tmp_path: Path
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    plan = tmp_path / "plan.json"
    run(f"plan docker-dev docker-qa --image {image} --save {plan}")
    saved = plan.read_text()
    plan.write_text(saved.replace("docker-qa", "docker-prod"))
    edited = run(f"promote --plan {plan}")
    assert (edited.code, edited.out) == (2, "")
    assert edited.err.startswith("That plan was changed since it was saved")
    assert run(f"promote --plan {tmp_path / 'nothing.json'}").code == 1
    assert sandbox.digest(f"docker-prod/{image}:1") is None
    assert sandbox.digest(f"docker-qa/{image}:1") is None


def test_for_whom_a_robot_promotes_is_written_down_beside_it_and_gives_no_right(
    run: Run, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    set_policy(approvals={"count": 1, "not_the_trigger": True})
    assert run(f"promote docker-dev/{image}:1.0 docker-qa --as alice").code == 3
    assert run(f"promote docker-dev/{image}:1.0 docker-prod --as 'alice@example.com'").code == 0
    properties = sandbox.properties(f"docker-prod/{image}:1.0")
    assert properties["promotion.by"] == [f"{ME} from the command line, for alice@example.com"]
