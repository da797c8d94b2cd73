from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.artifactory.references import check_image, check_tag
from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.planning.templates import ImageTemplate, TargetTemplate

CREATED = datetime.datetime(2026, 1, 2, 23, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=-2)))

tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", fullmatch=True) | st.sampled_from(
    ["1.4.2", "v1.4.2-rc.1", "1.4", "v7", "3.5.9-0", "2026.02.0", "104.1.1_up57.0.3"]
)
fields = st.sampled_from(
    ["{tag}", "{version}", "{version.major}", "{version.minor}", "{version.patch}", "{date:%Y%m%d}"]
)
templates = st.lists(fields | st.from_regex(r"[a-z0-9._-]{1,20}", fullmatch=True), min_size=1, max_size=4).map("".join)


@pytest.mark.parametrize(
    ("template", "tag"),
    [
        ("{tag}", "v1.4.2-rc.1"),
        ("{version}", "1.4.2-rc.1"),
        ("{version.major}.{version.minor}", "1.4"),
        ("{version.patch}", "2"),
        ("nightly-{date:%Y%m%d}", "nightly-20260103"),
        ("{date:%G-W%V-%u_%H.%M.%S}", "2026-W01-6_01.30.00"),
        ("latest", "latest"),
    ],
)
def test_each_field_stands_for_what_the_tag_says_and_dates_are_in_utc(template: str, tag: str) -> None:
    assert TargetTemplate(template).render("v1.4.2-rc.1", CREATED) == tag


@given(templates, tags, st.none() | st.datetimes(timezones=st.just(datetime.UTC)))
def test_what_is_rendered_is_a_valid_tag_or_refused_by_name(
    template: str, tag: str, created: datetime.datetime | None
) -> None:
    rendered = refusal = ""
    try:
        rendered = TargetTemplate(template).render(tag, created)
    except InvalidPlan as error:
        refusal = str(error)
    assert repr(template)[:200] in refusal if refusal else check_tag(rendered)


@given(st.text() | st.from_regex(r"[{}a-z.:%!\[\]_0-9]{0,20}", fullmatch=True), tags)
def test_whatever_is_typed_is_a_template_or_refused(text: str, tag: str) -> None:
    refusal = ""
    try:
        check_tag(TargetTemplate(text).render(tag, CREATED))
    except InvalidPlan as error:
        refusal = str(error)
    assert len(refusal) < 1000


@pytest.mark.parametrize(
    "template",
    [
        "",
        None,
        "{",
        "}",
        "{}",
        "{0}",
        "{{tag}}",
        "{image}",
        "{tag.__class__}",
        "{tag!r}",
        "{tag:>99}",
        "{tag[0]}",
        "{version.prerelease}",
        "{date}",
        "{date:}",
        "{date:%c}",
        "{date:%Y/%m}",
        "a b",
        "a:b",
        "-a",
        ".a",
        "ü",
    ],
)
def test_an_invalid_template_is_refused_with_an_example(template: Any) -> None:
    with pytest.raises(InvalidPlan, match=r"is no template of a tag: .*Right ones are '\{tag\}'"):
        TargetTemplate(template)


@pytest.mark.parametrize(
    ("template", "tag", "target"),
    [
        ("{version}", "v3.5.9-0", "3.5.9-0"),
        ("{version.major}.{version.minor}.{version.patch}", "3.5.9-0", "3.5.9"),
        ("{version.patch}", "3.4.7.0", "7"),
        ("{version.major}.{version.minor}", "2026.02.0", "2026.02"),
        ("{version}", "2026.02.0", "2026.02.0"),
        ("{version}", "104.1.1_up57.0.3", "104.1.1_up57.0.3"),
        ("release-{version.major}", "v7", "release-7"),
        ("{version.major}.{version.minor}", "1.4", "1.4"),
    ],
)
def test_a_version_and_its_numbers_are_written_as_in_the_tag(template: str, tag: str, target: str) -> None:
    assert TargetTemplate(template).render(tag, None) == target


@pytest.mark.parametrize(
    "tag", ["latest", "20240101", "9334553", "v20230721-40f94ef1b", "1.4.2-alpine", "buster-v1.4.2"]
)
def test_a_tag_that_is_no_version_is_refused_with_template_and_tag(tag: str) -> None:
    with pytest.raises(InvalidPlan, match=rf"'\{{version.major\}}' needs a version, which '{tag}' is not"):
        TargetTemplate("{version.major}").render(tag, CREATED)


def test_a_part_that_a_version_has_not_is_refused_with_the_numbers_that_it_has() -> None:
    with pytest.raises(InvalidPlan, match=r"needs \{version.patch\}, which 'v1.4' has not: its numbers are 1, 4\."):
        TargetTemplate("{version.patch}").render("v1.4", CREATED)


def test_a_result_that_is_too_long_for_a_tag_is_refused_with_template_and_tag() -> None:
    with pytest.raises(InvalidPlan, match=r"'release-\{tag\}' makes no tag of 'xxx.*at most 128"):
        TargetTemplate("release-{tag}").render("x" * 128, CREATED)


@given(st.from_regex(r"[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,3}", fullmatch=True))
def test_an_image_is_called_what_its_template_says(image: str) -> None:
    assert ImageTemplate("{image}").render(image) == image
    assert check_image(ImageTemplate("mirror/{image}").render(image)) == f"mirror/{image}"


@pytest.mark.parametrize(
    "template", ["", None, "{tag}", "Mirror/{image}", "{image}/", "/{image}", "{image}:1", "{image.x}"]
)
def test_an_invalid_template_of_an_image_is_refused_with_an_example(template: Any) -> None:
    with pytest.raises(InvalidPlan, match=r"Right ones are '\{image\}' and 'mirror/\{image\}'"):
        ImageTemplate(template)


def test_an_image_whose_new_name_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidPlan, match="at most 255"):
        ImageTemplate("mirror/{image}").render("a" * 255)
