"""Artifactory's own REST API, as far as a promotion needs it.

Sources: JFrog's REST API documentation ("System Health Ping", "Get Repository Configuration", "Item Properties",
"File Info", "Delete Item", "Artifactory Query Language").
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from artifactory_provider.artifactory import aql
from artifactory_provider.artifactory.concurrency import in_turns
from artifactory_provider.artifactory.errors import (
    NotFound,
    QueryUnusable,
    RepositoryNotFound,
    RequestRefused,
    UnexpectedAnswer,
)
from artifactory_provider.artifactory.properties import check_property_name, properties_query, read_properties
from artifactory_provider.artifactory.references import InvalidReference, check_repository

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from artifactory_provider.artifactory.answers import Answer
    from artifactory_provider.artifactory.server import Server

ITEMS_A_PAGE = 1000
_MOST_STEPS_BACK = 20
_TAKEN_BY_ALL = 5900
"""Characters: Artifactory refuses longer queries than 6,000, unless ``aql.search.query.size.limit`` says otherwise."""
_TRIMMED = "The server has left out some of what a query found."
_TOO_LONG = frozenset({400, 413})

Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Repository:
    """What a repository is.

    :param key: its key.
    :param kind: Artifactory's class of it: ``local``, ``federated``, ``remote`` or ``virtual``.
    :param package_type: ``docker``, ``generic``, …
    """

    key: str
    kind: str
    package_type: str

    @property
    def can_promote(self) -> bool:
        """Whether the promotion endpoint works with it (JFrog: "local and federated repositories")."""
        return self.kind in {"local", "federated"} and self.package_type in {"docker", "oci"}


@dataclass(frozen=True, slots=True)
class FolderContent:
    """What lies directly in a folder: the names of its files and folders.

    :param files: the names of the files.
    :param folders: the names of the folders.
    """

    files: tuple[str, ...]
    folders: tuple[str, ...]


class RestApi:
    """The REST API."""

    _server: Server
    _longest_query: float = math.inf

    async def ping(self) -> None:
        """Ask whether the server works.

        :raises ArtifactoryError: when it does not, or when another server answers.
        """
        await self._server.ping()

    async def version(self) -> str:
        """Return the server's version, such as ``7.117.1``; this asks for credentials, unlike ``ping``."""
        answer = await self._server.request(
            "GET", f"{await self._server.base()}/api/system/version", allowed=(200, 404)
        )
        if answer.status == 404:
            raise answer.not_artifactory("a version")
        version = answer.document().get("version")
        if not isinstance(version, str):
            raise answer.not_artifactory("a version")
        return version

    async def repository(self, key: str) -> Repository:
        """Return what a repository is.

        :param key: the repository key.
        :raises RepositoryNotFound: when there is none, or the user may not see it.
        """
        check_repository(key)
        try:
            answer = await self._server.request(
                "GET", f"{await self._server.base()}/api/repositories/{key}", needs=f"Read on {key!r}"
            )
        except (NotFound, RequestRefused) as error:
            await self._server.check_artifactory()
            raise RepositoryNotFound(
                f"There is no repository {key!r} on this server, or the user of the connection cannot see it: "
                "check the key, and that the user has Read on it.",
                status=error.status,
                endpoint=error.endpoint,
                detail=error.detail,
            ) from error
        document = answer.document()
        kind, package_type = document.get("rclass") or document.get("type"), document.get("packageType")
        if not isinstance(kind, str) or not isinstance(package_type, str):
            raise answer.unexpected("a repository's description")
        return Repository(key, kind.lower(), package_type.lower())

    async def properties(self, path: str) -> dict[str, list[str]]:
        """Return the properties of an item, empty where it has none.

        :param path: ``<repository>/<path of the item>``.
        :raises NotFound: when there is no such item.
        """
        url = f"{await self._storage_url(path)}?properties"
        answer = await self._server.request("GET", url, allowed=(200, 404), needs=f"Read on {path!r}")
        if answer.status == 404:
            if "No properties" in (answer.detail or ""):
                return {}
            raise NotFound(f"There is no item {path!r}.", status=404, endpoint=answer.endpoint, detail=answer.detail)
        properties = read_properties(answer.json())
        if properties is None:
            raise answer.unexpected("properties")
        return properties

    async def set_properties(self, path: str, properties: Mapping[str, str]) -> None:
        """Set properties of one item, leaving its other properties as they are.

        :param path: ``<repository>/<path of the item>``.
        :param properties: name → value.
        :raises NotFound: when there is no such item.
        """
        await self._change_properties("PUT", path, properties_query(properties))

    async def delete_properties(self, path: str, names: Iterable[str]) -> None:
        """Remove properties of one item; those that it does not have are no error.

        :param path: ``<repository>/<path of the item>``.
        :param names: their names.
        :raises NotFound: when there is no such item.
        """
        await self._change_properties("DELETE", path, ",".join(map(check_property_name, names)))

    async def _change_properties(self, method: str, path: str, properties: str) -> None:
        answer = await self._server.request(
            method,
            f"{await self._storage_url(path)}?properties={properties}&recursive=0",
            repeatable=True,
            allowed=(200, 204),
            needs=f"Annotate on {path!r}",
        )
        if answer.is_html:
            raise answer.unexpected("no content")

    async def created(self, path: str) -> datetime.datetime:
        """Return when an item was created.

        :param path: ``<repository>/<path of the item>``.
        :raises NotFound: when there is no such item.
        """
        return await self._read_time(path, "created", "creation time")

    async def updated(self, path: str) -> datetime.datetime:
        """Return when an item was last written, copied or moved to where it is.

        :param path: ``<repository>/<path of the item>``.
        :raises NotFound: when there is no such item.
        """
        return await self._read_time(path, "lastUpdated", "time of its last change")

    async def list_folder(self, path: str) -> FolderContent | None:
        """Return what lies directly in a folder, or None where there is no such folder.

        :param path: ``<repository>/<path of the folder>``.
        :raises ArtifactoryError: when the server does not tell.
        """
        answer = await self._server.request(
            "GET", await self._storage_url(path), allowed=(200, 404), needs=f"Read on {path!r}"
        )
        if answer.status == 404:
            if answer.is_html:
                raise answer.unexpected("the content of a folder")
            return None
        try:
            children = [(child["uri"], child["folder"]) for child in answer.document()["children"]]
            if not all(isinstance(uri, str) and isinstance(is_folder, bool) for uri, is_folder in children):
                raise TypeError
        except (KeyError, TypeError) as error:
            raise answer.unexpected("the content of a folder") from error
        found = [(uri.removeprefix("/"), is_folder) for uri, is_folder in children]
        return FolderContent(
            files=tuple(name for name, is_folder in found if not is_folder),
            folders=tuple(name for name, is_folder in found if is_folder),
        )

    async def delete_item(
        self, path: str, *, once: bool = False, at_last: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Delete an item, with all that is below it; one that is gone already is no error.

        :param path: ``<repository>/<path of the item>``.
        :param once: whether it is not sent again after an unclear end: something else may stand there by then.
        :param at_last: called right before it is sent; what it raises keeps it from being sent.
        """
        answer = await self._server.request(
            "DELETE",
            f"{await self._server.base()}/{_quote_path(path)}",
            repeatable=not once,
            at_last=at_last,
            allowed=(200, 202, 204, 404),
            needs=f"Delete/Overwrite on {path!r}",
        )
        if answer.is_html and answer.status != 404:
            raise answer.unexpected("no content")

    async def find_items(self, criteria: Mapping[str, Any]) -> list[aql.Item]:
        """Return all files that meet the criteria; what is deleted or added meanwhile hides none of the others.

        A query that the server finds too long is sent in parts, and so are all later ones of this client.

        :param criteria: as AQL has them.
        :raises QueryUnusable: when the results do not tell the digest of each file.
        :raises ArtifactoryError: when the server refuses the query, as it does for anonymous users.
        """
        return await self._find_in_parts(criteria, self._find_all)

    async def find_page(
        self, criteria: Mapping[str, Any], *, offset: int = 0, limit: int = ITEMS_A_PAGE
    ) -> list[aql.Item]:
        """Return some of the files that meet the criteria, by repository, folder and name, as the server orders texts.

        :param criteria: as AQL has them.
        :param offset: how many are passed over.
        :param limit: how many come at most; fewer only where there are no more.
        :raises QueryUnusable: when the results are not whole, or do not tell the digest of each file.
        :raises ArtifactoryError: when the server refuses the query, as it does for anonymous users.
        """
        items, is_trimmed, answer = await self._ask_for_items(aql.find_items(criteria, offset=offset, limit=limit))
        if is_trimmed and len(items) < limit:
            raise QueryUnusable(_TRIMMED, status=answer.status, endpoint=answer.endpoint)
        return items

    async def find_annotated_items(self, criteria: Mapping[str, Any], *, with_origin: bool = False) -> list[aql.Item]:
        """Return the files that meet the criteria, each with its properties.

        All are sent in one answer, as such queries have no pages.

        :param criteria: as AQL has them; they must bound by themselves what is found, as a list of folders does.
        :param with_origin: whether it is needed who has put each there, and its size.
        :raises QueryUnusable: when the results are not whole, or do not tell the digest of each file.
        :raises ArtifactoryError: when the server refuses the query, as it does for anonymous users.
        """
        return await self._find_in_parts(criteria, partial(self._find_annotated, with_origin=with_origin))

    async def _find_in_parts(
        self, criteria: Mapping[str, Any], find: Callable[[Mapping[str, Any]], Awaitable[dict[Place, aql.Item]]]
    ) -> list[aql.Item]:
        found: dict[Place, aql.Item] = {}
        left: list[Mapping[str, Any]] = [criteria]
        while left:
            part = left.pop(0)
            length = len(aql.find_items(part, offset=0, limit=ITEMS_A_PAGE))
            halves = aql.halves(part) if length > _TAKEN_BY_ALL else []
            if halves and length > self._longest_query:
                left = [*halves, *left]
                continue
            try:
                found.update(await find(part))
            except RequestRefused as error:
                if not halves or error.status not in _TOO_LONG:
                    raise
                self._longest_query = _TAKEN_BY_ALL
                left = [*halves, *left]
        return list(found.values())

    async def _find_annotated(self, criteria: Mapping[str, Any], *, with_origin: bool) -> dict[Place, aql.Item]:
        query = aql.find_annotated_items(criteria, with_origin=with_origin)
        items, is_trimmed, answer = await self._ask_for_items(query)
        if is_trimmed:
            raise QueryUnusable(_TRIMMED, status=answer.status, endpoint=answer.endpoint)
        return {_place_of(item): item for item in items}

    async def _find_all(self, criteria: Mapping[str, Any]) -> dict[Place, aql.Item]:
        found: dict[Place, aql.Item] = {}
        offset = steps_back = without_news = 0
        while True:
            query = aql.find_items(criteria, offset=offset, limit=ITEMS_A_PAGE)
            page, is_trimmed, _ = await self._ask_for_items(query)
            # Each page begins with the last one's last item. If it does not, items have been deleted meanwhile, and
            # as many were passed over: they are in the page before.
            if offset and steps_back < _MOST_STEPS_BACK and not (page and _place_of(page[0]) in found):
                offset = max(0, offset - ITEMS_A_PAGE)
                steps_back += 1
                continue
            known = len(found)
            found.update((_place_of(item), item) for item in page)
            if len(page) < ITEMS_A_PAGE and not is_trimmed:
                return found
            without_news = without_news + 1 if len(found) == known else 0
            if without_news > steps_back:
                raise UnexpectedAnswer(
                    f"A query was answered with the same page at every offset up to {offset}: check that no proxy "
                    "answers in Artifactory's place."
                )
            offset += max(0, len(page) - 1)

    async def _ask_for_items(self, query: str) -> tuple[list[aql.Item], bool, Answer]:
        """Return what a query finds, and whether the server says that it has left out some of it."""
        answer = await self._send_query(query)
        try:
            document = answer.document()
            items = [aql.Item.read(result) async for result in in_turns(document["results"])]
        except aql.DigestUnknown as error:
            raise QueryUnusable(str(error), status=answer.status, endpoint=answer.endpoint) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise answer.unexpected("the results of a query") from error
        bounds = document.get("range")
        return items, isinstance(bounds, dict) and bool(bounds.get("notification")), answer

    async def _read_time(self, path: str, field: str, what: str) -> datetime.datetime:
        answer = await self._server.request("GET", await self._storage_url(path), needs=f"Read on {path!r}")
        try:
            moment = datetime.datetime.fromisoformat(answer.document()[field])
        except (KeyError, TypeError, ValueError) as error:
            raise answer.unexpected(f"an item's {what}") from error
        return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)

    async def _send_query(self, query: str) -> Answer:
        return await self._server.request(
            "POST",
            f"{await self._server.base()}/api/search/aql",
            repeatable=True,
            headers={"Content-Type": "text/plain"},
            data=query,
        )

    async def _storage_url(self, path: str) -> str:
        return f"{await self._server.base()}/api/storage/{_quote_path(path)}"


def _quote_path(path: str) -> str:
    if {"", ".", ".."} & set(path.split("/")):
        raise InvalidReference(f"{path!r} is no path of an item: 'repository/path' without '.' and '..'.")
    return quote(path, safe="/")


def _place_of(item: aql.Item) -> Place:
    return item.repository, item.folder, item.name
