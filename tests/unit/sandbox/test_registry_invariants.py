"""Whatever happens in whatever order: no tag ever points to something that is missing."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from artifactory_sandbox import layout
from artifactory_sandbox.config import Config
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.items import stamp
from artifactory_sandbox.names import Place
from artifactory_sandbox.promotion import Promotion, promote
from artifactory_sandbox.sample_images import PLATFORMS, make_image
from artifactory_sandbox.seeding import store_image, write_contents
from artifactory_sandbox.service import Service

WHO = stamp("tester")
PLACES = st.builds(Place, st.sampled_from(["docker-dev", "docker-qa"]), st.sampled_from(["app", "app/web"]))
TAGS = st.sampled_from(["1.0", "2.0", "web"])
CONTENTS = st.sampled_from(["one", "two", "three"])
SHAPES = st.sampled_from([PLATFORMS[:1], PLATFORMS, (*PLATFORMS, "linux/s390x")])


class Registry(RuleBasedStateMachine):
    """Pushes, promotions and deletions against a plain dictionary of what each tag must stand for."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.service = Service.open(Path(self.folder.name), Config())
        self.expected: dict[tuple[Place, str], str] = {}

    def teardown(self) -> None:
        self.service.close()
        self.folder.cleanup()

    @rule(place=PLACES, tag=TAGS, content=CONTENTS, platforms=SHAPES)
    def push(self, place: Place, tag: str, content: str, platforms: tuple[str, ...]) -> None:
        image = make_image(content, platforms=platforms)
        write_contents(self.service, image)
        with self.service.database.writing() as tx:
            store_image(tx, self.service, place, tag, image, WHO)
        self.expected[place, tag] = image.top.digest

    @rule(source=PLACES, to=PLACES, tag=st.none() | TAGS, target_tag=TAGS, copy=st.booleans())
    def promote(self, source: Place, to: Place, tag: str | None, target_tag: str, copy: bool) -> None:
        renamed = target_tag if tag is not None else None
        if source == to and tag == renamed:
            return
        moved = {at: digest for at, digest in self.expected.items() if at[0] == source and tag in {None, at[1]}}
        promotion = Promotion(source, to, tag, renamed, copy)
        try:
            with self.service.database.writing() as tx:
                promote(tx, promotion, allows=lambda *_: True, stamp=WHO)
        except Refusal:
            assert not moved
        for at, digest in moved.items():
            if not copy:
                self.expected.pop(at, None)
            self.expected[to, renamed or at[1]] = digest

    @rule(place=PLACES, tag=TAGS)
    def delete(self, place: Place, tag: str) -> None:
        with self.service.database.writing() as tx:
            layout.clear(tx, place, tag, stamp=WHO)
        self.expected.pop((place, tag), None)

    @invariant()
    def every_tag_stands_for_what_it_must_and_is_whole(self) -> None:
        with self.service.database.reading() as tx:
            for (place, tag), digest in self.expected.items():
                item = layout.find_manifest(tx, place, tag)
                assert item is not None
                assert item.digest == digest
                self.is_whole(place, digest)

    @invariant()
    def no_other_tags_are_there_and_what_has_no_tag_is_a_child_that_an_index_left(self) -> None:
        with self.service.database.reading() as tx:
            rows = tx.execute("SELECT DISTINCT repository, image FROM items WHERE kind = 'manifest'").fetchall()
            found = {(place, tag) for place in (Place(*row) for row in rows) for tag in layout.tags(tx, place)}
        assert found == set(self.expected)

    def is_whole(self, place: Place, digest: str) -> None:
        with self.service.database.reading() as tx:
            assert layout.find_manifest(tx, place, digest) is not None
            assert self.service.blobs.path(digest).exists()
            for child, role in tx.execute("SELECT child, role FROM links WHERE parent = ?", (digest,)).fetchall():
                if role == "manifest":
                    self.is_whole(place, child)
                else:
                    assert layout.find_blob(tx, place, child) is not None
                    assert self.service.blobs.path(child).exists()


TestRegistry = Registry.TestCase
TestRegistry.settings = settings(
    max_examples=40, stateful_step_count=20, deadline=None, phases=set(Phase) - {Phase.explain}
)
