"""What checks may read in one look: the subjects, and what the registry shows of them, each thing asked once."""

from __future__ import annotations

import asyncio
import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from artifactory_provider.artifactory.manifests import manifest_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Descriptor
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.artifactory.transport import Transport
    from artifactory_provider.promotion.ledger import Ledger

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Subject:
    """One digest that is verified.

    :param reference: repository, image and tag, pinned to the digest.
    :param descriptor: digest and media type of what the tag shows.
    :param arrived: when it came to this repository under this tag; None where that was not told with the look.
    :param properties: those of its manifest, name → values; None where they were not told with the look.
    """

    reference: ImageReference
    descriptor: Descriptor
    arrived: datetime.datetime | None = field(default=None, compare=False)
    properties: Mapping[str, tuple[str, ...]] | None = field(default=None, compare=False)

    @property
    def digest(self) -> str:
        """The digest."""
        return self.descriptor.digest

    @property
    def path(self) -> str:
        """``<repository>/<path>`` of the manifest that the tag shows, as the REST API takes it."""
        return manifest_path(self.reference, self.descriptor)


class Service(Protocol):
    """Another service than Artifactory, such as an ``HttpService``."""

    def transport(self, *, timeout: float) -> Transport:
        """Return the way to it, not open yet.

        :param timeout: seconds for one request, from its start to the end of its answer.
        :raises InvalidSettings: when it cannot be reached.
        """


class Connect(Protocol):
    """How a check reaches another service than Artifactory: only the faces of Airflow know connections."""

    async def __call__(self, conn_id: str, /) -> Service:
        """Return the service that an Airflow connection describes.

        :param conn_id: the connection.
        :raises InvalidSettings: when there is none, or it cannot work.
        """


class Evidence:
    """What checks may read in one look. All checks of the look share it.

    :param ledger: what the registry shows; one of this look's own, as it remembers manifests and referrers.
    :param now: the moment of the look, in UTC.
    :param connect: how other services are reached; None where none can be.
    """

    def __init__(self, ledger: Ledger, *, now: datetime.datetime | None = None, connect: Connect | None = None) -> None:
        self.ledger = ledger
        self.now = now or datetime.datetime.now(datetime.UTC)
        self.connect = connect
        self._asked: dict[object, asyncio.Future[Any]] = {}

    @property
    def client(self) -> ArtifactoryClient:
        """The open client."""
        return self.ledger.client

    async def properties(self, subject: Subject) -> Mapping[str, tuple[str, ...]]:
        """Return the properties of a subject's manifest, name → values.

        :param subject: the subject.
        :raises NotFound: when the manifest is gone.
        :raises ArtifactoryError: when they cannot be read.
        """
        if subject.properties is not None:
            return subject.properties
        return await self.once(("properties", subject.path), lambda: self._read_properties(subject.path))

    async def arrived(self, subject: Subject) -> datetime.datetime:
        """Return when a subject came to its repository under its tag.

        :param subject: the subject.
        :raises NotFound: when it is gone.
        :raises ArtifactoryError: when that cannot be read.
        """
        if subject.arrived is not None:
            return subject.arrived
        return await self.once(("arrived", subject.path), lambda: self.client.updated(subject.path))

    async def once(self, key: object, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask something once for all checks of the look; who asks meanwhile waits for the same answer.

        :param key: what is asked, hashable.
        :param ask: asks it.
        """
        asked: asyncio.Future[T] | None = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.ensure_future(_run(ask))
        return await asyncio.shield(asked)

    async def close(self) -> None:
        """End what is still asked."""
        left = [asked for asked in self._asked.values() if not asked.done()]
        for asked in left:
            asked.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)

    async def _read_properties(self, path: str) -> Mapping[str, tuple[str, ...]]:
        return {name: tuple(values) for name, values in (await self.client.properties(path)).items()}


async def _run(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()
