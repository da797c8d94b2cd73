"""The client of one Artifactory: all endpoints that a promotion needs, over one open connection.

Each endpoint is written once: those of the Docker API in ``docker_api`` (manifests, tags, images, referrers, the
promotion) and ``blob_api``, those of Artifactory's own REST API in ``rest_api`` (repositories, items and their
properties, queries), those of Xray beside it in ``xray_api``. All ask the one ``server``, whose ``transport`` knows
credentials, limits and errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from artifactory_provider.artifactory.access import credentials_of
from artifactory_provider.artifactory.blob_api import BlobApi
from artifactory_provider.artifactory.docker_api import DockerApi
from artifactory_provider.artifactory.rest_api import RestApi
from artifactory_provider.artifactory.server import Server
from artifactory_provider.artifactory.xray_api import XrayApi

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

    from artifactory_provider.artifactory.settings import ServerSettings


class ArtifactoryClient(DockerApi, BlobApi, RestApi, XrayApi):
    """The asynchronous client of one Artifactory. Use it as an asynchronous context manager.

    :param settings: how the server is reached.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._server = Server(settings, credentials_of(settings))

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.__aexit__(kind, error, trace)

    @property
    def server_version(self) -> tuple[int, ...] | None:
        """The server's version, as its last answer has told it; None before that, or where a proxy hides it."""
        return self._server.server_version

    def at_most(self, requests: int) -> AbstractContextManager[None]:
        """Have at most so many requests under way at a time, whatever the server bears.

        :param requests: the number.
        """
        return self._server.at_most(requests)
