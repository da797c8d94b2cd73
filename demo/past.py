"""What three weeks have left in qa and prod: promotions of nights, a rebuild, a hold, and a push past Airflow."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion import Promotion, PromotionOptions, promote
from artifactory_provider.promotion.decisions import hold
from artifactory_provider.promotion.tags import name_run
from demo.pushing import push
from demo.scenario import (
    APPROVED,
    DEV,
    PROD,
    QA,
    QA_VERDICT,
    VERDICT,
    pushed_lately,
    sandbox_client,
    seed_repository,
    write_policy,
    write_verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from demo.home import Home
    from demo.report import Progress
    from demo.scenario import PushedTag

HELD, HELD_BECAUSE = "csi-provisioner", "the next release loses volumes when they grow"
FROZEN_FOR_A_WEEK = "cluster-autoscaler"
DRIFTED, DRIFTED_TAG = "hostpathplugin", "v1.10.1-hotfix"
REBUILT = "controller"
_LATELY = timedelta(days=6)
"""What was pushed since then waits for whoever tries the demo."""
_NIGHT = 2


class Variables(Protocol):
    """Where Airflow's Variables are written."""

    def put_variable(self, key: str, value: str) -> None:
        """Write one."""


class Past:
    """What has happened before an instance starts for the first time: what people change after that, stays.

    :param home: the instance.
    :param progress: where it says what has happened.
    """

    def __init__(self, home: Home, progress: Progress) -> None:
        self._home, self._progress = home, progress
        self._due = home.path / "past-is-due"
        if not home.sandbox_data.exists():
            self._due.touch()

    def seed(self) -> None:
        """Fill qa and prod with what the nights have promoted, each of what had passed its tests until then."""
        if not self._due.exists():
            return
        promoted = {repository: _promoted(repository, datetime.now(UTC)) for repository in (QA, PROD)}
        for repository, tags in promoted.items():
            seed_repository(
                self._home,
                repository,
                (replace(tag, created=_moment(tag, repository)) for tag in tags if tag != _rebuilt(tags)),
            )
        qa, prod = map(len, promoted.values())
        self._progress.say(f"The nights until a week ago have promoted {qa} tags to {QA}, and {prod} on to {PROD}.")

    async def record(self) -> None:
        """Write what those promotions have recorded; rebuild a tag, hold another, and push a third past Airflow."""
        if not self._due.exists():
            return
        now = datetime.now(UTC)
        rebuilt = _rebuilt(_promoted(PROD, now))
        for repository in (QA, PROD):
            push(self._home.sandbox_url, repository, REBUILT, rebuilt.tag, content="the first build")
        async with sandbox_client(self._home.sandbox_url) as client:
            for tag in _promoted(QA, now):
                await _record(client, tag, DEV, QA, {VERDICT: "passed"})
            for tag in _promoted(PROD, now):
                await _record(client, tag, QA, PROD, {VERDICT: "passed", QA_VERDICT: "passed"})
            await _replace(client, rebuilt)
            held = [ImageReference(PROD, tag.image, tag.tag) for tag in _promoted(PROD, now) if tag.image == HELD][-1]
            await hold(client, held, reason=HELD_BECAUSE, by="admin")
        push(self._home.sandbox_url, PROD, DRIFTED, DRIFTED_TAG)
        self._progress.say(
            f"{PROD}/{REBUILT}:{rebuilt.tag} has been rebuilt, {held} is held, and {PROD}/{DRIFTED}:{DRIFTED_TAG} was "
            "pushed past Airflow."
        )

    def end(self, api: Variables) -> None:
        """Set the policy, with a freeze that lasts a week.

        :param api: where Variables are written.
        """
        if not self._due.exists():
            return
        now = datetime.now(UTC)
        api.put_variable("artifactory_policy", write_policy(now, now + timedelta(weeks=1), frozen=FROZEN_FOR_A_WEEK))
        self._progress.say(f"A policy freezes {FROZEN_FOR_A_WEEK} in {PROD} for a week, and wants {APPROVED} approved.")
        self._due.unlink()


async def _record(
    client: ArtifactoryClient, tag: PushedTag, source: str, target: str, verdicts: dict[str, str]
) -> None:
    place = ImageReference(target, tag.image, tag.tag)
    descriptor = await client.descriptor(place)
    if descriptor is None:
        return
    moment = _moment(tag, target)
    record = {
        "digest": descriptor.digest,
        "source": f"{source}/{tag.image}:{tag.tag}",
        "target": str(place),
        "time": moment.isoformat(timespec="seconds"),
        "run": name_run("promote_nightly", moment.date()),
        "replaced": "none",
        "attachments": "0",
    }
    properties = {f"promotion.{name}": value for name, value in record.items()}
    await client.set_properties(manifest_path(place, descriptor), {**properties, **verdicts})


async def _replace(client: ArtifactoryClient, tag: PushedTag) -> None:
    """Promote a build to qa and prod in place of another one, which is kept for a rollback."""
    options = PromotionOptions(on_conflict="backup", run=name_run("promote_on_demand", tag.tag))
    dev, qa, prod = (ImageReference(repository, tag.image, tag.tag) for repository in (DEV, QA, PROD))
    await promote(client, Promotion(source=dev, target=qa, options=options))
    await write_verdict(client, qa, QA_VERDICT, "passed")
    await promote(client, Promotion(source=qa, target=prod, options=options))


def _rebuilt(tags: Iterable[PushedTag]) -> PushedTag:
    """Return the tag that was built twice: the newest of its image."""
    return [tag for tag in tags if tag.image == REBUILT][-1]


def _promoted(repository: str, now: datetime) -> list[PushedTag]:
    """Return what has come to qa or prod until now, the oldest of each image first.

    :param repository: which of the two; what the policy does not let into prod has come to qa.
    """
    passed = [tag for tag in pushed_lately(now) if tag.status == "passed"]
    waiting = {FROZEN_FOR_A_WEEK, APPROVED} if repository == QA else set()
    return [tag for tag in passed if tag.created < now - _LATELY or tag.image in waiting]


def _moment(tag: PushedTag, repository: str) -> datetime:
    """Return when a tag came to qa or prod: in the night after it was pushed, first to the one, then to the other."""
    night = (tag.created + timedelta(days=1)).replace(hour=_NIGHT, minute=12 if repository == QA else 47, second=0)
    # What was pushed since the last night has not waited for the next.
    return night.replace(microsecond=0) if night < datetime.now(UTC) else tag.created + timedelta(hours=1)
