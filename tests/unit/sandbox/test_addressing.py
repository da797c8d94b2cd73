"""All the ways to a repository lead to one, and answers point back the same way."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from artifactory_sandbox.api.addressing import address
from artifactory_sandbox.errors import Refusal

HOST = Headers({"host": "artifacts.example.com"})
DIRECT = "/api/docker/docker-dev/v2"


@pytest.mark.parametrize(
    ("path", "inner", "root"),
    [
        (f"/artifactory{DIRECT}/a/tags/list", f"{DIRECT}/a/tags/list", f"/artifactory{DIRECT}"),
        (f"{DIRECT}/a/tags/list", f"{DIRECT}/a/tags/list", DIRECT),
        ("/v2/docker-dev/a/tags/list", f"{DIRECT}/a/tags/list", "/v2/docker-dev"),
        ("/artifactory/v2/docker-dev/a/tags/list", f"{DIRECT}/a/tags/list", "/artifactory/v2/docker-dev"),
        (f"/artifactory{DIRECT}", f"{DIRECT}/", f"/artifactory{DIRECT}"),
        ("/v2/docker-dev", f"{DIRECT}/", "/v2/docker-dev"),
        ("/v2", "/v2/", "/v2"),
        ("/v2/", "/v2/", "/v2"),
        ("/v2/token", "/api/docker/null/v2/token", "/v2/null"),
        ("/v2/docker-dev/v2/manifests/1", f"{DIRECT}/v2/manifests/1", "/v2/docker-dev"),
        ("/artifactory/api/storage/docker-dev", "/api/storage/docker-dev", ""),
        ("/artifactory", "/artifactory", ""),
    ],
)
def test_a_path_in_any_form_becomes_the_one_that_routes_know(path: str, inner: str, root: str) -> None:
    found = address(path, "http", HOST)
    assert (found.path, found.docker_root) == (inner, root)
    assert found.base == "http://artifacts.example.com/artifactory"


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({"x-jfrog-override-base-url": "https://a.example.com:8443"}, "https://a.example.com:8443"),
        ({"x-artifactory-override-base-url": "https://a.example.com/artifactory/"}, "https://a.example.com"),
        ({"x-forwarded-proto": "https"}, "https://artifacts.example.com"),
        ({"x-forwarded-proto": "https", "x-forwarded-host": "b.example.com"}, "https://b.example.com"),
        ({"x-forwarded-proto": "https", "x-forwarded-port": "443"}, "https://artifacts.example.com"),
        ({"x-forwarded-proto": "https", "x-forwarded-port": "8443"}, "https://artifacts.example.com:8443"),
        ({"host": "a.example.com:81", "x-forwarded-port": "82"}, "http://a.example.com:81"),
        ({"host": "[::1]", "x-forwarded-port": "82"}, "http://[::1]:82"),
    ],
)
def test_a_proxy_in_front_tells_what_the_client_sees(headers: dict[str, str], origin: str) -> None:
    seen = Headers({"host": "artifacts.example.com", **headers})
    assert address("/artifactory/api/system/ping", "http", seen).origin == origin


@pytest.mark.parametrize(
    ("path", "inner", "root"),
    [
        ("/v2/a/tags/list", f"{DIRECT}/a/tags/list", "/v2"),
        ("/v2/", f"{DIRECT}/", "/v2"),
        ("/v2", f"{DIRECT}/", "/v2"),
        ("/v2/token", f"{DIRECT}/token", "/v2"),
        ("/v2/promote", f"{DIRECT}/promote", "/v2"),
        ("/v2x", "/v2x", ""),
        ("/artifactory/api/docker/docker-qa/v2/a/tags/list", "/api/docker/docker-qa/v2/a/tags/list", None),
    ],
)
def test_where_a_host_stands_for_a_repository_the_path_names_the_image_alone(
    path: str, inner: str, root: str | None
) -> None:
    found = address(path, "https", HOST, "docker-dev")
    assert found.path == inner
    assert root in {found.docker_root, None}


@pytest.mark.parametrize("path", ["/a/../b", "/..", "/a/./b", "/a\\b", "/a\x00b", "/v2/docker-dev/.."])
def test_a_path_that_climbs_is_refused(path: str) -> None:
    with pytest.raises(Refusal):
        address(path, "http", HOST)
