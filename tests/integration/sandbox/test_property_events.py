"""Webhooks of properties: which changes are told, of what, and to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.integration.sandbox.receiving import SUBSCRIPTIONS, Receiver, receiving, subscribe, subscription

from artifactory_sandbox.manifests import content_digest
from artifactory_sandbox.pytest_plugin import running_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from artifactory_sandbox.pytest_plugin import RunningSandbox

FOLDER = "team/app/1.0"
MANIFEST = f"{FOLDER}/manifest.json"
STORAGE = "/api/storage/docker-dev"
METADATA = "/api/metadata/docker-dev"
PROMOTE = "/api/docker/docker-dev/v2/promote"
PROPERTIES = {"domain": "artifact_property", "event_types": ["added", "deleted"], "criteria": {"anyLocal": True}}
IMAGES = {"domain": "docker", "event_types": ["pushed", "deleted", "promoted"], "criteria": {"anyLocal": True}}


@pytest.fixture
def digest(artifactory_sandbox: RunningSandbox) -> str:
    return artifactory_sandbox.push_image("docker-dev/team/app:1.0")


def put(client: httpx.Client, properties: str, path: str = MANIFEST, **query: str) -> None:
    assert client.put(f"{STORAGE}/{path}", params={"properties": properties, **query}).status_code == 204


def delete(client: httpx.Client, keys: str, path: str = MANIFEST) -> None:
    assert client.delete(f"{STORAGE}/{path}", params={"properties": keys}).status_code == 204


def patch(client: httpx.Client, properties: dict[str, Any]) -> None:
    assert client.patch(f"{METADATA}/{MANIFEST}", json={"props": properties}).status_code == 204


def heard(receiver: Receiver, count: int) -> list[tuple[str, str, list[str]]]:
    """Return what is told next: the event, the property's key and its values."""
    events = [receiver.next().event for _ in range(count)]
    return [(one["event_type"], one["data"]["property_key"], one["data"]["property_values"]) for one in events]


def waiting(sandbox: RunningSandbox) -> int:
    with sandbox.service.database.reading() as tx:
        count: int = tx.execute("SELECT count(*) FROM events").fetchone()[0]
        return count


def test_a_property_that_is_set_and_deleted_is_told_in_artifactorys_envelope(
    client: httpx.Client, receiver: Receiver, digest: str
) -> None:
    subscribe(client, receiver.url, event_filter=PROPERTIES)
    put(client, "qa.status=passed")
    delete(client, "qa.status")
    for event_type in ("added", "deleted"):
        event = receiver.next().event
        assert event["data"].pop("size") > 0
        assert event == {
            "domain": "artifact_property",
            "event_type": event_type,
            "data": {
                "repo_key": "docker-dev",
                "path": MANIFEST,
                "name": "manifest.json",
                "sha256": digest.removeprefix("sha256:"),
                "property_key": "qa.status",
                "property_values": ["passed"],
            },
            "subscription_key": "mine",
            "jpd_origin": "http://artifactory-sandbox",
            "source": "jfrog/admin",
        }


def test_each_property_that_changes_is_told_once_in_the_order_of_the_changes(
    client: httpx.Client, artifactory_sandbox: RunningSandbox, receiver: Receiver, digest: str
) -> None:
    subscribe(client, receiver.url, event_filter=PROPERTIES)
    put(client, "b=2;a=1,9,9")
    put(client, "a=3")
    patch(client, {"c": ["x", "y"], "a": None, "b": "4"})
    artifactory_sandbox.set_properties("docker-dev/team/app:1.0", {"c": "z", "b": []})
    assert heard(receiver, 8) == [
        ("added", "b", ["2"]),
        ("added", "a", ["1", "9"]),
        ("added", "a", ["3"]),
        ("added", "c", ["x", "y"]),
        ("deleted", "a", ["3"]),
        ("added", "b", ["4"]),
        ("added", "c", ["z"]),
        ("deleted", "b", ["4"]),
    ]
    assert artifactory_sandbox.properties("docker-dev/team/app:1.0")["c"] == ["z"]


def test_what_changes_nothing_is_not_told(client: httpx.Client, receiver: Receiver, digest: str) -> None:
    put(client, "a=1,2")
    subscribe(client, receiver.url, event_filter=PROPERTIES)
    put(client, "a=2,1")
    patch(client, {"a": ["1", "2"], "missing": None})
    delete(client, "missing")
    put(client, "last=1")
    assert heard(receiver, 1) == [("added", "last", ["1"])]


def test_values_that_stay_are_told_again_where_that_is_set(tmp_path: Path) -> None:
    with (
        receiving() as receiver,
        running_sandbox(tmp_path, {"webhooks": {"unchanged_properties": True}}) as sandbox,
        httpx.Client(base_url=sandbox.url, auth=(sandbox.username, sandbox.password)) as client,
    ):
        sandbox.push_image("docker-dev/team/app:1.0")
        put(client, "a=1")
        subscribe(client, receiver.url, event_filter=PROPERTIES)
        put(client, "a=1")
        delete(client, "missing")
        put(client, "last=1")
        assert heard(receiver, 2) == [("added", "a", ["1"]), ("added", "last", ["1"])]


def test_properties_of_a_folder_are_told_of_all_that_they_reach(
    client: httpx.Client, receiver: Receiver, digest: str
) -> None:
    subscribe(client, receiver.url, event_filter=PROPERTIES)
    files = [child["uri"] for child in client.get(f"{STORAGE}/{FOLDER}").json()["children"]]
    assert len(files) > 2
    put(client, "team=payments", FOLDER)
    told = {event["data"]["path"]: event["data"] for event in (receiver.next().event for _ in range(len(files) + 1))}
    assert set(told) == {FOLDER} | {f"{FOLDER}{name}" for name in files}
    folder = {"repo_key": "docker-dev", "path": FOLDER, "name": "1.0"}
    assert told[FOLDER] == {**folder, "property_key": "team", "property_values": ["payments"]}
    put(client, "alone=1", FOLDER, recursive="0")
    put(client, "last=1")
    assert [key for _, key, _ in heard(receiver, 2)] == ["alone", "last"]


def test_only_events_paths_and_repositories_of_a_subscription_are_told(
    client: httpx.Client, artifactory_sandbox: RunningSandbox, receiver: Receiver, digest: str
) -> None:
    criteria = {
        "repoKeys": ["docker-dev"],
        "includePatterns": ["team/**"],
        "excludePatterns": ["**/list.manifest.json"],
    }
    about = {"domain": "artifact_property", "event_types": ["added"], "criteria": criteria}
    subscribe(client, receiver.url, event_filter=about)
    subscribe(client, receiver.url, key="asleep", event_filter=PROPERTIES, enabled=False)
    subscribe(client, receiver.url, key="remote", event_filter=PROPERTIES | {"criteria": {"anyRemote": True}})
    references = ("docker-qa/team/app:1.0", "docker-dev/other/app:1.0", "docker-dev/team/app:2.0")
    for reference in references:
        platforms = ("linux/amd64", "linux/arm64") if reference.endswith(":2.0") else ("linux/amd64",)
        artifactory_sandbox.push_image(reference, platforms=platforms)
        artifactory_sandbox.set_properties(reference, {"a": "1"})
    put(client, "first=1")
    delete(client, "first")
    put(client, "last=1")
    assert [key for _, key, _ in heard(receiver, 2)] == ["first", "last"]


def test_a_subscription_hears_of_its_own_domain_alone(
    client: httpx.Client, artifactory_sandbox: RunningSandbox, receiver: Receiver, digest: str
) -> None:
    with receiving() as images:
        subscribe(client, receiver.url, event_filter=PROPERTIES)
        subscribe(client, images.url, key="images", event_filter=IMAGES)
        put(client, "a=1")
        delete(client, "a")
        artifactory_sandbox.delete("docker-dev/team/app:1.0")
        artifactory_sandbox.push_image("docker-dev/team/app:2.0")
        put(client, "last=1", "team/app/2.0/manifest.json")
        assert [key for _, key, _ in heard(receiver, 3)] == ["a", "a", "last"]
        assert [images.next().event["event_type"] for _ in range(2)] == ["deleted", "pushed"]


def test_pushing_promoting_and_deleting_tell_of_no_properties(
    client: httpx.Client, artifactory_sandbox: RunningSandbox, receiver: Receiver, digest: str
) -> None:
    put(client, "qa.status=passed")
    subscribe(client, receiver.url, event_filter=PROPERTIES)
    body = {"targetRepo": "docker-qa", "dockerRepository": "team/app", "tag": "1.0"}
    assert client.post(PROMOTE, json=body | {"copy": True}).status_code == 200
    assert client.post(PROMOTE, json=body | {"targetTag": "moved"}).status_code == 200
    assert client.delete("/docker-qa/team/app/moved").status_code == 204
    assert artifactory_sandbox.properties("docker-qa/team/app:1.0")["qa.status"] == ["passed"]
    artifactory_sandbox.push_image("docker-dev/team/app:1.0", content="again")
    put(client, "last=1")
    assert heard(receiver, 1) == [("added", "last", ["1"])]


def test_a_change_that_is_refused_is_not_told(client: httpx.Client, receiver: Receiver, digest: str) -> None:
    put(client, f"many={','.join(map(str, range(900)))}")
    subscribe(client, receiver.url, event_filter=PROPERTIES)
    more = client.put(f"{STORAGE}/{MANIFEST}", params={"properties": f"more={','.join(map(str, range(200)))}"})
    assert more.status_code == 400
    put(client, "last=1")
    assert heard(receiver, 1) == [("added", "last", ["1"])]


def test_a_receiver_that_fails_hears_of_all_properties_in_order_once_it_is_well(tmp_path: Path) -> None:
    config = {"webhooks": {"pause": 0.01, "attempts": 1000}}
    with receiving() as first:
        port = first.server_address[1]
    with running_sandbox(tmp_path, config) as sandbox:
        auth = (sandbox.username, sandbox.password)
        with httpx.Client(base_url=sandbox.url, auth=auth) as client:
            sandbox.push_image("docker-dev/team/app:1.0")
            subscribe(client, f"http://127.0.0.1:{port}/hook", event_filter=PROPERTIES)
            put(client, "a=1")
            put(client, "b=2;c=3")
    with receiving(port, statuses=(500,)) as receiver, running_sandbox(tmp_path, config):
        assert [key for _, key, _ in heard(receiver, 4)] == ["a", "a", "b", "c"]


def test_a_receiver_that_is_never_there_has_no_more_properties_kept_for_it_than_the_queue_holds(
    tmp_path: Path,
) -> None:
    with receiving() as gone:
        nowhere = gone.url
    with (
        running_sandbox(tmp_path, {"webhooks": {"pause": 60, "attempts": 1000, "queue": 5}}) as sandbox,
        httpx.Client(base_url=sandbox.url, auth=(sandbox.username, sandbox.password)) as client,
    ):
        sandbox.push_image("docker-dev/team/app:1.0")
        subscribe(client, nowhere, event_filter=PROPERTIES)
        put(client, ";".join(f"key{number}=1" for number in range(40)))
        assert waiting(sandbox) == 5


@pytest.fixture
def statements(artifactory_sandbox: RunningSandbox, digest: str) -> Iterator[list[str]]:
    """What is asked of the database from now on, of those that write."""
    found: list[str] = []
    with artifactory_sandbox.service.database.writing() as tx:
        tx.set_trace_callback(found.append)
    yield found
    with artifactory_sandbox.service.database.writing() as tx:
        tx.set_trace_callback(None)


@pytest.mark.parametrize("others", [[], [IMAGES], [PROPERTIES | {"criteria": {"repoKeys": ["docker-prod"]}}]])
def test_while_nobody_wants_to_hear_of_a_property_nothing_is_looked_up_for_it(
    client: httpx.Client, receiver: Receiver, statements: list[str], others: list[dict[str, object]]
) -> None:
    for number, event_filter in enumerate(others):
        subscribe(client, receiver.url, key=f"other-{number}", event_filter=event_filter)
    statements.clear()
    put(client, "a=1;b=2")
    patch(client, {"a": "3"})
    assert any("INSERT OR IGNORE INTO properties" in one for one in statements)
    assert [one for one in statements if "SELECT key, value FROM properties" in one or "INTO events" in one] == []


def test_an_image_that_is_known_by_its_sha512_has_no_other_checksum_in_its_place(
    client: httpx.Client, receiver: Receiver
) -> None:
    root, config = "/api/docker/docker-dev/v2/odd", b"{}"
    digest = content_digest(config)
    described = {"mediaType": "application/json", "digest": digest, "size": len(config)}
    assert client.post(f"{root}/blobs/uploads/", params={"digest": digest}, content=config).status_code == 201
    manifest = httpx.Request("PUT", "http://x", json={"schemaVersion": 2, "config": described, "layers": []}).content
    query = {"digest": content_digest(manifest, "sha512")}
    headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    pushed = client.put(f"{root}/manifests/1.0", content=manifest, params=query, headers=headers)
    assert pushed.status_code == 201
    subscribe(client, receiver.url, event_filter=PROPERTIES)
    put(client, "a=1", "odd/1.0/manifest.json")
    assert "sha256" not in receiver.next().event["data"]


@pytest.mark.parametrize(
    ("event_filter", "reason"),
    [
        ({"event_types": ["pushed"]}, "the domain 'artifact_property' has no event 'pushed', only added, deleted"),
        ({"domain": "docker"}, "the domain 'docker' has no event 'added', only pushed, deleted, promoted"),
        ({"domain": "artifact"}, "Input should be 'docker' or 'artifact_property'"),
        ({"event_types": []}, "Tuple should have at least 1 item"),
    ],
)
def test_a_subscription_to_events_that_its_domain_does_not_have_is_refused(
    client: httpx.Client, event_filter: dict[str, object], reason: str
) -> None:
    body = subscription("http://example.org", event_filter=PROPERTIES | event_filter)
    refused = client.post(SUBSCRIPTIONS, json=body)
    assert refused.status_code == 400
    assert reason in refused.json()["errors"][0]["message"]
    assert client.get(SUBSCRIPTIONS).json() == []
