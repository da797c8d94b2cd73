from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.audit.survey import StandingTag
from artifactory_provider.audit.trail import COLUMNS, Maker, Period, ToldPromotion, TrailRow, make_trail, read_told
from artifactory_provider.promotion.record import read_records
from artifactory_provider.promotion.tags import name_backup

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

NOON = datetime.datetime(2026, 11, 3, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
D, E = (f"sha256:{letter * 64}" for letter in "de")
NIGHT = Maker("nightly", "scheduled__1", "promote", -1, "scheduled", "")
BY_HAND = Maker("on_demand", "manual__1", "promote", -1, "manual", "alice")
RUN, OTHER_RUN = "aaaaaaaaaaaa", "bbbbbbbbbbbb"


def stands(tag: str = "1", *, digest: str = D, of: str | None = None, **said: Any) -> StandingTag:
    """Return a tag in production with the record of its promotion from qa, or of that of another tag; or with none."""
    record = {
        "digest": digest,
        "source": f"docker-qa/api:{of or tag}",
        "target": f"docker-prod/api:{of or tag}",
        "time": NOON.isoformat(timespec="seconds"),
        "run": RUN,
        "replaced": "none",
        **said,
    }
    properties = {f"promotion.{name}": (value,) for name, value in record.items()} if said.get("time") != "-" else {}
    place = ImageReference("docker-prod", "api", tag, digest)
    records = read_records(properties)
    own = next((one for one in records if one.speaks_of(place)), None)
    return StandingTag(place, False, "", None, None, "ci", 1, properties, records, own)


def told(
    tag: str = "1", *, digest: str = D, run: str = RUN, maker: Maker | None = NIGHT, **changes: Any
) -> ToldPromotion:
    fields: dict[str, Any] = {
        "time": NOON + HOUR / 60,
        "target": f"docker-prod/api:{tag}",
        "source": f"docker-qa/api:{tag}",
        "digest": digest,
        "replaced": "",
        "verdicts": "",
        "run": run,
        "maker": maker,
    }
    return ToldPromotion(**{**fields, **changes})


def trail(
    tags: Sequence[StandingTag] = (),
    events: Sequence[ToldPromotion] = (),
    *,
    period: Period | None = None,
    makers: Mapping[str, Maker | None] | None = None,
    **more: Any,
) -> list[TrailRow]:
    def find(runs: Collection[str]) -> Mapping[str, Maker | None]:
        return {run: maker for run, maker in (makers or {}).items() if run in runs}

    return make_trail(tags, events, period=period or Period(), find_makers=find, **more)


def test_a_promotion_that_both_tell_of_is_one_row_with_what_each_of_them_knows() -> None:
    approvals, override = "2 of 2: alice, bob", "carol: the site is down"
    tag = stands(verdicts="test.status: passed", approvals=approvals, override=override, replaced=E)
    [row] = trail([tag], [told(maker=BY_HAND, verdicts="test.status: passed", replaced=E)])
    assert row.as_dict() == {
        "time": "2026-11-03T12:00:00+00:00",
        "kind": "promotion",
        "target": "docker-prod/api:1",
        "digest": D,
        "source": "docker-qa/api:1",
        "replaced": E,
        "by": "alice",
        "started": "manual",
        "dag": "on_demand",
        "dag_run": "manual__1",
        "task": "promote",
        "run": RUN,
        "verdicts": "test.status: passed",
        "approvals": approvals,
        "override": override,
        "told_by": "both",
        "disagreement": "",
        "remark": "",
    }
    assert tuple(row.as_dict()) == COLUMNS


@pytest.mark.parametrize(
    ("said", "event", "words"),
    [
        ({"source": "docker-dev/api:1"}, {}, "came from docker-dev/api:1 says the record, from docker-qa/api:1 the ev"),
        ({"replaced": E}, {}, f"replaced {E} says the record, nothing the event"),
        ({}, {"replaced": E}, f"replaced nothing says the record, {E} the event"),
        ({"verdicts": "test: passed"}, {"verdicts": "test: failed"}, "other verdicts: test: failed"),
        ({"verdicts": "test: passed"}, {}, "other verdicts: none"),
        ({"time": "2026-11-04T12:00:00+00:00"}, {}, "younger than the event of 2026-11-03 12:01 UTC"),
    ],
)
def test_where_record_and_event_contradict_each_other_the_row_says_so(
    said: dict[str, Any], event: dict[str, Any], words: str
) -> None:
    [row] = trail([stands(**said)], [told(**event)])
    assert row.told_by == "both"
    assert words in row.disagreement


def test_what_a_record_does_not_know_is_no_contradiction() -> None:
    [row] = trail([stands(replaced="unknown")], [told(replaced=E)])
    assert (row.replaced, row.disagreement) == ("unknown", "")


@pytest.mark.parametrize(
    ("maker", "said", "by", "words"),
    [
        (BY_HAND, {}, "alice", "its task emits none"),
        (NIGHT, {}, "", "its task emits none"),
        (None, {}, "", "No run that Airflow knows has made it."),
        (None, {"by": "bob from the command line"}, "bob from the command line", "the record names bob from the"),
    ],
)
def test_a_record_alone_is_told_with_the_task_that_its_run_is_named_after(
    maker: Maker | None, said: dict[str, Any], by: str, words: str
) -> None:
    [row] = trail([stands(**said)], makers={RUN: maker} if maker else {})
    assert (row.told_by, row.by, row.maker, row.disagreement) == ("record", by, maker, "")
    assert words in row.remark


def test_a_record_of_a_run_that_whoever_asks_may_not_know_of_is_left_out() -> None:
    assert trail([stands()], makers={RUN: None}) == []


@pytest.mark.parametrize(
    ("tags", "disagreement", "remark"),
    [
        ([], "", "The tag is gone"),
        ([stands(digest=E)], "", f"The tag shows {E} by now"),
        ([stands(time="-")], "no record of its promotion stands on it", ""),
        ([stands(run=OTHER_RUN, time="2026-11-04T12:00:00+00:00")], "", "A later promotion of the same digest"),
        ([stands(run=OTHER_RUN, time="2026-11-02T12:00:00+00:00")], "of another promotion, of 2026-11-02T12", ""),
    ],
)
def test_an_event_alone_says_why_no_record_tells_of_it_or_that_the_image_contradicts_it(
    tags: Sequence[StandingTag], disagreement: str, remark: str
) -> None:
    [row] = [row for row in trail(tags, [told()]) if row.told_by == "event"]
    assert disagreement in row.disagreement
    assert remark in row.remark
    assert bool(row.disagreement) == bool(disagreement)
    assert bool(row.remark) == bool(remark)


def test_of_an_image_that_could_not_be_read_no_event_is_contradicted() -> None:
    [row] = trail([], [told()], was_read=lambda image: image != "docker-prod/api")
    assert (row.disagreement, row.remark) == (
        "",
        "What stands in its image could not be read, and so neither its record.",
    )


def test_a_backup_still_tells_of_the_promotion_that_was_replaced_and_a_copy_by_hand_of_none() -> None:
    backup = str(name_backup(ImageReference("docker-prod", "api", "1"), D).tag)
    rows = trail([stands(digest=E, replaced=D), stands(backup, of="1"), stands("copied", of="1")])
    assert [(row.target, row.digest) for row in rows] == [("docker-prod/api:1", D), ("docker-prod/api:1", E)]


def test_going_back_to_a_backup_is_a_rollback() -> None:
    backup = name_backup(ImageReference("docker-prod", "api", "1"), D)
    [row] = trail([stands(source=f"docker-prod/api:{backup.tag}")])
    assert row.kind == "rollback"


def test_the_oldest_comes_first_and_a_time_that_cannot_be_read_last_in_whatever_time_is_asked_for() -> None:
    tags = [
        stands("c", time="yesterday"),
        stands("b", time="2026-11-03T12:00:00+00:00"),
        stands("a", time="2026-11-03T12:30:00+01:00"),
        stands("d", time="2026-11-03T12:00:00"),
    ]
    rows = trail(tags, period=Period(NOON - HOUR, NOON))
    assert [(row.target[-1], row.time is None) for row in rows] == [("a", False), ("c", True), ("d", True)]
    assert "The record's time is none: yesterday." in rows[1].disagreement
    assert [row.target[-1] for row in trail(tags)] == ["a", "b", "c", "d"]


def test_the_task_of_a_promotion_may_end_after_the_time_that_is_asked_for() -> None:
    period = Period(NOON - HOUR, NOON + HOUR)
    [row] = trail([stands()], [told(time=NOON + 5 * HOUR)], period=period)
    assert row.told_by == "both"
    assert trail([], [told(time=NOON + 5 * HOUR)], period=period) == []


def test_of_what_came_after_the_look_at_the_images_nothing_is_told() -> None:
    assert Period(NOON, NOON + 2 * HOUR).known_at(NOON + HOUR) == Period(NOON, NOON + HOUR)
    assert Period(NOON, NOON + HOUR).known_at(NOON + 2 * HOUR) == Period(NOON, NOON + HOUR)
    assert Period().known_at(None) == Period()


def test_what_outsiders_wrote_stays_text() -> None:
    [row] = trail([stands(by="\x1b[31mme\n=1+1", verdicts="a\x00b", approvals="<b>\u202ebob")])
    assert "\x1b" not in row.by
    assert "\n" not in row.by
    assert row.verdicts == "a\ufffdb"
    assert row.approvals == "<b>\ufffdbob"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["outcome", "source", "target", "digest", "replaced", "verdicts"])
VALUES = JSON | st.just("promoted") | st.fixed_dictionaries({"reference": st.just(f"docker-prod/api:1@{D}") | JSON})


@given(st.dictionaries(st.just("promotions"), st.lists(st.dictionaries(KEYS, VALUES)) | JSON))
def test_whatever_an_event_holds_is_read_or_passed_over(extra: dict[str, Any]) -> None:
    for one in read_told(NOON, extra, NIGHT, run=RUN):
        assert one.target.count(":") == 1
        assert one.digest.startswith("sha256:")


PROMOTIONS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([D, E]), st.sampled_from([RUN, OTHER_RUN]), st.integers(0, 48)),
    max_size=12,
)


@given(PROMOTIONS, PROMOTIONS)
def test_each_promotion_that_anybody_tells_of_is_told_once_in_the_order_of_time(
    recorded: list[tuple[str, str, str, int]], emitted: list[tuple[str, str, str, int]]
) -> None:
    tags = {
        tag: stands(tag, digest=digest, run=run, time=(NOON + hours * HOUR).isoformat())
        for tag, digest, run, hours in recorded
    }
    events = [told(tag, digest=digest, run=run, time=NOON + hours * HOUR) for tag, digest, run, hours in emitted]
    rows = trail(list(tags.values()), events)
    keys = [(row.target[-1], row.digest, row.run) for row in rows]
    recorded_keys = {(tag, one.digest, str(one.record.run)) for tag, one in tags.items() if one.record is not None}
    assert sorted(keys) == sorted(recorded_keys | {(tag, digest, run) for tag, digest, run, _ in emitted})
    times = [row.time for row in rows if row.time]
    assert times == sorted(times)


def test_fifty_thousand_promotions_are_joined() -> None:
    tags = [stands(f"1.{number}", run=f"{number:012x}") for number in range(50_000)]
    events = [told(f"1.{number}", run=f"{number:012x}") for number in range(50_000)]
    rows = trail(tags, events)
    assert {row.told_by for row in rows} == {"both"}
    assert len(rows) == 50_000


def test_who_promoted_at_another_time_is_not_looked_for() -> None:
    asked: list[str] = []

    def find(runs: Collection[str]) -> Mapping[str, Maker | None]:
        asked.extend(runs)
        return {}

    december = Period(datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC))
    assert make_trail([stands()], (), period=december, find_makers=find) == []
    assert asked == []
    make_trail([stands()], (), period=Period(), find_makers=find)
    assert len(asked) == 1
