from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.planning.differences import differences
from artifactory_provider.promotion.planning.plan import Plan, PlannedPromotion
from artifactory_provider.promotion.planning.rendering import as_csv, as_json, as_table, from_json, render_plan

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
HOSTILE = "`</code><script>alert(1)</script> | [x](javascript:alert(1))\n# heading\n![i](//evil) \\`"


def planned(
    tag: str, action: str, *, image: str = "team/app", current: str | None = None, reason: str = ""
) -> PlannedPromotion:
    return PlannedPromotion.from_dict(
        {
            "source": f"docker-dev/{image}:{tag}" + (f"@{A}" if action != "missing" else ""),
            "target": f"docker-qa/{image}:{tag}",
            "action": action,
            "current": current,
            "reason": reason,
        }
    )


PLAN = Plan(
    (
        planned("1", "promote"),
        planned("2", "unchanged", current=A),
        planned("3", "conflict", current=B),
        planned("4", "missing"),
        planned("5", "promote", current=B, reason="overwrites what is there"),
    )
)

tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
plans = st.dictionaries(
    tags, st.tuples(st.sampled_from(["promote", "unchanged", "conflict", "missing"]), st.none() | st.just(B), st.text())
).map(
    lambda found: Plan(
        tuple(planned(tag, action, current=current, reason=reason) for tag, (action, current, reason) in found.items())
    )
)


@given(plans)
def test_a_plan_is_read_back_from_its_json(plan: Plan) -> None:
    assert from_json(as_json(plan)) == plan


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"promotions": [{}]}',
        '{"promotions": [1]}',
        json.dumps({"promotions": [{**PLAN.promotions[0].as_dict(), "action": "delete"}]}),
        json.dumps({"promotions": [{**PLAN.promotions[0].as_dict(), "source": "x"}]}),
        json.dumps({"promotions": [PLAN.promotions[0].as_dict()] * 2}),
        "[" * 100_000,
    ],
)
def test_what_is_no_plan_is_not_read_as_one(text: str) -> None:
    with pytest.raises(InvalidPlan, match="That is no plan"):
        from_json(text)


def test_a_table_has_a_line_a_promotion_and_says_how_many_it_leaves_out() -> None:
    lines = as_table(PLAN).splitlines()
    assert len(lines) == 7
    assert lines[3].split() == ["conflict", f"docker-dev/team/app:3@{A[:19]}", "docker-qa/team/app:3", B[:19]]
    assert lines[-1] == "5 promotions: 2 promote, 1 unchanged, 1 conflict, 0 refused, 1 missing"
    assert as_table(PLAN, limit=2).splitlines()[3] == "… and 3 more"


@given(plans)
def test_csv_has_every_promotion_and_no_cell_that_a_spreadsheet_would_run(plan: Plan) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(plan), newline="")))
    assert [(row["action"], row["target"]) for row in rows] == [(p.action, str(p.target)) for p in plan.promotions]
    assert not [cell for row in rows for cell in row.values() if cell[:1] in set("=+-@\t\r\n")]


def test_markdown_shows_counts_then_images_then_problems_then_examples() -> None:
    text = render_plan(PLAN)
    places = [
        text.index(part) for part in ("5 promotions", "| image |", "### Conflicts", "### Missing", "### To promote")
    ]
    assert places == sorted(places)
    assert f"- `docker-dev/team/app:3` `{A[:19]}` → `docker-qa/team/app:3`, which shows `{B[:19]}`" in text
    assert "| `docker-dev/team/app` | `docker-qa/team/app` | 2 | 1 | 1 | 0 | 1 |" in text


def test_markdown_of_ten_thousand_promotions_is_short_and_says_what_it_leaves_out() -> None:
    plan = Plan(tuple(planned(str(number), "promote", image=f"team/app-{number % 100}") for number in range(10_000)))
    text = render_plan(plan, limit=20)
    assert "… and 9,980 more" in text
    assert "… and 80 more images" in text
    assert len(text.splitlines()) < 60


@given(st.text() | st.just(HOSTILE))
def test_no_reason_can_be_taken_for_markdown_or_html(reason: str) -> None:
    plan = Plan((planned("1", "conflict", current=B, reason=reason),))
    plain = render_plan(Plan((planned("1", "conflict", current=B, reason="x"),)))
    text = render_plan(plan)
    assert len(text.splitlines()) == len(plain.splitlines())
    assert not set("<>\\&") & set(text)
    assert text.count("`") == plain.count("`") - (0 if reason else 2)
    assert text.count("|") == plain.count("|")


def test_what_has_changed_between_two_plans_is_told_by_target() -> None:
    new = Plan((planned("1", "unchanged", current=A), *PLAN.promotions[1:4], planned("6", "promote")))
    found = differences(PLAN, new)
    assert [str(one.target.tag) for one in found.added] == ["6"]
    assert [str(one.target.tag) for one in found.removed] == ["5"]
    assert [(old.action, later.action) for old, later in found.changed] == [("promote", "unchanged")]
    dev, qa = f"docker-dev/team/app:1@{A[:19]}", "docker-qa/team/app:1"
    assert found.as_text().splitlines() == [
        f"+ docker-qa/team/app:6: promote docker-dev/team/app:6@{A[:19]}",
        f"- docker-qa/team/app:5: promote docker-dev/team/app:5@{A[:19]}, {B[:19]} there, overwrites what is there",
        f"~ {qa}: promote {dev} is now unchanged {dev}, {A[:19]} there",
    ]


@given(plans, plans)
def test_a_plan_differs_from_another_exactly_when_it_is_another(one: Plan, other: Plan) -> None:
    assert not differences(one, one)
    assert bool(differences(one, other)) == ({*one.promotions} != {*other.promotions})


def test_a_promotion_of_a_plan_names_source_and_target_with_their_tags() -> None:
    assert PLAN.promotions[0].source == ImageReference("docker-dev", "team/app", "1", A)
    assert PLAN.counts == {"promote": 2, "unchanged": 1, "conflict": 1, "refused": 0, "missing": 1}
