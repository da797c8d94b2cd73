from __future__ import annotations

import pytest

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.request import PromotionOptions, make_promotions


def test_one_target_with_two_sources_is_refused() -> None:
    target = ImageReference("docker-qa", "app", "1")
    sources = [ImageReference("docker-dev", "app", tag) for tag in ("1", "2")]
    with pytest.raises(InvalidPromotion, match="would be promoted to twice"):
        make_promotions([(source, target) for source in sources], PromotionOptions())


def test_one_source_that_is_to_be_moved_to_two_targets_is_refused_and_may_be_copied_to_them() -> None:
    source = ImageReference("docker-dev", "app", "1", f"sha256:{'1' * 64}")
    targets = [ImageReference("docker-qa", "app", tag) for tag in ("1", "latest")]
    pairs = [(source, targets[0]), (source.unpinned(), targets[1])]
    with pytest.raises(InvalidPromotion, match="would be moved twice, to docker-qa/app:1 and to docker-qa/app:latest"):
        make_promotions(pairs, PromotionOptions(copy=False))
    assert [each.target for each in make_promotions(pairs, PromotionOptions())] == targets
    moves = make_promotions([pairs[0], (targets[0], targets[1])], PromotionOptions(copy=False))
    assert len(moves) == 2
