"""Whatever happens in whatever order: no tag ever points to something that is missing."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from artifactory_sandbox import layout
from artifactory_sandbox.access import User
from artifactory_sandbox.config import Config
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.items import stamp
from artifactory_sandbox.manifests import OCI_MANIFEST, content_digest, parse_manifest
from artifactory_sandbox.names import Place
from artifactory_sandbox.promotion import Promotion, promote
from artifactory_sandbox.sample_images import PLATFORMS, make_image
from artifactory_sandbox.seeding import store_image, write_contents
from artifactory_sandbox.service import Service
from artifactory_sandbox.upkeep import check

EMPTY = "application/vnd.oci.empty.v1+json"
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
        self.service = Service(Path(self.folder.name), Config())
        self.expected: dict[tuple[Place, str], str] = {}
        self.untagged: set[tuple[Place, str]] = set()

    def teardown(self) -> None:
        problems = list(check(self.service))
        self.service.close()
        self.folder.cleanup()
        assert problems == []

    @rule(place=PLACES, tag=TAGS, content=CONTENTS, platforms=SHAPES)
    def push(self, place: Place, tag: str, content: str, platforms: tuple[str, ...]) -> None:
        image = make_image(content, platforms=platforms)
        write_contents(self.service, image)
        with self.service.database.writing() as tx:
            store_image(tx, self.service, place, tag, image, WHO)
        self.expected[place, tag] = image.top.digest

    @rule(place=PLACES, content=CONTENTS, platforms=SHAPES)
    def push_by_digest(self, place: Place, content: str, platforms: tuple[str, ...]) -> None:
        image = make_image(content, platforms=platforms)
        write_contents(self.service, image)
        with self.service.database.writing() as tx:
            store_image(tx, self.service, place, image.top.digest, image, WHO)
        if image.children:  # what may be the child of an index goes with it
            self.untagged.add((place, image.top.digest))

    @rule(place=PLACES, tag=TAGS, content=CONTENTS)
    def sign(self, place: Place, tag: str, content: str) -> None:
        """Push an artifact whose subject is what a tag stands for, whether or not that stays."""
        subject = self.expected.get((place, tag))
        if subject is None:
            return
        empty = b"{}"
        described = {"mediaType": EMPTY, "digest": content_digest(empty), "size": len(empty)}
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": [described]}
        document["subject"] = {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}
        document["annotations"] = {"content": content}
        manifest = parse_manifest(json.dumps(document).encode(), OCI_MANIFEST)
        for part in (empty, manifest.content):
            self.service.blobs.add(part)
        with self.service.database.writing() as tx:
            layout.add_blob(tx, place, content_digest(empty), len(empty), WHO)
            layout.put_manifest(tx, place, manifest.digest, manifest, blobs=self.service.blobs, stamp=WHO)
            found = {item.digest for item in layout.referrers(tx, place, subject)}
        assert manifest.digest in found
        self.untagged.add((place, manifest.digest))

    @rule(place=PLACES, tag=TAGS, onto=TAGS)
    def retag(self, place: Place, tag: str, onto: str) -> None:
        with self.service.database.writing() as tx:
            item = layout.find_manifest(tx, place, tag)
            if item is None or self.expected.get((place, onto)) == item.digest:
                return
            layout.retag(tx, place, item, onto, stamp=WHO)
        self.expected[place, onto] = self.expected[place, tag]

    @rule(place=PLACES, tag=TAGS, other=PLACES)
    def mount(self, place: Place, tag: str, other: Place) -> None:
        """Make the blobs of an image known to another, as pushes do that find them there."""
        with self.service.database.writing() as tx:
            for item in layout.folder_items(tx, place, tag):
                if item.kind == "file":
                    layout.add_blob(tx, other, item.digest or "", item.size, WHO)
                    assert other in layout.holders(tx, item.digest or "")

    @rule(source=PLACES, to=PLACES, tag=st.none() | TAGS, target_tag=TAGS, copy=st.booleans())
    def promote(self, source: Place, to: Place, tag: str | None, target_tag: str, copy: bool) -> None:
        renamed = target_tag if tag is not None else None
        if source == to and tag == renamed:
            return
        moved = {at: digest for at, digest in self.expected.items() if at[0] == source and tag in {None, at[1]}}
        promotion = Promotion(source, to, tag, renamed, copy)
        try:
            with self.service.database.writing() as tx:
                promote(tx, promotion, service=self.service, user=User(WHO.user, has_all=True))
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

    @invariant()
    def what_was_pushed_by_digest_is_there_until_it_is_deleted(self) -> None:
        with self.service.database.reading() as tx:
            for place, digest in self.untagged:
                assert layout.find_manifest(tx, place, digest) is not None

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
