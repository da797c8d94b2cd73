from __future__ import annotations

import pytest
import semver
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.planning.versions import VersionRange, version_of

TAGS = ("1.3.9", "1.4.0-rc.1", "1.4.0", "v1.4.2", "1.5.0-rc.1", "2.0.0-rc.1", "2.0.0", "latest", "1.4")
numbers = st.integers(0, 3)
versions = st.tuples(numbers, numbers, numbers).map(lambda parts: semver.Version(*parts))


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        (">=1.4.0 <2.0.0", ["1.4.0", "v1.4.2"]),
        (">= v1.4, <2", ["1.4.0", "v1.4.2"]),
        (">=1.4.0-rc.1 <2.0.0", ["1.4.0-rc.1", "1.4.0", "v1.4.2"]),
        ("1.4.2", ["v1.4.2"]),
        (">1.4.0", ["v1.4.2", "2.0.0"]),
        ("<=1.4.0", ["1.3.9", "1.4.0"]),
        (">=1.4.0 !=1.4.2", ["1.4.0", "2.0.0"]),
    ],
)
def test_a_range_holds_its_versions_and_pre_releases_only_where_it_names_one(text: str, tags: list[str]) -> None:
    versions_in = VersionRange(text)
    assert [tag for tag in TAGS if versions_in.includes(tag)] == tags


@given(versions, versions, versions)
def test_a_release_is_in_a_range_exactly_when_it_is_between_its_ends(
    low: semver.Version, high: semver.Version, version: semver.Version
) -> None:
    try:
        versions_in = VersionRange(f">={low} <{high}")
    except InvalidPlan:
        assert low > high
    else:
        assert versions_in.includes(str(version)) == (low <= version < high)


@pytest.mark.parametrize(
    "text",
    ["", " ", "^1.4.0", "~>1.4", ">1.4", "1.x", ">=1.4.0<2.0.0", ">=2.0.0 <1.0.0", ">=", "latest", "1.4.0 || 2.0.0"],
)
def test_what_is_no_range_is_refused_with_a_right_one(text: str) -> None:
    with pytest.raises(InvalidPlan, match=r"A right one is '>=1\.4\.0 <2\.0\.0'"):
        VersionRange(text)


@given(st.text() | st.from_regex(r"[<>=!v0-9., a-z-]{0,20}", fullmatch=True), st.text())
def test_whatever_is_typed_is_a_range_or_refused(text: str, tag: str) -> None:
    refusal = ""
    try:
        VersionRange(text).includes(tag)
    except InvalidPlan as error:
        refusal = str(error)
    assert len(refusal) < 500


def test_a_tag_may_have_a_leading_v_and_nothing_else_before_its_version() -> None:
    assert version_of("v1.4.2") == version_of("1.4.2") == semver.Version(1, 4, 2)
    assert [version_of(tag) for tag in ("vv1.4.2", "1.4", "V1.4.2", "release-1.4.2", "")] == [None] * 5
