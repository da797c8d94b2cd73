"""What happens in the demo: which images there are, what their tests say, and what prod must hold in the end."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.selection import newest_version
from artifactory_provider.promotion.tags import select_images
from artifactory_provider.verification import PropertyCheck, State, verify_many
from artifactory_sandbox.seeding import select_tags
from demo.errors import DemoError
from demo.home import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from artifactory_sandbox.seeding import SeedTag
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
FROZEN, APPROVED = "coredns", "metrics-server"
VERDICT, QA_VERDICT = "test.status", "qa.test.status"
GATES = {"verify_dev": (DEV, PropertyCheck(name=VERDICT)), "verify_qa": (QA, PropertyCheck(name=QA_VERDICT))}
"""Task of the nightly DAG → which check it asks, and where."""
_TAGS_PER_IMAGE = 6
_BUILDER = "ci"
"""Who has pushed the images."""
_PAST = timedelta(weeks=3)


def write_policy(start: datetime, end: datetime, *, frozen: str = FROZEN) -> str:
    """Return the policy of the night: one image is frozen for some time, another wants an approval.

    :param start: when the freeze begins, in UTC.
    :param end: when it ends, in UTC, to the minute.
    :param frozen: the image that is frozen.
    """
    rules = [
        {
            "name": f"no new {frozen} before the market opens",
            "target": {"repositories": [PROD], "images": [frozen]},
            "windows": {"timezone": "UTC", "deny": [f"{start:%Y-%m-%dT%H:%M}/{end:%Y-%m-%dT%H:%M}"]},
        },
        {
            "name": "metrics want a second pair of eyes",
            "target": {"repositories": [PROD], "images": [APPROVED]},
            "approvals": {"count": 1},
        },
    ]
    return json.dumps({"version": 1, "rules": rules})


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


@dataclass(frozen=True, kw_only=True)
class PushedTag:
    """One tag that has been pushed in the last three weeks.

    :param image: the image name.
    :param tag: the tag.
    :param content: what stands for its content in the promotion manifests.
    :param created: when it was pushed.
    :param status: what its tests in dev say: ``passed``, ``failed``, or nothing yet.
    """

    image: str
    tag: str
    content: str
    created: datetime
    status: str | None


def seed(home: Home) -> str:
    """Fill docker-dev as if images had been pushed for three weeks, and return what the sandbox says of it.

    What is there already stays as it is.
    """
    return seed_repository(home, DEV, pushed_lately(datetime.now(UTC)))


def seed_repository(home: Home, repository: str, tags: Iterable[PushedTag]) -> str:
    """Put tags into a repository, as of the moments at which they were pushed, and return what the sandbox says of it.

    :param home: the instance.
    :param repository: the repository key.
    :param tags: the tags; what is there already stays as it is.
    """
    images: dict[str, dict[str, Any]] = {}
    for tag in tags:
        entry = images.setdefault(tag.image, {"name": tag.image, "dmap": {}, "created": {}})
        entry["dmap"].setdefault(tag.content, []).append(tag.tag)
        entry["created"][tag.tag] = tag.created.isoformat(timespec="seconds")
    file = home.path / f"{repository}.yaml"
    file.write_text(yaml.safe_dump(list(images.values()), sort_keys=False))
    command = ["artifactory-sandbox", "seed", "--data", str(home.sandbox_data), "--repository", repository]
    command += ["--user", _BUILDER, str(file)]
    done = subprocess.run(command, env=home.environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DemoError(f"The sandbox could not be seeded: {done.stderr.strip()}")
    return done.stdout.strip()


def pushed_lately(now: datetime) -> list[PushedTag]:
    """Return what was pushed: each image's versions one after the other, no two images at one moment, until now.

    :param now: the end of the three weeks.
    """
    step = _PAST / _TAGS_PER_IMAGE
    tags = []
    for number, (image, versions) in enumerate(_versions().items()):
        start = now - _PAST + step * (number + 1) / len(IMAGES)
        for place, tag in enumerate(versions):
            status = _status(image, number, len(versions) - 1 - place)
            tags.append(
                PushedTag(image=image, tag=tag.tag, content=tag.digest, created=start + step * place, status=status)
            )
    return tags


def _versions() -> dict[str, list[SeedTag]]:
    """Return image → its highest versions in the promotion manifests, the newest last."""
    files = sorted((PROJECT / "demo" / "images").glob("*.yaml"))
    chosen = select_tags(files, images=IMAGES, per_image=_TAGS_PER_IMAGE)
    return {image: [tag for tag in chosen if tag.image == image] for image in IMAGES}


def sandbox_client(url: str) -> ArtifactoryClient:
    """Return a client of the sandbox, to be opened."""
    return ArtifactoryClient(ServerSettings(base_url=url, authentication=Basic(USERNAME, PASSWORD)))


async def candidates(client: ArtifactoryClient) -> dict[str, ImageReference]:
    """Return image → newest version in dev, pinned: what a night promotes."""
    newest = {image: await newest_version(client, DEV, image) for image in IMAGES}
    return {image: reference for image, reference in newest.items() if reference}


async def list_versions(client: ArtifactoryClient, image: str) -> list[ImageReference]:
    """Return what the versions of an image show in dev, the newest last."""
    references = [ImageReference(DEV, image, tag.tag) for tag in _versions()[image]]
    shown = [await client.descriptor(reference) for reference in references]
    return [one.pinned(found.digest) for one, found in zip(references, shown, strict=True) if found]


async def write_dev_verdicts(client: ArtifactoryClient) -> None:
    """Write what the tests in dev say, as a CI would; a verdict that is there already stays as it is."""
    for tag in pushed_lately(datetime.now(UTC)):
        reference = ImageReference(DEV, tag.image, tag.tag)
        if tag.status and await read_verdict(client, reference) is None:
            await write_verdict(client, reference, VERDICT, tag.status)


def _status(image: str, number: int, age: int) -> str | None:
    """Return the verdict on an image's version: one newest one failed, one is late, and so it went before now and then.

    :param image: the image name.
    :param number: which of the images it is.
    :param age: how many newer versions of it there are.
    """
    if age == 0:
        return {FAILING: "failed", LATE: None}.get(image, "passed")
    return {(0, 3): "failed", (1, 4): None}.get((number % 3, age), "passed")


async def newest_verdicts(client: ArtifactoryClient) -> dict[str, str | None]:
    """Return image → what the tests in dev say now of its newest version, or None where they have said nothing."""
    return {image: await read_verdict(client, newest) for image, newest in (await candidates(client)).items()}


def describe_verdicts(verdicts: Mapping[str, str | None]) -> str:
    """Return in a sentence which newest versions did not pass their tests in dev, or not yet."""
    missing, failed = (
        ", ".join(f"{image}'s" for image, status in verdicts.items() if status == wanted) for wanted in (None, "failed")
    )
    said = f"The tests in dev have written their verdicts{f', but for {missing}' if missing else ''}"
    return f"{said}; {failed} failed." if failed else f"{said}."


async def read_verdict(client: ArtifactoryClient, reference: ImageReference) -> str | None:
    """Return what the tests in dev said of what a tag shows now, or None where they have said nothing."""
    descriptor = await client.descriptor(reference)
    properties = await client.properties(manifest_path(reference, descriptor)) if descriptor else {}
    return ", ".join(properties.get(VERDICT, [])) or None


async def write_verdict(client: ArtifactoryClient, reference: ImageReference, name: str, value: str) -> None:
    """Write one verdict on what a tag shows now."""
    await client.set_properties(await _manifest_path(client, reference), {name: value})


async def pass_late(url: str) -> None:
    """Let the tests of the image whose verdict is late end, and pass."""
    async with sandbox_client(url) as client:
        await write_verdict(client, (await candidates(client))[LATE], VERDICT, "passed")


async def remove_verdict(client: ArtifactoryClient, reference: ImageReference, url: str) -> None:
    """Take the verdict of the tests in dev from what a tag shows now."""
    place = f"{url}/api/storage/{await _manifest_path(client, reference)}"
    async with httpx.AsyncClient(auth=(USERNAME, PASSWORD), trust_env=False) as http:
        answer = await http.delete(place, params={"properties": VERDICT})
    answer.raise_for_status()


async def _manifest_path(client: ArtifactoryClient, reference: ImageReference) -> str:
    descriptor = await client.descriptor(reference)
    if descriptor is None:
        raise DemoError(f"{reference} is gone: something else writes to this sandbox.")
    return manifest_path(reference, descriptor)


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
                        await client.set_properties(manifest_path(reference, descriptor), {QA_VERDICT: "passed"})
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
    digests = [descriptor.digest if descriptor else None for descriptor in shown]
    return Places(image, tag, await read_verdict(client, references[0]), *digests)


async def ask_gates(client: ArtifactoryClient, chosen: Mapping[str, ImageReference]) -> dict[tuple[str, str], str]:
    """Return (gate, image) → whether its check fails or waits now, and why, in one line; nothing where it passes."""
    told = {}
    for gate, (repository, check) in GATES.items():
        references = [replace(reference, repository=repository) for reference in chosen.values()]
        async with Ledger(client) as ledger:
            found = await verify_many(ledger, references, [check])
        for image, one in zip(chosen, found, strict=True):
            if one.state is not State.PASSED:
                told[gate, image] = f"{gate} {'waits' if one.state is State.PENDING else one.state.value}: {one.reason}"
    return told


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
