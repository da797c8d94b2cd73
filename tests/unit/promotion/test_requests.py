from __future__ import annotations

import pytest

from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.request import Promotion, PromotionOptions, make_promotions


def test_one_target_with_two_sources_is_refused() -> None:
    target = ImageReference("docker-qa", "app", "1")
    sources = [ImageReference("docker-dev", "app", tag) for tag in ("1", "2")]
    with pytest.raises(InvalidPromotion, match="would be promoted to twice"):
        make_promotions([(source, target) for source in sources], PromotionOptions())


@pytest.mark.parametrize(
    ("repository", "words"),
    [("docker-dev", "between source and target"), ("docker-qa", "not one of them, as 'docker-qa' is")],
)
def test_a_transit_repository_is_neither_the_source_nor_the_target(repository: str, words: str) -> None:
    source, target = (ImageReference(key, "app", "1") for key in ("docker-dev", "docker-qa"))
    options = PromotionOptions(pending_repository=repository)
    with pytest.raises(InvalidPromotion, match=words):
        Promotion(source=source, target=target, options=options)


def test_a_transit_repository_is_of_use_only_in_two_phases() -> None:
    with pytest.raises(InvalidPromotion, match=r"set two_phase=True, .* or leave pending_repository out"):
        PromotionOptions(pending_repository="docker-transit", two_phase=False)


@pytest.mark.parametrize("key", ["", "docker transit", "docker-transit/app", "https://example.com/docker-transit"])
def test_a_transit_repository_is_a_repository_key(key: str) -> None:
    with pytest.raises(InvalidReference, match="is not a repository key"):
        PromotionOptions(pending_repository=key)


def test_pending_tags_stand_in_an_image_of_the_targets_name_and_are_looked_for_in_the_target_too() -> None:
    source, target = ImageReference("docker-dev", "app", "1"), ImageReference("docker-qa", "mirror/app", "2")
    directly = Promotion(source=source, target=target)
    assert directly.pending_images == (directly.pending_image,) == (("docker-qa", "mirror/app"),)
    through = Promotion(source=source, target=target, options=PromotionOptions(pending_repository="docker-transit"))
    assert through.pending_image == ("docker-transit", "mirror/app")
    assert through.pending_images == (through.pending_image, ("docker-qa", "mirror/app"))


def test_one_source_that_is_to_be_moved_to_two_targets_is_refused_and_may_be_copied_to_them() -> None:
    source = ImageReference("docker-dev", "app", "1", f"sha256:{'1' * 64}")
    targets = [ImageReference("docker-qa", "app", tag) for tag in ("1", "latest")]
    pairs = [(source, targets[0]), (source.unpinned(), targets[1])]
    with pytest.raises(InvalidPromotion, match="would be moved twice, to docker-qa/app:1 and to docker-qa/app:latest"):
        make_promotions(pairs, PromotionOptions(copy=False))
    assert [each.target for each in make_promotions(pairs, PromotionOptions())] == targets
    moves = make_promotions([pairs[0], (targets[0], targets[1])], PromotionOptions(copy=False))
    assert len(moves) == 2
