"""Requests that no honest client makes: each a clear error in the right format, never a traceback."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    import httpx

    from artifactory_sandbox.pytest_plugin import RunningSandbox

BASIC = {"Authorization": "Basic YWRtaW46cGFzc3dvcmQ="}
CLIMBING = [
    "/artifactory/docker-dev/../../etc/passwd",
    "/artifactory/docker-dev/%2e%2e/%2e%2e/etc/passwd",
    "/artifactory/docker-dev/..%2f..%2fetc/passwd",
    "/artifactory/api/storage/docker-dev/..%5c..%5cetc",
    "/artifactory/api/docker/docker-dev/v2/../../../../etc/manifests/1.0",
    "/v2/docker-dev/a/blobs/sha256:../../../../etc/passwd",
    "/v2/docker-dev/a/blobs/uploads/../../metadata.sqlite",
    "/v2/docker-dev/a/blobs/uploads/..%2f..%2fmetadata.sqlite",
    "/v2/../docker-dev/a/tags/list",
    "/ui/repos/tree/General/docker-dev/../../x",
    "/artifactory/docker-dev/a%00b",
]


def raw(sandbox: RunningSandbox, method: str, path: str, body: bytes = b"") -> tuple[int, str]:
    host, _, port = sandbox.registry.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in {**BASIC, "Content-Length": str(len(body))}.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


@pytest.mark.parametrize("path", CLIMBING)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_no_path_climbs_out_of_its_place(artifactory_sandbox: RunningSandbox, method: str, path: str) -> None:
    status, text = raw(artifactory_sandbox, method, path)
    assert status in {400, 404, 405}
    assert "root:" not in text
    assert json.loads(text)["errors"]


@pytest.mark.parametrize("name", ["A", "-a", "a-", "a//b", "a/", "a" * 256, "a" * 10_000, "a b", "ä", "a.._b"])
def test_an_image_name_off_the_grammar_is_refused(client: httpx.Client, name: str) -> None:
    response = client.get(f"/api/docker/docker-dev/v2/{name}/manifests/1.0")
    assert response.status_code in {400, 404}
    assert response.json()["errors"][0]["code"] in {"NAME_INVALID", "NAME_UNKNOWN"}
    assert len(response.text) < 1000


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("a" * 129, "TAG_INVALID"),
        ("-a", "TAG_INVALID"),
        ("a+b", "TAG_INVALID"),
        ("_uploads", "TAG_INVALID"),
        ("sha256:abc", "DIGEST_INVALID"),
        ("sha256:" + "A" * 64, "DIGEST_INVALID"),
        ("md5:" + "a" * 32, "DIGEST_INVALID"),
    ],
)
def test_a_tag_or_digest_off_the_grammar_is_refused(client: httpx.Client, reference: str, code: str) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        response = client.request(method, f"/api/docker/docker-dev/v2/a/manifests/{reference}")
        assert response.status_code == 400
        if method != "HEAD":
            assert response.json()["errors"][0]["code"] == code


@pytest.mark.parametrize("repository", ["unknown", "generic-local"])
def test_the_docker_api_of_what_is_no_docker_repository_is_400(client: httpx.Client, repository: str) -> None:
    for path in ("", "_catalog", "a/tags/list", "a/manifests/1.0", "a/blobs/uploads/"):
        method = "POST" if path.endswith("uploads/") else "GET"
        response = client.request(method, f"/api/docker/{repository}/v2/{path}")
        if path:
            assert response.status_code == 400
            assert response.json()["errors"] == [
                {"status": 400, "message": "Unsupported docker repository request for 'v2'"}
            ]


def test_unknown_paths_and_methods_are_answered_in_json(client: httpx.Client) -> None:
    for path in ("/api/nothing", "/nothing", "/api/docker/docker-dev/v2/a/nothing", "/api/docker/docker-dev", "/"):
        response = client.get(path)
        assert response.status_code == 404
        assert response.json()["errors"]
    wrong = client.post("/api/docker/docker-dev/v2/a/tags/list")
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (405, "UNSUPPORTED")
    assert client.post("/api/repositories").status_code == 405


def test_a_push_that_breaks_off_leaves_an_upload_that_can_be_resumed(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    location = client.post("/api/docker/docker-dev/v2/a/blobs/uploads/").headers["location"]
    path = location.partition(artifactory_sandbox.registry)[2]
    host, _, port = artifactory_sandbox.registry.partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = f"PATCH {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {BASIC['Authorization']}\r\n"
        connection.sendall(f"{head}Content-Length: 1000\r\n\r\n".encode() + b"x" * 10)
    assert client.get(location).status_code == 204
    assert client.delete(location).status_code == 204


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
    root=st.sampled_from(
        [
            "/artifactory/api/docker/docker-dev/v2/",
            "/v2/docker-dev/",
            "/v2/",
            "/artifactory/api/storage/docker-dev/",
            "/artifactory/docker-dev/",
            "/artifactory/api/",
            "/ui/repos/tree/General/docker-dev/",
            "/",
        ]
    ),
    path=st.lists(
        st.one_of(
            st.sampled_from(
                ["a", "manifests", "blobs", "uploads", "tags", "list", "1.0", "sha256:" + "0" * 64, "promote"]
            ),
            st.text(st.characters(codec="utf-8"), max_size=12),
        ),
        max_size=6,
    ),
    query=st.dictionaries(
        st.sampled_from(["properties", "n", "last", "digest", "mount", "from", "recursive"]), st.text(max_size=10)
    ),
    body=st.binary(max_size=64),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_asked_the_answer_is_never_a_server_error(
    client: httpx.Client,
    artifactory_sandbox: RunningSandbox,
    method: str,
    root: str,
    path: list[str],
    query: dict[str, str],
    body: bytes,
) -> None:
    where = "/".join(quote(part, safe=":") for part in path)
    url = f"http://{artifactory_sandbox.registry}{root}{where}"
    response = client.request(method, url, params=query, content=body)
    assert response.status_code < 500, response.text
