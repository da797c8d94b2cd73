"""What happens in the demo: which images there are, what their tests say, and what prod must hold in the end."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.promotion.selection import newest_version
from artifactory_provider.promotion.tags import select_images
from demo.errors import DemoError
from demo.home import PROJECT

if TYPE_CHECKING:
    from demo.home import Home

USERNAME, PASSWORD = "admin", "password"
DEV, QA, PROD = "docker-dev", "docker-qa", "docker-prod"
IMAGES = (
    "cluster-autoscaler",
    "controller",
    "coredns",
    "csi-attacher",
    "csi-provisioner",
    "csi-resizer",
    "csi-snapshotter",
    "hostpathplugin",
    "livenessprobe",
    "metrics-server",
    "node-feature-discovery",
    "vpa-recommender",
)
FAILING = "csi-resizer"
LATE = "livenessprobe"
_TAGS_PER_IMAGE = 6


@dataclass(frozen=True)
class Places:
    """The digest that one tag shows in each repository, or None.

    :param image: the image name.
    :param tag: the tag.
    :param verdict: what its tests in dev said, or None.
    """

    image: str
    tag: str
    verdict: str | None
    dev: str | None
    qa: str | None
    prod: str | None


def seed(home: Home) -> str:
    """Fill docker-dev from the promotion manifests, and return what the sandbox says of it."""
    command = ["artifactory-sandbox", "seed", "--data", str(home.sandbox_data), "--repository", DEV]
    command += ["--tags-per-image", str(_TAGS_PER_IMAGE)]
    for image in IMAGES:
        command += ["--image", image]
    command += [str(path) for path in sorted((PROJECT / "demo" / "images").glob("*.yaml"))]
    done = subprocess.run(command, env=home.environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DemoError(f"The sandbox could not be seeded: {done.stderr.strip()}")
    return done.stdout.strip()


def sandbox_client(url: str) -> ArtifactoryClient:
    """Return a client of the sandbox, to be opened."""
    return ArtifactoryClient(ServerSettings(base_url=url, authentication=Basic(USERNAME, PASSWORD)))


async def candidates(client: ArtifactoryClient) -> dict[str, ImageReference]:
    """Return image → newest version in dev, pinned: what a night promotes."""
    newest = {image: await newest_version(client, DEV, image) for image in IMAGES}
    return {image: reference for image, reference in newest.items() if reference}


async def write_dev_verdicts(client: ArtifactoryClient) -> None:
    """Write what the tests in dev say, as a CI would: all passed but one that failed, and one still running."""
    chosen = await candidates(client)
    for image in IMAGES:
        for tag in await client.tags(DEV, image):
            reference = ImageReference(DEV, image, tag)
            if reference.tag == chosen[image].tag and image == LATE:
                continue
            failed = reference.tag == chosen[image].tag and image == FAILING
            await write_verdict(client, reference, "test.status", "failed" if failed else "passed")


async def write_verdict(client: ArtifactoryClient, reference: ImageReference, name: str, value: str) -> None:
    """Write one verdict on what a tag shows now."""
    descriptor = await client.descriptor(reference)
    if descriptor is None:
        raise DemoError(f"{reference} is gone: something else writes to this sandbox.")
    await client.set_properties(manifest_path(reference, descriptor), {name: value})


async def run_qa_tests(url: str) -> None:
    """Test whatever arrives in qa, for ever: everything passes."""
    tested: set[tuple[str, str, str]] = set()
    async with sandbox_client(url) as client:
        while True:
            try:
                for reference in await _arrived(client, QA):
                    if not select_images([str(reference.tag)]):
                        continue
                    descriptor = await client.descriptor(reference)
                    key = (reference.image, str(reference.tag), descriptor.digest if descriptor else "")
                    if descriptor and key not in tested:
                        await client.set_properties(manifest_path(reference, descriptor), {"qa.test.status": "passed"})
                        tested.add(key)
                        print(f"{reference}@{descriptor.digest} passed", flush=True)
            except ArtifactoryError as error:  # looked at again in the next round
                print(error, flush=True)
            await asyncio.sleep(0.5)


async def places(client: ArtifactoryClient) -> list[Places]:
    """Return where every tag of dev stands now."""
    return [await _stands(client, image, tag) for image in IMAGES for tag in await client.tags(DEV, image)]


async def _stands(client: ArtifactoryClient, image: str, tag: str) -> Places:
    references = [ImageReference(repository, image, tag) for repository in (DEV, QA, PROD)]
    shown = [await client.descriptor(reference) for reference in references]
    properties = await client.properties(manifest_path(references[0], shown[0])) if shown[0] else {}
    digests = [descriptor.digest if descriptor else None for descriptor in shown]
    return Places(image, tag, ", ".join(properties.get("test.status", [])) or None, *digests)


async def held(client: ArtifactoryClient, repository: str) -> dict[tuple[str, str], str]:
    """Return (image, tag) → digest of everything in a repository."""
    references = await _arrived(client, repository)
    shown = {(r.image, str(r.tag)): await client.descriptor(r) for r in references}
    return {key: descriptor.digest for key, descriptor in shown.items() if descriptor}


async def _arrived(client: ArtifactoryClient, repository: str) -> list[ImageReference]:
    return [
        ImageReference(repository, image, tag)
        for image in await client.images(repository)
        for tag in await client.tags(repository, image)
    ]
