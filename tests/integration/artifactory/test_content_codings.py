"""Proxies pack answers, label what is not packed, and pack more than they should."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Reply, with_header

from artifactory_provider.artifactory.errors import UnexpectedAnswer
from artifactory_provider.artifactory.references import ImageReference

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

    Change = Callable[[Reply], Reply]

LAYER = gzip.compress(b"a layer is a gzip file itself", mtime=0)
GZIP = {"Content-Encoding": "gzip"}
DEV, QA = ImageReference("docker-dev", "app", "1"), ImageReference("docker-qa", "app", "1")

label: Change = with_header("Content-Encoding", "gzip")


def pack(reply: Reply) -> Reply:
    """Pack an answer on its way, as nginx does with `gzip on`."""
    return label(replace(reply, body=gzip.compress(reply.body)))


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def uploads(gateway: Gateway) -> Callable[[], list[bytes]]:
    """What has been uploaded so far."""
    gateway.rule("POST", "/uploads/", reply=Reply(202, b"", {"Location": "/upload"}), does_work=False)
    gateway.rule("PUT", "/upload", reply=Reply(201), does_work=False)
    return lambda: [seen.body for seen in gateway.requests if seen.method == "PUT"]


@pytest.mark.parametrize(
    ("digest", "reply"),
    [
        (digest_of(LAYER), Reply(200, LAYER)),
        (digest_of(LAYER), Reply(200, LAYER, GZIP)),
        (digest_of(LAYER), Reply(200, LAYER, {"Content-Encoding": "br"})),
        (digest_of(LAYER), Reply(200, gzip.compress(LAYER, mtime=0), GZIP)),
        (digest_of(b"plain"), Reply(200, b"plain", GZIP)),
    ],
)
async def test_a_blob_is_the_bytes_that_have_its_digest_whatever_they_are_labelled(
    client: ArtifactoryClient, gateway: Gateway, uploads: Callable[[], list[bytes]], digest: str, reply: Reply
) -> None:
    gateway.rule("GET", "/blobs/", reply=reply, does_work=False)
    await client.copy_blob(DEV, QA, digest)
    assert [digest_of(content) for content in uploads()] == [digest]


async def test_blobs_are_asked_for_as_they_are_stored_also_where_they_lie_elsewhere(
    client: ArtifactoryClient, gateway: Gateway, uploads: Callable[[], list[bytes]]
) -> None:
    gateway.rule("GET", "/blobs/", reply=Reply(307, b"", {"Location": "/elsewhere"}), does_work=False)
    gateway.rule("GET", "/elsewhere", reply=Reply(200, LAYER, GZIP), does_work=False)
    await client.copy_blob(DEV, QA, digest_of(LAYER))
    assert uploads() == [LAYER]
    asked = [seen.headers["Accept-Encoding"] for seen in gateway.requests if seen.method == "GET"]
    assert asked == ["identity", "identity"]


async def test_a_blob_of_other_bytes_is_not_brought_however_it_is_packed(
    client: ArtifactoryClient, gateway: Gateway, uploads: Callable[[], list[bytes]]
) -> None:
    gateway.rule("GET", "/blobs/", reply=Reply(200, gzip.compress(b"another layer"), GZIP), does_work=False)
    with pytest.raises(UnexpectedAnswer, match="instead of the blob"):
        await client.copy_blob(DEV, QA, digest_of(LAYER))
    assert uploads() == []


@pytest.mark.parametrize("change", [pack, label])
async def test_a_manifest_has_the_digest_of_its_own_bytes_packed_or_only_labelled(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, change: Change
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=("linux/amd64", "linux/arm64"))
    gateway.rule("*", "/manifests/", reply=change)
    manifest = await client.manifest(ImageReference("docker-dev", image, "1"))
    assert manifest.descriptor.digest == digest
    assert (await client.manifest(ImageReference("docker-dev", image, digest=digest))).content == manifest.content


@pytest.mark.parametrize("change", [pack, label])
async def test_answers_of_the_api_are_read_packed_or_only_labelled(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, change: Change
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("*", "/api/", reply=change)
    await client.ping()
    assert await client.version()
    assert await client.tags("docker-dev", image) == ["1"]
    assert len(await client.find_items({"repo": "docker-dev", "path": f"{image}/1", "name": "manifest.json"})) == 1


async def test_an_answer_that_unpacks_to_more_than_any_answer_is_cut_off(
    client: ArtifactoryClient, gateway: Gateway
) -> None:
    gateway.rule("GET", "/version", reply=Reply(200, gzip.compress(b"x" * 64 * 1024 * 1024), GZIP), does_work=False)
    with pytest.raises(UnexpectedAnswer, match="answered with more than 33554432 bytes"):
        await client.version()
