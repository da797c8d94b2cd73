from __future__ import annotations

import pytest

from artifactory_provider.tasks.refusals import in_form_words

TITLES = {
    "largest": "Most promotions",
    "images": "Images",
    "tags": "Tags",
    "versions": "Versions",
    "created_from": "Created from",
    "target_tags": "Target tags",
}


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "2 are too many (largest=1): say largest=2.",
            "2 are too many (“Most promotions” = 1): say “Most promotions” = 2.",
        ),
        ("images is a list. tags are lists, too.", "“Images” is a list. “Tags” are lists, too."),
        ("Give created_from a time zone.", "Give “Created from” a time zone."),
        ("Leave it out by versions='>=0.0.0'.", "Leave it out by “Versions” = '>=0.0.0'."),
        ("target_tags is a list", "“Target tags” is a list"),
    ],
)
def test_arguments_are_called_as_the_form_calls_them(message: str, words: str) -> None:
    assert in_form_words(message, TITLES) == words


@pytest.mark.parametrize(
    "message",
    [
        "There are no images in docker-dev: check the repositories.",
        "No tag in docker-dev matches 'created_from': there are tags.",
        "Choose images or tags by narrower patterns.",
        "my_created_from is none",
    ],
)
def test_words_and_names_that_only_look_like_arguments_stay(message: str) -> None:
    assert in_form_words(message, TITLES) == message


def test_without_a_form_nothing_changes() -> None:
    assert in_form_words("largest=1 and images is a list", {}) == "largest=1 and images is a list"
