"""A saved plan is read back as it was, and nothing else is taken for one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.promotion.planning.test_rendering import PLAN, plans

from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.promotion.errors import InvalidPlan, InvalidPromotion
from artifactory_provider.promotion.planning import saved as module
from artifactory_provider.promotion.planning.plan import Plan
from artifactory_provider.promotion.planning.saved import SavedPlan, load_plan, save_plan

SAVED = SavedPlan(PLAN, "backup")
TEXT = save_plan(SAVED)


def changed(**fields: Any) -> bytes:
    """Return the plan with other fields, as by somebody who renews the checksum."""
    content = {**json.loads(TEXT), **fields}
    del content["checksum"]
    return json.dumps({**content, "checksum": module._checksum(content)}).encode()


def promotion(**fields: Any) -> list[dict[str, Any]]:
    return [{**PLAN.promotions[0].as_dict(), "action": "promote", **fields}]


@given(plans.filter(lambda plan: plan.promotions), st.sampled_from(["fail", "overwrite", "backup"]))
def test_a_plan_is_read_back_as_it_was_saved(plan: Plan, policy: Any) -> None:
    plan = Plan(tuple(one for one in plan.promotions if one.action != "promote" or one.source.digest))
    if plan.promotions:
        assert load_plan(save_plan(SavedPlan(plan, policy)).encode()) == SavedPlan(plan, policy)


def test_how_it_is_laid_out_makes_no_difference() -> None:
    assert load_plan(json.dumps(json.loads(TEXT)).encode()) == SAVED


@given(st.integers(0, len(TEXT) - 1), st.characters(codec="ascii"))
def test_whatever_one_changes_in_it_is_found(place: int, letter: str) -> None:
    text = TEXT[:place] + letter + TEXT[place + 1 :]
    try:
        same = json.loads(text) == json.loads(TEXT)
    except ValueError:
        same = False
    if not same:
        with pytest.raises((InvalidPromotion, InvalidReference)):
            load_plan(text.encode())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"\xff\xfe", "it is no JSON"),
        (TEXT[:100].encode(), "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
        (b"[]", "does not say its version"),
        (b"null", "does not say its version"),
        (b'[{"action": "promote"}]', "does not say its version"),
        (b'{"version": 2}', "a plan of version 2, and version 1 is read here"),
        (b'{"version": true}', "a plan of version True"),
        (b'{"version": "\\u001b]0;x"}', "a plan of version '"),
        (b'{"version": 1}', "was changed since it was saved"),
        (changed(promotions=[]), "has no promotions"),
        (changed(promotions=None), "That is no plan"),
        (changed(promotions=promotion(source="docker-dev/app:1")), "names no digest of docker-dev/app:1"),
        (changed(promotions=promotion(action="delete")), "is none of"),
        (changed(on_conflict="force"), "on_conflict is 'fail'"),
    ],
)
def test_what_is_no_saved_plan_is_refused_in_words(text: bytes, said: str) -> None:
    with pytest.raises(InvalidPromotion) as refused:
        load_plan(text)
    assert said in str(refused.value)
    assert "\x1b" not in str(refused.value)


def test_what_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 100)
    with pytest.raises(InvalidPlan, match="more than 100 bytes"):
        load_plan(TEXT.encode())
