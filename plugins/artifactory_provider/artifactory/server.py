"""One Artifactory: where its APIs are, and whether it is one."""

from __future__ import annotations

import logging

from artifactory_provider.artifactory.errors import ArtifactoryError, NotArtifactory
from artifactory_provider.artifactory.references import check_repository
from artifactory_provider.artifactory.transport import Transport

log = logging.getLogger(__name__)

_PING = "api/system/ping"


class Server(Transport):
    """An open way to one Artifactory."""

    _base: str | None = None

    async def base(self) -> str:
        """Return the URL that the API's paths follow, asking once where it is not clear.

        A base URL that does not end in ``/artifactory`` is tried with it first: a proxy may hide the context
        path, but the server itself always has it.
        """
        if self._base is None:
            given = self.settings.base_url.rstrip("/")
            self._base = given if given.endswith("/artifactory") else await self._find_base(given)
        return self._base

    async def docker_url(self, repository: str) -> str:
        """Return the URL of a repository's Docker API, without a slash at its end.

        :param repository: the repository key.
        """
        return self.settings.docker_api(check_repository(repository), base=await self.base())

    async def xray_url(self) -> str:
        """Return the URL of Xray's API, without a slash at its end: it stands beside Artifactory's context path."""
        return f"{(await self.base()).removesuffix('/artifactory')}/xray/api"

    async def ping(self) -> None:
        """Ask whether the server works.

        :raises NotArtifactory: when another server answers.
        :raises ArtifactoryError: when it does not work.
        """
        answer = await self.request("GET", f"{await self.base()}/{_PING}", allowed=(200, 404))
        if answer.status == 404 or answer.is_html or answer.text.strip() != "OK":
            raise answer.not_artifactory("'OK'")

    async def check_artifactory(self) -> None:
        """Make sure that it was an Artifactory that has not found something.

        Asks only where no answer has told its version, as every Artifactory does unless a proxy hides it.

        :raises NotArtifactory: when another server answers.
        """
        if self.server_version is not None:
            return
        try:
            await self.ping()
        except NotArtifactory:
            raise
        except ArtifactoryError as error:
            log.info("Whether this is an Artifactory is unknown: %s", error)

    async def _find_base(self, given: str) -> str:
        answer = await self.request("GET", f"{given}/artifactory/{_PING}", allowed=range(200, 429))
        is_there = answer.status in {200, 401, 403} and not answer.is_html
        return f"{given}/artifactory" if is_there else given
