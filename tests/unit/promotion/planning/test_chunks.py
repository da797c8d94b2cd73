from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.planning.chunks import MOST_CHUNKS, split
from artifactory_provider.promotion.planning.plan import Plan, PlannedPromotion

if TYPE_CHECKING:
    from artifactory_provider.promotion.planning.plan import Action

DIGEST = "sha256:" + "a" * 64


def planned(image: str, tag: str, action: Action = "promote") -> PlannedPromotion:
    return PlannedPromotion(
        source=ImageReference("docker-dev", image, tag, DIGEST),
        target=ImageReference("docker-qa", image, tag),
        action=action,
    )


def plan(numbers: dict[str, int]) -> Plan:
    return Plan(tuple(planned(image, str(tag)) for image, tags in numbers.items() for tag in range(tags)))


@given(st.dictionaries(st.sampled_from(["a", "b", "p/a", "p/b", "p/q/c"]), st.integers(0, 40)), st.integers(1, 50))
def test_every_promotion_is_in_one_chunk_and_no_chunk_is_too_large(numbers: dict[str, int], size: int) -> None:
    asked = plan(numbers)
    chunks = split(asked, size=size)
    assert sorted(str(one.target) for chunk in chunks for one in chunk.promotions) == sorted(
        str(one.target) for one in asked.promotions
    )
    assert all(0 < len(chunk.promotions) <= size for chunk in chunks)
    assert len({chunk.key for chunk in chunks}) == len({chunk.name for chunk in chunks}) == len(chunks)


def test_a_chunk_holds_neighbours_of_one_image_whatever_the_plan_was_ordered_by() -> None:
    promotions = list(plan({"a": 10, "b": 10, "c": 10}).promotions)
    promotions = promotions[::3] + promotions[1::3] + promotions[2::3]
    assert [chunk.name for chunk in split(Plan(tuple(promotions)), size=10)] == ["a 1–10", "b 11–20", "c 21–30"]


def test_a_chunk_is_called_by_its_image_or_its_folder_or_its_first_and_last_image() -> None:
    numbers = {"alpha": 2, "payments/api": 3, "payments/web": 3, "zeta": 1}
    assert [chunk.name for chunk in split(plan(numbers), size=3)] == [
        "alpha … payments/api 1–3",
        "payments/* 4–6",
        "payments/web … zeta 7–9",
    ]
    assert [chunk.name for chunk in split(plan({"payments/api": 5}), size=3)] == [
        "payments/api 1–3",
        "payments/api 4–5",
    ]
    assert [chunk.name for chunk in split(plan({"payments/api": 3}), size=2)] == ["payments/api 1–2", "payments/api 3"]


def test_what_is_not_to_be_promoted_is_in_no_chunk() -> None:
    actions: list[Action] = ["unchanged", "conflict", "missing", "promote"]
    asked = Plan(tuple(planned("app", action, action) for action in actions))
    assert [one.target.tag for chunk in split(asked, size=9) for one in chunk.promotions] == ["promote"]
    assert split(Plan(asked.promotions[:3]), size=9) == []


def test_fifty_thousand_promotions_stay_within_the_limits_of_mapping_and_xcoms() -> None:
    asked = plan({f"a-team-with-a-name/its-service-{number:04}": 50 for number in range(1000)})
    chunks = split(asked, size=250)
    assert len(chunks) == 200
    assert max(len(json.dumps(chunk.as_list())) for chunk in chunks) < 65_536
    assert len(json.dumps([chunk.descriptor("plan") for chunk in chunks])) < 48 * 1024
    assert len(split(asked, size=1)) == MOST_CHUNKS


@pytest.mark.parametrize("size", [0, -1])
def test_chunks_of_nothing_are_refused(size: int) -> None:
    with pytest.raises(InvalidPromotion, match="1 or more"):
        split(plan({"a": 1}), size=size)
