"""Small blobs are read whole and with their digest, or not at all."""

from __future__ import annotations

import gzip
import hashlib
from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Reply, html
from tests.integration.promotion.attaching import Document, Pusher
from tests.integration.raw_server import raw_server

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import NotFound, OtherContent, PermissionDenied, UnexpectedAnswer
from artifactory_provider.artifactory.manifests import Referrer
from artifactory_provider.artifactory.references import ImageReference, InvalidReference

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_sandbox.pytest_plugin import RunningSandbox

CONTENT = b'{"critical": "\xc3\xa4"}'
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
DEV = ImageReference("docker-dev", "app", "1")


async def test_a_blob_is_read_as_it_was_pushed(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    Pusher(sandbox, f"docker-dev/{image}").attach(digest, Document("text/plain", CONTENT), suffix=".note")
    place = ImageReference("docker-dev", image)
    assert await client.blob(place, DIGEST, size=len(CONTENT)) == CONTENT
    with pytest.raises(NotFound):
        await client.blob(place, f"sha256:{'0' * 64}", size=1)
    with pytest.raises(InvalidReference):
        await client.blob(place, "../../secret", size=1)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, CONTENT + b" "),
        Reply(200, CONTENT[:-1]),
        Reply(200, b""),
        Reply(200, b"x" * 10_000_000),
        Reply(200, gzip.compress(b"x" * 10_000_000), {"Content-Encoding": "gzip"}),
    ],
    ids=("longer", "cut off", "empty", "large", "large when it is unpacked"),
)
async def test_other_bytes_than_those_of_the_digest_are_never_returned(
    client: ArtifactoryClient, gateway: Gateway, reply: Reply
) -> None:
    gateway.rule("GET", "/blobs/", reply=reply, does_work=False)
    with pytest.raises(OtherContent, match=f"blobs/{DIGEST} sent other bytes than the {len(CONTENT)} of that digest"):
        await client.blob(DEV, DIGEST, size=len(CONTENT))


async def test_a_descriptor_that_lies_about_the_size_is_not_believed(
    client: ArtifactoryClient, gateway: Gateway
) -> None:
    gateway.rule("GET", "/blobs/", reply=Reply(200, CONTENT), does_work=False)
    for size in (0, len(CONTENT) - 1, len(CONTENT) + 1):
        with pytest.raises(OtherContent):
            await client.blob(DEV, DIGEST, size=size)


async def test_what_comes_after_the_size_is_not_waited_for(settings: Callable[..., ServerSettings]) -> None:
    """The server promises a terabyte, sends a little of it, and then nothing more."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n" + b"x" * 10_000
    with raw_server(lambda _request: answer) as url:
        async with ArtifactoryClient(settings(base_url=url)) as client:
            with pytest.raises(OtherContent):
                await client.blob(DEV, DIGEST, size=len(CONTENT))


async def test_a_blob_that_a_proxy_has_packed_and_one_that_lies_elsewhere_are_read(
    client: ArtifactoryClient, gateway: Gateway
) -> None:
    gateway.rule("GET", "/blobs/", reply=Reply(307, b"", {"Location": "/elsewhere"}), does_work=False)
    packed = Reply(200, gzip.compress(CONTENT), {"Content-Encoding": "gzip"})
    gateway.rule("GET", "/elsewhere", reply=packed, does_work=False)
    assert await client.blob(DEV, DIGEST, size=len(CONTENT)) == CONTENT
    assert "Authorization" in gateway.requests[-2].headers
    assert "Authorization" not in gateway.requests[-1].headers


async def test_a_page_instead_of_a_blob_and_a_missing_permission_are_told_as_what_they_are(
    client: ArtifactoryClient, gateway: Gateway
) -> None:
    gateway.rule("GET", "/blobs/", times=1, reply=html(), does_work=False)
    with pytest.raises(UnexpectedAnswer, match="an HTML page") as page:
        await client.blob(DEV, DIGEST, size=len(CONTENT))
    assert not isinstance(page.value, OtherContent)
    gateway.rule("GET", "/blobs/", reply=Reply(403), does_work=False)
    with pytest.raises(PermissionDenied, match="Read on 'docker-dev'"):
        await client.blob(DEV, DIGEST, size=len(CONTENT))


async def test_referrers_are_listed_with_what_they_are(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    pusher = Pusher(sandbox, f"docker-dev/{image}")
    sbom = pusher.attach(digest, artifact_type="application/spdx+json", annotations={"by": "Tester ä"})
    plain = pusher.refer(digest, "anything")
    found = {one.digest: one for one in await client.referrers(ImageReference("docker-dev", image, digest=digest))}
    assert found.keys() == {sbom, plain}
    assert (found[sbom].artifact_type, found[sbom].annotations) == ("application/spdx+json", {"by": "Tester ä"})
    assert found[plain].annotations == {}


async def test_what_a_list_of_referrers_says_beside_the_digest_may_be_anything(
    client: ArtifactoryClient, gateway: Gateway
) -> None:
    entry = b'{"digest": "%s", "artifactType": ["x"], "annotations": {"a": 1, "b": "c"}}' % DIGEST.encode()
    gateway.rule("GET", "/referrers/", reply=Reply(200, b'{"manifests": [%s]}' % entry), does_work=False)
    [found] = await client.referrers(DEV.pinned(DIGEST))
    assert (found, found.artifact_type, found.annotations) == (Referrer(DIGEST), "", {"b": "c"})
