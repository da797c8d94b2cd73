"""Whatever was pushed, promoted, rolled back, held and left behind, in whatever order: nothing that is needed goes."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from tests.integration.promotion.attaching import Pusher, cosign_tag
from tests.integration.promotion.contents import is_whole
from tests.integration.promotion.dev_to_qa import PLATFORMS
from tests.integration.retention.needed import Registry
from tests.integration.retention.stages import DEV, PROD, QA, TRANSIT, bring, grow_old, rules_for

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.promotion import PromotionError, find_previous
from artifactory_provider.promotion.backup import make_rollback
from artifactory_provider.promotion.decisions import hold, lift_hold, reject
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.tags import name_moved
from artifactory_provider.retention import delete_planned, plan_retention

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from artifactory_sandbox.pytest_plugin import RunningSandbox

STAGES = st.sampled_from([DEV, DEV, QA, PROD])
STEPS = st.sampled_from([(DEV, QA), (DEV, QA), (QA, PROD)])
TAGS = st.sampled_from(["1.0", "1.1", "nightly", "base-1"])
CONTENTS = st.sampled_from(["one", "two", "three"])
SHAPES = st.sampled_from([PLATFORMS[:1], PLATFORMS])
DAYS = st.sampled_from([2, 20, 40])
RULES = st.fixed_dictionaries(
    {
        "tags": st.sampled_from(
            [
                "older_than: 30d, keep_newest: 0",
                "older_than: 10d, keep_newest: 1, keep: ['base-*']",
                "reached: docker-prod, keep_newest: 0",
                "reached: docker-prod, older_than: 30d, keep_newest: 1, keep_for: 3d",
            ]
        ),
        "backups": st.integers(0, 2),
    }
)
FAULTS = st.none() | st.tuples(
    st.sampled_from(
        [
            {"effect": "status", "status": 504, "when": "after"},
            {"effect": "status", "status": 503, "count": None},
            {"effect": "reset"},
            {"effect": "reset", "when": "after"},
        ]
    ),
    st.integers(0, 12),
)
_IMAGES = (f"any/kept-{number}" for number in itertools.count(1))


class Histories(RuleBasedStateMachine):
    """One image in three stages, with everything that may befall it."""

    def __init__(self, sandbox: RunningSandbox, client: ArtifactoryClient, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.sandbox, self.client, self.loop = sandbox, client, loop
        self.image = next(_IMAGES)
        self.registry = Registry(sandbox, self.image)
        self.runs = (f"run{number}" for number in itertools.count(1))

    def place(self, repository: str, tag: str) -> str:
        return f"{repository}/{self.image}:{tag}"

    def has(self, repository: str, tag: str) -> bool:
        return tag in self.sandbox.tags(repository, self.image)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self.loop.run_until_complete(work)
        except (ArtifactoryError, PromotionError) as error:
            return error

    @rule(repository=STAGES, tag=TAGS, content=CONTENTS, platforms=SHAPES, days=DAYS)
    def push(self, repository: str, tag: str, content: str, platforms: tuple[str, ...], days: int) -> None:
        self.sandbox.push_image(self.place(repository, tag), content=content, platforms=platforms)
        grow_old(self.sandbox, self.place(repository, tag), days=days)

    @rule(tag=TAGS, to=TAGS, repository=STAGES)
    def move_a_tag(self, tag: str, to: str, repository: str) -> None:
        if tag != to and self.has(repository, tag):
            self.sandbox.tag(self.place(repository, tag), self.place(repository, to))

    @rule(tag=TAGS, repository=STAGES)
    def tag_a_child_and_forget_its_own_folder(self, tag: str, repository: str) -> None:
        """Do as clients do that push each platform under a tag, and then an index of them."""
        digest = self.sandbox.digest(self.place(repository, tag)) if self.has(repository, tag) else None
        for child in (Pusher(self.sandbox, f"{repository}/{self.image}").children(digest) if digest else [])[:1]:
            self.sandbox.tag(f"{repository}/{self.image}@{child}", self.place(repository, f"{tag}-amd64"))
            with self.sandbox.service.database.writing() as tx:
                tx.execute("DELETE FROM items WHERE repository = ? AND path = ?", (repository, f"{self.image}/{child}"))

    @rule(tag=TAGS, repository=STAGES)
    def sign(self, tag: str, repository: str) -> None:
        if self.has(repository, tag):
            digest = str(self.sandbox.digest(self.place(repository, tag)))
            Pusher(self.sandbox, f"{repository}/{self.image}").sign(digest, f"signature of {digest}")
            grow_old(self.sandbox, self.place(repository, cosign_tag(digest, ".sig")), days=1)

    @rule(
        step=STEPS,
        tag=TAGS,
        to=TAGS,
        fault=FAULTS,
        options=st.fixed_dictionaries(
            {"copy": st.booleans(), "pending_repository": st.sampled_from([None, None, TRANSIT])}
        ),
    )
    def promote(self, step: tuple[str, str], tag: str, to: str, fault: Any, options: dict[str, Any]) -> None:
        if self.has(step[0], tag):
            self.meet(fault)
            source, target = self.place(step[0], tag), self.place(step[1], to)
            self.run(bring(self.client, source, target, on_conflict="backup", run=next(self.runs), **options))
            self.sandbox.clear_faults()

    @rule(tag=TAGS, repository=st.sampled_from([QA, PROD]))
    def roll_back(self, tag: str, repository: str) -> None:
        target = ImageReference(repository, self.image, tag)
        previous = self.run(find_previous(self.client, target))
        if isinstance(previous, ImageReference):
            self.run(promote(self.client, make_rollback(previous, target, by="jane")))

    @rule(tag=TAGS, repository=STAGES)
    def leave_a_renamed_source(self, tag: str, repository: str) -> None:
        if self.has(repository, tag):
            digest = self.sandbox.digest(self.place(repository, tag))
            moved = name_moved(ImageReference(repository, self.image, tag, digest), next(self.runs))
            self.sandbox.tag(self.place(repository, tag), str(moved.unpinned()))
            self.sandbox.delete(self.place(repository, tag))

    @rule(tag=TAGS, repository=STAGES, is_lifted=st.booleans())
    def hold(self, tag: str, repository: str, is_lifted: bool) -> None:
        deed = lift_hold if is_lifted else hold
        self.run(deed(self.client, ImageReference(repository, self.image, tag), reason="why not", by="jane"))

    @rule(tag=TAGS, repository=STAGES)
    def reject(self, tag: str, repository: str) -> None:
        if self.has(repository, tag):
            self.run(reject(self.client, ImageReference(repository, self.image, tag), reason="bad", by="jane"))

    @rule(number=st.integers(0, 50), days=DAYS)
    def time_goes_by_for_a_tag(self, number: int, days: int) -> None:
        every = sorted(self.registry.tags())
        if every:
            repository, tag = every[number % len(every)]
            grow_old(self.sandbox, self.place(repository, tag), days=days)

    @rule(rules=RULES, between=st.sampled_from(["", "push", "hold", "promote", "sign"]), tag=TAGS, fault=FAULTS)
    def delete_what_may_go(self, rules: dict[str, Any], between: str, tag: str, fault: Any) -> None:
        """Plan; let something else happen; delete with a fault, and run again without one."""
        may_go = rules_for(self.image, **rules)
        made = self.loop.run_until_complete(plan_retention(self.client, may_go))
        self.happen(between, tag)
        needed = self.registry.find_needed(**rules)
        self.meet(fault)
        first = self.run(delete_planned(self.client, may_go, made.to_delete()))
        self.sandbox.clear_faults()
        self.registry.check(needed)
        second = self.loop.run_until_complete(delete_planned(self.client, may_go, made.to_delete()))
        self.registry.check(needed)
        assert second.failures == (), (first, second)
        for repository, left in self.registry.tags():
            assert is_whole(self.sandbox, f"{repository}/{self.image}", self.registry.digest(repository, left))

    def happen(self, what: str, tag: str) -> None:
        if what == "push":
            self.sandbox.push_image(self.place(DEV, tag), content=f"new {tag}")
        elif what == "hold":
            self.run(hold(self.client, ImageReference(DEV, self.image, tag), reason="now", by="jane"))
        elif what == "promote" and self.has(DEV, tag):
            self.run(bring(self.client, self.place(DEV, tag), self.place(QA, tag), on_conflict="backup"))
        elif what == "sign" and self.has(DEV, tag):
            digest = str(self.sandbox.digest(self.place(DEV, tag)))
            Pusher(self.sandbox, f"{DEV}/{self.image}").sign(digest, "signed in between")

    def meet(self, fault: Any) -> None:
        if fault is not None:
            self.sandbox.add_fault(**{"count": 1, **fault[0], "skip": fault[1]})


def test_nothing_that_is_needed_goes_whatever_the_history(sandbox: RunningSandbox) -> None:
    made = ServerSettings(
        base_url=sandbox.url,
        authentication=Basic("admin", sandbox.password),
        attempts=2,
        longest_pause=0.01,
        verify=False,
    )
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        client = ArtifactoryClient(made)
        loop.run_until_complete(client.__aenter__())
        try:
            run_state_machine_as_test(
                lambda: Histories(sandbox, client, loop),  # type: ignore[arg-type]  # it takes whatever makes one
                settings=settings(
                    max_examples=60,
                    stateful_step_count=20,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                    print_blob=True,
                ),
            )
        finally:
            loop.run_until_complete(client.__aexit__(None, None, None))
