"""Deliveries of Artifactory's to Airflow's own API server: who is believed, what is recorded, what is refused."""

from __future__ import annotations

import asyncio
import hmac
import importlib
import json
import logging
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import delete, select
from sqlalchemy.exc import OperationalError

from artifactory_provider.tasks.pushes import PUSHES, VERDICTS, describe_asset
from artifactory_provider.web import webhooks
from artifactory_provider.web.application import app as pages
from artifactory_provider.web.limits import SecretCache, TokenBuckets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

SECRET = "s3cret-of-the-webhooks-ü"
DIGEST, OTHER = "a" * 64, "b" * 64
URL = "/artifactory/webhooks/hooked"
LEAST_SECONDS = 0.05
"""That an answer takes to who does not show the secret."""


@pytest.fixture(scope="module")
def api_server() -> TestClient:
    """Airflow's API server with a database and with this package's plugin, as it is installed."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    from airflow.api_fastapi.app import create_app

    return TestClient(create_app(), base_url="http://testserver", follow_redirects=False)


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections with a secret, with one that is sent as it is, without one, and with nonsense."""
    extras: dict[str, object] = {
        "hooked": {"webhook_secret": SECRET},
        "plain": {"webhook_secret": SECRET, "webhook_auth": "secret"},
        "without": {},
        "broken": {"webhook_secret": SECRET, "webhook_auth": "rot13"},
    }
    for name, extra in extras.items():
        fields = {"conn_type": "artifactory", "host": "http://localhost:1", "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))
    monkeypatch.setattr(webhooks, "cache", SecretCache(lambda conn_id: webhooks._read_secret(conn_id)))
    monkeypatch.setattr(webhooks, "buckets", TokenBuckets(rate=50, burst=200))
    monkeypatch.setitem(webhooks._refusals, "told", float("-inf"))


@pytest.fixture(autouse=True)
def assets(api_server: TestClient) -> None:
    """Assets as DAGs that are scheduled on them leave them in the database, and no event."""
    from airflow.models.asset import AssetActive, AssetEvent, AssetModel
    from airflow.utils.session import create_session

    with create_session() as session:
        session.execute(delete(AssetEvent))
        for kind in (PUSHES, VERDICTS):
            name, uri = describe_asset(kind, "docker-dev")
            if session.scalar(select(AssetModel).where(AssetModel.name == name)) is None:
                session.add(AssetModel(name=name, uri=uri))
                session.flush()
                session.add(AssetActive(name=name, uri=uri))
        forgotten, uri = describe_asset(PUSHES, "docker-old")
        if session.scalar(select(AssetModel).where(AssetModel.name == forgotten)) is None:
            session.add(AssetModel(name=forgotten, uri=uri))


def pushed(**changes: Any) -> dict[str, Any]:
    tag, image = changes.get("tag", "1.4.2"), changes.get("image_name", "payments/api")
    data = {
        "repo_key": "docker-dev",
        "path": f"{image}/{tag}/manifest.json",
        "name": "manifest.json",
        "sha256": DIGEST,
        "size": 1234,
        "image_name": image,
        "tag": tag,
        "platforms": [],
    }
    return {"domain": "docker", "event_type": "pushed", "data": data | changes, "source": "jfrog/admin"}


def written(name: str = "test.status", *values: str, **changes: Any) -> dict[str, Any]:
    data = {
        "repo_key": "docker-dev",
        "path": "payments/api/1.4.2/manifest.json",
        "name": "manifest.json",
        "sha256": DIGEST,
        "property_key": name,
        "property_values": list(values or ("passed",)),
    }
    return {"domain": "artifact_property", "event_type": "added", "data": data | changes}


def sign(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {webhooks.HEADER: hmac.digest(secret.encode(), body, "sha256").hex()}


def send(api_server: TestClient, told: object, url: str = URL, headers: Mapping[str, str] | None = None) -> Any:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return api_server.post(url, content=body, headers=sign(body) if headers is None else headers)


def events() -> list[tuple[str, str | None, dict[str, Any]]]:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session

    with create_session() as session:
        query = select(AssetModel.name, AssetEvent.partition_key, AssetEvent.extra).where(
            AssetEvent.asset_id == AssetModel.id
        )
        return [(name, key, extra) for name, key, extra in session.execute(query.order_by(AssetEvent.id))]


def test_a_push_is_recorded_under_the_key_of_image_tag_and_digest(api_server: TestClient) -> None:
    answer = send(api_server, pushed())
    assert (answer.status_code, answer.json()["result"]) == (200, "new")
    key = f"payments/api:1.4.2@sha256:{DIGEST}"
    assert events() == [("pushes:docker-dev", key, {"image": f"docker-dev/{key}"})]


def test_the_same_push_is_recorded_once_and_another_digest_again(api_server: TestClient) -> None:
    told = [send(api_server, one).json()["result"] for one in (pushed(), pushed(), pushed(sha256=OTHER), pushed())]
    assert told == ["new", "repeat", "new", "repeat"]
    assert len(events()) == 2


def test_the_same_verdict_is_recorded_once_until_it_has_changed(api_server: TestClient) -> None:
    verdicts = ["failed", "failed", "passed", "passed", "failed"]
    told = [send(api_server, written("test.status", one)).json()["result"] for one in verdicts]
    assert told == ["new", "repeat", "new", "repeat", "new"]
    assert send(api_server, written("qa.test.status", "failed")).json()["result"] == "new"
    assert [(name, extra["values"]) for name, _, extra in events()] == [
        ("verdicts:docker-dev", value) for value in ("failed", "passed", "failed", "failed")
    ]


async def test_the_same_delivery_many_times_at_the_same_moment_is_recorded_once(api_server: TestClient) -> None:
    body = json.dumps(pushed()).encode()
    transport = httpx.ASGITransport(api_server.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        answers = await asyncio.gather(*(client.post(URL, content=body, headers=sign(body)) for _ in range(16)))
    results = [answer.json().get("result") for answer in answers if answer.status_code == 200]
    assert results.count("new") == 1
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert len(events()) == 1


def test_a_secret_may_be_sent_as_it_is_where_the_connection_says_so(api_server: TestClient) -> None:
    url = "/artifactory/webhooks/plain"
    shown = {webhooks.HEADER.encode(): SECRET.encode()}
    assert api_server.post(url, content=json.dumps(pushed()), headers=shown).status_code == 200
    assert send(api_server, pushed(), url).status_code == 401, "signed"
    assert api_server.post(URL, content=json.dumps(pushed()), headers=shown).status_code == 401, "not signed"
    assert len(events()) == 1


@pytest.mark.parametrize("url", [URL, "/artifactory/webhooks/without", "/artifactory/webhooks/broken", f"{URL}-not"])
@pytest.mark.parametrize(
    "shown", ["", "x" * 64, "sha256=0", hmac.digest(b"", json.dumps(pushed()).encode(), "sha256").hex(), "ÿ"]
)
def test_who_does_not_show_the_secret_gets_one_and_the_same_answer(
    api_server: TestClient, url: str, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    headers = {webhooks.HEADER.encode(): shown.encode("latin-1")} if shown else {}
    answer = api_server.post(url, content=json.dumps(pushed()), headers=headers)
    assert (answer.status_code, answer.json()) == (
        401,
        {"detail": "This delivery does not show that it may be sent here."},
    )
    assert events() == []
    assert SECRET not in caplog.text


async def test_guessing_is_slow_and_keeps_nobody_else_waiting(api_server: TestClient) -> None:
    body = json.dumps(pushed()).encode()
    transport = httpx.ASGITransport(api_server.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:

        async def guess(url: str) -> float:
            begun = time.monotonic()
            assert (await client.post(url, content=body, headers=sign(body, "guessed"))).status_code == 401
            return time.monotonic() - begun

        assert (await client.post(URL, content=body, headers=sign(body))).status_code == 200
        assert await guess(URL) >= LEAST_SECONDS
        assert await guess(f"{URL}-not") >= LEAST_SECONDS
        guesses = [asyncio.create_task(guess(URL)) for _ in range(50)]
        begun = time.monotonic()
        assert min(await asyncio.gather(*guesses)) >= LEAST_SECONDS
        assert time.monotonic() - begun < 50 * LEAST_SECONDS, "they waited for each other"


def test_a_signature_is_that_of_the_very_bytes(api_server: TestClient) -> None:
    body = json.dumps(pushed()).encode()
    assert send(api_server, body + b" ", headers=sign(body)).status_code == 401
    assert send(api_server, body, headers=sign(body, "another")).status_code == 401
    assert send(api_server, body, headers={webhooks.HEADER: sign(body)[webhooks.HEADER].upper()}).status_code == 401


@pytest.mark.parametrize("conn_id", ["x" * 5000, "%0a%0d", "..%2f..", "%F0%9F%92%A9", "a b"])
def test_an_odd_connection_id_is_refused_like_an_unknown_one(api_server: TestClient, conn_id: str) -> None:
    assert send(api_server, pushed(), f"/artifactory/webhooks/{conn_id}").status_code in {401, 404}


def test_a_login_of_airflows_opens_no_webhook_and_a_webhook_no_page(api_server: TestClient) -> None:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="admin", role="admin"))
    assert send(api_server, pushed(), headers={"Authorization": f"Bearer {token}"}).status_code == 401
    body = b""
    assert api_server.get("/artifactory/promotions.json", headers=sign(body)).status_code == 401


def test_exactly_one_route_has_no_login_of_airflows(api_server: TestClient) -> None:
    from artifactory_provider.web.airflow_internals import REQUIRES_LOGIN

    login = REQUIRES_LOGIN.dependency
    routes = [route for route in pages.routes if isinstance(route, APIRoute)]
    assert routes
    assert all(login in [one.call for one in route.dependant.dependencies] for route in routes)
    others = {getattr(route, "path", "?") for route in pages.routes if not isinstance(route, APIRoute)}
    assert others == {"/static", "/webhooks"}
    assert [(route.path, route.methods) for route in webhooks.app.routes if isinstance(route, APIRoute)] == [
        ("/{conn_id}", {"POST"})
    ]
    assert len(webhooks.app.routes) == 1
    assert api_server.get(URL).status_code == 405


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"<html>", "no JSON"),
        (b"[" * 60_000, "deep"),
        (b'{"domain": ' + b"9" * 60_000 + b"}", "JSON"),
        ([], "no JSON object"),
        ({}, "domain"),
        ({"domain": "docker", "event_type": "pushed"}, "data"),
        ({"domain": "docker", "event_type": "pushed", "data": []}, "data"),
        (pushed(repo_key=None), "repo_key"),
        (pushed(repo_key="../x"), "repository key"),
        (pushed(image_name="UPPER"), "image name"),
        (pushed(image_name="x" * 300), "image name"),
        (pushed(tag="\ud800"), "tag"),
        (pushed(tag=7), "tag"),
        (pushed(sha256=""), "digest"),
        (pushed(sha256="A" * 64), "digest"),
        (written(property_values="passed"), "property_values"),
        (written(property_values=[1]), "property_values"),
        (written(""), "property_key"),
        (written("x" * 256), "property_key"),
    ],
)
def test_what_is_no_delivery_is_refused_and_says_why(api_server: TestClient, told: object, why: str) -> None:
    answer = send(api_server, told)
    assert answer.status_code == 400
    assert why in answer.json()["detail"]
    assert len(answer.json()["detail"]) < 600
    assert events() == []


@pytest.mark.parametrize(
    "told",
    [
        {"domain": "artifact", "event_type": "deployed", "data": {}},
        {"domain": "docker", "event_type": "deleted", "data": {}},
        pushed() | {"event_type": "promoted"},
        pushed(tag=f"sha256-{DIGEST}.sig"),
        pushed(tag=f"sha256:{DIGEST}"),
        pushed(tag="pending-aaaaaaaaaaaa-bbbbbbbb-run1-cccccccc"),
        pushed(tag="moved-aaaaaaaaaaaa-bbbbbbbb-run1"),
        pushed(tag="1.0-previous-aaaaaaaaaaaa"),
        written("docker.manifest"),
        written(path="payments/api/1.4.2/sha256__aa"),
        written(path="payments/api"),
        written(path=f"payments/api/sha256:{DIGEST}/manifest.json"),
    ],
)
def test_what_starts_nothing_is_taken_and_told_so(api_server: TestClient, told: object) -> None:
    answer = send(api_server, told)
    assert (answer.status_code, answer.json()["result"]) == (200, "not for us")
    assert events() == []


@pytest.mark.parametrize("repository", ["docker-unknown", "docker-old"])
def test_where_no_dag_listens_the_answer_says_so(api_server: TestClient, repository: str) -> None:
    answer = send(api_server, pushed(repo_key=repository))
    assert (answer.status_code, answer.json()["result"]) == (200, "nobody")
    assert events() == []


def test_an_oversized_delivery_is_refused_before_it_is_read_and_while_it_is(api_server: TestClient) -> None:
    body = b" " * (webhooks.LARGEST + 1)
    assert send(api_server, body).status_code == 413
    parts = (b" " * 1000 for _ in range(100))
    assert api_server.post(URL, content=parts, headers=sign(b"")).status_code == 413
    assert send(api_server, b"", headers={"Content-Length": "9" * 5000}).status_code == 413
    just_right = json.dumps(pushed()).encode().ljust(webhooks.LARGEST)
    assert send(api_server, just_right).status_code == 200


async def test_a_slow_sender_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "SLOWEST", 0.2)

    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    transport = httpx.ASGITransport(pages)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        answer = await client.post("/webhooks/hooked", content=drip())
    assert answer.status_code == 408


def test_too_many_deliveries_are_told_to_come_again_and_forged_ones_use_up_none(
    api_server: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "buckets", TokenBuckets(rate=0.01, burst=3))
    assert {send(api_server, pushed(), headers={}).status_code for _ in range(10)} == {401}
    told = [send(api_server, pushed(tag=f"1.{number}")) for number in range(4)]
    assert [answer.status_code for answer in told] == [200, 200, 200, 429]
    assert 0 < int(told[-1].headers["Retry-After"]) <= 100
    assert len(events()) == 3


async def test_made_up_connections_do_not_crowd_out_the_true_one(
    api_server: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    read = webhooks._read_secret

    def note(name: str) -> Any:
        asked.append(name)
        return read(name)

    monkeypatch.setattr(webhooks, "_read_secret", note)
    body = json.dumps(pushed()).encode()
    transport = httpx.ASGITransport(api_server.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:

        async def deliver(url: str = URL) -> httpx.Response:
            return await client.post(url, content=body, headers=sign(body))

        assert (await deliver()).status_code == 200
        for start in range(0, 300, 20):
            forged = [deliver(f"{URL}-{number % 200}") for number in range(start, start + 20)]
            assert {answer.status_code for answer in await asyncio.gather(*forged)} == {401}
        assert (await deliver()).json()["result"] == "repeat"
    assert asked.count("hooked") == 1
    assert len(asked) == 201


@pytest.mark.parametrize("broken", ["create_session", "asset"])
def test_while_the_database_is_down_artifactory_is_told_to_send_it_again(
    api_server: TestClient, monkeypatch: pytest.MonkeyPatch, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("SELECT", {}, Exception("down with postgresql://airflow:pw@db/airflow"))

    with monkeypatch.context() as patch:
        if broken == "asset":
            patch.setattr("airflow.assets.manager.asset_manager.register_asset_change", fail)
        else:
            patch.setattr("airflow.utils.session.create_session", fail)
        answer = send(api_server, pushed())
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        assert "postgresql" not in answer.text + caplog.text
    assert send(api_server, pushed()).json()["result"] == "new"
    assert len(events()) == 1


def test_an_unknown_connection_is_not_refused_while_nobody_can_tell(
    api_server: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("SELECT", {}, Exception("down"))

    monkeypatch.setattr("airflow.utils.session.create_session", fail)
    assert send(api_server, pushed(), f"{URL}-not").status_code == 503


@pytest.mark.parametrize(
    "name",
    [
        "airflow.assets.manager._lock_asset_model",
        "airflow.assets.manager.asset_manager",
        "airflow.models.asset.AssetEvent",
        "airflow.models.connection.Connection",
        "airflow.utils.session.create_session",
    ],
)
def test_on_an_airflow_that_lacks_something_nothing_is_lost(
    api_server: TestClient, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    module, _, attribute = name.rpartition(".")
    with monkeypatch.context() as patch:
        patch.delattr(importlib.import_module(module), attribute)
        answer = send(api_server, pushed())
    assert answer.status_code == 503
    assert send(api_server, pushed()).json()["result"] == "new"


def test_nothing_secret_is_logged(api_server: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    send(api_server, pushed())
    send(api_server, written("token", "hunter2" * 100))
    api_server.post("/artifactory/webhooks/plain", content=b"{", headers={webhooks.HEADER.encode(): SECRET.encode()})
    assert "pushes:docker-dev" in caplog.text
    assert SECRET not in caplog.text
    assert sign(json.dumps(pushed()).encode())[webhooks.HEADER] not in caplog.text
    assert "hunter2" not in caplog.text
