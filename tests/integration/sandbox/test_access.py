"""Who gets in, and what is asked of those who do not."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import httpx
import jwt
import pytest

from artifactory_sandbox.cli import main
from artifactory_sandbox.config import ConfigError, parse_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_sandbox.pytest_plugin import RunningSandbox

MANIFEST = "/api/docker/docker-dev/v2/payments/api/manifests/1.0"
USERS = {
    "admin": {"password": "password", "admin": True},
    "ci": {"password": "secret", "groups": ["builders"]},
    "reader": {"password": "secret"},
}
PERMISSIONS = [
    {"repositories": ["docker-dev"], "include_patterns": ["payments/**"], "groups": {"builders": ["read", "deploy"]}},
    {"repositories": ["ANY"], "users": {"reader": ["read"]}},
]


@pytest.fixture
def anonymous(artifactory_sandbox: RunningSandbox) -> httpx.Client:
    return httpx.Client(base_url=artifactory_sandbox.url)


def test_without_credentials_the_rest_api_asks_for_basic_ones(anonymous: httpx.Client) -> None:
    response = anonymous.get("/api/storage/docker-dev")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Basic realm="Artifactory Realm"'
    assert response.text == (
        '{\n  "errors" : [ {\n    "status" : 401,\n    "message" : "Authentication is required"\n  } ]\n}'
    )


def test_without_credentials_the_registry_api_asks_for_a_token(
    artifactory_sandbox: RunningSandbox, anonymous: httpx.Client
) -> None:
    root, host = artifactory_sandbox.url, artifactory_sandbox.registry
    for url in (f"{root}{MANIFEST}", f"http://{host}/v2/docker-dev/payments/api/manifests/1.0"):
        response = anonymous.get(url)
        assert response.status_code == 401
        assert response.headers["docker-distribution-api-version"] == "registry/2.0"
        realm = f"{root}/api/docker/docker-dev/v2/token"
        challenge = f'Bearer realm="{realm}",service="{host}",scope="repository:payments/api:pull"'
        assert response.headers["www-authenticate"] == challenge
    base = anonymous.get(f"http://{host}/v2/")
    assert base.headers["www-authenticate"] == f'Bearer realm="http://{host}/v2/token",service="{host}"'


@pytest.mark.parametrize("path", ["/v2/token", "/artifactory/api/docker/docker-dev/v2/token"])
def test_a_token_is_given_for_basic_credentials_and_opens_the_registry(
    artifactory_sandbox: RunningSandbox, anonymous: httpx.Client, path: str
) -> None:
    artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    url = f"http://{artifactory_sandbox.registry}{path}"
    granted = anonymous.get(url, auth=("admin", "password"), params={"scope": "repository:payments/api:pull"})
    token = granted.json()["token"]
    assert granted.json()["expires_in"] == 3600
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["sub"].endswith("/users/admin")
    bearer = {"Authorization": f"Bearer {token}"}
    assert anonymous.get(MANIFEST, headers=bearer).status_code == 200
    assert anonymous.get("/api/repositories", headers=bearer).status_code == 200
    assert anonymous.get(MANIFEST, auth=("admin", token)).status_code == 200
    assert anonymous.post(url, auth=("admin", "password")).status_code == 405
    assert anonymous.post(url).status_code == 401


def test_wrong_credentials_of_any_kind_are_401(anonymous: httpx.Client) -> None:
    forged = jwt.encode({"sub": "jfrt@x/users/admin", "exp": 9_999_999_999}, "k" * 32, algorithm="HS256")
    unsigned = jwt.encode({"sub": "jfrt@x/users/admin", "exp": 9_999_999_999}, "", algorithm="none")
    no_colon = base64.b64encode(b"admin").decode()
    for header in (
        "Basic " + base64.b64encode(b"admin:wrong").decode(),
        "Basic " + base64.b64encode(b"nobody:password").decode(),
        f"Basic {no_colon}",
        "Basic !!!",
        "Basic ä".encode(),
        b"Basic \xff",
        "Basic",
        f"Bearer {forged}",
        f"Bearer {unsigned}",
        "Bearer nonsense",
        "Negotiate abc",
    ):
        for path in ("/api/repositories", "/api/system/ping", MANIFEST):
            content = header if isinstance(header, bytes) else header.encode()
            assert anonymous.get(path, headers={b"Authorization": content}).status_code == 401, header


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/v2/docker-dev/ä/tags/list", "registry.example.com"),
        ("/v2/ä/a/tags/list", "registry.example.com"),
        ("/v2/docker-dev/a%0dX-Header:b/tags/list", "registry.example.com"),
        ("/v2/a%0d%0aX-Header:b/a/tags/list", "registry.example.com"),
        (MANIFEST, "[::1"),
        (MANIFEST, "registry]"),
    ],
)
def test_the_challenge_repeats_nothing_that_no_header_takes(
    artifactory_sandbox: RunningSandbox, path: str, host: str
) -> None:
    response = httpx.get(f"http://{artifactory_sandbox.registry}{path}", headers={"Host": host})
    assert (response.status_code, response.json()["errors"][0]["code"]) == (401, "UNAUTHORIZED")
    assert response.headers["www-authenticate"].startswith("Bearer realm=")
    assert "x-header" not in response.headers


def test_ping_needs_no_credentials(anonymous: httpx.Client) -> None:
    assert anonymous.get("/api/system/ping").text == "OK"


def test_users_may_do_what_their_permissions_say_and_no_more(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    sandbox = artifactory_sandbox_factory({"users": USERS, "permissions": PERMISSIONS})
    sandbox.push_image("docker-dev/payments/api:1.0")
    sandbox.push_image("docker-dev/secret:1.0")
    builder = httpx.Client(base_url=sandbox.url, auth=("ci", "secret"))
    reader = httpx.Client(base_url=sandbox.url, auth=("reader", "secret"))
    assert builder.get(MANIFEST).status_code == reader.get(MANIFEST).status_code == 200
    denied = builder.get("/api/docker/docker-dev/v2/secret/manifests/1.0")
    assert (denied.status_code, denied.json()["errors"][0]["code"]) == (403, "DENIED")
    assert builder.get("/api/storage/docker-dev/secret/1.0").status_code == 403
    uploads = "/api/docker/docker-dev/v2/payments/api/blobs/uploads/"
    assert builder.post(uploads).status_code == 202
    assert reader.post(uploads).status_code == 403
    properties = "/api/storage/docker-dev/payments/api/1.0/manifest.json?properties=a=b"
    assert builder.put(properties).status_code == reader.put(properties).status_code == 403
    assert builder.delete(MANIFEST).status_code == reader.delete("/docker-dev/payments").status_code == 403
    assert builder.get("/api/docker/docker-dev/v2/_catalog").json() == {"repositories": ["payments/api"]}
    assert [one["key"] for one in builder.get("/api/repositories").json()] == ["docker-dev"]


def test_a_configuration_may_hold_the_hash_of_a_password_instead(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    assert main(["hash-password"]) == 0
    hashed = capsys.readouterr().out.strip()
    assert "horse" not in hashed
    url = artifactory_sandbox_factory({"users": {"ci": {"password": hashed}}}).url
    assert httpx.get(f"{url}/api/repositories", auth=("ci", "correct horse")).status_code == 200
    assert httpx.get(f"{url}/api/repositories", auth=("ci", hashed)).status_code == 401
    with pytest.raises(ConfigError, match=r"users\.ci\.password"):
        parse_config({"users": {"ci": {"password": "scrypt$nonsense"}}})


def test_overwriting_a_tag_with_other_content_needs_delete(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    sandbox = artifactory_sandbox_factory({"users": USERS, "permissions": PERMISSIONS})
    sandbox.push_image("docker-dev/payments/api:1.0", content="one")
    other = sandbox.push_image("docker-dev/payments/api:2.0", content="two")
    builder = httpx.Client(base_url=sandbox.url, auth=("ci", "secret"))
    manifest = builder.get(f"/api/docker/docker-dev/v2/payments/api/manifests/{other}")
    kind = {"Content-Type": manifest.headers["content-type"]}
    for path, expected in (("/api/docker/docker-dev/v2/payments/api/manifests/2.0", 201), (MANIFEST, 403)):
        assert builder.put(path, content=manifest.content, headers=kind).status_code == expected


def test_a_digest_is_deleted_only_with_the_permission_for_each_tag_that_stands_for_it(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    target = {"repositories": ["docker-dev"], "exclude_patterns": ["**/released*"], "users": {"ci": ["read", "delete"]}}
    sandbox = artifactory_sandbox_factory({"users": USERS, "permissions": [target]})
    digest = sandbox.push_image("docker-dev/payments/api:1.0-build", content="one")
    sandbox.tag("docker-dev/payments/api:1.0-build", "docker-dev/payments/api:released")
    builder = httpx.Client(base_url=sandbox.url, auth=("ci", "secret"))
    manifests = "/api/docker/docker-dev/v2/payments/api/manifests"
    assert builder.delete(f"{manifests}/released").status_code == 403
    assert builder.delete(f"{manifests}/{digest}").status_code == 403
    assert sandbox.tags("docker-dev", "payments/api") == ["1.0-build", "released"]
    assert builder.delete(f"{manifests}/1.0-build").status_code == 202


def test_anonymous_users_get_in_where_that_is_configured_and_permitted(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    permissions = [{"repositories": ["docker-prod"], "users": {"anonymous": ["read"]}}]
    sandbox = artifactory_sandbox_factory({"anonymous": True, "permissions": permissions})
    for repository in ("docker-dev", "docker-prod"):
        sandbox.push_image(f"{repository}/payments/api:1.0")
    client = httpx.Client(base_url=sandbox.url)
    assert client.get("/api/docker/docker-prod/v2/payments/api/manifests/1.0").status_code == 200
    refused = client.get(MANIFEST)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer realm=")
    assert client.get("/api/storage/docker-dev").headers["www-authenticate"] == 'Basic realm="Artifactory Realm"'
    token = client.get("/v2/token").json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/docker/docker-prod/v2/payments/api/manifests/1.0", headers=bearer).status_code == 200
