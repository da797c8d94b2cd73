from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.planning.versions import Kind, VersionRange, read_tag, version_of

TAGS = ("1.3.9", "1.4.0-rc.1", "1.4.0", "v1.4.2", "1.5.0-rc.1", "2.0.0-rc.1", "2.0.0", "latest", "1.3.9-alpine")
numbers = st.integers(0, 3)
versions = st.tuples(numbers, numbers, numbers).map(lambda parts: Version(".".join(map(str, parts))))
releases = st.lists(st.from_regex(r"[0-9]{1,3}", fullmatch=True), min_size=2, max_size=4).map(".".join)
suffixes = st.sampled_from(["", "-0", "-12", ".post3", "-r2", "a1", "-beta.2", "-rc.1", "rc2", ".dev3", "-rc.1-1"])


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


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=1.4 <2", ("1.4", "1.4.0-1", "1.4.2.1", "v1.99", "1.4.2_up3.1"), ("1.3.9.9", "2", "2.0", "1.4.2-alpine")),
        ("<=1.4.0", ("1.4", "1.4.0_up1"), ("1.4.0-0", "1.4.0.1")),
        (">1.4.0", ("1.4.0-0", "1.4.0.1"), ("1.4.0_up1",)),
        ("=1.4.0+up1", ("1.4.0_up1",), ("1.4.0", "1.4.0_up2")),
        (">=3.5.9-0 <3.5.9-2", ("3.5.9-0", "3.5.9-1"), ("3.5.9", "3.5.9-2")),
        (">=2026.02 <2027", ("2026.02.0", "2026.2.0", "2026.11.1"), ("2026.01.3", "20260201", "2026")),
        (">=1.4.0", ("v7", "2.0"), ("7", "17", "9334553", "20240101", "v20240101-4f2a1bc", "1.5.0-SNAPSHOT", "1.5b")),
        (">=7 <10", ("7", "9", "8.1"), ("10", "6", "9334553")),
        (">=20240101", ("20240101", "v20240201-4f2a1bc", "20240301-2"), ("20231231", "7", "1.4.2")),
        (">=1.5.0.dev1", ("1.5.0.dev3", "1.5.0-rc.1", "1.5.0"), ("1.6.0.dev1",)),
        (">=1.5-rc.1", ("1.5.0-rc.2",), ("1.5.1-rc.1",)),
    ],
)
def test_a_range_follows_the_order_of_releases_builds_and_calendars(
    text: str, inside: tuple[str, ...], outside: tuple[str, ...]
) -> None:
    versions_in = VersionRange(text)
    assert [tag for tag in (*inside, *outside) if versions_in.includes(tag)] == list(inside)


@given(versions, versions, versions)
def test_a_release_is_in_a_range_exactly_when_it_is_between_its_ends(
    low: Version, high: Version, version: Version
) -> None:
    try:
        versions_in = VersionRange(f">={low} <{high}")
    except InvalidPlan:
        assert low > high
    else:
        assert versions_in.includes(str(version)) == (low <= version < high)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "^1.4.0",
        "~>1.4",
        ">1.4",
        "1.x",
        ">=1.4.0<2.0.0",
        ">=2.0.0 <1.0.0",
        ">=",
        "latest",
        "1.4.0 || 2.0.0",
        ">=1.4.2-alpine",
        ">=1.4.2+",
        f">={'9' * 400}",
        "≥1.4.0",
        ">=\u0661.\u0664.\u0662",
    ],
)
def test_what_is_no_range_is_refused_with_a_right_one(text: str) -> None:
    with pytest.raises(InvalidPlan, match=r"A right one is '>=1\.4\.0 <2\.0\.0'"):
        VersionRange(text)


@pytest.mark.parametrize("text", [">1.4", "<=1.4", "1.4", "=v1.4", "!=1.4"])
def test_a_bound_that_may_mean_one_version_or_many_is_refused_with_both(text: str) -> None:
    with pytest.raises(InvalidPlan, match=r"v?1\.4\.0 alone, or all that begins with v?1\.4\.: write v?1\.4\.0"):
        VersionRange(text)


@given(st.text() | st.from_regex(r"[<>=!v0-9.,_+ a-z-]{0,20}", fullmatch=True), st.text())
def test_whatever_is_typed_is_a_range_or_refused(text: str, tag: str) -> None:
    refusal = ""
    try:
        VersionRange(text).includes(tag)
    except InvalidPlan as error:
        refusal = str(error)
    assert len(refusal) < 500


def test_a_tag_may_have_a_leading_v_and_nothing_else_before_its_version() -> None:
    assert version_of("v1.4.2") == version_of("V1.4.2") == version_of("1.4.2") == Version("1.4.2")
    assert [version_of(tag) for tag in ("vv1.4.2", "release-1.4.2", "r1.4.2", "")] == [None] * 4


@given(releases, suffixes, st.sampled_from(["", "v"]))
def test_a_tag_that_pep_440_knows_is_that_version(release: str, suffix: str, mark: str) -> None:
    assert version_of(f"{mark}{release}{suffix}") == Version(f"{release}{suffix}")


@pytest.mark.parametrize(
    ("tag", "kind", "version"),
    [
        ("1.4", Kind.RELEASE, "1.4"),
        ("v7", Kind.RELEASE, "7"),
        ("3.5.9-0", Kind.RELEASE, "3.5.9.post0"),
        ("2.0.9.1", Kind.RELEASE, "2.0.9.1"),
        ("2026.02.0", Kind.RELEASE, "2026.2.0"),
        ("104.1.1_up57.0.3", Kind.RELEASE, "104.1.1+up57.0.3"),
        ("21.0.2_13", Kind.RELEASE, "21.0.2+13"),
        ("1.4.2_rc1", Kind.PRE_RELEASE, "1.4.2rc1"),
        ("3.6.0-alpha.0-0", Kind.PRE_RELEASE, "3.6.0a0.post0"),
        ("1.5.0-SNAPSHOT", Kind.PRE_RELEASE, "1.5.0"),
        ("1.5.0-M2", Kind.PRE_RELEASE, "1.5.0"),
        ("1.5.0-alpha.beta", Kind.PRE_RELEASE, "1.5.0a0"),
        ("v2.3.1-go1.21rc3-bullseye.0", Kind.PRE_RELEASE, "2.3.1"),
        ("dev-1.5.0", Kind.PRE_RELEASE, "1.5.0"),
        ("10", Kind.NUMBER, "10"),
        ("9334553", Kind.LONG_NUMBER, "9334553"),
        ("20240101", Kind.DATED, "20240101"),
        ("2024-01-01", Kind.DATED, "20240101"),
        ("20240101123000", Kind.DATED, "20240101.123000"),
        ("v20230721-40f94ef1b", Kind.DATED, "20230721"),
        ("v20200625-g1813d1c56", Kind.DATED, "20200625"),
        ("20241301", Kind.LONG_NUMBER, "20241301"),
        ("1.27.3-alpine3.18", Kind.VARIANT, "1.27.3"),
        ("1.4.2-debian-12-r3", Kind.VARIANT, "1.4.2"),
        ("1.4.2-linux-amd64", Kind.VARIANT, "1.4.2"),
        ("v3.3.8-0-gke.1", Kind.VARIANT, "3.3.8.post0"),
        ("5.4.0.Final", Kind.VARIANT, "5.4.0"),
        ("21.0.2_13-jdk", Kind.VARIANT, "21.0.2+13"),
        ("buster-v2.3.1", Kind.NAMED, "2.3.1"),
        ("x86_64-v16.8.0", Kind.NAMED, "16.8.0"),
        ("alpine3.18.4-v16.8.0", Kind.NAMED, "16.8.0"),
        ("release1.4.2", Kind.NAMED, "1.4.2"),
        ("v1.4.2-5-gabcdef0", Kind.COMMIT, "1.4.2.post5"),
        ("v0.0.0-0.20230101120000-0123456789ab", Kind.COMMIT, "0.0.0.post0"),
        ("1.4b", Kind.UNCLEAR, "1.4b0"),
        ("1.1.1w", Kind.UNCLEAR, "1.1.1"),
        ("1.4.2-sp1", Kind.UNCLEAR, "1.4.2"),
    ],
)
def test_each_kind_of_tag_is_told_apart(tag: str, kind: Kind, version: str) -> None:
    reading = read_tag(tag)
    assert (reading.kind, str(reading.version)) == (kind, version)


@pytest.mark.parametrize(
    "tag",
    [
        "latest",
        "1e400",
        "3scale",
        "4f2a1bc",
        "9960efe1e9a9c6e944967b52e1a8a7b7b659874d",
        "sha-1234567",
        "mainline-alpine3.18-perl",
        "php8.2.1-apache",
        "pr-17",
        "٣.٤",
        "1.4.2+build",
        "1" * 5000,
        f"1.{'0' * 5000}",
        "",
    ],
)
def test_a_tag_that_names_no_version_and_what_is_no_tag_are_no_version(tag: str) -> None:
    assert read_tag(tag).version is None
