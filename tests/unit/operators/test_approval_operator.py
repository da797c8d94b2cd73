"""What people are asked, whose answers count, and what is handed on of them."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from airflow.sdk import DAG
from tests.unit.operators.asking import DIGESTS, Asking, promotion

from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.operators import ArtifactoryApprovalOperator
from artifactory_provider.operators.question import QuestionEnded
from artifactory_provider.policy import ApprovalRule, check_approval, fingerprint
from artifactory_provider.policy.approvals import Approval
from artifactory_provider.policy.seals import derive_key
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.rules import Change
from artifactory_provider.tasks.handover import read_promotions
from artifactory_provider.tasks.rules import Answers, Starter, VariableRules

KEY = derive_key("a long secret")
RULE: dict[str, Any] = {"count": 2, "users": ["alice", "bob", "carol"]}


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Asking:
    return Asking(monkeypatch)


def approval(**changes: Any) -> ArtifactoryApprovalOperator:
    arguments: dict[str, Any] = {"task_id": "approve", "promotions": [promotion()], "rule": RULE, **changes}
    return ArtifactoryApprovalOperator(**{name: value for name, value in arguments.items() if value is not ...})


def code_of(*promotions: dict[str, str]) -> str:
    return fingerprint(Change(source, target) for source, target in read_promotions(promotions))


def is_enough(document: Any, *promotions: dict[str, str], rule: ApprovalRule | None = None) -> bool:
    return (
        check_approval(
            rule or ApprovalRule(count=2, users=("alice", "bob", "carol")),
            document,
            changes_fingerprint=code_of(*promotions),
            triggered_by="dave",
            at=datetime.datetime.now(datetime.UTC),
            key=KEY,
        )
        is None
    )


def test_two_people_are_asked_one_after_the_other_and_their_approval_is_handed_on(asking: Asking) -> None:
    task = approval()
    assert asking.start(task) is None
    assert asking.answer(task, "alice", "Approve") is None
    assert asking.told == "1 of 2: approved by alice."
    document = asking.answer(task, "bob", "Approve", comment="tested by hand")
    given = Approval.from_dict(document, KEY)
    assert [(one.by, one.comment) for one in given.answers] == [("alice", ""), ("bob", "tested by hand")]
    assert (given.run, given.triggered_by) == ("ladder/manual__1/approve", "dave")
    assert is_enough(document, promotion())
    assert len(asking.questions) == 2


def test_the_question_says_what_would_go_where_who_is_asked_and_who_started_the_run(asking: Asking) -> None:
    verdicts = [[{"check": "qa", "state": "passed", "reason": "All 12 have passed.", "author": "ci"}], "scan: passed"]
    task = approval(promotions=[promotion(), promotion("web")], verdicts=verdicts, body="Release 7.")
    asking.start(task)
    assert asking.questions[0].subject == "Promote 2 tags to docker-prod?"
    assert asking.asked.startswith("Release 7.\n\n| image | digest | becomes |")
    for text in (
        "| `docker-staging/web:1.4.2` | `sha256:bbbbbbbbbbbb` | `docker-prod/web:1.4.2` |",
        "- `qa: passed, by ci: All 12 have passed.`\n- `scan: passed`",
        "**2 of `alice`, `bob`, `carol` have to approve, other than who started the run.**",
        "** `dave` has started this run.",
    ):
        assert text in asking.asked
    assert asking.questions[0].options == ["Approve", "Reject"]
    assert list(asking.questions[0].params or {}) == ["comment"]


def test_one_promotion_is_named_in_the_headline(asking: Asking) -> None:
    asking.start(approval())
    assert asking.questions[0].subject == "Promote docker-staging/api:1.4.2 to docker-prod/api:1.4.2?"


def test_nothing_that_outsiders_wrote_becomes_markdown_or_html(asking: Asking) -> None:
    evil = "`</code><img src=x onerror=alert(1)>` | **bold** [link](javascript:1)\n# heading"
    asking.start(approval(verdicts=[{"check": evil, "state": "failed", "reason": evil}, evil]))
    verdicts = asking.asked.partition("Verdicts:")[2].partition("**2 of")[0].strip().splitlines()
    assert len(verdicts) == 2
    for line in verdicts:
        assert line.startswith("- `")
        assert line.endswith("`")
        assert line.count("`") == 2
        assert "|" not in line


def test_a_question_about_thousands_stays_short(asking: Asking) -> None:
    many = [promotion() | {"target": f"docker-prod/api:{number}"} for number in range(3000)]
    asking.start(approval(promotions=many, verdicts=["x" * 10_000] * 10_000))
    assert len(asking.asked) < 50_000
    assert "… and 2,950 more" in asking.asked
    assert "… and 9,950 more" in asking.asked


def test_who_started_the_run_does_not_count_and_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    asking, task = Asking(monkeypatch, starter="alice"), approval()
    asking.start(task)
    asking.answer(task, "alice", "Approve")
    assert asking.told.startswith("The answer of alice does not count: who has started the run.")
    asking.answer(task, "bob", "Approve")
    assert asking.waits is not None
    assert asking.answer(task, "carol", "Approve") is not None


def test_a_second_answer_of_one_person_counts_once(asking: Asking) -> None:
    task = approval()
    asking.start(task)
    for _ in range(3):
        assert asking.answer(task, "alice", "Approve") is None
    assert asking.told.startswith("1 of 2: approved by alice; not counted: alice, who has answered again later")
    assert asking.answer(task, "carol", "Approve") is not None


@pytest.mark.parametrize("by", ["mallory", "Alice", None])
def test_an_answer_of_somebody_who_may_not_is_told_and_asked_for_again(asking: Asking, by: str | None) -> None:
    task = approval()
    asking.start(task)
    assert asking.answer(task, by, "Approve") is None
    assert "does not count" in asking.told
    assert asking.waits is not None
    assert len(asking.questions) == 2


@pytest.mark.parametrize("by", ["mallory", None])
def test_a_no_of_somebody_who_may_not_does_not_count_either(asking: Asking, by: str | None) -> None:
    task = approval()
    asking.start(task)
    asking.answer(task, by, "Reject")
    assert "does not count" in asking.told
    assert asking.waits is not None


@pytest.mark.parametrize("by", ["bob", "dave"])
def test_a_no_of_who_may_approve_or_has_started_the_run_ends_it_and_says_why(asking: Asking, by: str) -> None:
    task = approval()
    asking.start(task)
    asking.answer(task, "alice", "Approve")
    with pytest.raises(QuestionEnded, match=rf"Rejected by {by} at .* UTC “too late today”\. Nothing is promoted\."):
        asking.answer(task, by, "Reject", comment="too late today")


def test_a_no_may_skip_what_follows_instead(asking: Asking) -> None:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk.exceptions import DownstreamTasksSkipped

    with DAG("ladder", schedule=None):
        task = approval(fail_on_reject=False)
        task >> EmptyOperator(task_id="promote") >> EmptyOperator(task_id="report")
    asking.start(task)
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        asking.answer(task, "bob", "Reject")
    assert list(skipped.value.tasks) == ["promote"]


def test_an_answer_that_is_neither_yes_nor_no_is_a_no(asking: Asking) -> None:
    task = approval()
    asking.start(task)
    with pytest.raises(QuestionEnded, match="Rejected by bob"):
        asking.answer(task, "bob", "Perhaps")


def test_a_comment_of_several_lines_is_kept_in_one(asking: Asking) -> None:
    task = approval(rule={"count": 1})
    asking.start(task)
    document = asking.answer(task, "bob", "Approve", comment=" tested\nby hand \x1b[0m" + "x" * 10_000)
    comment = document["answers"][0]["comment"]
    assert comment.startswith("tested by hand \\x1b[0mxxx")
    assert len(comment) == 500


@pytest.mark.parametrize("comment", [None, 7, ["x"], {"x": 1}])
def test_a_comment_that_is_no_text_is_none(asking: Asking, comment: object) -> None:
    task = approval(rule={"count": 1})
    asking.start(task)
    document = asking.answer(task, "bob", "Approve", comment=comment)
    assert document["answers"][0]["comment"] == ""


def test_a_question_that_nobody_answers_in_time_ends_with_who_has(asking: Asking) -> None:
    task = approval(response_timeout=datetime.timedelta(hours=1))
    asking.start(task)
    assert asking.waits is not None
    assert asking.waits.timeout is not None
    assert "The question ends at 2" in asking.asked
    asking.answer(task, "alice", "Approve")
    assert asking.waits.timeout <= datetime.timedelta(hours=1)
    with pytest.raises(QuestionEnded, match="2 have to approve, and approved so far by alice"):
        asking.resume(task, {"error": "The response timeout has passed", "error_type": "timeout"})


def test_an_answer_that_has_expired_while_others_thought_has_to_be_given_again(asking: Asking) -> None:
    hour = datetime.timedelta(hours=1)
    now = datetime.datetime.now(datetime.UTC)
    task = approval(rule={**RULE, "valid_for": 3600})
    asking.start(task)
    asking.answer(task, "alice", "Approve", at=now - hour / 2)
    document = asking.answer(task, "bob", "Approve", at=now)
    assert Approval.from_dict(document, KEY).expires == now + hour / 2
    asking.start(again := approval(rule={**RULE, "valid_for": 3600}, task_id="again"))
    asking.answer(again, "alice", "Approve", at=now - 2 * hour)
    assert "alice does not count: whose answer has expired after 1 hour" in asking.told


def test_a_try_after_a_killed_one_knows_who_has_answered(asking: Asking) -> None:
    task = approval()
    asking.start(task)
    asking.answer(task, "alice", "Approve")
    assert asking.start(approval()) is None
    document = asking.answer(task, "bob", "Approve")
    assert is_enough(document, promotion())


def test_a_try_that_was_killed_after_the_last_answer_asks_nobody_again(asking: Asking) -> None:
    task = approval(rule={"count": 1})
    asking.start(task)
    asking.answer(task, "alice", "Approve")
    assert asking.start(approval(rule={"count": 1})) is not None
    assert asking.waits is None


def test_a_task_that_somebody_clears_asks_everybody_anew(asking: Asking) -> None:
    task = approval(rule={"count": 1})
    asking.start(task)
    asking.answer(task, "alice", "Approve")
    asking.tries = 7
    assert asking.start(approval(rule={"count": 1})) is None
    assert asking.waits is not None


def test_answers_that_somebody_has_written_into_the_tasks_state_do_not_count(asking: Asking) -> None:
    task = approval()
    asking.start(task)
    asking.answer(task, "alice", "Approve")
    notes = asking.store["artifactory_answers"]
    notes["answers"].append({**notes["answers"][0], "by": "bob"})
    assert asking.start(approval()) is None
    assert asking.waits is not None
    assert asking.waits.kwargs["asked"]["answers"] == []


@pytest.mark.parametrize("written", [1, "x", [], {}, {"code": 1}, {"code": "x", "answers": [7]}])
def test_a_state_that_is_no_answers_is_none(asking: Asking, written: object) -> None:
    asking.store["artifactory_answers"] = written
    asking.start(approval())
    assert asking.waits is not None
    assert asking.waits.kwargs["asked"]["answers"] == []


def test_what_has_changed_while_people_thought_is_not_approved_by_their_answers(asking: Asking) -> None:
    asking.start(approval())
    changed = approval(promotions=[promotion(digest=DIGESTS["web"])])
    with pytest.raises(QuestionEnded, match="has changed while people were asked"):
        asking.answer(changed, "alice", "Approve")


def test_people_are_never_asked_about_one_thing_while_they_see_another(asking: Asking) -> None:
    asking.start(approval())
    with pytest.raises(QuestionEnded, match="keeps showing them the question of then"):
        asking.start(approval(promotions=[promotion(digest=DIGESTS["web"])]))


def test_an_approval_holds_for_all_that_was_shown_and_for_each_part_and_for_nothing_else(asking: Asking) -> None:
    task = approval(promotions=[promotion(), promotion("web")], rule={"count": 1})
    asking.start(task)
    document = asking.answer(task, "alice", "Approve")
    one = ApprovalRule()
    assert is_enough(document, promotion(), promotion("web"), rule=one)
    assert is_enough(document, promotion("web"), rule=one)
    assert not is_enough(document, promotion(digest=DIGESTS["web"]), rule=one)


def test_what_is_shown_of_chunks_is_made_of_them_and_not_of_a_summary_that_somebody_may_have_written(
    asking: Asking,
) -> None:
    asking.xcoms["plan", "chunk_0"] = [promotion("web")] * 60
    asking.xcoms["plan", "plan_summary"] = "**1 promotion: docker-staging/harmless**" + "x" * 1_000_000
    chunk = {"key": "chunk_0", "task_id": "plan", "name": "api", "promotions": 60}
    asking.start(approval(promotions=..., chunks=[chunk]))
    assert asking.asked.startswith("| image | becomes | tags |")
    assert "| `docker-staging/web` | `docker-prod/web` | 60 |" in asking.asked
    assert len(asking.asked) < 50_000


def test_a_plan_in_chunks_is_shown_and_approved_chunk_by_chunk_and_as_a_whole(asking: Asking) -> None:
    chunks = []
    for number, image in enumerate(("api", "web")):
        asking.xcoms["plan", f"chunk_{number}"] = [promotion(image)]
        chunks.append({"key": f"chunk_{number}", "task_id": "plan", "name": image, "promotions": 1})
    asking.xcoms["plan", "plan_summary"] = "**2 promotions: 2 promote**"
    task = approval(promotions=..., chunks=chunks, rule={"count": 1})
    asking.start(task)
    assert "`docker-prod/web:1.4.2` |\n\nThe plan's own summary:\n\n**2 promotions: 2 promote**" in asking.asked
    document = asking.answer(task, "alice", "Approve")
    assert [is_enough(document, promotion(image), rule=ApprovalRule()) for image in ("api", "web")] == [True, True]
    assert is_enough(document, promotion(), promotion("web"), rule=ApprovalRule())
    assert not is_enough(document, promotion(), promotion("web", digest=DIGESTS["api"]), rule=ApprovalRule())


def test_a_plan_that_is_made_anew_while_people_think_voids_their_answers(asking: Asking) -> None:
    chunk = {"key": "chunk_0", "task_id": "plan", "name": "api", "promotions": 1}
    asking.xcoms["plan", "chunk_0"] = [promotion()]
    task = approval(promotions=..., chunks=[chunk])
    asking.start(task)
    asking.xcoms["plan", "chunk_0"] = [promotion(digest=DIGESTS["web"])]
    with pytest.raises(QuestionEnded, match="has changed while people were asked"):
        asking.answer(task, "alice", "Approve")


@pytest.mark.parametrize("nothing", [None, "", "None", "null", {}])
def test_where_the_policy_asks_for_no_approval_nobody_is_asked(asking: Asking, nothing: Any) -> None:
    assert asking.start(approval(rule=nothing)) is None
    assert asking.waits is None
    assert asking.questions == []


@pytest.mark.parametrize("given", [{"promotions": []}, {"promotions": ..., "chunks": []}])
def test_where_nothing_is_to_be_promoted_nobody_is_asked(asking: Asking, given: dict[str, Any]) -> None:
    assert asking.start(approval(**given)) is None
    assert asking.waits is None


@pytest.mark.parametrize(
    "given",
    [
        {"promotions": None},
        {"promotions": "all of them"},
        {"promotions": [{"source": "docker-staging/api:1.4.2", "target": "docker-prod/api:1.4.2"}]},
        {"promotions": ..., "chunks": None},
        {"promotions": ..., "chunks": "all of them"},
        {"promotions": ..., "chunks": [{"key": "chunk_0", "task_id": "plan", "name": "api", "promotions": 1}]},
    ],
)
def test_what_should_have_been_handed_on_and_was_not_is_an_error_and_no_approval(
    asking: Asking, given: dict[str, Any]
) -> None:
    with pytest.raises(InvalidPromotion, match=r"nobody was asked|Nobody was asked|no list|should have"):
        asking.start(approval(**given))


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("{", "cannot be read"),
        ("count: 2", "cannot be read"),
        ({"count": 0}, "cannot be read"),
        ([], "cannot be read"),
        (False, "cannot be read"),
        ({"count": 1, "roles": ["release"]}, "does not tell tasks who has which role"),
        ({"count": 2, "users": ["alice", "dave"]}, "too few are left"),
    ],
)
def test_a_rule_that_nobody_can_satisfy_ends_the_task_before_anybody_is_asked(
    asking: Asking, rule: Any, reason: str
) -> None:
    with pytest.raises(QuestionEnded, match=reason):
        asking.start(approval(rule=rule))
    assert asking.questions == []


def test_a_rule_may_come_as_the_json_of_a_template(asking: Asking) -> None:
    asking.start(approval(rule='{"count": 1, "users": ["alice"]}'))
    assert "**1 of `alice` has to approve" in asking.asked


def test_a_run_that_nobody_knows_the_starter_of_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(QuestionEnded, match="Nobody knows who has started this run"):
        Asking(monkeypatch, starter=None).start(approval())


@pytest.mark.parametrize("run_type", ["scheduled", "asset_triggered", "operator_triggered"])
def test_a_run_that_nobody_has_started_asks(monkeypatch: pytest.MonkeyPatch, run_type: str) -> None:
    asking = Asking(monkeypatch, starter=None, run_type=run_type)
    asking.start(approval())
    assert asking.waits is not None


def test_without_a_secret_that_seals_answers_nobody_is_asked(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    from artifactory_provider.artifactory.errors import InvalidSettings

    monkeypatch.setenv("AIRFLOW_CONN_OPEN", '{"conn_type": "artifactory"}')
    with pytest.raises(InvalidSettings, match="'open' has no password"):
        asking.start(approval(artifactory_conn_id="open"))


async def test_what_the_connection_names_seals_for_those_who_ask_and_those_who_promote(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"conn_type": "artifactory", "extra": {"seal_connection": "artifactory_default"}}
    monkeypatch.setenv("AIRFLOW_CONN_OPEN", json.dumps(fields))
    task = approval(artifactory_conn_id="open", rule={"count": 1})
    asking.start(task)
    document = asking.answer(task, "bob", "Approve")
    assert Approval.from_dict(document, KEY).triggered_by == "dave"

    rule = {"target": {"repositories": ["docker-prod"]}, "approvals": {"count": 1}}
    texts = {"artifactory_policy": json.dumps({"version": 1, "rules": [rule]})}
    rules = VariableRules.read(
        policy_variable=None,
        stop_variable=None,
        starter=Starter("person", "dave"),
        key=ArtifactoryHook("open").sealing_key,
        read=texts.get,
    )
    changes = [Change(source, target) for source, target in read_promotions([promotion()])]
    assert await rules.with_answers(changes, Answers(approval=document)).find_refusals(changes) == [None]
    assert await rules.with_answers(changes, None).find_refusals(changes) != [None]


def test_those_who_are_notified_are_notified_once(asking: Asking) -> None:
    from airflow.sdk import BaseNotifier

    class Counting(BaseNotifier):
        seen: list[str] = []  # noqa: RUF012

        def notify(self, context: Any) -> None:
            self.seen.append(context["task"].subject)

    task = approval(notifiers=[Counting()])
    asking.start(task)
    asking.answer(task, "alice", "Approve")
    asking.start(task)
    assert Counting.seen == ["Promote docker-staging/api:1.4.2 to docker-prod/api:1.4.2?"]


def test_without_a_rule_one_other_person_has_to_approve(asking: Asking) -> None:
    asking.start(approval(rule=...))
    assert "**1 person has to approve, other than who started the run.**" in asking.asked


@pytest.mark.parametrize(
    "wrong",
    [
        {"promotions": ...},
        {"chunks": []},
        {"count": 1},
        {"users": ["alice"]},
        {"rule": ..., "count": 0},
        {"rule": ..., "count": 2, "users": ["alice"]},
        {"rule": ..., "users": "alice"},
        {"rule": ..., "valid_for": datetime.timedelta()},
    ],
)
def test_arguments_that_make_no_sense_are_refused_when_the_dag_is_read(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        approval(**wrong)


def test_a_killed_task_is_tried_again_unless_the_dag_says_otherwise() -> None:
    with DAG("ladder", schedule=None, default_args={"retries": 7}):
        assert approval().retries == 7
    assert approval().retries == 3
    assert approval(retries=0).retries == 0


def test_every_templated_field_is_an_attribute() -> None:
    task = approval()
    assert all(hasattr(task, name) for name in task.template_fields)


def test_a_mapped_task_asks_about_each(asking: Asking) -> None:
    with DAG("ladder", schedule=None):
        mapped = ArtifactoryApprovalOperator.partial(task_id="approve", count=1).expand(
            promotions=[[promotion()], [promotion("web")]]
        )
    task = mapped.unmap({"promotions": [promotion("web")]})
    asking.start(task)
    assert asking.questions[0].subject == "Promote docker-staging/web:1.4.2 to docker-prod/web:1.4.2?"
