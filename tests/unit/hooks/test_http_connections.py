from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from artifactory_provider.artifactory.authentication import Anonymous, Basic, Bearer
from artifactory_provider.artifactory.errors import InvalidSettings
from artifactory_provider.hooks.http_connections import HttpConnections
from artifactory_provider.verification import HttpService

SECRET = "s3cret-of-the-service"


async def read(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> HttpService:
    monkeypatch.setenv("AIRFLOW_CONN_TESTS", json.dumps({"conn_type": "http", "host": "tests.example", **fields}))
    return await HttpConnections()("tests")


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "http://tests.example"),
        ({"schema": "https"}, "https://tests.example"),
        ({"port": 8080}, "http://tests.example:8080"),
        ({"host": "https://tests.example/api/v1"}, "https://tests.example/api/v1"),
        ({"host": "https://tests.example", "port": 8443}, "https://tests.example:8443"),
    ],
)
async def test_the_url_is_the_one_that_airflows_own_hook_makes(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], url: str
) -> None:
    assert (await read(monkeypatch, **fields)).base_url == url


async def test_login_and_password_say_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await read(monkeypatch)).authentication == Anonymous()
    assert (await read(monkeypatch, login="ci", password=SECRET)).authentication == Basic("ci", SECRET)
    assert (await read(monkeypatch, login="ci")).authentication == Basic("ci", "")
    assert (await read(monkeypatch, password=SECRET)).authentication == Bearer(SECRET)


async def test_the_extra_holds_options_and_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {
        "X-Key": SECRET,
        "verify": "/etc/ca.pem",
        "cert": ["/etc/ci.pem", "/etc/ci.key"],
        "proxies": {"http": "http://proxy.example:3128", "https": "http://other.example:3128"},
        "timeout": 5,
        "trust_env": False,
    }
    assert await read(monkeypatch, extra=extra) == HttpService(
        base_url="http://tests.example",
        headers={"X-Key": SECRET},
        ca_file="/etc/ca.pem",
        client_certificate="/etc/ci.pem",
        client_key="/etc/ci.key",
        proxy="http://proxy.example:3128",
    )


@pytest.mark.parametrize(
    ("extra", "verify"),
    [
        ({}, True),
        ({"verify": True}, True),
        ({"verify": None}, True),
        ({"verify": ""}, True),
        ({"verify": "true"}, True),
        ({"verify": 0}, True),
        ({"verify": False}, False),
        ({"verify": "False"}, False),
        ({"verify_ssl": False}, False),
    ],
)
async def test_tls_is_verified_unless_the_connection_says_no(
    monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any], verify: bool
) -> None:
    found = await read(monkeypatch, extra=extra)
    assert (found.verify, found.ca_file) == (verify, None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"host": ""}, "Connection 'tests': The host is missing"),
        ({"extra": {"X-Key": {"a": SECRET}}}, "'X-Key' in the extra is no header"),
        ({"extra": {"X-Key": f"{SECRET}\r\nX-Other: a"}}, "The header 'X-Key' cannot be sent"),
        ({"extra": {"cert": 7}}, "cert in the extra is"),
        ({"extra": {"proxies": ["http://proxy.example"]}}, "proxies in the extra is"),
        ({"extra": [SECRET]}, "The extra is no JSON object"),
        ({"login": "a:b", "password": SECRET}, "holds a colon"),
        ({"password": f"{SECRET}\n"}, "holds spaces, line breaks"),
    ],
)
async def test_a_connection_that_cannot_work_is_named_and_none_of_its_secrets(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidSettings) as caught:
        await read(monkeypatch, **fields)
    assert message in str(caught.value)
    assert "tests" in str(caught.value)
    assert SECRET not in f"{caught.value} {caught.value.__cause__!r}"


async def test_a_connection_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidSettings, match="There is no connection 'nowhere'"):
        await HttpConnections()("nowhere")


def test_each_event_loop_has_its_own_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TESTS", json.dumps({"conn_type": "http", "host": "tests.example"}))

    async def read_many() -> set[str]:
        connections = HttpConnections()
        return {service.base_url for service in await asyncio.gather(*(connections("tests") for _ in range(5)))}

    assert [asyncio.run(read_many()) for _ in range(2)] == [{"http://tests.example"}] * 2
