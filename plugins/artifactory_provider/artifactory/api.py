"""What both of Artifactory's APIs share: an open way to the server, and the URL that paths follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from artifactory_provider.artifactory.access import credentials_of
from artifactory_provider.artifactory.transport import Transport

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

    from artifactory_provider.artifactory.answers import Answer
    from artifactory_provider.artifactory.settings import ServerSettings


class Api:
    """An open way to one Artifactory. Use it as an asynchronous context manager.

    :param settings: how the server is reached.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._transport = Transport(settings, credentials_of(settings))
        self._base: str | None = None

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    def at_most(self, requests: int) -> AbstractContextManager[None]:
        """Have at most so many requests under way at a time, whatever the server bears.

        :param requests: the number.
        """
        return self._transport.at_most(requests)

    @property
    def server_version(self) -> tuple[int, ...] | None:
        """The server's version, as its last answer has told it; None before that, or where a proxy hides it."""
        return self._transport.server_version

    async def base(self) -> str:
        """Return the URL that the API's paths follow, asking once where it is not clear.

        A base URL that does not end in ``/artifactory`` is tried with it first: a proxy may hide the context
        path, but the server itself always has it.
        """
        if self._base is None:
            given = self._settings.base_url.rstrip("/")
            self._base = given if given.endswith("/artifactory") else await self._probed(given)
        return self._base

    async def _probed(self, given: str) -> str:
        answer = await self._transport.request("GET", f"{given}/artifactory/api/system/ping", allowed=range(200, 429))
        there = answer.status in {200, 401, 403} and not answer.is_html
        return f"{given}/artifactory" if there else given


def document_of(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of an answer.

    :raises UnexpectedAnswer: when it is none.
    """
    document = answer.json()
    if not isinstance(document, dict):
        raise answer.unexpected("a JSON object")
    return document
