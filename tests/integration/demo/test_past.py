from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import demo.home
import pytest
from demo.home import Home
from demo.instance import Instance
from demo.past import DRIFTED, DRIFTED_TAG, FROZEN_FOR_A_WEEK, HELD, REBUILT, Past
from demo.report import Progress
from demo.scenario import APPROVED, DEV, PROD, QA, candidates, held, sandbox_client

from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.policy import read_policy
from artifactory_provider.promotion.decisions import lift_hold
from artifactory_provider.promotion.marks import HOLD
from artifactory_provider.promotion.tags import is_backup

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from artifactory_provider.artifactory.client import ArtifactoryClient

Found = TypeVar("Found")


class Variables:
    """What takes Airflow's Variables."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def put_variable(self, key: str, value: str) -> None:
        self.texts[key] = value


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(demo.home, "HOMES", tmp_path)
    return Home.create("up", fresh=False)


def test_a_past_fills_qa_and_prod_with_what_nights_would_have_promoted(home: Home) -> None:
    instance = Instance(home, Progress(), with_past=True)
    try:
        instance.start(["sandbox"])
        newest = {(image, str(one.tag)) for image, one in _look(home, candidates).items()}
        dev, qa, prod = [_look(home, partial(held, repository=repository)) for repository in (DEV, QA, PROD)]
        records = _look(
            home, partial(_records, tags=[ImageReference(PROD, *tag) for tag in prod if tag != (DRIFTED, DRIFTED_TAG)])
        )
    finally:
        instance.stop()
    assert prod.pop((DRIFTED, DRIFTED_TAG)) not in dev.values()
    assert {image for image, _ in prod} == {image for image, _ in newest}
    assert not newest & prod.keys(), "what came last waits for whoever tries the demo"
    assert {image for image, _ in newest & qa.keys()} == {APPROVED, FROZEN_FOR_A_WEEK}, "these wait before prod"
    [[backup], [old]] = [[key for key in there if is_backup(key[1])] for there in (qa, prod)]
    assert backup == old
    assert backup[0] == REBUILT
    assert qa.pop(backup) == prod.pop(backup), "the first build, which a rollback brings again"
    assert qa == {tag: dev[tag] for tag in qa}
    assert prod == {tag: dev[tag] for tag in prod}
    assert prod.keys() <= qa.keys()
    for tag, properties in records.items():
        if is_backup(str(tag.tag)):
            continue
        assert properties["promotion.digest"] == [tag.digest]
        assert properties["promotion.target"] == [str(tag.unpinned())]
        assert properties["test.status"] == properties["qa.test.status"] == ["passed"]
    assert [tag.image for tag, properties in records.items() if HOLD in properties] == [HELD]


def test_what_people_have_changed_since_stays_at_the_next_start(home: Home) -> None:
    variables = Variables()
    instance = Instance(home, Progress(), with_past=True)
    try:
        instance.start(["sandbox"])
        Past(home, Progress()).end(variables)
        assert FROZEN_FOR_A_WEEK in variables.texts["artifactory_policy"]
        read_policy(variables.texts.pop("artifactory_policy"))
        prod = _look(home, partial(held, repository=PROD))
        records = _look(home, partial(_records, tags=[ImageReference(PROD, *tag) for tag in prod if tag[0] == HELD]))
        [holding] = [tag for tag, properties in records.items() if HOLD in properties]
        _look(home, partial(lift_hold, tag=holding, reason="tried", by="admin"))
        instance.stop()
        instance = Instance(home, Progress(), with_past=True)
        instance.start(["sandbox"])
        Past(home, Progress()).end(variables)
        [(_, properties)] = _look(home, partial(_records, tags=[holding.unpinned()])).items()
    finally:
        instance.stop()
    assert HOLD not in properties
    assert not variables.texts


def _look(home: Home, ask: Callable[[ArtifactoryClient], Awaitable[Found]]) -> Found:
    async def look() -> Found:
        async with sandbox_client(home.sandbox_url) as client:
            return await ask(client)

    return asyncio.run(look())


async def _records(client: ArtifactoryClient, tags: list[ImageReference]) -> dict[ImageReference, dict[str, list[str]]]:
    """Return tag, pinned → the properties of its manifest."""
    found = {}
    for tag in tags:
        descriptor = await client.descriptor(tag)
        assert descriptor is not None, tag
        found[tag.pinned(descriptor.digest)] = await client.properties(manifest_path(tag, descriptor))
    return found
