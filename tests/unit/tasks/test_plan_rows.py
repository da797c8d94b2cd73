"""What tasks hand on of a plan's rows: bounded, read back with what became of each, and refused where it is none."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import pytest

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.planning.chunks import split
from artifactory_provider.promotion.planning.plan import Plan, PlannedPromotion
from artifactory_provider.retention import PlannedDeletion, RetentionPlan
from artifactory_provider.tasks.deletions import push_deletions
from artifactory_provider.tasks.handover import push_plan
from artifactory_provider.tasks.plan_rows import (
    CHUNK,
    ENDS,
    FIRST_OTHERS,
    OTHERS,
    REPLACED,
    ToldRows,
    push_end_of_all,
    push_ends,
    read_rows,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from artifactory_provider.promotion.planning.plan import Action
    from artifactory_provider.tasks.plan_rows import PlanEnd, PlanRow

DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def planned(name: str, action: Action = "promote", current: str | None = None, reason: str = "") -> PlannedPromotion:
    return PlannedPromotion(
        source=ImageReference("docker-dev", name, "1", None if action == "missing" else DIGEST),
        target=ImageReference("docker-qa", name, "1"),
        action=action,
        current=current,
        reason=reason,
    )


def hand_on(*promotions: PlannedPromotion, size: int = 2) -> dict[str, Any]:
    """Return all that the task of a plan hands on."""
    told: dict[str, Any] = {}
    plan = Plan(promotions)
    push_plan(recorder(told), plan, summary="", chunks=split(plan, size=size), approvals={})
    return told


def recorder(told: dict[str, Any]) -> Any:
    def push(key: str, value: Any) -> None:
        told[key] = json.loads(json.dumps(value))

    return SimpleNamespace(task_id="plan", xcom_push=push)


def ends(push: Callable[[Any], None]) -> list[Any]:
    told: dict[str, Any] = {}
    push(recorder(told))
    return [told[ENDS]]


def read(told: dict[str, Any], ended: Iterable[Any] = (), *, untold: PlanEnd = "open") -> list[PlanRow]:
    rows = [
        ToldRows(task_id="plan", map_index=-1, key=key, value=value)
        for key, value in told.items()
        if key.startswith((CHUNK, REPLACED, OTHERS))
    ]
    return read_rows(rows, ended, untold=untold)


PLANNED = (
    planned("a-new"),
    planned("b-replaces", current=OTHER),
    planned("c-completes", current=DIGEST),
    planned("d", "unchanged", DIGEST),
    planned("e", "conflict", OTHER),
    planned("f", "refused", reason="docker-qa is frozen"),
    planned("g", "missing"),
)


def test_each_row_is_handed_on_once_and_read_back_with_its_kind_problems_first() -> None:
    rows = read(hand_on(*PLANNED))
    assert [(row.source, row.kind, row.current, row.end) for row in rows] == [
        ("docker-dev/e:1", "conflict", OTHER, ""),
        ("docker-dev/f:1", "refused", "", ""),
        ("docker-dev/g:1", "missing", "", ""),
        ("docker-dev/b-replaces:1", "replaces", OTHER, "open"),
        ("docker-dev/a-new:1", "new", "", "open"),
        ("docker-dev/c-completes:1", "attachments", "", "open"),
        ("docker-dev/d:1", "unchanged", "", ""),
    ]
    assert rows[1].reason == "docker-qa is frozen"
    assert (rows[2].digest, rows[4].digest, rows[4].target) == ("", DIGEST, "docker-qa/a-new:1")


def test_what_became_of_each_row_is_joined_and_what_failed_comes_first() -> None:
    told = hand_on(*PLANNED)
    chunk = {"task_id": "plan", "key": "chunk_0001", "promotions": 2}
    ended = ends(lambda ti: push_ends(ti, [chunk], [("promoted", ""), ("failed", "it broke")]))
    rows = {row.source: row for row in read(told, ended, untold="no word")}
    assert next(iter(rows)) == "docker-dev/b-replaces:1"
    assert (rows["docker-dev/b-replaces:1"].end, rows["docker-dev/b-replaces:1"].why) == ("failed", "it broke")
    assert rows["docker-dev/a-new:1"].end == "promoted"
    assert rows["docker-dev/c-completes:1"].end == "no word"
    assert rows["docker-dev/d:1"].end == ""


def test_one_word_holds_for_all_rows_of_a_part() -> None:
    parts = [{"task_id": "plan", "key": "chunk_0001"}, {"task_id": "plan", "key": "chunk_0002"}]
    ended = ends(lambda ti: push_end_of_all(ti, parts, "held back", "The plan was not approved."))
    rows = [row for row in read(hand_on(*PLANNED), ended, untold="no word") if row.end]
    assert {(row.end, row.why) for row in rows} == {("held back", "The plan was not approved.")}
    assert len(rows) == 3


def test_a_change_that_was_refused_and_then_allowed_says_what_became_of_it() -> None:
    ended = ends(lambda ti: push_end_of_all(ti, [{"task_id": "plan", "key": FIRST_OTHERS}], "promoted", ""))
    [row] = read(hand_on(planned("a", "refused", reason="frozen")), ended, untold="no word")
    assert (row.kind, row.end) == ("refused", "promoted")


def test_ends_of_another_plans_task_are_no_ends_of_this_one() -> None:
    chunk = {"task_id": "other", "key": "chunk_0001", "promotions": 1}
    [row] = read(hand_on(planned("a")), ends(lambda ti: push_ends(ti, [chunk], [("promoted", "")])))
    assert row.end == "open"


def test_deletions_are_rows_too() -> None:
    told: dict[str, Any] = {}
    actions: list[tuple[str, Literal["delete", "keep", "refused"]]] = [
        ("a", "delete"),
        ("b", "keep"),
        ("c", "refused"),
        ("d", "delete"),
    ]
    deletions = tuple(
        PlannedDeletion(tag=ImageReference("docker-dev", name, "1", DIGEST), kind="tag", action=action, reason="old")
        for name, action in actions
    )
    chunks = push_deletions(recorder(told), RetentionPlan(deletions), approvals={})
    ended = ends(lambda ti: push_ends(ti, chunks, [("moved", "old"), ("left", "a hold needs it")]))
    assert [(row.source, row.target, row.kind, row.end, row.why) for row in read(told, ended)] == [
        ("docker-dev/d:1", "", "delete", "left", "a hold needs it"),
        ("docker-dev/c:1", "", "refused", "", ""),
        ("docker-dev/b:1", "", "keep", "", ""),
        ("docker-dev/a:1", "", "delete", "moved", "old"),
    ]


def test_thousands_of_rows_that_are_not_to_be_done_are_handed_on_in_small_xcoms_and_not_all_of_them() -> None:
    rows = [
        planned(f"a-team-with-a-name/service-{number:05}", "conflict", OTHER, "x" * 900) for number in range(12_000)
    ]
    told = hand_on(*rows)
    sizes = [len(json.dumps(value)) for key, value in told.items() if key.startswith(OTHERS)]
    assert max(sizes) < 64 * 1024
    assert len(read(told)) == 10_000
    replacing = hand_on(*(planned(f"app-{number}", current=OTHER) for number in range(1000)), size=250)
    assert max(len(json.dumps(value)) for value in replacing.values()) < 64 * 1024
    assert [row.kind for row in read(replacing)] == ["replaces"] * 1000


def test_reasons_of_a_part_are_few_and_short_and_every_end_is_kept() -> None:
    chunk = {"task_id": "plan", "key": "chunk_0001", "promotions": 250}
    [told] = ends(lambda ti: push_ends(ti, [chunk], [("failed", "x" * 5000)] * 250))
    assert len(json.dumps(told)) < 32 * 1024
    assert told[0]["ends"] == "f" * 250
    parts = [{"task_id": "plan", "key": f"chunk_{number:04}", "promotions": 500} for number in range(200)]
    many = ends(lambda ti: push_ends(ti, parts, [("failed", "x" * 5000)] * 100_000))
    assert len(json.dumps(many)) < 300 * 1024
    assert sum(len(part["ends"]) for [part] in zip(many[0], strict=True)) == 100_000


@pytest.mark.parametrize("value", [None, 7, "x", {}, [7], [{}], [{"source": 1}], [{"source": "a", "target": None}]])
def test_what_are_no_rows_is_said(value: Any) -> None:
    with pytest.raises(ValueError, match="no rows of a plan"):
        read({f"{CHUNK}0001": value})


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "x",
        [7],
        [{}],
        [{"task_id": "plan", "key": "chunk_0001", "ends": 1}],
        [{"task_id": [1], "key": "x", "ends": "p", "reasons": {}}],
    ],
)
def test_what_are_no_ends_is_said(value: Any) -> None:
    with pytest.raises(ValueError, match="no end of a plan's rows"):
        read(hand_on(planned("a")), [value])


def test_an_end_that_there_is_not_is_said() -> None:
    odd = [{"task_id": "plan", "key": "chunk_0001", "ends": "?", "reasons": {}}]
    with pytest.raises(ValueError, match="no rows of a plan"):
        read(hand_on(planned("a")), [odd])
