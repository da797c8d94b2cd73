"""Whatever is pushed, moved, promoted, rolled back and deleted in whatever order, and goes wrong: the promises hold."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.dev_to_qa import PLATFORMS, TRANSIT
from tests.integration.promotion.history import History

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.backup import find_previous
from artifactory_provider.promotion.errors import PromotionError
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.record import PromotionRecord
from artifactory_provider.promotion.request import Promotion, PromotionOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

DEV, QA = "docker-dev", "docker-qa"
TAGS = st.sampled_from(["1", "2"])
CONTENTS = st.sampled_from(["one", "two", "three"])
SHAPES = st.sampled_from([PLATFORMS[:1], PLATFORMS])
TROUBLES: dict[str, dict[str, Any]] = {
    "429": {"effect": "status", "status": 429},
    "504 after": {"effect": "status", "status": 504, "when": "after"},
    "outage": {"effect": "status", "status": 503, "count": None},
    "reset before": {"effect": "reset"},
    "reset after": {"effect": "reset", "when": "after"},
    "lag": {"effect": "lag", "reads": 2},
    "truncate": {"effect": "truncate"},
}
FAULTS = st.none() | st.tuples(st.sampled_from(sorted(TROUBLES)), st.integers(0, 14))
OPTIONS = st.fixed_dictionaries(
    {
        "copy": st.booleans(),
        "on_conflict": st.sampled_from(["fail", "overwrite", "backup"]),
        "attachments": st.sampled_from(["all", "tags", "none"]),
        "pending_repository": st.sampled_from([None, TRANSIT]),
    }
)
_IMAGES = (f"any/history-{number}" for number in itertools.count(1))


class Promotions(RuleBasedStateMachine):
    """One image in dev and qa. What a rule does not touch must stay as it is."""

    def __init__(self, sandbox: RunningSandbox, client: ArtifactoryClient, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.sandbox, self.client, self.loop = sandbox, client, loop
        self.image = next(_IMAGES)
        self.runs = (f"run{number}" for number in itertools.count(1))

    def tags(self, repository: str) -> dict[str, str | None]:
        found = self.sandbox.tags(repository, self.image)
        return {tag: self.sandbox.digest(f"{repository}/{self.image}:{tag}") for tag in found}

    @rule(repository=st.sampled_from([DEV, DEV, QA]), tag=TAGS, content=CONTENTS, platforms=SHAPES)
    def push(self, repository: str, tag: str, content: str, platforms: tuple[str, ...]) -> None:
        self.sandbox.push_image(f"{repository}/{self.image}:{tag}", content=content, platforms=platforms)

    @rule(repository=st.sampled_from([DEV, QA]), tag=TAGS)
    def delete(self, repository: str, tag: str) -> None:
        if tag in self.tags(repository):
            self.sandbox.delete(f"{repository}/{self.image}:{tag}")

    @rule(repository=st.sampled_from([DEV, QA]), tag=TAGS, to=TAGS)
    def move_a_tag(self, repository: str, tag: str, to: str) -> None:
        if tag != to and tag in self.tags(repository):
            self.sandbox.tag(f"{repository}/{self.image}:{tag}", f"{repository}/{self.image}:{to}")

    @precondition(lambda self: self.tags(DEV))
    @rule(tag=TAGS, text=st.sampled_from(["by ci", "by release"]))
    def sign(self, tag: str, text: str) -> None:
        digest = self.tags(DEV).get(tag)
        if digest is not None:
            pusher = Pusher(self.sandbox, f"{DEV}/{self.image}")
            pusher.sign(digest, text)
            pusher.refer(digest, f"sbom {text}")

    @precondition(lambda self: self.tags(DEV))
    @rule(tag=TAGS, to=TAGS, is_pinned=st.booleans(), options=OPTIONS, fault=FAULTS)
    def promote(
        self, tag: str, to: str, is_pinned: bool, options: dict[str, Any], fault: tuple[str, int] | None
    ) -> None:
        # A move without a digest cannot know, at its second try, what it was about.
        digest = self.tags(DEV).get(tag) if is_pinned or not options["copy"] else None
        source = ImageReference(DEV, self.image, tag, digest)
        self.try_twice(source, ImageReference(QA, self.image, to), options, fault)

    @precondition(lambda self: len(self.tags(DEV)) > 1)
    @rule(tag=TAGS, to=TAGS, options=OPTIONS, number=st.integers(0, 14))
    def promote_while_the_source_tag_is_moved(self, tag: str, to: str, options: dict[str, Any], number: int) -> None:
        shown = self.tags(DEV)
        other = next((one for one in shown if one in {"1", "2"} and one != tag), None)
        if tag not in shown or other is None or shown[other] == shown[tag]:
            return
        source, target = ImageReference(DEV, self.image, tag, shown[tag]), ImageReference(QA, self.image, to)
        history, before = History(self.sandbox), self.tags(QA).get(to)
        deed = {"tag": f"{DEV}/{self.image}:{tag}", "to": other, "skip": number, "count": 1}
        self.sandbox.add_fault("move_tag", **deed)
        self.run(source, target, next(self.runs), options)
        self.sandbox.clear_faults()
        assert set(history.shown(f"{QA}/{self.image}:{to}")) <= {shown[tag], before}
        assert history.lost(str(shown[tag])) == [] or self.tags(DEV).get(tag) == shown[other]

    @precondition(lambda self: self.tags(QA))
    @rule(tag=TAGS, to=TAGS, options=OPTIONS, fault=FAULTS)
    def retag(self, tag: str, to: str, options: dict[str, Any], fault: tuple[str, int] | None) -> None:
        digest = self.tags(QA).get(tag)
        if tag != to and digest is not None:
            source = ImageReference(QA, self.image, tag, digest)
            self.try_twice(source, ImageReference(QA, self.image, to), options, fault)

    @precondition(lambda self: self.tags(QA))
    @rule(tag=TAGS, fault=FAULTS, pending_repository=st.sampled_from([None, TRANSIT]))
    def roll_back(self, tag: str, fault: tuple[str, int] | None, pending_repository: str | None) -> None:
        target = ImageReference(QA, self.image, tag)
        try:
            previous = self.loop.run_until_complete(find_previous(self.client, target))
        except (PromotionError, ArtifactoryError):
            return
        options = {"on_conflict": "backup", "pending_repository": pending_repository}
        self.try_twice(previous, target, options, fault)

    def try_twice(
        self,
        source: ImageReference,
        target: ImageReference,
        options: dict[str, Any],
        fault: tuple[str, int] | None,
    ) -> None:
        """Promote with a fault, then once more without one, and hold both to their word."""
        place = f"{target.repository}/{target.image}:{target.tag}"
        wanted = source.digest or self.tags(source.repository).get(str(source.tag))
        others = {repository: self.others(repository, source, target) for repository in (DEV, QA)}
        history, run = History(self.sandbox), next(self.runs)
        if fault is not None:
            kind, number = fault
            self.sandbox.add_fault(**{"count": 1, **TROUBLES[kind], "skip": number})
        first = self.run(source, target, run, options)
        self.sandbox.clear_faults()
        self.check(first, wanted, place)
        second = self.run(source, target, run, options) if fault is not None else first
        self.check(second, wanted, place)
        assert isinstance(first, PromotionError | PromotionRecord | ArtifactoryError)
        assert not (isinstance(first, PromotionRecord) and not isinstance(second, PromotionRecord)), (first, second)
        assert set(history.shown(place)) <= {wanted}
        assert wanted is None or history.lost(wanted) == []
        assert {repository: self.others(repository, source, target) for repository in (DEV, QA)} == others
        own = [tag for repository in (DEV, QA) for tag in self.tags(repository) if tag.startswith(("pending", "moved"))]
        assert own == [], (first, second)
        assert self.tags(TRANSIT) == {}, (first, second)
        if options["pending_repository"]:
            assert not [
                event.place for event in history.events() if event.place.startswith(f"{QA}/{self.image}/pending")
            ]

    def run(self, source: ImageReference, target: ImageReference, run: str, options: dict[str, Any]) -> Any:
        wanted = Promotion(
            source=source,
            target=target,
            options=PromotionOptions(run=run, confirmation_timeout=0.3, **options),
        )
        try:
            return self.loop.run_until_complete(promote(self.client, wanted))
        except (PromotionError, ArtifactoryError) as error:
            return error

    def check(self, ended: Any, wanted: str | None, place: str) -> None:
        """What reports success holds at that moment, whole."""
        if isinstance(ended, PromotionRecord):
            assert self.sandbox.digest(place) == wanted == ended.target.digest
            pusher = Pusher(self.sandbox, place.rpartition(":")[0])
            whole = (wanted, *(kept.digest for kept in ended.attachments))
            assert all(digest and pusher.answers(digest) for digest in whole)

    def others(self, repository: str, source: ImageReference, target: ImageReference) -> dict[str, str | None]:
        """Return the tags that this promotion has no business with."""
        own = {(end.repository, end.tag) for end in (source, target)}
        return {
            tag: digest
            for tag, digest in self.tags(repository).items()
            if tag in {"1", "2"} and (repository, tag) not in own
        }


def test_no_history_of_pushes_promotions_and_faults_breaks_a_promise(
    faulty: RunningSandbox, reach: Callable[..., ArtifactoryClient]
) -> None:
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        client = reach()
        loop.run_until_complete(client.__aenter__())
        try:
            run_state_machine_as_test(
                lambda: Promotions(faulty, client, loop),  # type: ignore[arg-type]  # it takes whatever makes one
                settings=settings(
                    max_examples=200,
                    stateful_step_count=25,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                    print_blob=True,
                ),
            )
        finally:
            loop.run_until_complete(client.__aexit__(None, None, None))
