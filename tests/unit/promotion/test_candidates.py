from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.versions import VersionRange
from artifactory_provider.promotion.selection import Candidate, name_candidate, read_candidates

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "candidate"),
    [
        ("payments/api", Candidate("payments/api")),
        (" payments/api ", Candidate("payments/api")),
        ("payments/api:*", Candidate("payments/api")),
        ("payments/api:1.4.2", Candidate("payments/api", "1.4.2")),
        (f"payments/api:1.4.2@{DIGEST}", Candidate("payments/api", "1.4.2", DIGEST)),
        ("payments/api:*-alpine", Candidate("payments/api", patterns=Patterns(("*-alpine",)))),
        ("payments/api:1.4.[0-9]", Candidate("payments/api", patterns=Patterns(("1.4.[0-9]",)))),
        ("payments/api:regex:v?1[.].+", Candidate("payments/api", patterns=Patterns(("regex:v?1[.].+",)))),
        ("payments/api >=1.4 <2", Candidate("payments/api", versions=VersionRange(">=1.4 <2"))),
        ("payments/api\t>=1.4, <2", Candidate("payments/api", versions=VersionRange(">=1.4, <2"))),
        (
            "payments/api:*-alpine >=1.4",
            Candidate("payments/api", patterns=Patterns(("*-alpine",)), versions=VersionRange(">=1.4")),
        ),
    ],
)
def test_a_line_names_a_tag_or_what_the_newest_release_is_chosen_among(text: str, candidate: Candidate) -> None:
    assert Candidate.parse(text) == candidate


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' names no image. Right ones are"),
        (None, "None is no text"),
        (1.10, "1.1 is no text, and so names no image: put it in quotes"),
        ("Payments", "'Payments' is not an image name"),
        ("payments/api:", "'' is not a tag"),
        ("payments/api >1.4", "'payments/api >1.4' names no tags of an image: '>1.4' is no range of versions"),
        ("payments/api latest", "'latest' is no range of versions"),
        ("payments/api:[", "'payments/api:\\[' names no tags of an image: '\\[' is no pattern"),
        ("payments/api:regex:(", "is no pattern"),
        ("Payments:*", "'Payments' is not an image name"),
        ("payments/api>=1.4", "no space before its range"),
        ("payments/api:1.4.2 <2", "names one tag and a range"),
        (f"payments/api@{DIGEST}", "a digest without a tag"),
    ],
)
def test_a_line_that_names_nothing_is_refused_with_the_reason(text: Any, message: str) -> None:
    with pytest.raises(InvalidReference, match=message):
        Candidate.parse(text)


@given(st.text() | st.from_regex(r"[a-z/]{1,5}:?[a-z0-9.*?\[\]:@ <>=]{0,20}", fullmatch=True))
def test_whatever_is_typed_is_a_candidate_or_refused(text: str) -> None:
    refusal = ""
    try:
        Candidate.parse(text)
    except InvalidReference as error:
        refusal = str(error)
    assert len(refusal) < 1000


def test_lines_are_read_once_each_without_blank_ones() -> None:
    assert read_candidates(["b", " a ", "", "  ", "a", "b >=1", "b"]) == ["b", "a", "b >=1"]


@pytest.mark.parametrize("lines", [[], [""], ["a", 1], ["a", "B"]])
def test_lines_among_which_one_names_nothing_or_that_are_none_are_refused(lines: list[Any]) -> None:
    with pytest.raises(InvalidReference):
        read_candidates(lines)


@pytest.mark.parametrize("tag", ["1.4.2", f"1.4.2@{DIGEST}"])
def test_a_digest_beside_a_tag_means_what_it_means_in_a_reference(tag: str) -> None:
    assert name_candidate("payments/api", tag, digest=DIGEST) == f"payments/api:1.4.2@{DIGEST}"


@pytest.mark.parametrize("tag", ["newest", "*-alpine", ">=1.4 <2", "", "no tag", f"@{DIGEST}", "1@sha256:1", "1@"])
def test_a_digest_is_what_one_tag_shows(tag: str) -> None:
    with pytest.raises(InvalidReference):
        name_candidate("payments/api", tag, digest=DIGEST)


@pytest.mark.parametrize("digest", ["", "sha256:abc", DIGEST.upper(), f"{DIGEST}\n"])
def test_a_digest_that_is_none_is_refused(digest: str) -> None:
    with pytest.raises(InvalidReference, match="is not a digest"):
        name_candidate("payments/api", "1.4.2", digest=digest)
