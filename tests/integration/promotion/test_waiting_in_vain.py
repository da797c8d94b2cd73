"""A wait ends at once, with the true reason, when what is waited for can no longer come.

The timeout is much longer than any of these tests may take.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.integration.gateway import Gateway, Reply
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.dev_to_qa import PLATFORMS, PROMOTE, promotion
from tests.integration.promotion.history import History

from artifactory_provider.artifactory.manifests import OCI_MANIFEST
from artifactory_provider.promotion.batch import promote_many
from artifactory_provider.promotion.errors import SourceIncomplete, SourceMoved, TargetConflict
from artifactory_provider.promotion.promote import promote

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.request import Promotion
    from artifactory_sandbox.pytest_plugin import RunningSandbox

AQL = "/api/search/aql$"
AT_ONCE, PATIENCE = 15, 120
BOTH = pytest.mark.parametrize("is_one_of_many", [False, True], ids=["single", "many"])


async def run(client: ArtifactoryClient, one: Promotion, *, is_one_of_many: bool) -> None:
    """Promote, alone or as one of many, and raise what keeps it from being done."""
    async with asyncio.timeout(AT_ONCE):
        if not is_one_of_many:
            await promote(client, one)
            return
        report = await promote_many(client, [one])
        for failure in report.failures:
            assert failure.error is not None
            raise failure.error


def patiently(image: str, **changes: Any) -> Promotion:
    return promotion(image, confirmation_timeout=PATIENCE, **changes)


@pytest.fixture(params=["queries answered", "queries refused"])
def both_ways(request: pytest.FixtureRequest, gateway: Gateway) -> None:
    if request.param == "queries refused":
        gateway.rule("POST", AQL, reply=Reply(403), does_work=False)


@BOTH
@pytest.mark.usefixtures("both_ways")
async def test_an_index_with_a_child_that_its_source_lacks_is_incomplete_at_once(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, is_one_of_many: bool
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    child = Pusher(sandbox, f"docker-dev/{image}").children(digest)[1]
    sandbox.delete(f"docker-dev/{image}@{child}")
    with pytest.raises(SourceIncomplete, match=child):
        await run(client, patiently(image), is_one_of_many=is_one_of_many)
    assert sandbox.tags("docker-qa", image) == []


def push_with_layer(sandbox: RunningSandbox, image: str, *urls: str) -> tuple[str, str]:
    """Push an image with a layer that the registry does not keep; return the digests of image and layer."""
    pusher = Pusher(sandbox, f"docker-dev/{image}")
    document = pusher._manifest(("a layer that stays", "a layer that goes"))
    layer = document["layers"][1]
    layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip"
    if urls:
        layer["urls"] = list(urls)
    content = json.dumps(document).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    url = f"{sandbox.url}/api/docker/docker-dev/v2/{image}/manifests/1"
    headers = {"Content-Type": OCI_MANIFEST}
    httpx.put(url, content=content, headers=headers, auth=("admin", sandbox.password)).raise_for_status()
    lose_blob(sandbox, image, layer["digest"])
    return digest, layer["digest"]


def lose_blob(sandbox: RunningSandbox, image: str, digest: str) -> None:
    with sandbox.service.database.writing() as tx:
        place = (f"{image}/%", digest.replace(":", "__"))
        tx.execute("DELETE FROM items WHERE repository = 'docker-dev' AND path LIKE ? AND name = ?", place)
    assert not Pusher(sandbox, f"docker-dev/{image}").has_blob(digest)


@BOTH
@pytest.mark.usefixtures("both_ways")
async def test_a_layer_that_names_urls_of_its_own_is_not_waited_for(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, is_one_of_many: bool
) -> None:
    digest, _ = push_with_layer(sandbox, image, "https://layers.example.com/layer.tar.gz")
    await run(client, patiently(image), is_one_of_many=is_one_of_many)
    assert sandbox.digest(f"docker-qa/{image}:1") == digest


async def test_a_layer_of_an_attachment_that_names_urls_of_its_own_is_not_asked_for_either(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    pusher = Pusher(sandbox, f"docker-dev/{image}")
    document = pusher._manifest(("a layer that stays", "a layer that goes")) | {
        "subject": {"mediaType": OCI_MANIFEST, "digest": digest, "size": 2}
    }
    document["layers"][1]["urls"] = ["https://layers.example.com/layer.tar.gz"]
    referrer = pusher._push(document, OCI_MANIFEST)
    lose_blob(sandbox, image, document["layers"][1]["digest"])
    record = await promote(direct, patiently(image))
    assert [one.digest for one in record.attachments] == [referrer]
    assert sandbox.digest(f"docker-qa/{image}@{referrer}") == referrer


@BOTH
@pytest.mark.usefixtures("both_ways")
async def test_a_layer_without_urls_that_the_source_lacks_is_named_at_once(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, is_one_of_many: bool
) -> None:
    _, layer = push_with_layer(sandbox, image)
    with pytest.raises(SourceIncomplete, match=layer):
        await run(client, patiently(image), is_one_of_many=is_one_of_many)
    assert sandbox.tags("docker-qa", image) == []


@BOTH
@pytest.mark.parametrize("attachments", ["all", "tags", "none"])
@pytest.mark.parametrize("on_conflict", ["fail", "overwrite"])
@pytest.mark.usefixtures("both_ways")
async def test_a_source_tag_that_shows_another_digest_for_the_time_of_one_request_has_moved(
    client: ArtifactoryClient,
    sandbox: RunningSandbox,
    gateway: Gateway,
    image: str,
    is_one_of_many: bool,
    attachments: str,
    on_conflict: str,
) -> None:
    """Also where the target shows the other digest already, which is to be overwritten."""
    tag = f"docker-dev/{image}:1"
    first = sandbox.push_image(tag, content="first")
    other = sandbox.push_image(f"docker-dev/{image}:other", content="other")
    if on_conflict == "overwrite":
        sandbox.push_image(f"docker-qa/{image}:1", content="other")
    gateway.rule(
        "POST",
        PROMOTE,
        times=1,
        before=lambda: sandbox.push_image(tag, content="other"),
        after=lambda: sandbox.push_image(tag, content="first"),
    )
    history = History(sandbox)
    asked = patiently(image, digest=first, attachments=attachments, on_conflict=on_conflict)
    with pytest.raises(SourceMoved, match=other):
        await run(client, asked, is_one_of_many=is_one_of_many)
    assert history.shown(f"docker-qa/{image}:1") == []
    assert not [name for name in sandbox.tags("docker-qa", image) if name != "1"]


@BOTH
@pytest.mark.parametrize("is_source_moved", [False, True], ids=["source stays", "source moves too"])
@pytest.mark.usefixtures("both_ways")
async def test_another_writer_while_an_unchanged_target_is_made_sure_of_is_a_conflict(
    client: ArtifactoryClient,
    sandbox: RunningSandbox,
    gateway: Gateway,
    image: str,
    is_one_of_many: bool,
    is_source_moved: bool,
) -> None:
    tag = f"docker-qa/{image}:1"
    first = sandbox.push_image(f"docker-dev/{image}:1", content="first", platforms=PLATFORMS)
    sandbox.push_image(tag, content="first", platforms=PLATFORMS)

    def write() -> None:
        if is_source_moved:
            sandbox.push_image(f"docker-dev/{image}:1", content="other", platforms=PLATFORMS)
        for child in Pusher(sandbox, f"docker-qa/{image}").children(first):
            sandbox.delete(f"docker-qa/{image}@{child}")
        sandbox.push_image(tag, content="other", platforms=PLATFORMS)

    # The manifest has been read; its parts are looked for next.
    gateway.rule("GET", f"docker-qa/v2/{image}/manifests/(1|{first})$", times=1, after=write)
    with pytest.raises(TargetConflict, match="somebody else writes this tag"):
        await run(client, patiently(image, digest=first), is_one_of_many=is_one_of_many)


@BOTH
async def test_another_writer_who_comes_before_the_manifest_of_an_unchanged_target_is_read_is_a_conflict(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, is_one_of_many: bool
) -> None:
    tag = f"docker-qa/{image}:1"
    first = sandbox.push_image(f"docker-dev/{image}:1", content="first")
    sandbox.push_image(tag, content="first")
    reading = f"docker-qa/v2/{image}/manifests/(1|{first})$"
    gateway.rule("GET", reading, times=1, before=lambda: sandbox.push_image(tag, content="other"))
    with pytest.raises(TargetConflict, match="somebody else writes this tag"):
        await run(client, patiently(image, digest=first), is_one_of_many=is_one_of_many)
