from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.links.artifactory import ArtifactoryImageLink, image_url

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    "base", ["https://x.io", "https://x.io/", "https://x.io/artifactory", "https://x.io/artifactory/"]
)
def test_the_link_leads_to_the_platforms_ui_whatever_the_base_url_ends_in(base: str) -> None:
    reference = ImageReference("docker-qa", "payments/api", "1.4.2", DIGEST)
    assert image_url(base, reference) == "https://x.io/ui/repos/tree/General/docker-qa/payments/api/1.4.2"


@pytest.mark.parametrize("url", [None, "https://x.io/ui"])
def test_a_task_that_did_not_come_so_far_has_no_link(url: str | None) -> None:
    task: Any = SimpleNamespace(image_url=url)
    key: Any = None
    assert ArtifactoryImageLink().get_link(task, ti_key=key) == (url or "")
