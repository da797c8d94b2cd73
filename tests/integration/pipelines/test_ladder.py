"""Images that climb together: what moves, what waits, what ends, and what another run finds."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Reply
from tests.integration.pipelines.climbing import (
    DEV,
    DEV_TESTS,
    PROD,
    QA,
    TestRules,
    judge,
    ladder,
    pipeline,
    push,
    shown,
    target_tag,
)

from artifactory_provider.promotion.rules import Change, Refusal
from artifactory_provider.verification import PropertyCheck

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

HOUR = datetime.timedelta(hours=1)


async def test_an_image_whose_verdicts_are_there_climbs_to_the_top_and_a_second_run_changes_nothing(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    start = push(sandbox, f"{image}:1.0", dev="passed", qa="passed")

    first = await ladder().climb(client, [start])
    before = len(sandbox.requests)
    second = await ladder().climb(client, [start])

    assert shown(sandbox, f"{image}:1.0") == dict.fromkeys((DEV, QA, PROD), start.digest)
    assert [one.standing for one in (*first.positions, *second.positions)] == ["arrived", "arrived"]
    assert not [one for one in sandbox.requests[before:] if one.path.endswith("/promote")]


async def test_a_late_verdict_holds_up_nobody(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    ready = push(sandbox, f"{image}:1.0", dev="passed", qa="passed")
    waiting = push(sandbox, f"{image}:2.0", dev="passed")
    failed = push(sandbox, f"{image}:3.0", dev="failed")

    climb = ladder()
    report = await climb.climb(client, [waiting, failed, ready])

    assert [(one.standing, one.level) for one in report.positions] == [("waiting", 1), ("failed", 0), ("arrived", 2)]
    assert report.positions[0].reason == "qa.test.status is not set."
    assert report.positions[1].reason == "test.status is 'failed'."
    assert [(str(one.reference), len(one.checks)) for one in climb.awaited()] == [
        (f"{QA}/{image}:2.0@{waiting.digest}", 1)
    ]
    assert report.counts == {
        "arrived": 1, "climbing": 0, "waiting": 1, "refused": 0, "failed": 1, "late": 0, "superseded": 0,
    }  # fmt: skip


async def test_what_waited_goes_on_from_where_the_registry_shows_it(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    start = push(sandbox, f"{image}:1.0", dev="passed")
    await ladder().climb(client, [start])
    judge(sandbox, f"{QA}/{image}:1.0", "qa", "passed")
    sandbox.push_image(f"{DEV}/{image}:1.0", platforms=("linux/arm64",))  # what is in qa is not concerned

    report = await ladder().climb(client, [start])

    assert report.positions[0].standing == "arrived", report.positions[0]
    assert sandbox.digest(f"{PROD}/{image}:1.0") == start.digest


async def test_each_image_ends_with_its_own_reason(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    moved = push(sandbox, f"{image}:1.0", dev="passed")
    taken = push(sandbox, f"{image}:2.0", dev="passed", qa="passed")
    fine = push(sandbox, f"{image}:3.0", dev="passed", qa="passed")
    sandbox.push_image(f"{DEV}/{image}:1.0", platforms=("linux/arm64",))
    sandbox.push_image(f"{PROD}/{image}:2.0", platforms=("linux/arm64",))

    report = await ladder().climb(client, [moved, taken, fine])

    assert [one.standing for one in report.positions] == ["superseded", "failed", "arrived"]
    assert report.positions[0].reason.startswith("The tag shows sha256:")
    assert "shows another" in report.positions[1].reason or "conflict" in report.positions[1].reason.lower()
    assert sandbox.digest(f"{QA}/{image}:1.0") is None


async def test_an_image_that_has_waited_too_long_ends_and_the_time_counts_from_its_stage(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    start = push(sandbox, f"{image}:1.0")
    now = datetime.datetime.now(datetime.UTC)

    in_time = await ladder(begun=now - 3 * HOUR).climb(client, [start])
    late = await ladder(begun=now - 5 * HOUR).climb(client, [start])
    judge(sandbox, f"{DEV}/{image}:1.0", "dev", "passed")
    moved_on = await ladder(begun=now - 5 * HOUR).climb(client, [start])

    assert (in_time.positions[0].standing, in_time.positions[0].until) == ("waiting", now + HOUR)
    assert late.positions[0].standing == "late"
    assert late.positions[0].reason == "It has waited for 4 hours: test.status is not set."
    assert (moved_on.positions[0].standing, moved_on.positions[0].level) == ("waiting", 1)


async def test_a_rule_that_ends_is_waited_for_without_a_request_and_one_that_does_not_ends_the_image(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    start = push(sandbox, f"{image}:1.0", dev="passed", qa="passed")
    opens = datetime.datetime.now(datetime.UTC) + 100 * HOUR

    def freeze(change: Change) -> Refusal | None:
        return Refusal("prod is frozen.", until=opens) if change.target.repository == PROD else None

    frozen = await ladder(rules=TestRules(freeze)).climb(client, [start])
    before = len(sandbox.requests)
    again = await ladder(rules=TestRules(freeze)).climb(client, [start], known={start: frozen.positions[0]})
    needed = len(sandbox.requests) - before
    ended = await ladder(rules=TestRules(lambda _: Refusal("Never.", may_pass=False))).climb(client, [start])

    for report in (frozen, again):
        assert (report.positions[0].standing, report.positions[0].level) == ("refused", 1)
        assert (report.positions[0].reason, report.positions[0].until) == ("prod is frozen.", opens)
    assert needed < 6
    assert (ended.positions[0].standing, ended.positions[0].reason) == ("failed", "Never.")
    assert sandbox.digest(f"{PROD}/{image}:1.0") is None


async def test_a_check_that_a_rule_requires_is_asked_beside_those_of_the_stage(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    start = push(sandbox, f"{image}:1.0", dev="passed")
    climb = ladder(rules=TestRules(required=(PropertyCheck(name="audited"),)))

    report = await climb.climb(client, [start])

    assert (report.positions[0].standing, report.positions[0].level) == ("waiting", 0)
    assert "audited is not set" in report.positions[0].reason
    assert [check.name for check in climb.awaited()[0].checks] == [DEV_TESTS.name, "audited"]


async def test_a_stage_may_have_several_tags_and_what_others_wrote_later_stays(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    tags = (target_tag("{tag}"), target_tag("{version.major}.{version.minor}", "overwrite"))
    of = pipeline(prod={"tags": tags})
    older = push(sandbox, f"{image}:1.4.1", dev="passed", qa="passed")
    newer = push(sandbox, f"{image}:1.4.2", dev="passed", qa="passed")

    await ladder(of).climb(client, [older])
    assert sandbox.digest(f"{PROD}/{image}:1.4") == older.digest
    await ladder(of).climb(client, [newer])
    repeated = await ladder(of).climb(client, [older])

    assert repeated.positions[0].standing == "arrived", repeated.positions[0]
    assert sandbox.digest(f"{PROD}/{image}:1.4") == newer.digest
    assert sandbox.digest(f"{PROD}/{image}:1.4.1") == older.digest


async def test_a_further_tag_that_a_killed_run_has_not_written_is_written_by_the_next(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    of = pipeline(prod={"tags": (target_tag("{tag}"), target_tag("stable", "overwrite"))})
    await ladder(of).climb(client, [push(sandbox, f"{image}:0.9", dev="passed", qa="passed")])
    start = push(sandbox, f"{image}:1.0", dev="passed", qa="passed")
    await ladder(pipeline()).climb(client, [start])
    assert sandbox.digest(f"{PROD}/{image}:stable") != start.digest

    report = await ladder(of).climb(client, [start])

    assert report.positions[0].standing == "arrived", report.positions[0]
    assert sandbox.digest(f"{PROD}/{image}:stable") == start.digest


async def test_two_tags_that_would_become_one_do_not_race(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    of = pipeline(qa={"tags": (target_tag("{version.major}", "overwrite"),)})
    first = push(sandbox, f"{image}:1.1", dev="passed")
    second = push(sandbox, f"{image}:1.2", dev="passed")

    report = await ladder(of).climb(client, [first, second])

    assert [one.standing for one in report.positions] == ["waiting", "failed"]
    assert f"becomes {QA}/{image}:1, too" in report.positions[1].reason
    assert sandbox.digest(f"{QA}/{image}:1") == first.digest


async def test_a_template_that_makes_no_tag_ends_that_image_alone(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    of = pipeline(prod={"tags": (target_tag("{version.major}.{version.minor}"),)})
    odd = push(sandbox, f"{image}:main", dev="passed", qa="passed")
    fine = push(sandbox, f"{image}:1.2.3", dev="passed", qa="passed")

    report = await ladder(of).climb(client, [odd, fine])

    assert [one.standing for one in report.positions] == ["failed", "arrived"]
    assert "needs a version" in report.positions[0].reason
    assert sandbox.digest(f"{PROD}/{image}:1.2") == fine.digest
    assert sandbox.digest(f"{QA}/{image}:main") is None


async def test_images_may_be_moved_and_a_second_run_finds_them_where_they_are(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    of = pipeline(qa={"copy": False})
    start = push(sandbox, f"{image}:1.0", dev="passed", qa="passed")

    first = await ladder(of).climb(client, [start])
    second = await ladder(of).climb(client, [start])

    assert [one.standing for one in (*first.positions, *second.positions)] == ["arrived", "arrived"]
    assert shown(sandbox, f"{image}:1.0") == {DEV: None, QA: start.digest, PROD: start.digest}


async def test_an_image_ends_for_a_newer_tag_where_that_starts_a_run_of_its_own(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    older = push(sandbox, f"{image}:1.0")
    newer = push(sandbox, f"{image}:1.1")
    push(sandbox, f"{image}:2.0-rc.1")

    report = await ladder().climb(client, [older, newer], supersedes=True)

    assert [one.standing for one in report.positions] == ["superseded", "waiting"]
    assert report.positions[0].reason == f"{DEV} has 1.1 by now, which is promoted by a run of its own."


async def test_an_image_ends_for_another_digest_under_its_own_tag_whether_it_waits_for_a_verdict_or_a_rule(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    start = push(sandbox, f"{image}:1.0", dev="passed")
    stopped = TestRules(lambda _: Refusal("The line is stopped."))
    before = await ladder(rules=stopped).climb(client, [start], supersedes=True)
    moved = sandbox.push_image(f"{DEV}/{image}:1.0", platforms=("linux/arm64",))

    for climb in (ladder(rules=stopped), ladder()):
        report = await climb.climb(client, [start], supersedes=True)
        assert report.positions[0].standing == "superseded", report.positions[0]
        assert report.positions[0].reason == (
            f"{DEV}/{image}:1.0 shows {moved} by now, which is promoted by a run of its own."
        )
        assert report.failures == ()
    assert before.positions[0].standing == "refused"
    assert sandbox.digest(f"{QA}/{image}:1.0") is None


async def test_what_a_stage_has_moved_on_is_not_missed_in_the_first(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    of = pipeline(qa={"copy": False})
    start = push(sandbox, f"{image}:1.0", dev="passed")
    for _ in range(2):
        report = await ladder(of).climb(client, [start], supersedes=True)
        assert (report.positions[0].standing, report.positions[0].level) == ("waiting", 1), report.positions[0]
    assert shown(sandbox, f"{image}:1.0") == {DEV: None, QA: start.digest, PROD: None}


async def test_what_has_ended_is_not_asked_about_again(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    failed = push(sandbox, f"{image}:1.0", dev="failed")
    first = await ladder().climb(client, [failed])
    judge(sandbox, f"{DEV}/{image}:1.0", "dev", "passed")
    before = len(sandbox.requests)

    second = await ladder().climb(client, [failed], known={failed: first.positions[0]})

    assert second.positions == first.positions
    assert len(sandbox.requests) == before


async def test_one_image_that_the_server_fails_at_waits_while_the_others_arrive(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artifactory_provider.promotion.batch._TRIES", 2)
    unlucky = push(sandbox, f"{image}-a:1.0", dev="passed", qa="passed")
    lucky = push(sandbox, f"{image}-b:1.0", dev="passed", qa="passed")
    gateway.rule(
        "POST", "/docker-dev/v2/promote$", does_work=False, ending="reset",
        fits=lambda seen: f"{image}-a".encode() in seen.body,
    )  # fmt: skip

    climb = ladder()
    report = await climb.climb(client, [unlucky, lucky])

    assert [(one.standing, one.level) for one in report.positions] == [("waiting", 0), ("arrived", 2)]
    assert climb.awaited() == []  # its verdicts are there: to wait for them would wait for nothing


@pytest.mark.parametrize("stage", ["qa", "prod"])
async def test_a_further_tag_that_a_stop_holds_back_is_written_once_that_is_lifted(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, stage: str
) -> None:
    of = pipeline(**{stage: {"tags": (target_tag("{tag}"), target_tag("latest", "overwrite"))}})
    start = push(sandbox, f"{image}:1.0", dev="passed", qa="passed")
    stopped = TestRules(lambda change: Refusal("The line is stopped.") if change.target.tag == "latest" else None)

    held = await ladder(of, rules=stopped).climb(client, [start])
    lifted = await ladder(of).climb(client, [start], known={start: held.positions[0]})

    assert (held.positions[0].standing, held.positions[0].is_unsure) == ("refused", True)
    assert held.positions[0].reason == f"docker-{stage}/{image}:latest does not show it: The line is stopped."
    assert (lifted.positions[0].standing, lifted.positions[0].is_unsure) == ("arrived", False)
    assert sandbox.digest(f"docker-{stage}/{image}:latest") == start.digest


async def test_many_climb_by_few_requests(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    starts = [push(sandbox, f"{image}-{number}:1.0", dev="passed", qa="passed") for number in range(60)]
    before = len(sandbox.requests)
    report = await ladder().climb(client, starts)
    for_all = len(sandbox.requests) - before

    before = len(sandbox.requests)
    again = await ladder().climb(client, starts)
    repeated = len(sandbox.requests) - before

    assert report.counts["arrived"] == again.counts["arrived"] == 60
    assert for_all < 60 * 2 * 7
    assert repeated < 60 * 3


async def test_a_look_at_many_that_wait_costs_a_few_requests(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    starts = [push(sandbox, f"{image}-{number}:1.0") for number in range(60)]
    before = len(sandbox.requests)

    report = await ladder().climb(client, starts)

    assert report.counts["waiting"] == 60
    assert len(sandbox.requests) - before < 12


async def test_what_nobody_tells_the_end_of_is_looked_at_again_within_a_minute(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    start = push(sandbox, f"{image}:1.0", dev="passed", qa="passed")
    stopped = TestRules(lambda _: Refusal("The line is stopped."))
    before = datetime.datetime.now(datetime.UTC)

    [position] = (await ladder(rules=stopped).climb(client, [start])).positions

    assert position.standing == "refused"
    assert position.until is not None
    assert position.until - before < datetime.timedelta(minutes=2)


async def test_what_stands_in_a_stage_stays_and_goes_on_though_the_tests_below_have_failed_since(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    start = push(sandbox, f"{image}:1.0", dev="passed")
    await ladder().climb(client, [start])
    judge(sandbox, f"{DEV}/{image}:1.0", "dev", "failed")
    judge(sandbox, f"{QA}/{image}:1.0", "qa", "passed")

    report = await ladder().climb(client, [start])

    assert report.positions[0].standing == "arrived", report.positions[0]
    assert sandbox.digest(f"{PROD}/{image}:1.0") == start.digest


async def test_a_tag_that_moves_right_after_the_look_is_not_taken_back_to_what_has_not_passed(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    of = pipeline(qa={"tags": (target_tag("{tag}", "overwrite"),)})
    start = push(sandbox, f"{image}:1.0", dev="passed")
    await ladder(of).climb(client, [start])
    judge(sandbox, f"{DEV}/{image}:1.0", "dev", "failed")
    moved: list[str] = []

    def move() -> None:
        moved.append(sandbox.push_image(f"{QA}/{image}:1.0", platforms=("linux/arm64",)))

    gateway.rule("*", f"docker-qa/v2/{image}/manifests/1.0", times=1, after=move)
    report = await ladder(of).climb(client, [start])

    assert len(moved) == 1
    assert sandbox.digest(f"{QA}/{image}:1.0") == moved[0]
    assert report.positions[0].standing == "superseded", report.positions[0]


async def test_time_does_not_run_out_behind_a_window_and_begins_when_it_opens(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    start = push(sandbox, f"{image}:1.0", dev="passed")
    now = datetime.datetime.now(datetime.UTC)
    opened = now - datetime.timedelta(minutes=5)
    shut = TestRules(lambda _: Refusal("qa is frozen.", until=opened))
    stopped = TestRules(lambda _: Refusal("The line is stopped."))

    frozen = await ladder(rules=shut, begun=now - 9 * HOUR).climb(client, [start])
    held = await ladder(rules=stopped, begun=now - 9 * HOUR).climb(client, [start], known={start: frozen.positions[0]})
    anew = await ladder(rules=stopped, begun=now - 9 * HOUR).climb(client, [start])

    assert (frozen.positions[0].standing, frozen.positions[0].counts_from) == ("refused", opened)
    assert (held.positions[0].standing, held.positions[0].counts_from) == ("refused", opened)
    assert anew.positions[0].standing == "late", "nobody knows of the window any more"


async def test_of_two_that_would_become_one_tag_the_first_has_it_whenever_they_come(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    of = pipeline(qa={"tags": (target_tag("{tag}"), target_tag("{version.major}", "overwrite"))})
    first, second = push(sandbox, f"{image}:1.2"), push(sandbox, f"{image}:1.1", dev="passed")

    for _ in range(2):
        report = await ladder(of).climb(client, [first, second])
        assert [one.standing for one in report.positions] == ["waiting", "failed"]
        assert sandbox.digest(f"{QA}/{image}:1") is None
    judge(sandbox, f"{DEV}/{image}:1.2", "dev", "passed")
    for _ in range(2):
        await ladder(of).climb(client, [first, second])
        assert sandbox.digest(f"{QA}/{image}:1") == first.digest


async def test_what_has_arrived_with_all_its_tags_stays_so_though_its_source_was_moved_since(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    of = pipeline(qa={"tags": (target_tag("{tag}"), target_tag("latest", "overwrite"))})
    start = push(sandbox, f"{image}:1.0", dev="passed", qa="passed")
    await ladder(of, goal=1).climb(client, [start])
    sandbox.push_image(f"{DEV}/{image}:1.0", platforms=("linux/arm64",))

    again = await ladder(of, goal=1).climb(client, [start])
    higher = await ladder(of).climb(client, [start])

    assert (again.positions[0].standing, again.positions[0].level) == ("arrived", 1), again.positions[0]
    assert (higher.positions[0].standing, higher.positions[0].level) == ("arrived", 2), higher.positions[0]
    assert sandbox.digest(f"{QA}/{image}:latest") == start.digest


async def test_what_has_come_to_its_goal_is_not_superseded_though_its_run_was_killed_there(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    start = push(sandbox, f"{image}:1.0", dev="passed", qa="passed")
    await ladder(goal=1).climb(client, [start])
    push(sandbox, f"{image}:1.1")

    climb = ladder(goal=1)
    report = await climb.climb(client, [start], supersedes=True)

    assert report.positions[0].standing == "arrived", report.positions[0]
    assert [one.tag for one, _ in climb.arrivals()] == ["1.0"]


async def test_an_image_of_which_nobody_can_tell_where_it_stands_is_looked_at_again_and_not_promoted_anew(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    start = push(sandbox, f"{image}:1.0", dev="passed", qa="passed")
    await ladder().climb(client, [start])
    trouble = gateway.rule("*", f"docker-prod/v2/{image}/manifests", reply=Reply(503), does_work=False)

    before = len(sandbox.requests)
    unknown = await ladder(begun=datetime.datetime.now(datetime.UTC) - 9 * HOUR).climb(client, [start])
    trouble()
    known = await ladder().climb(client, [start], known={start: unknown.positions[0]})

    assert (unknown.positions[0].standing, unknown.positions[0].is_unsure) == ("waiting", True), unknown.positions[0]
    assert not [one for one in sandbox.requests[before:] if one.path.endswith("/promote")]
    assert known.positions[0].standing == "arrived", known.positions[0]
