"""The grammar of names, and references made of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_sandbox.names import Place, is_digest, is_image, is_repository_key, is_tag, parse_reference

DIGEST = "sha256:" + "0a" * 32
COMPONENT = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
IMAGE = st.lists(COMPONENT, min_size=1, max_size=4).map("/".join)
TAG = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,30}", fullmatch=True).filter(lambda tag: tag != "_uploads")


@given(IMAGE, TAG)
def test_a_reference_of_valid_names_comes_apart_into_them(image: str, tag: str) -> None:
    assert parse_reference(f"docker-dev/{image}:{tag}") == (Place("docker-dev", image), tag)
    assert parse_reference(f"docker-dev/{image}@{DIGEST}") == (Place("docker-dev", image), DIGEST)
    assert parse_reference(f"docker-dev/{image}:{tag}@{DIGEST}")[1] == DIGEST


@given(st.text())
def test_no_text_makes_the_grammar_fail_or_lets_a_path_climb(text: str) -> None:
    for check in (is_image, is_tag, is_digest, is_repository_key):
        if check(text):
            assert "\\" not in text
            assert not {".", ".."} & set(text.split("/"))


@pytest.mark.parametrize("text", ["", "docker-dev", "docker-dev/a", "docker-dev/a:", "docker-dev/A:1", "/a:1", "a/b@x"])
def test_what_is_no_reference_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected repository/image:tag"):
        parse_reference(text)


def test_a_newline_at_the_end_is_part_of_no_name() -> None:
    assert not any(check(f"{name}\n") for check, name in ((is_image, "a"), (is_tag, "1"), (is_digest, DIGEST)))
