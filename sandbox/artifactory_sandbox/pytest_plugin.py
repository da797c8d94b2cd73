"""Fixtures: a sandbox on a free port, over real HTTP, for one test or for a whole session."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from artifactory_sandbox import items, layout
from artifactory_sandbox.config import XrayFinding, parse_config
from artifactory_sandbox.faults import Fault
from artifactory_sandbox.items import stamp
from artifactory_sandbox.names import Place, parse_reference
from artifactory_sandbox.sample_images import PLATFORMS, make_image
from artifactory_sandbox.seeding import SeedSummary, seed, select_tags, store_image, write_contents
from artifactory_sandbox.server import Server, base_url, listen
from artifactory_sandbox.service import Service

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from artifactory_sandbox.items import Item
    from artifactory_sandbox.journal import Record


_START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that answers requests, and short ways to arrange what a test needs in it.

    References are written `repository/image:tag` or `repository/image@sha256:<hex>`.

    :param url: base URL, ending in `/artifactory`.
    :param username: a user's name, `admin` where there is one.
    :param password: that user's password.
    :param data: the data directory.
    :param service: the sandbox itself.
    """

    url: str
    username: str
    password: str
    data: Path
    service: Service

    @property
    def requests(self) -> list[Record]:
        """The last 10,000 requests that were answered, in that order, each with method, path and status."""
        return list(self.service.journal.requests)

    def add_fault(self, effect: str, **fields: object) -> int:
        """Let requests meet a fault; return its number.

        :param effect: what happens.
        :param fields: which requests meet it, and the details, as `Fault` has them.
        """
        return self.service.faults.add(Fault.model_validate({"effect": effect, **fields}))

    def add_finding(self, artifact: str, **fields: object) -> None:
        """Tell Xray what a scan has found.

        :param artifact: digest of a manifest, or Ant pattern of `<repository>/<image>/<tag>/<file>`.
        :param fields: what was found, as `XrayFinding` has it.
        """
        self.service.xray.add((XrayFinding.model_validate({"artifact": artifact, **fields}),))

    def clear_faults(self) -> None:
        """Take all faults back, with what they have left behind."""
        self.service.faults.clear()

    @property
    def registry(self) -> str:
        """Host and port, as Docker clients write it in front of `repository/image:tag`."""
        return self.url.removeprefix("http://").removesuffix("/artifactory")

    def seed(
        self, *files: Path, repository: str = "docker-dev", images: Sequence[str] = (), per_image: int | None = None
    ) -> SeedSummary:
        """Fill a repository from promotion manifests, as `artifactory-sandbox seed` does."""
        return seed(self.service, repository, select_tags(files, images=images, per_image=per_image))

    def push_image(
        self, reference: str, *, content: str = "", platforms: Sequence[str] = PLATFORMS[:1], oci: bool = True
    ) -> str:
        """Store a small image under a tag and return its digest.

        :param reference: the tag to put it under.
        :param content: what is in it; the reference by default, so that other references have other digests.
        :param platforms: more than one makes an index.
        :param oci: OCI media types, or Docker's.
        """
        place, tag = parse_reference(reference)
        image = make_image(content or reference, platforms=platforms, oci=oci)
        write_contents(self.service, image)
        with self.service.database.writing() as tx:
            store_image(tx, self.service, place, tag, image, stamp(self.username))
            self.service.events.record(tx, "pushed", place, tag, user=self.username)
        return image.top.digest

    def tag(self, source: str, target: str) -> str:
        """Put a tag of the same repository and image onto what a reference stands for; return the digest."""
        place, tag = parse_reference(target)
        if place != parse_reference(source)[0]:
            raise ValueError(f"{source} and {target} are not of one image: promote instead")
        with self.service.database.writing() as tx:
            item, standing = self._manifest(tx, source), layout.find_manifest(tx, place, tag)
            if standing is None or standing.digest != item.digest:
                layout.retag(tx, place, item, tag, stamp=stamp(self.username))
                self.service.events.record(tx, "pushed", place, tag, user=self.username)
        return item.digest

    def digest(self, reference: str) -> str | None:
        """Return the digest that a reference stands for, or None."""
        with self.service.database.reading() as tx:
            item = layout.find_manifest(tx, *parse_reference(reference))
        return item.digest if item else None

    def tags(self, repository: str, image: str) -> list[str]:
        """Return the tags of an image."""
        with self.service.database.reading() as tx:
            return layout.tags(tx, Place(repository, image))

    def delete(self, reference: str) -> None:
        """Delete a tag or digest."""
        place, name = parse_reference(reference)
        with self.service.database.writing() as tx:
            self._manifest(tx, reference)
            self.service.events.record(tx, "deleted", place, name, user=self.username)
            layout.clear(tx, place, name, stamp=stamp(self.username))

    def properties(self, reference: str) -> dict[str, list[str]]:
        """Return the properties of a reference's manifest."""
        with self.service.database.reading() as tx:
            return items.properties(tx, self._manifest(tx, reference).id)

    def set_properties(self, reference: str, values: Mapping[str, str | Sequence[str]]) -> None:
        """Set properties on a reference's manifest."""
        lists = {key: [value] if isinstance(value, str) else value for key, value in values.items()}
        with self.service.database.writing() as tx:
            item = self._manifest(tx, reference)
            self.service.events.record_properties(tx, [item], lists, user=self.username)
            items.set_properties(tx, item.id, lists)

    def _manifest(self, tx: sqlite3.Connection, reference: str) -> Item:
        item = layout.find_manifest(tx, *parse_reference(reference))
        if item is None:
            raise LookupError(f"{reference} is not in the sandbox")
        return item


@contextmanager
def running_sandbox(data: Path, config: Mapping[str, object] | None = None) -> Iterator[RunningSandbox]:
    """Run a sandbox in this process on a free port.

    :param data: the data directory.
    :param config: the sections of a configuration file.
    """
    settings = parse_config(config or {})
    username = "admin" if "admin" in settings.users else next(iter(settings.users))
    password = settings.users[username].password.get_secret_value()
    is_ready = threading.Event()
    with listen("127.0.0.1", 0) as listener:
        service = Service(data, settings)
        server = Server(service, listener, is_ready.set)
        thread = threading.Thread(target=server.run, name="artifactory-sandbox", daemon=True)
        thread.start()
        try:
            if not is_ready.wait(_START_SECONDS):
                raise RuntimeError("the sandbox did not start")
            yield RunningSandbox(base_url(listener), username, password, data, service)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def artifactory_sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    """A sandbox of this test's own, with the default repositories and user."""
    with running_sandbox(tmp_path / "artifactory-sandbox") as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def artifactory_sandbox_factory(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., RunningSandbox]]:
    """Start sandboxes that live as long as the session: `factory()` or `factory({"users": …})`."""
    with ExitStack() as stack:

        def start(config: Mapping[str, object] | None = None) -> RunningSandbox:
            data = tmp_path_factory.mktemp("artifactory-sandbox")
            return stack.enter_context(running_sandbox(data, config))

        yield start
