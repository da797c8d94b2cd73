"""What every request to a repository's Docker API has in common: the repository, the image, the permission."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from artifactory_sandbox.config import Action
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.names import Place, is_digest, is_image, is_repository_key, is_tag
from artifactory_sandbox.service import Call, Service, call_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

_WRITING = frozenset({Action.DEPLOY, Action.DELETE})


@dataclass(frozen=True, slots=True)
class DockerCall:
    """A request about one image."""

    call: Call
    place: Place

    @property
    def service(self) -> Service:
        """The open data directory."""
        return self.call.service

    @property
    def owner(self) -> str:
        """What an upload belongs to."""
        return f"{self.place.repository}/{self.place.image}"

    def location(self, rest: str) -> str:
        """Return the absolute URL of something of this image, in the form that the client uses."""
        address = self.call.address
        return f"{address.origin}{address.docker_root}/{self.place.image}/{rest}"

    def require(self, action: Action, reference: str) -> None:
        """Refuse what the user may not do with a tag, digest or blob of the image."""
        path = self.place.path(reference)
        self.service.access.require(
            self.call.user, action, self.place.repository, path, message="The client does not have permission."
        )


def docker_repository(request: Request) -> str:
    """Return the Docker repository that a request goes to.

    :raises Refusal: 400 when there is none of that name; Artifactory says so in its REST shape
        (artifactory-docker-examples#168).
    """
    key: str = request.path_params["repository"]
    repository = call_of(request).service.config.repositories.get(key)
    if repository is None or not repository.is_docker:
        raise Refusal(400, "Unsupported docker repository request for 'v2'")
    return key


def docker_call(request: Request, action: Action, reference: str = "") -> DockerCall:
    """Check the repository, the image name and the permission of a request.

    :param request: with the path parameters `repository` and `image`.
    :param action: the permission that it takes.
    :param reference: tag, digest or folder below the image that it is about.
    :raises Refusal: when one of them does not hold.
    """
    repository = docker_repository(request)
    image = request.path_params["image"]
    if not is_image(image):
        raise Refusal(400, "invalid repository name", code="NAME_INVALID", detail={"name": image[:300]})
    call = DockerCall(call_of(request), Place(repository, image))
    call.require(action, reference)
    if action in _WRITING and not call.service.config.repositories[repository].is_writable:
        raise Refusal(405, "the repository cannot be written to: it is not local", code="UNSUPPORTED")
    return call


def require_reference(reference: str) -> str:
    """Return a tag or digest that follows the grammar.

    :raises Refusal: DIGEST_INVALID or TAG_INVALID.
    """
    if ":" in reference and not is_digest(reference):
        raise Refusal(400, "provided digest is not valid", code="DIGEST_INVALID", detail=reference[:300])
    if ":" not in reference and not is_tag(reference):
        raise Refusal(400, "manifest tag is not valid", code="TAG_INVALID", detail=reference[:300])
    return reference


def require_digest(digest: str) -> str:
    """Return a digest that follows the grammar.

    :raises Refusal: DIGEST_INVALID.
    """
    if not is_digest(digest):
        raise Refusal(400, "provided digest is not valid", code="DIGEST_INVALID", detail=digest[:300])
    return digest


def source_place(service: Service, name: str, repository: str) -> Place | None:
    """Return the image that a mount comes from.

    :param service: the open data directory.
    :param name: as the client sees it: with the repository key in front where that is how it addresses images.
    :param repository: the repository that it mounts into.
    """
    key, _, image = name.partition("/")
    if is_repository_key(key) and key in service.config.repositories and is_image(image):
        return Place(key, image)
    return Place(repository, name) if is_image(name) else None


async def read_limited(stream: AsyncIterator[bytes], limit: int) -> bytes:
    """Read a body that must be small.

    :raises HTTPException: 413 past the limit, as soon as it is passed.
    """
    body = bytearray()
    async for chunk in stream:
        body += chunk
        if len(body) > limit:
            raise HTTPException(413, f"the body is larger than {limit} bytes")
    return bytes(body)
