from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.integration.gateway import Reply, without
from tests.integration.promotion.dev_to_qa import ABSENT, PLATFORMS, PROMOTE, promotion

from artifactory_provider.artifactory.errors import UnsupportedManifest
from artifactory_provider.artifactory.manifests import OCI_INDEX, OCI_MANIFEST
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import TargetUnverified
from artifactory_provider.promotion.promote import promote

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


async def test_a_child_that_did_not_arrive_is_named(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    child = (await client.manifest(ImageReference("docker-dev", image, "1"))).children[1]
    gateway.rule("POST", "/search/aql", reply=Reply(403), does_work=False)
    gateway.rule("GET", f"docker-qa/v2/.*{child}", reply=Reply(404), does_work=False)
    with pytest.raises(TargetUnverified, match=f"1 of the parts .* are missing in 'docker-qa': {child}"):
        await promote(client, promotion(image))


async def test_a_manifest_that_is_not_what_its_digest_says_is_found_out(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    """The header claims the digest that was promoted; the bytes have another one."""
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    config = {"digest": ABSENT, "size": 1}
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}).encode()
    headers = {"Docker-Content-Digest": digest, "Content-Type": OCI_MANIFEST}
    gateway.rule("GET", f"docker-qa/v2/{image}/manifests/1", reply=Reply(200, body, headers))
    with pytest.raises(TargetUnverified, match=f"sha256:{hashlib.sha256(body).hexdigest()} although {digest}"):
        await promote(client, promotion(image))


@pytest.mark.parametrize(
    ("document", "media_type", "reason"),
    [
        ({"schemaVersion": 1, "fsLayers": []}, SCHEMA_1, "It is a Docker image of schema 1"),
        (
            {"schemaVersion": 2, "config": {"digest": f"sha512:{'1' * 128}"}},
            OCI_MANIFEST,
            "'sha512:1.* is not a digest",
        ),
        ({"manifests": [{"digest": f"sha256:{n:064x}"} for n in range(2000)]}, OCI_INDEX, "lists 2000 manifests"),
    ],
)
async def test_an_image_that_cannot_be_promoted_is_refused_with_the_reason_and_at_once(
    client: ArtifactoryClient, gateway: Gateway, image: str, document: object, media_type: str, reason: str
) -> None:
    body = json.dumps(document).encode()
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    headers = {"Docker-Content-Digest": digest, "Content-Type": media_type}
    gateway.rule("POST", "/search/aql", reply=Reply(403), does_work=False)
    gateway.rule("*", f"docker-dev/v2/{image}/manifests/", reply=Reply(200, body, headers))
    with pytest.raises(UnsupportedManifest, match=f"is no image that can be promoted.*{reason}"):
        await promote(client, promotion(image))
    assert gateway.count("POST", PROMOTE) == 0
    assert len(gateway.requests) < 15


async def test_a_server_without_digest_headers_is_promoted_on_by_the_bytes(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    gateway.rule("*", "/manifests/", reply=without("Docker-Content-Digest", "ETag"))
    assert (await promote(client, promotion(image))).target.digest == digest
    assert (await promote(client, promotion(image))).outcome == "unchanged"


class Nest:
    """Indexes in indexes, pushed over the registry API.

    :param depth: how many indexes stand above the one manifest.
    """

    def __init__(self, sandbox: RunningSandbox, image: str, depth: int) -> None:
        self._sandbox = sandbox
        self._image = image
        self.digests = [sandbox.push_image(f"docker-dev/{image}:leaf")]
        kind, body = OCI_MANIFEST, b""
        for level in range(depth):
            child = {"mediaType": kind, "digest": self.digests[-1], "size": 1}
            body = json.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": OCI_INDEX,
                    "manifests": [child, child],
                    "annotations": {"n": str(level)},
                }
            ).encode()
            self.digests.append(f"sha256:{hashlib.sha256(body).hexdigest()}")
            kind = OCI_INDEX
            self._put(self.digests[-1], body)
        self._put("1", body)

    def _put(self, reference: str, body: bytes) -> None:
        url = f"{self._sandbox.url}/api/docker/docker-dev/v2/{self._image}/manifests/{reference}"
        credentials = httpx.BasicAuth(self._sandbox.username, self._sandbox.password)
        httpx.put(url, content=body, headers={"Content-Type": OCI_INDEX}, auth=credentials).raise_for_status()


async def test_indexes_in_an_index_are_verified_at_every_level_and_each_digest_once(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    nest = Nest(sandbox, image, 3)
    gateway.rule("POST", "/search/aql", reply=Reply(403), does_work=False)
    record = await promote(client, promotion(image))
    assert record.target.digest == nest.digests[-1]
    for digest in nest.digests[:-1]:
        assert gateway.count("GET", f"docker-qa/v2/.*manifests/{digest}") == 1


async def test_what_is_missing_deep_in_an_index_is_found_out(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    leaf = Nest(sandbox, image, 3).digests[0]
    gateway.rule("*", f"docker-qa/v2/.*{leaf}", reply=Reply(404), does_work=False)
    with pytest.raises(TargetUnverified, match=leaf):
        await promote(client, promotion(image))


async def test_indexes_in_indexes_end_somewhere(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    Nest(sandbox, image, 7)
    with pytest.raises(TargetUnverified, match="that is no image, and was not verified"):
        await promote(client, promotion(image))
