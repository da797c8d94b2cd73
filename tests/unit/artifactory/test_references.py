from __future__ import annotations

import contextlib
import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.artifactory.properties import check_property_name
from artifactory_provider.artifactory.references import (
    ImageReference,
    InvalidReference,
    check_digest,
    check_image,
    check_repository,
    check_tag,
    split_image,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST = "sha256:" + "0123456789abcdef" * 4
CHECKS = (check_repository, check_image, check_tag, check_digest)

repositories = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
components = st.from_regex(r"[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}", fullmatch=True)
images = st.lists(components, min_size=1, max_size=4).map("/".join)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", fullmatch=True)
digests = st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)
references = st.builds(ImageReference, repositories, images, st.none() | tags, st.none() | digests)


@given(references)
def test_a_reference_is_read_back_from_what_it_is_printed_as(reference: ImageReference) -> None:
    assert ImageReference.parse(str(reference)) == reference


@given(images, st.none() | tags, st.none() | digests)
def test_an_image_with_tag_and_digest_splits_into_the_parts_that_it_was_made_of(
    image: str, tag: str | None, digest: str | None
) -> None:
    text = image + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    assert split_image(text) == (image, tag, digest)


@given(st.text() | st.integers() | st.floats() | st.none() | st.binary() | st.booleans() | st.lists(st.text()))
def test_whatever_comes_is_taken_as_it_is_or_refused_as_an_invalid_reference(value: Any) -> None:
    refused: list[str] = []
    for check in CHECKS:
        try:
            assert check(value) == value
        except InvalidReference as error:
            refused.append(str(error))
    assert all(len(message) < 500 for message in refused)


@given(st.text())
def test_any_text_is_a_reference_or_refused_as_one(text: str) -> None:
    with contextlib.suppress(InvalidReference):
        assert str(ImageReference.parse(text)) == text


@pytest.mark.parametrize(
    "image",
    [
        "",
        "Payments",
        "payments/",
        "/payments",
        "payments//api",
        "payments/api:1",
        "payments/api@sha256",
        "host:5000/payments",
        "pay ments",
        "payments/../api",
        "pay..ments",
        "pay___ments",
        "-payments",
        "payments\n",
        "a" * 256,
        "größe",
    ],
)
def test_a_malformed_image_name_is_refused_with_an_example(image: str) -> None:
    with pytest.raises(InvalidReference, match="'payments/api'"):
        check_image(image)


@pytest.mark.parametrize("tag", ["", ".1", "-1", "1.4.2\n", "1 4", "1/4", DIGEST, "1+4", "ü", "a" * 129])
def test_a_malformed_tag_is_refused(tag: str) -> None:
    with pytest.raises(InvalidReference, match="is not a tag"):
        check_tag(tag)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1.10, "1.1 is a number"),
        (14, "14 is a number"),
        (True, "True is a boolean"),
        (datetime.date(2026, 11, 1), "2026-11-01 is a date"),
    ],
)
@pytest.mark.parametrize(
    ("check", "wanted"),
    [
        (check_repository, "a repository key"),
        (check_image, "an image name"),
        (check_tag, "a tag"),
        (check_digest, "a digest"),
        (check_property_name, "a property name"),
        (split_image, "an image"),
        (ImageReference.parse, "an image reference"),
        (lambda value: ImageReference("docker-dev", "app", value), "a tag"),
    ],
)
def test_a_name_that_yaml_made_a_number_is_refused_with_how_to_keep_it_as_it_was_written(
    check: Callable[[Any], object], wanted: str, value: Any, kind: str
) -> None:
    with pytest.raises(InvalidReference, match=f"^{kind}, not {wanted}: quote it.$"):
        check(value)


@pytest.mark.parametrize("value", [None, ["1"], {"tag": "1"}, b"1"])
def test_what_is_no_text_at_all_is_refused_as_a_tag_and_not_as_a_crash(value: Any) -> None:
    with pytest.raises(InvalidReference, match="is not a tag"):
        check_tag(value)


@pytest.mark.parametrize(
    "digest",
    ["", "sha256:", DIGEST[:-1], f"{DIGEST}0", DIGEST.upper(), DIGEST.replace("sha256", "sha512"), f"{DIGEST}\n"],
)
def test_a_malformed_digest_is_refused(digest: str) -> None:
    with pytest.raises(InvalidReference, match="64 lower-case hexadecimal digits"):
        check_digest(digest)


@pytest.mark.parametrize("key", ["", "docker dev", "docker/dev", "docker-dev/", ".docker", "a" * 65, "https://x"])
def test_a_malformed_repository_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidReference, match="give the key alone"):
        check_repository(key)


@pytest.mark.parametrize(
    "text", ["docker-dev", "docker-dev/", "docker-dev/app:", "docker-dev/app@", "/app:1", "a/b:1:2"]
)
def test_half_a_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        ImageReference.parse(text)


def test_a_reference_without_tag_and_digest_cannot_be_asked_for() -> None:
    with pytest.raises(InvalidReference, match="one of them is needed"):
        _ = ImageReference("docker-dev", "app").name


def test_a_very_long_wrong_value_does_not_fill_the_message() -> None:
    with pytest.raises(InvalidReference) as caught:
        check_tag("x" * 10_000_000)
    assert len(str(caught.value)) < 500
