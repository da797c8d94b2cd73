"""Of a multi-platform image Xray has to have scanned every manifest."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.integration.conftest import PASSWORD
from tests.integration.gateway import Reply, html
from tests.integration.verification.xray.asking_xray import CHECK, CONFIG, GUARDED, ask, dev, issue, violation

from artifactory_provider.artifactory.manifests import OCI_INDEX, OCI_MANIFEST
from artifactory_provider.verification import State, XrayCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

PLATFORMS = ("linux/amd64", "linux/arm64")


@pytest.fixture(scope="module")
def sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    """A sandbox whose Xray has watches."""
    return artifactory_sandbox_factory(CONFIG)


@pytest.mark.parametrize("scanned", [(), (0,), (0, 1), (0, 1, 2), (1, 2)])
async def test_an_index_passes_when_it_and_every_manifest_in_it_are_scanned(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, scanned: tuple[int, ...]
) -> None:
    index = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    manifest = await client.manifest(dev(image))
    parts = (index, *manifest.children)
    assert len(parts) == 3
    for number in scanned:
        sandbox.add_finding(parts[number])
    assert (await ask(client, image)).state is (State.PASSED if len(scanned) == 3 else State.PENDING)
    alone = await ask(client, image, XrayCheck(platforms_only=True))
    assert alone.state is (State.PASSED if {1, 2} <= set(scanned) else State.PENDING)


async def test_a_finding_in_one_manifest_of_an_index_fails_it_and_is_told_with_its_digest(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    index = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    first, second = (await client.manifest(dev(image))).children
    for digest in (index, first):
        sandbox.add_finding(digest)
    sandbox.add_finding(second, issues=[issue("XRAY-7", "Critical")])
    for check in (CHECK, XrayCheck(platforms_only=True)):
        verdict = await ask(client, image, check)
        assert verdict.state is State.FAILED
        assert f"first {second[7:15]}…: Xray has 1 finding: XRAY-7 (Critical)" in verdict.reason


async def test_the_manifests_in_an_index_are_not_read_while_the_index_waits(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    await ask(client, image)
    assert gateway.count("GET", "/manifests/") == 0


async def test_an_index_whose_manifests_cannot_be_read_is_no_pass(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.add_finding(sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS))
    for reply, state in ((Reply(503), State.PENDING), (html(), State.UNREADABLE), (Reply(403), State.UNREADABLE)):
        gateway.forget_rules()
        gateway.rule("GET", "/manifests/", reply=reply, does_work=False)
        assert (await ask(client, image)).state is state


class Registry:
    """Pushes to one image what no usual client does."""

    def __init__(self, sandbox: RunningSandbox, image: str) -> None:
        url = f"{sandbox.url}/api/docker/docker-dev/v2/{image}/"
        self._http = httpx.Client(base_url=url, auth=("admin", PASSWORD), trust_env=False)

    def push_manifest(self, text: str, *media_types: str) -> str:
        """Push a manifest whose layers have some media types."""
        layers = [self._push_blob(f"{text} {number}", kind) for number, kind in enumerate(media_types)]
        return self._push({"config": self._push_blob("{}", "application/json"), "layers": layers}, OCI_MANIFEST)

    def push_index(self, *entries: dict[str, Any], tag: str = "1") -> str:
        """Push an index under a tag."""
        sized = [{"mediaType": OCI_MANIFEST, "size": 2, **entry} for entry in entries]
        return self._push({"manifests": sized}, OCI_INDEX, tag=tag)

    def _push(self, document: dict[str, Any], media_type: str, tag: str | None = None) -> str:
        content = json.dumps({"schemaVersion": 2, "mediaType": media_type, **document}).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        headers = {"Content-Type": media_type}
        self._http.put(f"manifests/{tag or digest}", content=content, headers=headers).raise_for_status()
        return digest

    def _push_blob(self, text: str, media_type: str) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        self._http.post("blobs/uploads/", params={"digest": digest}, content=text.encode()).raise_for_status()
        return {"mediaType": media_type, "digest": digest, "size": len(text)}


LAYER, STATEMENT = "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.in-toto+json"


@pytest.mark.parametrize(
    ("layers", "is_called_one", "state"),
    [
        ([STATEMENT], True, State.PASSED),
        ([STATEMENT, STATEMENT], True, State.PASSED),
        ([STATEMENT], False, State.PENDING),
        ([STATEMENT, LAYER], True, State.PENDING),
        ([LAYER], True, State.PENDING),
        ([], True, State.PENDING),
    ],
)
async def test_only_what_is_an_attestation_and_called_one_needs_no_scan(
    client: ArtifactoryClient,
    sandbox: RunningSandbox,
    image: str,
    layers: list[str],
    is_called_one: bool,
    state: State,
) -> None:
    registry = Registry(sandbox, image)
    platform, other = registry.push_manifest("platform", LAYER), registry.push_manifest("other", *layers)
    annotations = {"vnd.docker.reference.type": "attestation-manifest"} if is_called_one else {"title": "an image"}
    index = registry.push_index({"digest": platform}, {"digest": other, "annotations": annotations})
    for digest in (index, platform):
        sandbox.add_finding(digest)
    for check in (CHECK, XrayCheck(platforms_only=True)):
        assert (await ask(client, image, check)).state is state


async def test_an_index_that_holds_no_image_or_another_index_is_no_pass(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    registry = Registry(sandbox, image)
    inner = registry.push_index({"digest": registry.push_manifest("platform", LAYER)}, tag="inner")
    for entries in ([], [{"digest": inner, "mediaType": OCI_INDEX}]):
        index = registry.push_index(*entries)
        for digest in (index, inner):
            sandbox.add_finding(digest)
        for check in (CHECK, XrayCheck(platforms_only=True)):
            assert (await ask(client, image, check)).state is State.UNREADABLE


async def test_a_violation_in_one_manifest_of_an_index_fails_it(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    index = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    first, second = (await client.manifest(dev(image))).children
    for digest in (index, first, second):
        sandbox.add_finding(digest)
    assert (await ask(client, image, GUARDED)).state is State.PASSED
    sandbox.add_finding(second, violations=[violation("XRAY-1")])
    assert (await ask(client, image, GUARDED)).state is State.FAILED
