"""Whoever may annotate can write into a record what they like: an audit goes on, and does not believe all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.audit.legitimate import push
from tests.integration.audit.test_auditing import look, names
from tests.integration.promotion.dev_to_qa import PLATFORMS, promotion

from artifactory_provider.promotion.promote import promote

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.mark.parametrize(
    ("forged", "kinds"),
    [
        ({"promotion.attachments.names": "../x"}, ["attachment_lost"]),
        ({"promotion.attachments.names": "sha256:zz"}, ["attachment_lost"]),
        ({"promotion.children": "sha256:zz"}, ["child_lost"]),
        ({"promotion.children": "../../x \x1b[2J"}, ["child_lost"]),
        ({"promotion.source": "docker-dev/../x:1"}, []),
        ({"promotion.source": "docker-prod/a:b:c@sha256:zz"}, []),
        ({"promotion.time": "0001-01-01T00:00:00+23:59"}, []),
    ],
)
async def test_what_no_server_could_have_in_a_record_leaves_all_else_audited(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, forged: dict[str, str], kinds: list[str]
) -> None:
    push(sandbox, f"docker-dev/{image}:1", platforms=PLATFORMS)
    await promote(direct, promotion(image))
    push(sandbox, f"docker-qa/{image}:hand")
    sandbox.set_properties(f"docker-qa/{image}:1", forged)
    found = await look(direct, image)
    assert names(found) == ["unexplained docker-qa:hand", *(f"{kind} docker-qa:1" for kind in kinds)]
