"""The endpoints of Artifactory that a promotion needs: each is written here, once.

Sources: JFrog's REST API documentation ("Promote Docker Image", "File Info", "Item Properties", "Get
Repositories") and the OCI distribution specification 1.1.
"""

from __future__ import annotations

import datetime
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, quote

from artifactory_provider.artifactory.errors import (
    ImageNotFound,
    NotFound,
    RepositoryNotFound,
    RequestRefused,
    TagNotFound,
)
from artifactory_provider.artifactory.manifests import ACCEPT, Descriptor, InvalidManifest, Manifest
from artifactory_provider.artifactory.properties import properties_query, read_properties
from artifactory_provider.artifactory.references import (
    ImageReference,
    InvalidReference,
    check_digest,
    check_image,
    check_repository,
)
from artifactory_provider.artifactory.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from artifactory_provider.artifactory.answers import Answer
    from artifactory_provider.artifactory.settings import ServerSettings

log = logging.getLogger(__name__)

_ENTRIES_A_PAGE = 1000
_NEXT_LINK = re.compile(r"<(?P<target>[^>]*)>[^,<]*\brel=\"?next\b", re.IGNORECASE)


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


class ArtifactoryClient:
    """The asynchronous client of one Artifactory. Use it as an asynchronous context manager.

    :param settings: how the server is reached.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._transport = Transport(settings)
        self._base: str | None = None

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    async def ping(self) -> None:
        """Ask whether the server works.

        :raises ArtifactoryError: when it does not.
        """
        answer = await self._transport.request("GET", f"{await self.base()}/api/system/ping")
        if answer.is_html or answer.text.strip() != "OK":
            raise answer.unexpected("'OK'")

    async def version(self) -> str:
        """Return the server's version, such as ``7.117.1``; this asks for credentials, unlike ``ping``."""
        answer = await self._transport.request("GET", f"{await self.base()}/api/system/version")
        version = _document(answer).get("version")
        if not isinstance(version, str):
            raise answer.unexpected("a version")
        return version

    async def repository(self, key: str) -> Repository:
        """Return what a repository is.

        :param key: the repository key.
        :raises RepositoryNotFound: when there is none, or the user may not see it.
        """
        check_repository(key)
        try:
            answer = await self._transport.request(
                "GET", f"{await self.base()}/api/repositories/{key}", needs=f"Read on {key!r}"
            )
        except (NotFound, RequestRefused) as error:
            raise RepositoryNotFound(
                f"There is no repository {key!r} on this server, or the user of the connection cannot see it: "
                "check the key, and that the user has Read on it.",
                status=error.status,
                endpoint=error.endpoint,
                detail=error.detail,
            ) from error
        document = _document(answer)
        kind, package_type = document.get("rclass") or document.get("type"), document.get("packageType")
        if not isinstance(kind, str) or not isinstance(package_type, str):
            raise answer.unexpected("a repository's description")
        return Repository(key, kind.lower(), package_type.lower())

    async def descriptor(self, reference: ImageReference) -> Descriptor | None:
        """Return digest and media type of what a tag or digest shows, or None where there is nothing.

        :param reference: the image; its tag counts, or its digest where it has no tag.
        """
        try:
            answer = await self._manifest_request("HEAD", reference)
            if answer.status == 404:
                return None
            descriptor = Descriptor(check_digest(answer.headers.get("Docker-Content-Digest", "")), answer.media_type)
            if descriptor.is_known and (reference.tag or reference.digest == descriptor.digest):
                return descriptor
        except (InvalidReference, RequestRefused):
            log.debug("The answer to HEAD says too little of %s: asking by GET.", reference)
        try:
            return (await self.manifest(reference)).descriptor
        except TagNotFound:
            return None

    async def manifest(self, reference: ImageReference) -> Manifest:
        """Return the manifest of a tag or digest, its digest computed from the bytes that came.

        :param reference: the image; its tag counts, or its digest where it has no tag.
        :raises TagNotFound: when there is nothing.
        :raises UnexpectedAnswer: when it is no manifest, or not the one that the digest names.
        """
        answer = await self._manifest_request("GET", reference)
        if answer.status == 404:
            raise TagNotFound(
                f"There is no {reference}: check image and tag.",
                status=404,
                endpoint=answer.endpoint,
                detail=answer.detail,
            )
        try:
            manifest = Manifest.read(answer.content, media_type=answer.media_type)
        except InvalidManifest as error:
            raise answer.unexpected("an image manifest") from error
        if reference.tag is None and manifest.descriptor.digest != reference.digest:
            raise answer.unexpected(f"the manifest {reference.digest}")
        return manifest

    async def tags(self, repository: str, image: str) -> list[str]:
        """Return all tags of an image, in the server's order.

        :param repository: the repository key.
        :param image: the image name.
        :raises ImageNotFound: when there is no such image.
        """
        try:
            return await self._listing(repository, f"{quote(check_image(image))}/tags/list", "tags")
        except NotFound as error:
            raise ImageNotFound(
                f"There is no image {image!r} in {repository!r}: check its name.",
                status=error.status,
                endpoint=error.endpoint,
                detail=error.detail,
            ) from error

    async def images(self, repository: str) -> list[str]:
        """Return all images of a repository, in the server's order.

        :param repository: the repository key.
        """
        return await self._listing(repository, "_catalog", "repositories")

    async def promote(
        self,
        source: ImageReference,
        target: ImageReference,
        *,
        copy: bool = True,
    ) -> None:
        """Send one promotion request, once: ``POST api/docker/<repoKey>/v2/promote``.

        The request names a tag, never a digest, and the server overwrites silently: what makes it safe is in
        ``artifactory_provider.promotion``.

        :param source: repository, image and tag that are promoted.
        :param target: repository, image and tag that they become.
        :param copy: True copies, False moves.
        :raises ArtifactoryError: when the server refuses, or its answer does not come. Then it may have done
            the work all the same.
        """
        action = "Delete/Overwrite" if not copy else "Read"
        answer = await self._transport.request(
            "POST",
            f"{await self._docker(source.repository)}/promote",
            timeout=self._settings.promote_timeout,
            needs=(
                f"{action} on {source.repository!r} and Deploy/Cache on {target.repository!r}, "
                "and there Delete/Overwrite too where the tag exists"
            ),
            json={
                "targetRepo": target.repository,
                "dockerRepository": source.image,
                "targetDockerRepository": target.image,
                "tag": source.tag,
                "targetTag": target.tag,
                "copy": copy,
            },
        )
        if answer.is_html:
            raise answer.unexpected("'Promotion ended successfully'")

    async def properties(self, path: str) -> dict[str, list[str]]:
        """Return the properties of an item, empty where it has none.

        :param path: ``<repository>/<path of the item>``.
        :raises NotFound: when there is no such item.
        """
        url = f"{await self._storage(path)}?properties"
        answer = await self._transport.request("GET", url, allowed=(200, 404), needs=f"Read on {path!r}")
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
        await self._transport.request(
            "PUT",
            f"{await self._storage(path)}?properties={properties_query(properties)}&recursive=0",
            repeatable=True,
            allowed=(200, 204),
            needs=f"Annotate on {path!r}",
        )

    async def created(self, path: str) -> datetime.datetime:
        """Return when an item was created.

        :param path: ``<repository>/<path of the item>``.
        :raises NotFound: when there is no such item.
        """
        answer = await self._transport.request("GET", await self._storage(path), needs=f"Read on {path!r}")
        try:
            created = datetime.datetime.fromisoformat(_document(answer)["created"])
        except (KeyError, TypeError, ValueError) as error:
            raise answer.unexpected("an item's creation time") from error
        return created if created.tzinfo else created.replace(tzinfo=datetime.UTC)

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

    async def _docker(self, repository: str) -> str:
        return self._settings.docker_api(check_repository(repository), base=await self.base())

    async def _listing(self, repository: str, path: str, field: str) -> list[str]:
        """Read all pages of a list of the Docker API."""
        url = f"{await self._docker(repository)}/{path}?n={_ENTRIES_A_PAGE}"
        entries: dict[str, None] = {}
        last: str | None = None
        while True:
            query = f"&last={quote(last, safe='')}" if last else ""
            answer = await self._transport.request("GET", url + query, needs=f"Read on {repository!r}")
            page = _document(answer).get(field) or []
            if not isinstance(page, list):
                raise answer.unexpected(f"a list of {field}")
            known = len(entries)
            entries.update(dict.fromkeys(map(str, page)))
            last = _next_page(answer)
            if last is None or not page:
                return list(entries)
            if len(entries) == known:
                raise answer.unexpected(f"the next page of {field}, but with entries that it had sent before")

    async def _storage(self, path: str) -> str:
        if {"", ".", ".."} & set(path.split("/")):
            raise InvalidReference(f"{path!r} is no path of an item: 'repository/path' without '.' and '..'.")
        return f"{await self.base()}/api/storage/{quote(path, safe='/')}"

    async def _manifest_request(self, method: str, reference: ImageReference) -> Answer:
        name = quote(reference.name, safe=":")
        return await self._transport.request(
            method,
            f"{await self._docker(reference.repository)}/{quote(reference.image)}/manifests/{name}",
            headers={"Accept": ACCEPT},
            allowed=(200, 404),
            needs=f"Read on {reference.repository!r}",
        )


def _document(answer: Answer) -> dict[str, Any]:
    document = answer.json()
    if not isinstance(document, dict):
        raise answer.unexpected("a JSON object")
    return document


def _next_page(answer: Answer) -> str | None:
    """Take only ``last`` from the ``Link``: behind a proxy its path often lacks the repository key."""
    link = _NEXT_LINK.search(answer.headers.get("Link", ""))
    query = link["target"].partition("?")[2] if link else ""
    return next(iter(parse_qs(query).get("last", [])), None)
