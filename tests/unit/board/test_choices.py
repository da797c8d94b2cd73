"""Which tag stands for an image in each stage, and by how many each stage is behind."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.audit import StandingTag
from artifactory_provider.board.choices import choose_tags
from artifactory_provider.pipelines import read_pipeline

if TYPE_CHECKING:
    from artifactory_provider.pipelines import Pipeline

REPOSITORIES = ("docker-dev", "docker-qa", "docker-prod")
STAGES = "\n".join(["stages:", *(f"  - {{name: {key[7:]}, repository: {key}}}" for key in REPOSITORIES)])
MOMENT = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
Tags = dict[str, StandingTag]


def pipeline(more: str = "", stages: str = STAGES) -> Pipeline:
    return read_pipeline(f"images: [team/app]\n{more}\n{stages}", name="nightly")


def standing(repository: str, **tags: str) -> Tags:
    """Return tags, each with what it shows in a word; the later ones came later."""
    return {
        name: StandingTag(
            ImageReference(repository, "team/app", name, f"sha256:{content.encode().hex():0>64}"),
            is_index=False,
            media_type="",
            created=MOMENT,
            updated=MOMENT + datetime.timedelta(minutes=minute),
            by="ci",
            size=1,
            properties={},
            records=(),
            record=None,
        )
        for minute, (name, content) in enumerate(tags.items())
    }


def choose(of: Pipeline, *stages: dict[str, str]) -> list[tuple[str | None, int]]:
    found = choose_tags(of, [standing(key, **tags) for key, tags in zip(REPOSITORIES, stages, strict=True)])
    return [(one.shown.name if one.shown else None, one.behind) for one in found]


def test_each_stage_shows_its_newest_version_and_how_many_newer_ones_the_stages_before_have() -> None:
    dev = {"1.0": "a", "1.1": "b", "1.2": "c"}
    assert choose(pipeline(), dev, {"1.0": "a", "1.1": "b"}, {"1.0": "a"}) == [("1.2", 0), ("1.1", 1), ("1.0", 2)]


def test_two_names_of_one_image_are_one_version_to_be_behind_by() -> None:
    assert choose(pipeline(), {"1.0": "a", "1.1": "b", "v1.1": "b"}, {"1.0": "a"}, {}) == [
        ("1.1", 0),
        ("1.0", 1),
        (None, 2),
    ]


def test_a_stage_is_behind_by_what_a_move_has_taken_out_of_the_first_one() -> None:
    assert choose(pipeline(), {}, {"1.1": "b"}, {"1.0": "a"}) == [(None, 0), ("1.1", 0), ("1.0", 1)]


def test_tags_that_the_ladder_does_not_mean_stand_for_nothing() -> None:
    of = pipeline('tag: "*-alpine"')
    assert choose(of, {"1.0-alpine": "a", "2.0": "x"}, {"2.0": "x"}, {}) == [("1.0-alpine", 0), (None, 1), (None, 1)]


def test_a_tag_of_another_name_is_known_by_what_it_shows() -> None:
    stages = STAGES.replace(
        "repository: docker-prod", 'repository: docker-prod, tags: ["stable"], on_conflict: overwrite'
    )
    of = pipeline(stages=stages)
    assert choose(of, {"1.0": "a", "1.1": "b"}, {"1.0": "a"}, {"stable": "a", "debug": "z"}) == [
        ("1.1", 0),
        ("1.0", 1),
        ("stable", 1),
    ]


def test_a_ladder_of_one_named_tag_shows_that_and_nothing_else() -> None:
    assert choose(pipeline("tag: latest"), {"latest": "b", "1.0": "a"}, {}, {"1.0": "a"})[0] == ("latest", 0)


def test_where_another_tag_may_be_newer_it_is_said_as_the_run_would_say_it() -> None:
    found = choose_tags(pipeline(), [standing("docker-dev", **{"1.0": "a", "2024.1-debian": "b"}), {}, {}])
    assert found[0].doubt.startswith("Which release of docker-dev/team/app is the newest is not certain")


@pytest.mark.parametrize("tags", [{"nightly": "a"}, {"sha-0123abc": "a"}])
def test_tags_that_are_no_versions_stand_for_nothing_where_versions_are_meant(tags: dict[str, str]) -> None:
    assert choose(pipeline(), tags, {}, {}) == [(None, 0), (None, 0), (None, 0)]


VERSIONS = st.dictionaries(st.integers(0, 9).map(lambda minor: f"1.{minor}"), st.just(""), max_size=6)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_whatever_stages_hold_none_is_behind_by_more_than_the_stages_before_have(
    dev: dict[str, str], qa: dict[str, str], prod: dict[str, str]
) -> None:
    stages = [{tag: tag for tag in tags} for tags in (dev, qa, prod)]
    found = choose(pipeline(), *stages)
    for level, (shown, behind) in enumerate(found):
        newer = {tag for tags in stages[:level] for tag in tags if shown is None or tag > shown}
        assert shown == max(stages[level], default=None)
        assert behind == len(newer)
