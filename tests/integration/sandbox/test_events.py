"""Webhooks: what is told to whom, in which order, and how a receiver knows that it is true."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.integration.sandbox.receiving import SUBSCRIPTIONS, Receiver, receiving, subscribe, subscription

from artifactory_sandbox.manifests import content_digest
from artifactory_sandbox.names import Place
from artifactory_sandbox.pytest_plugin import running_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from artifactory_sandbox.pytest_plugin import RunningSandbox

PROMOTE = "/api/docker/docker-dev/v2/promote"
SECRET = "s3cret-of-the-receiver"


@pytest.fixture
def sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    return artifactory_sandbox_factory({"webhooks": {"pause": 0.01, "attempts": 4}})


@pytest.fixture
def client(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, auth=(sandbox.username, sandbox.password)) as client:
        yield client


def test_pushes_promotions_and_deletions_are_told_in_order_in_artifactorys_envelope(
    client: httpx.Client, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    subscribe(client, receiver.url, handler={"custom_http_headers": [{"name": "X-Team", "value": "payments"}]})
    digest = sandbox.push_image("docker-dev/team/app:1.0", platforms=["linux/amd64", "linux/arm64"])
    client.post(PROMOTE, json={"targetRepo": "docker-prod", "dockerRepository": "team/app", "tag": "1.0"})
    client.delete("/api/docker/docker-prod/v2/team/app/manifests/1.0")
    pushed, promoted, deleted = (receiver.next() for _ in range(3))
    assert pushed.headers["x-team"] == "payments"
    event = pushed.event
    assert event["data"].pop("size") > 0
    assert event.pop("data") == {
        "repo_key": "docker-dev",
        "path": "team/app/1.0/list.manifest.json",
        "name": "list.manifest.json",
        "sha256": digest.removeprefix("sha256:"),
        "image_name": "team/app",
        "image_type": "oci",
        "tag": "1.0",
        "platforms": [{"architecture": "amd64", "os": "linux"}, {"architecture": "arm64", "os": "linux"}],
    }
    assert event == {
        "domain": "docker",
        "event_type": "pushed",
        "subscription_key": "mine",
        "jpd_origin": "http://artifactory-sandbox",
        "source": "jfrog/admin",
    }
    told = [(one.event["event_type"], one.event["data"]["repo_key"]) for one in (promoted, deleted)]
    assert told == [("promoted", "docker-prod"), ("deleted", "docker-prod")]
    assert client.delete(f"{SUBSCRIPTIONS}/mine").status_code == 204


@pytest.mark.parametrize("is_signed", [False, True])
def test_the_receiver_can_tell_that_an_event_is_true(
    client: httpx.Client, sandbox: RunningSandbox, receiver: Receiver, is_signed: bool
) -> None:
    subscribe(client, receiver.url, handler={"secret": SECRET, "use_secret_for_signing": is_signed})
    sandbox.push_image("docker-dev/signed:1.0", content=str(is_signed))
    delivery = receiver.next()
    signature = hmac.new(SECRET.encode(), delivery.body, hashlib.sha256).hexdigest()
    assert delivery.headers["x-jfrog-event-auth"] == (signature if is_signed else SECRET)
    assert client.delete(f"{SUBSCRIPTIONS}/mine").status_code == 204


def test_a_push_over_http_is_told_once_for_its_tag(
    client: httpx.Client, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    digest = sandbox.push_image("docker-dev/over-http:1.0")
    subscribe(client, receiver.url)
    root = "/api/docker/docker-dev/v2/over-http/manifests"
    manifest = client.get(f"{root}/{digest}")
    for reference in ("2.0", digest, "3.0"):
        headers = {"Content-Type": manifest.headers["content-type"]}
        assert client.put(f"{root}/{reference}", content=manifest.content, headers=headers).status_code == 201
    assert client.delete(f"{root}/{digest}").status_code == 202
    told = [(one["event_type"], one["data"]["tag"]) for one in (receiver.next().event for _ in range(5))]
    assert told[:2] == [("pushed", "2.0"), ("pushed", "3.0")]
    assert sorted(told[2:]) == [("deleted", "1.0"), ("deleted", "2.0"), ("deleted", "3.0")]
    sandbox.push_image("docker-dev/over-http:4.0")
    assert client.delete("/docker-dev/over-http").status_code == 204
    assert receiver.tags(2) == ["4.0", "4.0"]
    assert client.delete(f"{SUBSCRIPTIONS}/mine").status_code == 204


def test_an_image_with_a_config_that_cannot_be_read_is_told_without_platforms(
    client: httpx.Client, receiver: Receiver
) -> None:
    subscribe(client, receiver.url)
    root, config = "/api/docker/docker-dev/v2/odd", b"[" * 100_000
    digest = content_digest(config)
    described = {"mediaType": "application/json", "digest": digest, "size": len(config)}
    pushed = client.post(f"{root}/blobs/uploads/", params={"digest": digest}, content=config)
    assert pushed.status_code == 201
    manifest = {"schemaVersion": 2, "config": described, "layers": []}
    assert client.put(f"{root}/manifests/1.0", json=manifest).status_code == 201
    assert receiver.next().event["data"]["platforms"] == []
    assert client.delete(f"{SUBSCRIPTIONS}/mine").status_code == 204


def test_a_receiver_that_fails_hears_all_in_order_once_it_is_well(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    with receiving(statuses=(500, 503)) as receiver:
        subscribe(client, receiver.url)
        for tag in ("1", "2", "3"):
            sandbox.push_image(f"docker-dev/retried:{tag}")
        assert receiver.tags(5) == ["1", "1", "1", "2", "3"]
        assert client.delete(f"{SUBSCRIPTIONS}/mine").status_code == 204


def test_an_event_that_no_one_takes_is_given_up_and_the_next_one_told(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    with receiving(statuses=(500,) * 4) as receiver:
        subscribe(client, receiver.url)
        for tag in ("1", "2"):
            sandbox.push_image(f"docker-dev/given-up:{tag}")
        assert receiver.tags(5) == ["1", "1", "1", "1", "2"]
        assert client.delete(f"{SUBSCRIPTIONS}/mine").status_code == 204


def test_a_receiver_that_is_down_keeps_no_other_from_hearing(
    client: httpx.Client, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    with receiving() as gone:
        nowhere = gone.url
    subscribe(client, nowhere, key="down")
    subscribe(client, receiver.url)
    sandbox.push_image("docker-dev/beside:1")
    sandbox.push_image("docker-dev/beside:2")
    assert receiver.tags(2) == ["1", "2"]
    for key in ("mine", "down"):
        assert client.delete(f"{SUBSCRIPTIONS}/{key}").status_code == 204


def test_a_receiver_that_is_never_there_has_no_more_events_kept_for_it_than_the_queue_holds(tmp_path: Path) -> None:
    with receiving() as gone:
        port = gone.server_address[1]
    config = {"webhooks": {"pause": 0.01, "attempts": 1000, "queue": 5}}
    with running_sandbox(tmp_path, config) as sandbox:
        body = subscription(f"http://127.0.0.1:{port}/hook")
        auth = (sandbox.username, sandbox.password)
        assert httpx.post(f"{sandbox.url}{SUBSCRIPTIONS}", json=body, auth=auth).status_code == 201
        for tag in range(12):
            sandbox.push_image(f"docker-dev/app:{tag}")
        with sandbox.service.database.reading() as tx:
            waiting = [json.loads(body)["data"]["tag"] for (body,) in tx.execute("SELECT body FROM events ORDER BY id")]
    assert waiting == ["7", "8", "9", "10", "11"]
    with receiving(port) as receiver, running_sandbox(tmp_path, config):
        assert receiver.tags(5) == waiting


def test_a_receiver_that_never_ends_its_answer_is_told_the_next_event_all_the_same(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    with receiving() as receiver:
        receiver.is_endless = True
        subscribe(client, receiver.url)
        for tag in ("1", "2"):
            sandbox.push_image(f"docker-dev/endless:{tag}")
        assert receiver.tags(2) == ["1", "2"]
        assert client.delete(f"{SUBSCRIPTIONS}/mine").status_code == 204


def test_what_was_not_told_before_a_restart_is_told_after_it(tmp_path: Path) -> None:
    config = {"webhooks": {"pause": 0.01, "attempts": 1000}}
    with receiving() as first:
        port = first.server_address[1]
    with running_sandbox(tmp_path, config) as sandbox:
        auth = (sandbox.username, sandbox.password)
        body = subscription(f"http://127.0.0.1:{port}/hook")
        assert httpx.post(f"{sandbox.url}{SUBSCRIPTIONS}", json=body, auth=auth).status_code == 201
        for tag in ("1", "2"):
            sandbox.push_image(f"docker-dev/app:{tag}")
    with receiving(port) as receiver, running_sandbox(tmp_path, config):
        assert receiver.tags(2) == ["1", "2"]


def test_what_others_ask_before_a_change_is_committed_does_not_delay_its_event(
    client: httpx.Client, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    sandbox.push_image("docker-dev/beside-requests:1")
    subscribe(client, receiver.url)
    with sandbox.service.database.writing() as tx:
        sandbox.service.events.record(tx, "pushed", Place("docker-dev", "beside-requests"), "1", user="admin")
        for _ in range(20):
            assert client.get("/api/system/ping").status_code == 200
    assert receiver.tags(1) == ["1"]
    assert client.delete(f"{SUBSCRIPTIONS}/mine").status_code == 204


def test_only_what_a_subscription_is_about_is_told(
    client: httpx.Client, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    criteria = {"repoKeys": ["docker-dev"], "includePatterns": ["team/**"], "excludePatterns": ["team/secret/**"]}
    subscribe(client, receiver.url, criteria=criteria)
    subscribe(client, receiver.url, key="remotes", criteria={"anyRemote": True})
    subscribe(client, receiver.url, key="asleep", enabled=False)
    for name in ("docker-dev/other:1", "docker-qa/team/app:2", "docker-dev/team/secret:3", "docker-dev/team/app:4"):
        sandbox.push_image(name)
    with pytest.raises(LookupError):
        sandbox.delete("docker-dev/team/app:5")
    sandbox.push_image("docker-dev/team/app:6")
    assert receiver.tags(2) == ["4", "6"]
    changed = subscription(receiver.url, criteria={"anyLocal": True})
    assert client.put(f"{SUBSCRIPTIONS}/mine", json=changed).status_code == 200
    sandbox.push_image("docker-dev/other:7")
    assert receiver.tags(1) == ["7"]
    for key in ("mine", "remotes", "asleep"):
        assert client.delete(f"{SUBSCRIPTIONS}/{key}").status_code == 204


def test_subscriptions_are_kept_and_their_secrets_never_shown(client: httpx.Client, receiver: Receiver) -> None:
    subscribe(client, receiver.url, handler={"secret": SECRET})
    assert client.post(SUBSCRIPTIONS, json=subscription(receiver.url)).status_code == 409
    one, all_of_them = client.get(f"{SUBSCRIPTIONS}/mine"), client.get(SUBSCRIPTIONS)
    assert all_of_them.json() == [one.json()]
    assert one.json()["handlers"][0]["secret"] == "***"
    assert one.json()["event_filter"]["criteria"]["anyLocal"]
    assert client.delete(f"{SUBSCRIPTIONS}/mine").status_code == 204
    for method in ("GET", "DELETE"):
        assert client.request(method, f"{SUBSCRIPTIONS}/mine").status_code == 404
    assert client.put(f"{SUBSCRIPTIONS}/mine", json=subscription(receiver.url)).status_code == 404
    assert client.put(f"{SUBSCRIPTIONS}/other", json=subscription(receiver.url)).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "no spaces"},
        {"event_filter": {"domain": "artifact", "event_types": ["deployed"]}},
        {"event_filter": {"domain": "docker", "event_types": ["exploded"]}},
        {"handlers": []},
        {"handlers": [{"url": "ftp://example.org"}]},
        {"handlers": [{"url": "http://example.org", "proxy": "corporate-proxy"}]},
        {"handlers": [{"url": "http://example.org", "secret": "two\r\nlines"}]},
        {"handlers": [{"url": "http://example.org", "custom_http_headers": [{"name": "a b", "value": "c"}]}]},
    ],
)
def test_a_subscription_that_cannot_work_is_refused(client: httpx.Client, changes: dict[str, object]) -> None:
    refused = client.post(SUBSCRIPTIONS, json=subscription("http://example.org") | changes)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["message"].startswith("The subscription is not valid: ")
    assert client.get(SUBSCRIPTIONS).json() == []
