"""What requests have in common: who asks and how, what may be sent; in a Docker API, the image and the permission."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException

from artifactory_sandbox.config import Action, first_problem
from artifactory_sandbox.errors import Forbidden, Refusal
from artifactory_sandbox.names import Place, is_digest, is_image, is_tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from artifactory_sandbox.access import User
    from artifactory_sandbox.api.addressing import Address
    from artifactory_sandbox.service import Service

Value = TypeVar("Value")

LARGEST_BODY = 1024 * 1024
DENIED = "The client does not have permission."
_WRITING = frozenset({Action.DEPLOY, Action.DELETE})


@dataclass(frozen=True, slots=True)
class Call:
    """One request's surroundings: the service, who asks, and how the sandbox was addressed."""

    service: Service
    user: User
    address: Address


def call_of(request: Request) -> Call:
    """Return the surroundings of a request that has passed the gate."""
    call: Call = request.state.call
    return call


async def identify(service: Service, headers: Mapping[str, str]) -> User:
    """Return the user that the headers of a request stand for.

    :raises Unauthenticated: when there are no credentials and anonymous access is off, or when they are wrong.
    :raises Forbidden: when an API key is wrong, or API keys are switched off.
    """
    api_key = headers.get("x-jfrog-art-api", "")
    return await service.access.identify(headers.get("authorization", ""), api_key=api_key)


def require_admin(request: Request) -> Service:
    """Return the service, to an administrator.

    :raises Forbidden: to anyone else.
    """
    call = call_of(request)
    if not call.user.is_admin:
        raise Forbidden
    return call.service


@dataclass(frozen=True, slots=True)
class DockerCall(Call):
    """A request about one image.

    :param place: the image as it was addressed.
    :param places: where it lies, of those that the user may ask: other places where the repository is virtual.
    """

    place: Place
    places: tuple[Place, ...]

    @property
    def owner(self) -> str:
        """What an upload belongs to."""
        return f"{self.place.repository}/{self.place.image}"

    def location(self, rest: str) -> str:
        """Return the absolute URL of something of this image, in the form that the client uses."""
        return f"{self.address.origin}{self.address.docker_root}/{self.place.image}/{rest}"

    def require(self, action: Action, reference: str) -> None:
        """Refuse what the user may not do with a tag, digest or blob of the image."""
        path = self.place.path(reference)
        self.service.access.require(self.user, action, self.place.repository, path, message=DENIED)


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
    call, place = call_of(request), Place(repository, image)
    if action in _WRITING and not call.service.config.repositories[repository].is_writable:
        raise Refusal(405, "the repository cannot be written to: it is not local", code="UNSUPPORTED")
    sources = [Place(source, image) for source in call.service.config.sources(repository)]
    allows, path = call.service.access.allows, place.path(reference)
    allowed = tuple(source for source in sources if allows(call.user, action, source.repository, path))
    if sources and not allowed:
        raise Forbidden(DENIED)
    return DockerCall(call.service, call.user, call.address, place, allowed)


def require_reference(reference: str) -> str:
    """Return a tag or digest that follows the grammar.

    :raises Refusal: DIGEST_INVALID or TAG_INVALID.
    """
    return require_digest(reference) if ":" in reference else require_tag(reference)


def require_tag(tag: str) -> str:
    """Return a tag that follows the grammar.

    :raises Refusal: TAG_INVALID.
    """
    if not is_tag(tag):
        raise Refusal(400, "manifest tag is not valid", code="TAG_INVALID", detail=tag[:300])
    return tag


def require_digest(digest: str) -> str:
    """Return a digest that follows the grammar.

    :raises Refusal: DIGEST_INVALID.
    """
    if not is_digest(digest):
        raise Refusal(400, "provided digest is not valid", code="DIGEST_INVALID", detail=digest[:300])
    return digest


async def read_limited(request: Request, limit: int = LARGEST_BODY) -> bytes:
    """Read a body that must be small.

    :param limit: the most bytes that it may have.
    :raises HTTPException: 413 past the limit, as soon as it is passed.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise HTTPException(413, f"the body is larger than {limit} bytes")
    return bytes(body)


async def read_as(kind: type[Value], request: Request, what: str = "The request body") -> Value:
    """Read a JSON body.

    :param kind: what it must be, for pydantic.
    :param what: what is not valid, if it is not.
    :raises Refusal: 400, naming the first place that is wrong.
    """
    try:
        return TypeAdapter(kind).validate_json(await read_limited(request))
    except ValidationError as error:
        raise Refusal(400, f"{what} is not valid: {first_problem(error)}") from None
