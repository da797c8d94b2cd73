"""The ways to reach a repository, brought to one form.

`/artifactory/api/docker/<repoKey>/v2/…`, the same without `/artifactory`, the repository path `/v2/<repoKey>/…`,
and `/v2/…` on a host name or port that stands for a repository all become `/api/docker/<repoKey>/v2/…`; answers
point back the way the client came.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.names import is_image

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONTEXT = "/artifactory"
_DOCKER = "/api/docker/"
_IMAGE_PATH = re.compile(r"v2/(.+)/(?:(?:manifests|referrers)/[^/]+|blobs/.*|tags/list)")
# The repository that the token endpoint of a registry's root is said to belong to.
NO_REPOSITORY = "null"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes, and how the client wrote it.

    :param path: the path in the one form that the routes know.
    :param origin: scheme and host as the client sees them.
    :param docker_root: what stands before the image name in the client's own path; empty outside the Docker API.
    :param is_registry: whether errors are due in the registry API's shape.
    """

    path: str
    origin: str
    docker_root: str = ""
    is_registry: bool = False

    @property
    def base(self) -> str:
        """Artifactory's base URL as the client sees it."""
        return f"{self.origin}{_CONTEXT}"

    @property
    def challenge(self) -> str:
        """The challenge to a Docker client; its scope leaves the repository key out (containerd/nerdctl#4244)."""
        host, realm, scope = self.origin.partition("://")[2].partition("/")[0], f"{self.origin}/v2/token", ""
        if self.path.startswith(_DOCKER):
            repository, _, rest = self.path.removeprefix(_DOCKER).partition("/")
            realm = f"{self.base}{_DOCKER}{quote(repository)}/v2/token"
            match = _IMAGE_PATH.fullmatch(rest)
            scope = f',scope="repository:{match[1]}:pull"' if match and is_image(match[1]) else ""
        return f'Bearer realm="{realm}",service="{host}"{scope}'


def address(path: str, scheme: str, headers: Mapping[str, str], alone: str | None = None) -> Address:
    """Bring the path of a request to the one form.

    :param path: decoded path.
    :param scheme: scheme of the connection.
    :param headers: request headers; those that reverse proxies set tell the client's view.
    :param alone: the repository that the host name or the port stands for.
    :raises Refusal: when a part of the path climbs out of its place or cannot be part of any name.
    """
    if any(part in {".", ".."} for part in path.split("/")) or "\x00" in path or "\\" in path:
        raise Refusal(400, "The path is not valid: it must not hold '.', '..', backslashes or null bytes.")
    origin = _origin(scheme, headers)
    prefix = _CONTEXT if path.startswith(f"{_CONTEXT}/") else ""
    inner = path.removeprefix(prefix)
    if alone is not None and f"{inner}/".startswith("/v2/"):
        rest = inner.removeprefix("/v2").removeprefix("/")
        return Address(f"{_DOCKER}{alone}/v2/{rest}", origin, f"{prefix}/v2", is_registry=rest != "promote")
    if inner in {"/v2", "/v2/"}:
        return Address("/v2/", origin, "/v2", is_registry=True)
    if inner.startswith("/v2/"):
        repository, _, rest = inner.removeprefix("/v2/").partition("/")
        if repository in {"token", "_catalog"} and not rest:
            repository, rest = NO_REPOSITORY, repository
        return Address(
            f"{_DOCKER}{repository}/v2/{rest}", origin, f"{prefix}/v2/{repository}", is_registry=rest != "promote"
        )
    if inner.startswith(_DOCKER):
        repository, _, rest = inner.removeprefix(_DOCKER).partition("/")
        root = f"{prefix}{_DOCKER}{repository}/v2"
        path = f"{inner}/" if rest == "v2" else inner
        return Address(path, origin, root, is_registry=rest != "v2/promote")
    return Address(inner, origin)


def _origin(scheme: str, headers: Mapping[str, str]) -> str:
    override = headers.get("x-jfrog-override-base-url") or headers.get("x-artifactory-override-base-url")
    if override:
        return override.rstrip("/").removesuffix(_CONTEXT)
    host, port = client_host(headers), headers.get("x-forwarded-port", "")
    scheme = headers.get("x-forwarded-proto") or scheme
    has_port = ":" in host.rpartition("]")[2] or port == {"http": "80", "https": "443"}.get(scheme)
    return f"{scheme}://{host}" if has_port or not port.isdecimal() else f"{scheme}://{host}:{port}"


def client_host(headers: Mapping[str, str]) -> str:
    """Return the host that the client asked for, with the port where it names one."""
    return headers.get("x-forwarded-host") or headers.get("host") or "localhost"
