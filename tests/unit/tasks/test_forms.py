from __future__ import annotations

import datetime
import re
from types import SimpleNamespace
from typing import Any

import pytest

from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.tasks.forms import as_list, as_moment, as_number, as_pairs, as_text, check_conf, read_criteria

UTC = datetime.UTC


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (None, ()),
        ("", ()),
        (" \n\n", ()),
        ("a\n b \n\nc", ("a", "b", "c")),
        (["a", "", " b"], ("a", "b")),
        (("1.0", "2"), ("1.0", "2")),
        ([" docker-dev ", "\t", "docker-qa\r"], ("docker-dev", "docker-qa")),
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
        (datetime.date(2026, 11, 1), datetime.datetime(2026, 11, 1, tzinfo=UTC)),
        (datetime.datetime(2026, 11, 1), datetime.datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T02:00:00+02:00", datetime.datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T00:00:00Z", datetime.datetime(2026, 11, 1, tzinfo=UTC)),
        (datetime.datetime(2026, 11, 1, tzinfo=UTC), datetime.datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_a_moment_without_an_offset_is_utc_and_an_empty_one_is_none(value: Any, read: Any) -> None:
    assert as_moment(value, name="created_from") == read


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", 5, 20261101, True, ["2026-11-01"]])
def test_what_is_no_moment_is_refused_with_an_example(value: Any) -> None:
    with pytest.raises(InvalidPromotion, match=r"created_from is a moment such as '2026-11-01'"):
        as_moment(value, name="created_from")


@pytest.mark.parametrize(
    ("value", "read"),
    [(None, None), ("", None), ("1000", 1000), (7, 7), ("None", None), (1000.0, 1000), ("1000.0", 1000), (" 5 ", 5)],
)
def test_a_number_may_be_text_or_whole_although_written_with_a_point(value: Any, read: int | None) -> None:
    assert as_number(value, name="largest") == read


@pytest.mark.parametrize(
    "value", ["many", "-1", "1.5", True, "٣", "9" * 10, 1.5, float("inf"), float("nan"), 1e12, "1.", ".0", [5]]
)
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
    values = [None, "", " ", "None", " a "]
    assert [as_text(value, name="versions") for value in values] == [None, None, None, None, "a"]


CHANGED = [
    (1.10, "1.1 is a number"),
    (2, "2 is a number"),
    (True, "True is a boolean"),
    (datetime.date(2026, 11, 1), "2026-11-01 is a date"),
]
changed = pytest.mark.parametrize(("value", "kind"), CHANGED)


@changed
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("repositories", "a repository key"),
        ("images", "an image name"),
        ("exclude_images", "an image name"),
        ("tags", "a tag"),
        ("exclude_tags", "a tag"),
        ("target_tags", "a tag"),
        ("properties", "a property"),
    ],
)
def test_a_name_that_yaml_or_a_native_template_has_changed_is_refused_with_how_to_keep_it(
    name: str, wanted: str, value: Any, kind: str
) -> None:
    with pytest.raises(InvalidPromotion, match=f"^{name}: {kind}, not {wanted}: quote it"):
        as_list(["a", value], name=name)
    with pytest.raises(InvalidPromotion, match=f"^{name} is a list.*{kind}, not {wanted}: quote it"):
        as_list(value, name=name)
    if name != "target_tags":
        with pytest.raises(InvalidPromotion, match=f"{kind}, not {wanted}: quote it"):
            read_criteria({"repositories": ["docker-dev"]} | {name: [value]})


@changed
def test_a_range_a_path_and_a_property_that_yaml_has_changed_are_refused_too(value: Any, kind: str) -> None:
    with pytest.raises(InvalidPromotion, match=f"^versions: {kind}, not a range of versions: quote it"):
        read_criteria({"repositories": ["docker-dev"], "versions": value})
    with pytest.raises(InvalidPromotion, match=f"^report_path: {kind}, not a path: quote it"):
        as_text(value, name="report_path", wanted="a path")
    with pytest.raises(InvalidPromotion, match=f"^properties: {kind}, not a property's value: quote it"):
        as_pairs({"build": value}, name="properties")
    with pytest.raises(InvalidPromotion, match=f"^properties: {kind}, not a property name: quote it"):
        as_pairs({value: "1"}, name="properties")


@pytest.mark.parametrize("name", ["images", "tags"])
def test_a_list_of_blank_lines_alone_does_not_come_to_mean_everything(name: str) -> None:
    with pytest.raises(InvalidPromotion, match=rf"{name} has nothing but blank lines: give \* for all {name}"):
        read_criteria({"repositories": ["docker-dev"]} | {name: [" ", ""]})


def run_of(conf: Any) -> Any:
    """What a task's context has of a DAG with two parameters, and of its run."""
    return {"dag": SimpleNamespace(params={"images": [], "largest": 1}), "dag_run": SimpleNamespace(conf=conf)}


@pytest.mark.parametrize("conf", [None, {}, {"images": ["a"]}, {"largest": 5, "images": []}])
def test_what_a_run_was_given_for_its_parameters_is_taken(conf: Any) -> None:
    check_conf(run_of(conf))


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({"image": ["a"]}, "no parameter 'image'. Did you mean 'images'?"),
        ({"images": ["a"], "Largest": 5}, "no parameter 'Largest'. Did you mean 'largest'?"),
        ({"zebra": 1}, "no parameter 'zebra'. Nothing was promoted. Its parameters are images, largest."),
        ({5: 1}, "no parameter '5'."),
    ],
)
def test_what_no_parameter_takes_is_refused_since_the_default_would_count(conf: Any, said: str) -> None:
    with pytest.raises(InvalidPromotion, match=re.escape(said)):
        check_conf(run_of(conf))


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
