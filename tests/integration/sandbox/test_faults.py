"""Faults: what a client that meets one sees, and what was done behind it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from artifactory_sandbox.pytest_plugin import RunningSandbox

MANIFEST = "/api/docker/docker-dev/v2/app/manifests/1.0"
UPLOADS = "/api/docker/docker-dev/v2/app/blobs/uploads/"
PROMOTE = "/api/docker/docker-dev/v2/promote"
TO_PROD = {"targetRepo": "docker-prod", "dockerRepository": "app", "tag": "1.0", "copy": True}
ADMIN_ROUTES = [
    ("GET", "/sandbox/faults"),
    ("POST", "/sandbox/faults"),
    ("DELETE", "/sandbox/faults"),
    ("DELETE", "/sandbox/faults/1"),
]


@pytest.fixture
def digest(artifactory_sandbox: RunningSandbox) -> str:
    return artifactory_sandbox.push_image("docker-dev/app:1.0")


def statuses(client: httpx.Client, count: int) -> list[int]:
    return [client.head(MANIFEST).status_code for _ in range(count)]


def test_faults_are_set_listed_and_taken_back_over_http(client: httpx.Client, digest: str) -> None:
    assert client.get("/sandbox/faults").json() == []
    number = client.post("/sandbox/faults", json={"effect": "status", "status": 429, "path": "*/manifests/*"}).json()
    assert statuses(client, 2) == [429, 429]
    listed = {"id": 1, "effect": "status", "status": 429, "path": "*/manifests/*", "seen": 2, "hits": 2}
    assert client.get("/sandbox/faults").json() == [listed]
    assert client.delete(f"/sandbox/faults/{number['id']}").status_code == 204
    assert client.delete(f"/sandbox/faults/{number['id']}").status_code == 404
    assert statuses(client, 1) == [200]
    client.post("/sandbox/faults", json={"effect": "reset"})
    client.post("/sandbox/faults", json={"effect": "latency"})
    assert client.delete("/sandbox/faults").status_code == 204
    assert client.get("/sandbox/faults").json() == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "effect: Field required"),
        ({"effect": "explode"}, "effect: Input should be"),
        ({"effect": "reset", "often": 1}, "often: unknown key"),
        ({"effect": "reset", "probability": 2}, "probability"),
        ({"effect": "lag"}, "a lag needs 'seconds' or 'reads'"),
        ({"effect": "move_tag", "tag": "nonsense"}, "is no image reference"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_the_reason(
    client: httpx.Client, body: dict[str, object], words: str
) -> None:
    response = client.post("/sandbox/faults", json=body)
    assert response.status_code == 400
    assert words in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(("method", "path"), ADMIN_ROUTES)
def test_the_admin_api_is_for_administrators_only(
    artifactory_sandbox_factory: Callable[..., RunningSandbox], method: str, path: str
) -> None:
    users = {"admin": {"password": "x", "admin": True}, "ci": {"password": "secret"}}
    sandbox = artifactory_sandbox_factory({"users": users, "anonymous": True})
    assert httpx.request(method, f"{sandbox.url}{path}", auth=("ci", "secret")).status_code == 403
    assert httpx.request(method, f"{sandbox.url}{path}").status_code == 401


def test_a_fault_meets_the_requests_that_it_names_and_no_others(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    artifactory_sandbox.add_fault("status", method="GET", path="*/manifests/*", skip=1, count=2)
    assert statuses(client, 3) == [200, 200, 200]
    assert [client.get(MANIFEST).status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    artifactory_sandbox.clear_faults()
    artifactory_sandbox.add_fault("status", path="/v2/docker-dev/*", method=["GET", "HEAD"])
    assert statuses(client, 1) == [200]
    by_path = f"http://{artifactory_sandbox.registry}/v2/docker-dev/app/manifests/1.0"
    assert client.head(by_path).status_code == 503


def test_a_fault_of_some_probability_meets_the_same_requests_with_the_same_seed(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    runs = []
    for seed in (1, 1, 2):
        artifactory_sandbox.add_fault("status", probability=0.5, seed=seed)
        runs.append(statuses(client, 40))
        artifactory_sandbox.clear_faults()
    assert runs[0] == runs[1] != runs[2]
    assert set(runs[0]) == {200, 503}


def test_errors_come_in_the_shape_of_the_api_that_was_asked(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    artifactory_sandbox.add_fault("status", status=429, retry_after=7)
    registry, rest = client.get(MANIFEST), client.get("/api/storage/docker-dev")
    assert registry.json()["errors"][0]["code"] == "TOOMANYREQUESTS"
    assert rest.json()["errors"] == [{"status": 429, "message": "Too Many Requests"}]
    assert registry.headers["retry-after"] == rest.headers["retry-after"] == "7"
    artifactory_sandbox.clear_faults()
    artifactory_sandbox.add_fault("status", status=429)
    assert "retry-after" not in client.get(MANIFEST).headers
    artifactory_sandbox.clear_faults()
    artifactory_sandbox.add_fault("status", status=502, html=True)
    page = client.get(MANIFEST)
    assert (page.status_code, page.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert "<h1>502 Bad Gateway</h1>" in page.text


@pytest.mark.parametrize("fault", [{"effect": "reset"}, {"effect": "status", "status": 504}])
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_work_is_done_or_not_as_the_fault_says(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str, fault: dict[str, Any], when: str
) -> None:
    artifactory_sandbox.add_fault(**fault, when=when, path="*/promote", count=1)
    if fault["effect"] == "reset":
        with pytest.raises(httpx.TransportError):
            client.post(PROMOTE, json=TO_PROD)
    else:
        assert client.post(PROMOTE, json=TO_PROD).status_code == 504
    assert artifactory_sandbox.digest("docker-prod/app:1.0") == (digest if when == "after" else None)
    assert client.post(PROMOTE, json=TO_PROD).status_code == 200


@pytest.mark.parametrize("effect", ["reset", "status"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_streamed_upload_meets_faults_like_any_request(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, effect: str, when: str
) -> None:
    chunk = b"x" * 65536
    content = chunk * 64
    location = client.post(UPLOADS).headers["location"]
    artifactory_sandbox.add_fault(effect, when=when, method="PATCH", count=1)

    def stream() -> Iterator[bytes]:
        for _ in range(64):
            yield chunk

    try:
        assert client.patch(location, content=stream()).status_code == 503
    except httpx.TransportError:
        assert effect == "reset"
    arrived = len(content) if when == "after" else 0
    assert client.get(location).headers["range"] == f"0-{max(arrived - 1, 0)}"
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    rest = content[arrived:]
    assert client.put(location, params={"digest": digest}, content=rest).status_code == 201


def test_a_truncated_body_breaks_off_in_mid_answer(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    whole = client.get(MANIFEST).content
    for size in (None, 5):
        artifactory_sandbox.add_fault("truncate", size=size, count=1)
        with client.stream("GET", MANIFEST) as response:
            received: list[bytes] = []
            with pytest.raises(httpx.RemoteProtocolError):
                received.extend(response.iter_raw())
        assert response.status_code == 200
        assert b"".join(received) == whole[: size or len(whole) // 2]


def test_a_tag_is_moved_between_two_given_requests(artifactory_sandbox: RunningSandbox, client: httpx.Client) -> None:
    first = artifactory_sandbox.push_image("docker-dev/app:1.0", content="one")
    other = artifactory_sandbox.push_image("docker-dev/app:2.0", content="two")
    artifactory_sandbox.add_fault("move_tag", tag="docker-dev/app:1.0", to="2.0", path="*/promote", count=1)
    assert client.head(MANIFEST).headers["docker-content-digest"] == first
    assert client.post(PROMOTE, json=TO_PROD).status_code == 200
    assert artifactory_sandbox.digest("docker-prod/app:1.0") == other
    artifactory_sandbox.add_fault("move_tag", when="after", tag="docker-dev/app:2.0", path="*/promote", count=1)
    assert client.post(PROMOTE, json=TO_PROD | {"tag": "2.0"}).status_code == 200
    assert artifactory_sandbox.digest("docker-dev/app:2.0") is None
    assert artifactory_sandbox.digest("docker-prod/app:2.0") == other


def test_reads_lag_behind_a_write_for_as_long_as_asked(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    promoted = MANIFEST.replace("docker-dev", "docker-prod")
    artifactory_sandbox.add_fault("lag", reads=2, path="*/promote")
    assert client.post(PROMOTE, json=TO_PROD).status_code == 200
    assert [client.head(promoted).status_code for _ in range(3)] == [404, 404, 200]
    artifactory_sandbox.clear_faults()
    artifactory_sandbox.add_fault("lag", seconds=3600, method="DELETE")
    assert client.delete(promoted).status_code == 202
    assert client.head(promoted).status_code == 200
    artifactory_sandbox.clear_faults()
    assert client.head(promoted).status_code == 404


def test_one_node_of_many_goes_on_answering_from_the_past(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    artifactory_sandbox.add_fault("stale", probability=0.3, seed=4)
    other = artifactory_sandbox.push_image("docker-dev/app:1.0", content="newer")
    seen = [client.head(MANIFEST).headers["docker-content-digest"] for _ in range(30)]
    assert set(seen) == {digest, other}
    assert seen.count(other) > seen.count(digest)


def test_a_token_expires_and_a_new_one_works(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    def bearer() -> dict[str, str]:
        return {"Authorization": f"Bearer {client.get('/v2/token').json()['token']}"}

    old = bearer()
    artifactory_sandbox.add_fault("expire_token", path="*/manifests/*", skip=1, count=1)
    assert statuses(client, 3) == [200, 200, 200]
    with httpx.Client(base_url=artifactory_sandbox.url) as other:
        assert [other.head(MANIFEST, headers=old).status_code for _ in range(3)] == [200, 401, 401]
        assert other.head(MANIFEST, headers=bearer()).status_code == 200
        refused = other.get("/api/storage/docker-dev", headers=old)
    assert refused.json()["errors"][0]["message"] == "Token failed verification: expired"


def test_latency_and_other_faults_add_up(artifactory_sandbox: RunningSandbox, client: httpx.Client) -> None:
    artifactory_sandbox.add_fault("latency", seconds=0.2)
    artifactory_sandbox.add_fault("status", status=500)
    response = client.get(MANIFEST)
    assert response.status_code == 500
    assert artifactory_sandbox.requests[-1].seconds > 0.19  # clocks differ by microseconds


def test_the_random_mode_draws_the_same_troubles_from_the_same_seed(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    def run(seed: int) -> list[int]:
        artifactory_sandbox.add_fault("random", seed=seed, probability=0.5)
        for _ in range(60):
            try:
                client.get(MANIFEST)
            except httpx.TransportError:
                continue
        artifactory_sandbox.clear_faults()
        return [record.status for record in artifactory_sandbox.requests[-60:]]

    first = run(7)
    assert run(7) == first
    assert {0, 200, 429} < set(first)


def test_the_log_tells_each_request_with_its_status(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    artifactory_sandbox.add_fault("reset", count=1, path="*/tags/list")
    client.head(MANIFEST)
    with pytest.raises(httpx.TransportError):
        client.get("/api/docker/docker-dev/v2/app/tags/list", params={"n": 1})
    client.get("/sandbox/faults")
    client.get("/nothing")
    told = [(one.method, one.path, one.query, one.status, one.user) for one in artifactory_sandbox.requests]
    assert told == [
        ("HEAD", f"/artifactory{MANIFEST}", "", 200, "admin"),
        ("GET", "/artifactory/api/docker/docker-dev/v2/app/tags/list", "n=1", 0, ""),
        ("GET", "/artifactory/nothing", "", 404, "admin"),
    ]
