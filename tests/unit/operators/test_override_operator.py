"""Who is asked to set a refusal aside, and what is taken for an override."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from tests.unit.operators.asking import Asking, promotion

from artifactory_provider.operators import ArtifactoryOverrideOperator
from artifactory_provider.operators.question import QuestionEnded
from artifactory_provider.policy import OverrideRule, check_override, fingerprint
from artifactory_provider.policy.overrides import Override
from artifactory_provider.policy.seals import derive_key
from artifactory_provider.promotion.rules import Change
from artifactory_provider.tasks.handover import read_promotions

KEY = derive_key("a long secret")
RULE: dict[str, Any] = {"users": ["alice"], "longest": 3600 * 8}


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Asking:
    return Asking(monkeypatch)


def override(**changes: Any) -> ArtifactoryOverrideOperator:
    arguments: dict[str, Any] = {"task_id": "override", "promotions": [promotion()], "rule": RULE, **changes}
    return ArtifactoryOverrideOperator(**{name: value for name, value in arguments.items() if value is not ...})


def test_one_person_who_may_overrides_with_a_reason_and_an_end(asking: Asking) -> None:
    task = override()
    asking.start(task)
    before = datetime.datetime.now(datetime.UTC)
    document = asking.answer(task, "alice", "Override", reason="CVE-2026-1", hours=2)
    given = Override.from_dict(document, KEY)
    assert (given.by, given.reason, given.run) == ("alice", "CVE-2026-1", "ladder/manual__1/override")
    assert given.until - given.at == datetime.timedelta(hours=2)
    code = fingerprint(Change(source, target) for source, target in read_promotions([promotion()]))
    rule = OverrideRule(users=("alice",))
    assert check_override(rule, document, changes_fingerprint=code, at=before, key=KEY) is None


def test_the_question_says_what_refuses_and_who_may_override_for_how_long(asking: Asking) -> None:
    asking.start(override(refusal="docker-prod is frozen by 'winter' (opens Monday 09:00, Europe/Berlin). <b>`|"))
    assert (
        "Refused: `docker-prod is frozen by 'winter' (opens Monday 09:00, Europe/Berlin). <b>'¦`\n\n"
        "**`alice` may override this with a reason, for at most 8 hours.**"
    ) in asking.asked
    fields = asking.questions[0].params or {}
    assert list(fields) == ["reason", "hours"]
    assert fields["hours"]["schema"]["maximum"] == 8
    assert fields["hours"]["value"] == 4


@pytest.mark.parametrize(
    ("by", "fields", "reason"),
    [
        ("mallory", {"reason": "x", "hours": 1}, "not among those who may"),
        (None, {"reason": "x", "hours": 1}, "Airflow does not tell whose"),
        ("alice", {"hours": 1}, "has no reason"),
        ("alice", {"reason": " ", "hours": 1}, "has no reason"),
        ("alice", {"reason": 7, "hours": 1}, "has no reason"),
        ("alice", {"reason": "x"}, "from more than 0 to 8"),
        ("alice", {"reason": "x", "hours": 9}, "from more than 0 to 8"),
        ("alice", {"reason": "x", "hours": 0}, "from more than 0 to 8"),
        ("alice", {"reason": "x", "hours": True}, "from more than 0 to 8"),
        ("alice", {"reason": "x", "hours": "nan"}, "from more than 0 to 8"),
        ("alice", {"reason": "x", "hours": "9" * 400}, "from more than 0 to 8"),
        ("alice", {"reason": "x", "hours": [1]}, "from more than 0 to 8"),
    ],
)
def test_an_answer_that_is_not_whole_or_of_somebody_who_may_not_is_told_and_asked_for_again(
    asking: Asking, by: str | None, fields: dict[str, Any], reason: str
) -> None:
    task = override()
    asking.start(task)
    assert asking.answer(task, by, "Override", **fields) is None
    assert reason in asking.told
    assert asking.waits is not None
    assert asking.answer(task, "alice", "Override", reason="x", hours="1.5") is not None


def test_who_may_override_may_leave_it_instead(asking: Asking) -> None:
    task = override()
    asking.start(task)
    with pytest.raises(QuestionEnded, match="Rejected by alice"):
        asking.answer(task, "alice", "Leave it")


@pytest.mark.parametrize("nothing", [None, "", {"count": 1}])
def test_where_the_rule_allows_no_override_nobody_is_asked(asking: Asking, nothing: Any) -> None:
    with pytest.raises(QuestionEnded, match="nobody was asked"):
        asking.start(override(rule=nothing))
    assert asking.questions == []


def test_where_nothing_is_refused_nobody_is_asked(asking: Asking) -> None:
    assert asking.start(override(promotions=[])) is None
    assert asking.questions == []


def test_a_question_that_nobody_answers_in_time_ends(asking: Asking) -> None:
    task = override(response_timeout=datetime.timedelta(minutes=5))
    asking.start(task)
    with pytest.raises(QuestionEnded, match="nobody who may has overridden this"):
        asking.resume(task, {"error": "The response timeout has passed", "error_type": "timeout"})


def test_a_rule_and_users_at_once_are_refused_when_the_dag_is_read() -> None:
    with pytest.raises(ValueError, match="Give a rule, or users"):
        override(users=["alice"])


def test_nobody_is_asked_where_there_is_nothing_to_override(asking: Asking) -> None:
    assert asking.start(override(promotions=[], rule={})) is None
    assert asking.questions == []
