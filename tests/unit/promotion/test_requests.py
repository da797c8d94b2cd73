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
