"""A server names a place for a blob's content, and may name one that is none."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Reply
from tests.integration.promotion.attaching import Pusher

from artifactory_provider.artifactory.errors import ArtifactoryError, UnexpectedAnswer
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.batch import promote_many
from artifactory_provider.promotion.request import PromotionOptions, make_promotions

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

NO_PLACES = ("http://[bad", "http://host:99999/x", "ftp://host/x", "javascript:alert(1)", "http://host:0/", "/é")
CONTENT = b"a layer"
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.mark.parametrize("place", NO_PLACES)
async def test_a_place_that_is_none_is_an_error_that_says_so(
    client: ArtifactoryClient, gateway: Gateway, image: str, place: str
) -> None:
    somewhere = ImageReference("docker-dev", image, "1")
    gateway.rule("GET", "/blobs/", reply=Reply(307, b"", {"Location": place}))
    with pytest.raises(UnexpectedAnswer, match="answered 307 with an empty body instead of the URL of a place"):
        await client.copy_blob(somewhere, somewhere, DIGEST)
    gateway.forget_rules()
    gateway.rule("GET", "/blobs/", reply=Reply(200, CONTENT))
    gateway.rule("POST", "/uploads/", reply=Reply(202, b"", {"Location": place}))
    with pytest.raises(UnexpectedAnswer, match="answered 202 with an empty body instead of the URL of a place"):
        await client.copy_blob(somewhere, somewhere, DIGEST)


async def test_an_image_whose_blobs_lead_nowhere_stops_no_other(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    for tag in ("1", "2"):
        sandbox.push_image(f"docker-dev/{image}:{tag}", content=tag)
    Pusher(sandbox, f"docker-dev/{image}").refer(str(sandbox.digest(f"docker-dev/{image}:1")), "a layer")
    gateway.rule("GET", "/blobs/", reply=Reply(307, b"", {"Location": "http://[bad"}))
    pairs = [(ImageReference("docker-dev", image, tag), ImageReference("docker-qa", image, tag)) for tag in "12"]
    first, second = (await promote_many(client, make_promotions(pairs, PromotionOptions()))).results
    assert (first.outcome, second.outcome) == ("failed", "promoted")
    assert isinstance(first.error and first.error.__cause__, ArtifactoryError)
