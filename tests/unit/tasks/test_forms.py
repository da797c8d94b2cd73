from __future__ import annotations

import datetime
from typing import Any

import pytest

from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.tasks.forms import as_list, as_moment, as_number, as_pairs, as_text, read_criteria

UTC = datetime.UTC


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (None, ()),
        ("", ()),
        (" \n\n", ()),
        ("a\n b \n\nc", ("a", "b", "c")),
        (["a", "", " b"], ("a", "b")),
        (("1.0", 2), ("1.0", "2")),
    ],
)
def test_a_list_may_be_lines_and_empty_ones_do_not_count(value: Any, read: tuple[str, ...]) -> None:
    assert as_list(value, name="tags") == read


@pytest.mark.parametrize("value", [1, {"a": 1}, b"a"])
def test_what_is_no_list_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvalidPromotion, match="tags is a list"):
        as_list(value, name="tags")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (None, None),
        ("", None),
        ("None", None),
        ("2026-11-01", datetime.datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T02:00:00+02:00", datetime.datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T00:00:00Z", datetime.datetime(2026, 11, 1, tzinfo=UTC)),
        (datetime.datetime(2026, 11, 1, tzinfo=UTC), datetime.datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_a_moment_without_an_offset_is_utc_and_an_empty_one_is_none(value: Any, read: Any) -> None:
    assert as_moment(value, name="created_from") == read


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", 5])
def test_what_is_no_moment_is_refused_with_an_example(value: Any) -> None:
    with pytest.raises(InvalidPromotion, match=r"created_from is a moment such as '2026-11-01'"):
        as_moment(value, name="created_from")


@pytest.mark.parametrize(("value", "read"), [(None, None), ("", None), ("1000", 1000), (7, 7), ("None", None)])
def test_a_number_may_be_text(value: Any, read: int | None) -> None:
    assert as_number(value, name="largest") == read


@pytest.mark.parametrize("value", ["many", "-1", "1.5", True, "٣", "9" * 10])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(InvalidPromotion, match="largest is a whole number"):
        as_number(value, name="largest")


def test_properties_are_a_mapping_or_lines() -> None:
    wanted = {"test.status": "passed", "a": "b=c"}
    assert as_pairs(wanted, name="properties") == wanted
    assert as_pairs("test.status=passed\na=b=c", name="properties") == wanted
    assert as_pairs(None, name="properties") == {}


@pytest.mark.parametrize("value", ["passed", "=passed", "a=1\na=2"])
def test_properties_without_a_name_or_with_two_values_are_refused(value: str) -> None:
    with pytest.raises(InvalidPromotion, match="name=value"):
        as_pairs(value, name="properties")


def test_text_that_was_left_empty_is_none() -> None:
    assert [as_text(value) for value in (None, "", " ", "None", " a ")] == [None, None, None, None, "a"]


def test_an_untouched_form_means_all_tags_of_its_repositories() -> None:
    form = {
        "repositories": ["docker-dev"],
        "images": [],
        "tags": "",
        "versions": None,
        "created_from": "",
        "properties": [],
    }
    criteria = read_criteria(form)
    assert criteria.is_everything
    assert criteria.repositories == ("docker-dev",)


def test_a_field_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidPromotion, match=r"no field 'tag': its fields are repositories, images"):
        read_criteria({"repositories": ["docker-dev"], "tag": "1.*"})
