"""``retention``: what would go, what went, and what its exit codes tell scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Gateway, Reply
from tests.integration.retention.stages import DEV, RULES, push

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Run

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.fixture
def rules(tmp_path: Path, image: str) -> Path:
    file = tmp_path / "rules.yaml"
    file.write_text(RULES.format(image=image, tags="older_than: 30d, keep_newest: 0", backups=1))
    return file


def test_without_delete_it_shows_what_would_go_and_what_is_kept(
    run: Run, sandbox: RunningSandbox, image: str, rules: Path
) -> None:
    digest = push(sandbox, f"{DEV}/{image}:build-1", days=40)
    push(sandbox, f"{DEV}/{image}:build-2", days=40)
    run(f"hold {DEV}/{image}:build-2 --reason 'an audit [bold]'")
    ended = run(f"retention {rules} --output json")
    assert ended.code == 0
    rows = ended.rows
    assert rows[1].pop("reason").startswith("it is held: an audit [bold] (by ")
    assert rows == [
        {
            "action": "delete",
            "tag": f"{DEV}/{image}:build-1",
            "digest": digest,
            "kind": "tag",
            "reason": "it came 40d ago",
        },
        {
            "action": "keep",
            "tag": f"{DEV}/{image}:build-2",
            "digest": sandbox.digest(f"{DEV}/{image}:build-2"),
            "kind": "tag",
        },
    ]
    assert ended.err.endswith(" tags to delete, 1 kept though their time has come. With --delete, they go.\n")
    assert len(sandbox.tags(DEV, image)) == 2


def test_with_delete_it_deletes_and_a_second_run_finds_nothing(
    run: Run, sandbox: RunningSandbox, image: str, rules: Path
) -> None:
    push(sandbox, f"{DEV}/{image}:build-1", days=40)
    ended = run(f"retention {rules} --delete --output json")
    assert (ended.code, ended.err, ended.rows[0]["action"]) == (0, "1 deleted.\n", "deleted")
    assert sandbox.tags(DEV, image) == []
    again = run(f"retention {rules} --delete")
    assert (again.code, again.err) == (0, "Nothing done.\n")


def test_images_and_repositories_narrow_what_goes(run: Run, sandbox: RunningSandbox, image: str, rules: Path) -> None:
    push(sandbox, f"{DEV}/{image}:build-1", days=40)
    push(sandbox, f"{DEV}/{image}/other:build-1", days=40)
    assert run(f"retention {rules} --delete --image 'team/*/other'").code == 0
    assert run(f"retention {rules} --delete --repository docker-qa").code == 0
    assert (sandbox.tags(DEV, image), sandbox.tags(DEV, f"{image}/other")) == (["build-1"], [])


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("retention {rules} --delete --largest 1", 2, "2 tags would go, and 1 may"),
        ("retention missing.yaml", 1, "missing.yaml"),
        ("retention {bad}", 1, "bad.yaml has 2 errors"),
    ],
)
def test_what_cannot_be_done_is_told_and_nothing_goes(
    run: Run, sandbox: RunningSandbox, image: str, rules: Path, line: str, code: int, said: str
) -> None:
    bad = rules.with_name("bad.yaml")
    bad.write_text("version: 1\nstages: [a]\nrules: []\n")
    for number in range(2):
        push(sandbox, f"{DEV}/{image}:build-{number}", days=40)
    ended = run(line.format(rules=rules, bad=bad))
    assert ended.code == code
    assert said in ended.err
    assert len(sandbox.tags(DEV, image)) == 2


def test_a_stop_refuses_it(run: Run, sandbox: RunningSandbox, image: str, rules: Path) -> None:
    push(sandbox, f"{DEV}/{image}:build-1", days=40)
    run(f"stop --reason fire --repository {DEV}")
    ended = run(f"retention {rules} --delete --output json")
    assert [row["action"] for row in ended.rows] == ["refused"]
    assert "fire" in ended.rows[0]["reason"]
    assert sandbox.tags(DEV, image) == ["build-1"]


def test_a_tag_that_cannot_be_deleted_fails_it(
    run: Run, sandbox: RunningSandbox, gateway: Gateway, image: str, rules: Path
) -> None:
    push(sandbox, f"{DEV}/{image}:build-1", days=40)
    gateway.rule("DELETE", "build-1", does_work=False, reply=Reply(403, b"no"))
    ended = run(f"retention {rules} --delete")
    assert (ended.code, ended.err) == (1, "1 failed.\n")
    assert "Delete/Overwrite" in ended.out


def test_what_lies_in_the_attic_is_brought_back(run: Run, sandbox: RunningSandbox, image: str, rules: Path) -> None:
    digest = push(sandbox, f"{DEV}/{image}:build-1", days=40)
    attic = rules.read_text().replace("transit: [docker-transit]", "attic: {repository: docker-transit}")
    rules.write_text(attic.replace(", docker-transit]", "]"))
    assert run(f"retention {rules} --delete").err == "1 moved.\n"
    assert sandbox.tags(DEV, image) == []
    ended = run(f"retention {rules} --undo --image {image}")
    assert (ended.code, ended.err) == (0, "1 restored.\n")
    assert sandbox.digest(f"{DEV}/{image}:build-1") == digest


@pytest.mark.parametrize("line", ["retention {rules} --undo", "retention {rules} --undo --delete"])
def test_without_an_attic_there_is_nothing_to_bring_back(run: Run, rules: Path, line: str) -> None:
    ended = run(line.format(rules=rules))
    assert (ended.code, ended.err.partition(":")[0]) == (2, "--undo brings back what lies in the attic of the rules")
