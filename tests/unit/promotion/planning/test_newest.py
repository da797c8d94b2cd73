from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from artifactory_provider.promotion.planning.newest import TagVersions
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.versions import VersionRange, version_of
from artifactory_provider.promotion.selection import Candidate

ROWS: list[dict[str, Any]] = json.loads((Path(__file__).parents[3] / "data" / "versions.json").read_text())


def newest(*tags: str, candidate: str = "app") -> str | None:
    """Return the newest release; None where there is none or it is not certain."""
    wanted = Candidate.parse(candidate)
    if wanted.tag is not None:
        return wanted.tag
    choice = TagVersions(tags, patterns=wanted.patterns, versions=wanted.versions).choose()
    return choice.newest[0] if choice and not choice.doubtful and len(choice.newest) == 1 else None


@pytest.mark.parametrize("row", ROWS, ids=[row["image"] for row in ROWS])
def test_the_newest_release_of_a_real_image_is_what_a_person_would_call_it(row: dict[str, Any]) -> None:
    assert newest(*row["tags"]) == row["newest"]


@pytest.mark.parametrize(
    ("tags", "answer"),
    [
        (("v20200625-g1813d1c56", "v20230526", "v20230722-86c00a231", "9960efe1e9a9c6e94496"), "v20230722-86c00a231"),
        (("2024-01-01", "2024-01-02", "latest"), "2024-01-02"),
        (("20240101", "20240101-2", "20240101-1"), "20240101-2"),
        (("1.27.3", "1.27.3-alpine3.18", "1.27.3-debian-12-r3", "1.27.3-amd64", "1.27", "1", "main"), "1.27.3"),
        (("1.4.2", "1.5.0-SNAPSHOT", "1.5.0-M1", "v1.5.0-5-gabcdef0", "dev-1.6.0", "1.6.0-nightly.3"), "1.4.2"),
        (("1.4.2", "release-1.4", "release-1.4.2", "alpine-v1.4.2", "alpine3.18", "sha-1234567", "pr-3"), "1.4.2"),
        (("1.4.2", "1.4.2_1", "1.4.2_2", "1.4.2_10"), "1.4.2_10"),
        (("104.1.1_up9.0.0", "104.1.1_up57.0.3"), "104.1.1_up57.0.3"),
        (("v6.1", "v7"), "v7"),
        (("v3.2.0", "20201130-v2.4.1-32-g1886bdc"), "v3.2.0"),
        (("V1.5.0", "1.4.2"), "V1.5.0"),
        (("1.0", "1e400", "3scale", "٣.٤"), "1.0"),
        ((f"1.{'9' * 120}", "1.5"), f"1.{'9' * 120}"),
    ],
)
def test_what_is_no_release_or_an_older_one_does_not_keep_the_newest_from_being_chosen(
    tags: tuple[str, ...], answer: str
) -> None:
    assert newest(*tags) == answer


def test_releases_are_ordered_by_number_and_all_else_is_passed_over() -> None:
    releases = ["v1.10.1", "1.10.0", "01.9.1", "1.9.0"]
    others = ["2.0.0-rc.1", "latest", "1.4.2-linux-amd64", "sha256-ab.sig", "9.0.0+build", f"{'9' * 128}.0.0"]
    while releases:
        assert newest(*others, *reversed(releases)) == releases.pop(0)
    assert TagVersions(others).choose() is None


@pytest.mark.parametrize(
    ("tags", "doubtful"),
    [
        (("1.4.2", "1.5.0-alpine"), "1.5.0-alpine"),
        (("1.4.2", "1.5.0-4f2a1bc"), "1.5.0-4f2a1bc"),
        (("v2.1.3", "v1.1.0", "buster-v1.10.0", "bookworm-v1.0.0"), "buster-v1.10.0"),
        (("1.4.2", "r1.5.0"), "r1.5.0"),
        (("v1.26.0", "v1.21", "v0.3.0-k8s.v1.27.3"), "v0.3.0-k8s.v1.27.3"),
        (("1.3.0", "v20230721-40f94ef1b"), "v20230721-40f94ef1b"),
        (("v3.2.0", "v20210805-v1.337.0-136-g8f6bfde"), "v20210805-v1.337.0-136-g8f6bfde"),
        (("2026.02.0", "1.4.2"), "1.4.2"),
        (("2026.02.0", "1.4.2-alpine"), "1.4.2-alpine"),
        (("v20220801-g00ee51f09", "v20230312-helm-4.5.2-28-g66a760794"), "v20230312-helm-4.5.2-28-g66a760794"),
        (("20240101", "10"), "20240101"),
        (("999999", "1000000"), "1000000"),
        (("1.4.2", "17"), "17"),
        (("3.3", "3.3a"), "3.3a"),
        (("1.1.1", "1.1.1w"), "1.1.1w"),
        (("1.4.2", "1.4.2-sp1"), "1.4.2-sp1"),
    ],
)
def test_an_older_release_is_never_taken_where_another_tag_may_be_newer(tags: tuple[str, ...], doubtful: str) -> None:
    choice = TagVersions(tags).choose()
    assert choice is not None
    assert choice.doubtful[0] == doubtful


@pytest.mark.parametrize(
    ("candidate", "tags", "answer"),
    [
        ("app:*-alpine", ("1.27.3-alpine", "1.28-alpine", "1.28.1-rc1-alpine", "1.29"), "1.28-alpine"),
        ("app:*-alpine >=1 <1.28", ("1.27.3-alpine", "1.28-alpine", "1.27.4"), "1.27.3-alpine"),
        ("app:buster-v*", ("buster-v1.9.0", "buster-v1.10.0", "v2.1.3"), "buster-v1.10.0"),
        ("app:v*-go*-b.*", ("v2-go1.20-b.0", "v2-go1.20.7-b.0", "v2-go1.21rc3-b.0", "v0.1"), "v2-go1.20.7-b.0"),
        ("app:nightly-*", ("nightly-20240102", "nightly-20240101", "1.4.2"), "nightly-20240102"),
        ("app:*-SNAPSHOT", ("1.5.0-SNAPSHOT", "1.10.0-SNAPSHOT", "1.4.2"), "1.10.0-SNAPSHOT"),
        ("app:1.5.0-rc.*", ("1.5.0-rc.9", "1.5.0-rc.10", "1.4.2"), "1.5.0-rc.10"),
        ("app:build-*", ("build-999999", "build-1000000", "build-1979", "build-1980"), "build-1000000"),
        ("app:R.*Z", ("R.2024-01-01T16-36-33Z", "R.2024-02-01T16-36-33Z"), "R.2024-02-01T16-36-33Z"),
        ("app:*-jdk", ("21.0.2_13-jdk", "21.0.3_9-jdk", "21.0.3_9-jre"), "21.0.3_9-jdk"),
        ("app:1.4.*", ("1.4.2", "1.4.10", "1.5.0"), "1.4.10"),
        ("app:regex:v?1[.][0-9]+", ("1.4", "v1.10", "1.11.0"), "v1.10"),
        ("app:*", ("1.4.2", "9334553"), "1.4.2"),
        ("app >=2020", ("10.11.4", "2021.12.16"), "2021.12.16"),
        ("app <2020", ("10.11.4", "2021.12.16"), "10.11.4"),
        ("app >=1.5.0-rc.1", ("1.5.0-rc.1", "1.5.0-rc.2", "1.4.2", "1.6.0-rc.1"), "1.5.0-rc.2"),
        ("app >=18 <19", ("17.3", "18"), "18"),
        ("app:1.*-*", ("1.27.3-alpine", "1.27.3-slim"), None),
        ("app:*-v*", ("buster-v1.10.0", "bookworm-v1.0.0"), None),
        ("app:v*-*", ("v1.4.2-4f2a1bc", "v1.4.2-5f2a1bd"), None),
        ("app:1.4.*", ("1.4.2", "1.4.3-alpine"), None),
        ("app >=3", ("1.4.2",), None),
    ],
)
def test_a_pattern_and_a_range_say_which_tags_the_newest_is_chosen_among(
    candidate: str, tags: tuple[str, ...], answer: str | None
) -> None:
    assert newest(*tags, candidate=candidate) == answer


@pytest.mark.parametrize(
    "tags",
    [
        *(tuple(row["tags"]) for row in ROWS if row["newest"] is None),
        ("v2.1.3", "buster-v1.10.0"),
        ("1.26.0", "1.21", "v0.3.0-k8s.v1.27.3"),
        ("1.3.0", "v20230721-40f94ef1b"),
        ("1.4.2", "17"),
        ("1.4.2", "1.5.0-alpine", "2.0-alpine"),
        ("3.3", "3.3a"),
        ("v20220801-g00ee51f09", "v20230312-helm-4.5.2-28-g66a760794"),
    ],
)
def test_what_a_refusal_advises_decides(tags: tuple[str, ...]) -> None:
    choice = TagVersions(tags).choose()
    assert choice is not None
    assert len(choice.advice) >= 2
    decided = [newest(*tags, candidate=f"app{advice}") for advice in choice.advice]
    assert choice.newest[0] in decided
    assert None not in decided


def test_where_there_is_no_release_the_advice_is_a_pattern_or_range_that_chooses_one() -> None:
    for tags, answer in (
        (("bullseye-v1.4.2", "bullseye-v1.10.0"), "bullseye-v1.10.0"),
        (("1.27.3-alpine", "1.28.0-rc.1"), "1.27.3-alpine"),
        (("1.19.0-beta.1", "1.19.0-alpha.5"), "1.19.0-beta.1"),
    ):
        versions = TagVersions(tags)
        assert versions.choose() is None
        assert newest(*tags, candidate=f"app{versions.advise()}") == answer


def test_tags_that_are_one_version_are_chosen_together_the_most_exact_without_a_v_first() -> None:
    choice = TagVersions(["v1.4.0", "1.4", "1.4.0", "v1.4", "1.3.9"]).choose()
    assert choice is not None
    assert choice.newest == ("1.4.0", "v1.4.0", "1.4", "v1.4")


def test_the_log_says_what_is_passed_over_and_as_what_in_a_few_words() -> None:
    tags = ["1.4.2", "1.5.0-rc.1", *(f"1.4.{minor}-alpine" for minor in range(1000)), "latest"]
    explanation = TagVersions(tags, versions=VersionRange("<1.4.3")).explain()
    assert "outside of the range: 1.5.0-rc.1, 1.4.999-alpine, 1.4.998-alpine and 995 more; " in explanation
    assert "versions with something after them: 1.4.2-alpine, 1.4.1-alpine, 1.4.0-alpine" in explanation
    assert len(explanation) < 500


@pytest.mark.parametrize(
    ("shape", "chosen", "passed_over"),
    [
        ("{0}.{1}.{2}", ("9.99.9",), "none"),
        ("{0}.{1}.{2}-debian-12-r{2}", None, "versions with something after them: 9.99.9-debian-12-r9, "),
        ("v{0}{1}{2}-g1813d1c56", None, "versions with something after them: v9999-g1813d1c56, "),
        ("1-1-1-1-1-1-1-1-{0}{1}{2}", None, "versions with something after them: 1-1-1-1-1-1-1-1-9999, "),
        ("a.a.a.{0}.{1}", None, "versions with a name before them: a.a.a.9.99, "),
    ],
)
@pytest.mark.timeout(60)
def test_of_ten_thousand_tags_the_newest_is_found(shape: str, chosen: tuple[str, ...] | None, passed_over: str) -> None:
    tags = [shape.format(first, second, third) for first in range(10) for second in range(100) for third in range(10)]
    versions = TagVersions(tags)
    choice = versions.choose()
    assert (choice and choice.newest) == chosen
    assert versions.explain().startswith(passed_over)


numbers = st.integers(0, 12).map(str)
plain = st.lists(numbers, min_size=2, max_size=4).map(".".join)
marked = st.builds("{}{}{}".format, st.sampled_from(["", "v"]), plain, st.sampled_from(["", "-0", "-1", "_up1.2"]))
unreleased = st.builds("{}{}".format, plain, st.sampled_from(["-rc.1", "a2", ".dev3", "-SNAPSHOT", "-M1", "-beta.1-0"]))
odd = st.sampled_from(
    ["latest", "9334553", "20240101", "4f2a1bc", "buster-v1.2.0", "1.4b", "2021.12.16", "5", "v20240101"]
)
variants = st.builds("{}{}".format, plain, st.sampled_from(["-alpine", "-amd64", "-debian-12-r3", "-go1.20-x.0"]))
tag_lists = st.lists(marked | unreleased | odd | variants | st.from_regex(r"[a-z0-9._-]{1,12}", fullmatch=True))


@given(tag_lists, st.randoms())
def test_the_answer_does_not_depend_on_the_order_of_the_list(tags: list[str], random: Any) -> None:
    shuffled = random.sample(tags, len(tags))
    assert TagVersions(tags).choose() == TagVersions(shuffled).choose()


@given(tag_lists)
def test_the_answer_is_a_release_of_the_list_or_a_refusal_that_names_tags_of_it(tags: list[str]) -> None:
    choice = TagVersions(tags).choose()
    if choice is not None:
        assert {*choice.newest, *choice.doubtful} <= set(tags)
        assert not set(choice.newest) & set(choice.doubtful)
        for tag in choice.newest:
            version = version_of(tag)
            assert version is None or not version.is_prerelease


@given(st.lists(marked, min_size=1), marked)
def test_an_older_tag_never_changes_the_answer(tags: list[str], older: str) -> None:
    choice = TagVersions(tags).choose()
    assert choice is not None
    last, other = version_of(choice.newest[0]), version_of(older)
    assert last is not None
    assert other is not None
    if Version(other.public) < Version(last.public):
        assert TagVersions([*tags, older]).choose() == choice


@given(st.lists(marked, min_size=1), st.lists(unreleased | variants))
def test_what_is_no_release_never_becomes_the_answer(tags: list[str], others: list[str]) -> None:
    choice, alone = TagVersions([*tags, *others]).choose(), TagVersions(tags).choose()
    assert choice is not None
    assert alone is not None
    assert choice.newest == alone.newest


@given(tag_lists, plain, plain)
def test_the_newest_of_a_range_is_in_the_range_and_no_other_in_it_is_newer(
    tags: list[str], low: str, high: str
) -> None:
    text = f">={low}.0 <={high}.0"
    if version_of(f"{low}.0") > version_of(f"{high}.0"):  # type: ignore[operator]
        return
    versions_in = VersionRange(text)
    choice = TagVersions(tags, versions=versions_in).choose()
    inside = [version for tag in tags if versions_in.includes(tag) and (version := version_of(tag)) is not None]
    assert (choice is None) == (not inside)
    if choice is not None:
        assert all(map(versions_in.includes, choice.newest))
        assert (version_of(choice.newest[0]) or inside[0]) >= max(inside)


@given(tag_lists, st.sampled_from(["*-alpine", "v*", "*.*", "[0-9]*", "buster-*", "*rc*", "1.?"]))
def test_the_newest_of_a_pattern_matches_it(tags: list[str], pattern: str) -> None:
    patterns = Patterns((pattern,))
    choice = TagVersions(tags, patterns=patterns).choose()
    if choice is not None:
        assert all(map(patterns.match, (*choice.newest, *choice.doubtful)))
