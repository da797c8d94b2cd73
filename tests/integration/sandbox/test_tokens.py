"""Access tokens, reference tokens, API keys and OIDC: given, used, renewed, revoked, refused."""

from __future__ import annotations

import json
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from artifactory_sandbox.config import ConfigError, parse_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_sandbox.pytest_plugin import RunningSandbox

TOKENS = "/access/api/v1/tokens"
LEGACY = "/api/security/token"
OIDC = "/access/api/v1/oidc/token"
PROBE = "/api/storage/docker-dev"
ISSUER = "https://ci.example.org"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_KEY = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": "one", "alg": "RS256"}
MAPPINGS = [
    {"name": "releases", "claims": {"repository": "org/*", "ref": "refs/tags/*"}, "username": "ci"},
    {"name": "builds", "claims": {"repository": "org/*"}, "groups": ["readers"], "expires_in": 60},
]
CONFIG: dict[str, Any] = {
    "users": {
        "admin": {"password": "password", "admin": True},
        "ci": {"password": "secret", "groups": ["builders"], "api_key": "AKCp8ci"},
    },
    "permissions": [
        {"repositories": ["docker-dev"], "users": {"ci": ["read"]}, "groups": {"readers": ["read"]}},
        {"repositories": ["docker-qa"], "groups": {"builders": ["read"]}},
    ],
    "oidc": {"ci-system": {"issuer": ISSUER, "audience": "artifactory", "keys": [PUBLIC_KEY], "mappings": MAPPINGS}},
}


@pytest.fixture(scope="module")
def sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    return artifactory_sandbox_factory(CONFIG)


@pytest.fixture
def client(sandbox: RunningSandbox) -> httpx.Client:
    return httpx.Client(base_url=sandbox.url)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def granted(client: httpx.Client, user: str = "ci", **fields: object) -> dict[str, Any]:
    password = {"ci": "secret", "admin": "password"}[user]
    response = client.post(TOKENS, json=fields, auth=(user, password))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def probe(client: httpx.Client, token: str, path: str = PROBE) -> int:
    return client.get(path, headers=bearer(token)).status_code


def test_an_access_token_stands_for_the_user_who_asked_for_it(client: httpx.Client) -> None:
    answer = granted(client)
    assert answer["token_type"] == "Bearer"
    assert answer["scope"] == "applied-permissions/user"
    assert answer["expires_in"] == 365 * 24 * 3600
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert claims["sub"].endswith("/users/ci")
    assert claims["jti"] == answer["token_id"]
    assert probe(client, answer["access_token"]) == 200
    assert probe(client, answer["access_token"], "/api/storage/docker-prod") == 403
    assert client.get(PROBE, auth=("ci", answer["access_token"])).status_code == 200
    assert client.get(PROBE, auth=("admin", answer["access_token"])).status_code == 401


def test_a_reference_token_is_as_good_as_the_token_that_it_stands_for(client: httpx.Client) -> None:
    answer = granted(client, include_reference_token=True)
    reference = answer["reference_token"]
    assert len(reference) == 64
    assert probe(client, reference) == 200
    assert client.get(PROBE, auth=("ci", reference)).status_code == 200
    assert probe(client, reference[:-1] + "x") == 401


def test_refreshing_gives_new_tokens_and_ends_the_old_ones(client: httpx.Client) -> None:
    old = granted(client, refreshable=True, expires_in=100)
    again = {"grant_type": "refresh_token", "refresh_token": old["refresh_token"]}
    new = client.post(TOKENS, json=again, headers=bearer(old["access_token"])).json()
    assert new["expires_in"] == 100
    assert new["refresh_token"] != old["refresh_token"]
    assert probe(client, new["access_token"]) == 200
    assert probe(client, old["access_token"]) == 401
    used_up = client.post(TOKENS, json=again)
    assert (used_up.status_code, used_up.json()["error"]) == (400, "invalid_grant")


def test_a_token_that_has_expired_is_refused_and_can_still_be_refreshed(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    old = granted(client, refreshable=True, include_reference_token=True)
    with sandbox.service.database.writing() as tx:
        tx.execute("UPDATE tokens SET issued = issued - 50, expires = ? WHERE id = ?", (time.time(), old["token_id"]))
    refused = client.get(PROBE, headers=bearer(old["reference_token"]))
    assert refused.json()["errors"][0]["message"] == "Token failed verification: expired"
    expired = sandbox.service.access.tokens.sign("ci", "applied-permissions/user", -1)[1]
    assert probe(client, expired) == 401
    form = {"grant_type": "refresh_token", "refresh_token": old["refresh_token"], "access_token": expired}
    new = client.post(TOKENS, data=form, headers=bearer(expired))
    assert probe(client, new.json()["access_token"]) == 200


def test_a_revoked_token_is_good_for_nothing_in_all_its_forms(client: httpx.Client) -> None:
    answer = granted(client, refreshable=True, include_reference_token=True)
    listed = client.get(TOKENS, auth=("ci", "secret")).json()["tokens"]
    mine = next(one for one in listed if one["token_id"] == answer["token_id"])
    assert mine["refreshable"]
    assert mine["subject"].endswith("/users/ci")
    path = f"{TOKENS}/{answer['token_id']}"
    assert client.delete(path, auth=("ci", "secret")).status_code == 200
    assert client.delete(path, auth=("admin", "password")).status_code == 404
    assert probe(client, answer["access_token"]) == probe(client, answer["reference_token"]) == 401
    again = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    assert client.post(TOKENS, json=again).status_code == 400


def test_the_legacy_endpoint_gives_and_revokes_tokens(client: httpx.Client) -> None:
    form = {"username": "someone", "scope": "member-of-groups:readers api:*", "expires_in": "60", "refreshable": "true"}
    answer = client.post(LEGACY, data=form, auth=("admin", "password")).json()
    assert (answer["expires_in"], answer["token_type"], answer["scope"]) == (60, "Bearer", form["scope"])
    assert probe(client, answer["access_token"]) == 200
    again = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    new = client.post(LEGACY, data=again).json()
    assert probe(client, new["access_token"]) == 200
    for expected in ("Token revoked", "Token not found"):
        done = client.post(f"{LEGACY}/revoke", data={"token": new["access_token"]}, auth=("admin", "password"))
        assert (done.status_code, done.text) == (200, expected)
    assert probe(client, new["access_token"]) == 401
    assert granted(client, expires_in=0).get("expires_in") is None


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"username": "admin"}, 403),
        ({"scope": "applied-permissions/admin"}, 403),
        ({"scope": "applied-permissions/groups:readers"}, 403),
        ({"scope": "applied-permissions/groups:builders"}, 200),
        ({"scope": "applied-permissions/nonsense"}, 400),
        ({"scope": "artifact:docker-dev:r"}, 200),
        ({"scope": "artifact:docker-dev:x"}, 400),
        ({"scope": "artifact::r"}, 400),
        ({"scope": "artifact:docker-dev/*a*a*a*a*a*a*a*a:r"}, 400),
        ({"grant_type": "password"}, 400),
        ({"expires_in": "soon"}, 400),
        ({"expires_in": -1}, 400),
    ],
)
def test_no_one_gets_a_token_for_more_than_he_may_do(
    client: httpx.Client, fields: dict[str, object], status: int
) -> None:
    assert client.post(TOKENS, json=fields, auth=("ci", "secret")).status_code == status
    assert client.post(TOKENS, json=fields).status_code in {400, 401}
    assert client.post(TOKENS, json={}).status_code == 401


def test_a_token_for_groups_allows_what_the_groups_may_do_and_no_more(client: httpx.Client) -> None:
    token = granted(client, scope="applied-permissions/groups:builders")["access_token"]
    assert probe(client, token, "/api/storage/docker-qa") == 200
    # The user's own permissions are by name, and the token names the user, too.
    assert probe(client, token, "/api/storage/docker-prod") == 403
    admin = granted(client, "admin", username="robot", scope="applied-permissions/admin")["access_token"]
    assert client.get("/sandbox/faults", headers=bearer(admin)).status_code == 200


def test_one_can_neither_see_nor_revoke_the_tokens_of_others(client: httpx.Client) -> None:
    other = granted(client, "admin")["token_id"]
    assert client.delete(f"{TOKENS}/{other}", auth=("ci", "secret")).status_code == 403
    listed = client.get(TOKENS, auth=("ci", "secret")).json()["tokens"]
    assert other not in {one["token_id"] for one in listed}
    assert client.get(TOKENS).status_code == 401


def test_no_password_and_no_token_is_stored(client: httpx.Client, sandbox: RunningSandbox) -> None:
    answer = granted(client, refreshable=True, include_reference_token=True)
    with sqlite3.connect(sandbox.data / "metadata.sqlite") as connection:
        stored = "\n".join(connection.iterdump())
    for secret in (answer["access_token"], answer["refresh_token"], answer["reference_token"], "AKCp8ci", "password"):
        assert secret not in stored
        assert secret.encode().hex() not in stored.lower()


def test_an_api_key_works_alone_and_as_a_password_until_it_is_switched_off(
    client: httpx.Client, artifactory_sandbox_factory: Callable[..., RunningSandbox]
) -> None:
    alone = {"X-JFrog-Art-Api": "AKCp8ci"}
    assert client.get(PROBE, headers=alone).status_code == 200
    assert client.get(PROBE, auth=("ci", "AKCp8ci")).status_code == 200
    assert client.get(PROBE, auth=("admin", "AKCp8ci")).status_code == 401
    assert client.get(PROBE, headers={"X-JFrog-Art-Api": "AKCp8cj"}).status_code == 403
    off = artifactory_sandbox_factory(CONFIG | {"api_keys": False})
    assert httpx.get(f"{off.url}{PROBE}", headers=alone).status_code == 403
    assert httpx.get(f"{off.url}{PROBE}", auth=("ci", "AKCp8ci")).status_code == 401


def identity(key: Any = KEY, kid: str = "one", **claims: object) -> str:
    usual = {"iss": ISSUER, "aud": "artifactory", "sub": "repo:org/app", "exp": int(time.time()) + 300}
    return jwt.encode(usual | claims, key, algorithm="RS256", headers={"kid": kid})


def exchange(client: httpx.Client, token: str, **fields: object) -> httpx.Response:
    body = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "subject_token": token,
        "provider_name": "ci-system",
    }
    return client.post(OIDC, json=body | fields)


def test_an_identity_token_is_exchanged_for_the_one_that_its_claims_map_to(client: httpx.Client) -> None:
    build = exchange(client, identity(repository="org/app", ref="refs/heads/main")).json()
    assert (build["expires_in"], build["scope"]) == (60, "applied-permissions/groups:readers")
    assert build["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert "refresh_token" not in build
    assert probe(client, build["access_token"]) == 200
    release = exchange(client, identity(repository="org/app", ref="refs/tags/v1"), include_reference_token=True).json()
    assert (release["username"], release["scope"]) == ("ci", "applied-permissions/user")
    assert probe(client, release["reference_token"]) == 200
    chosen = exchange(client, identity(repository="org/app", ref="refs/tags/v1"), identity_mapping_name="builds")
    assert chosen.json()["scope"] == "applied-permissions/groups:readers"


@pytest.mark.parametrize(
    "token",
    [
        identity(repository="elsewhere/app"),
        identity(repository="org/app", exp=1),
        identity(repository="org/app", iss="https://evil.example.org"),
        identity(repository="org/app", aud="other"),
        identity(OTHER_KEY, repository="org/app"),
        identity(OTHER_KEY, "two", repository="org/app"),
        jwt.encode({"repository": "org/app", "iss": ISSUER, "aud": "artifactory"}, "k" * 32, algorithm="HS256"),
        "nonsense",
        "",
    ],
)
def test_an_identity_token_that_does_not_hold_is_refused(client: httpx.Client, token: str) -> None:
    refused = exchange(client, token)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_grant")


def test_an_identity_that_is_called_like_a_user_is_not_that_user(client: httpx.Client) -> None:
    granted(client)
    answer = exchange(client, identity(repository="org/app", sub="repo:org/app:ref:refs/heads/ci")).json()
    assert answer["username"] == "oidc-ci"
    listed = client.get(TOKENS, headers=bearer(answer["access_token"])).json()["tokens"]
    assert {one["subject"].rpartition("/")[2] for one in listed} == {"oidc-ci"}


def test_an_exchange_with_an_unknown_provider_or_grant_is_refused(client: httpx.Client) -> None:
    token = identity(repository="org/app")
    assert exchange(client, token, provider_name="other").json()["error"] == "invalid_request"
    assert exchange(client, token, grant_type="password").json()["error"] == "unsupported_grant_type"


@pytest.mark.parametrize("body", ["", "{", "[]", "[" * 100_000])
def test_a_body_that_is_none_is_a_clear_refusal(client: httpx.Client, body: str) -> None:
    for path in (TOKENS, OIDC, LEGACY):
        refused = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert refused.status_code == 400
        assert refused.json()["errors"]


@pytest.mark.parametrize("changes", [{"keys": [{"kty": "none"}]}, {"mappings": [{"name": "x"}]}, {"mappings": []}])
def test_an_oidc_provider_that_cannot_work_is_refused_at_the_start(changes: dict[str, object]) -> None:
    provider = CONFIG["oidc"]["ci-system"] | changes
    with pytest.raises(ConfigError, match=r"oidc\.ci-system"):
        parse_config({"oidc": {"ci-system": provider}})


def status(client: httpx.Client, token: str, method: str, path: str) -> int:
    return client.request(method, path, headers=bearer(token)).status_code


def test_a_scope_of_artifacts_limits_even_an_administrator_to_a_repository_paths_and_actions(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    for reference in ("docker-dev/limited/app:1", "docker-dev/other/app:1", "docker-qa/limited/app:1"):
        sandbox.push_image(reference)
    limited, other = "limited/app/manifests/1", "other/app/manifests/1"
    scope = "applied-permissions/admin artifact:docker-dev/limited:r artifact:docker-qa/**:r,d"
    answer = granted(client, "admin", scope=scope)
    token = answer["access_token"]
    docker_token = client.get("/api/docker/docker-dev/v2/token", headers=bearer(token)).json()["token"]
    assert answer["scope"] == scope
    for one in (token, docker_token):
        assert status(client, one, "GET", f"/api/docker/docker-dev/v2/{limited}") == 200
        assert status(client, one, "GET", f"/api/docker/docker-dev/v2/{other}") == 403
        assert status(client, one, "DELETE", f"/api/docker/docker-dev/v2/{limited}") == 403
        assert status(client, one, "GET", "/sandbox/faults") == 403
        found = client.post("/api/search/aql", content='items.find({"name": "manifest.json"})', headers=bearer(one))
        assert {item["repo"] for item in found.json()["results"]} == {"docker-dev", "docker-qa"}
        assert all(item["path"].startswith("limited/") for item in found.json()["results"])
    assert status(client, token, "DELETE", f"/api/docker/docker-qa/v2/{limited}") == 202


def test_a_limited_token_gives_no_token_beyond_its_limits(client: httpx.Client) -> None:
    token = granted(client, scope="artifact:docker-dev:r artifact:docker-qa:r")["access_token"]
    for scope, expected in (
        ("applied-permissions/user", 403),
        ("artifact:docker-dev:r,w", 403),
        ("applied-permissions/admin artifact:docker-dev:r", 403),
        ("artifact:docker-dev:r", 200),
    ):
        assert client.post(TOKENS, json={"scope": scope}, headers=bearer(token)).status_code == expected


def test_a_user_whose_name_ends_like_anothers_is_not_that_user(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    users = {"admin": {"password": "password", "admin": True}, "team/admin": {"password": "q"}}
    sandbox = artifactory_sandbox_factory({"users": users})
    with httpx.Client(base_url=sandbox.url, auth=("team/admin", "q")) as client:
        access = client.post(TOKENS, json={}).json()["access_token"]
        docker = client.get("/api/docker/docker-dev/v2/token").json()["token"]
        assert [probe(client, token, "/sandbox/faults") for token in (access, docker)] == [403, 403]


def test_whoever_has_no_name_cannot_search_with_a_token_either(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    sandbox = artifactory_sandbox_factory({"anonymous": True})
    scopes = ("applied-permissions/user", "artifact:docker-dev:r")
    with httpx.Client(base_url=sandbox.url) as client:
        for scope in scopes:
            token = client.post(TOKENS, json={"scope": scope}).json()["access_token"]
            answer = client.post("/api/search/aql", content="items.find()", headers=bearer(token))
            assert answer.status_code == 401


def test_a_token_that_may_not_read_a_repository_does_not_list_it(client: httpx.Client) -> None:
    scope = "artifact:docker-qa:r artifact:docker-dev:w"
    token = granted(client, "admin", scope=scope)["access_token"]
    listed = client.get("/api/repositories", headers=bearer(token)).json()
    assert [one["key"] for one in listed] == ["docker-qa"]
