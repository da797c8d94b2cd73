from __future__ import annotations

import traceback
from typing import Any

import pytest
from airflow.sdk import Connection

from artifactory_provider.artifactory.authentication import (
    Anonymous,
    ApiKey,
    Basic,
    Bearer,
    IdentityExchange,
    RefreshableToken,
)
from artifactory_provider.artifactory.errors import InvalidSettings
from artifactory_provider.artifactory.settings import DOCKER_URL, ServerSettings
from artifactory_provider.hooks.connections import explain_unknown_keys, settings_of

SECRET = "s3cret-in-extra"


def settings(extra: Any = None, **fields: Any) -> ServerSettings:
    connection = {"host": "example.com", "schema": None, "port": None, "login": None, "password": None} | fields
    return settings_of(conn_id="c", extra=extra if extra is not None else {}, **connection)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "example.com"}, "https://example.com"),
        ({"host": " example.com "}, "https://example.com"),
        ({"host": "example.com/artifactory", "port": 8082}, "https://example.com:8082/artifactory"),
        ({"host": "example.com", "schema": "http", "port": 8081}, "http://example.com:8081"),
        ({"host": "https://example.com/artifactory"}, "https://example.com/artifactory"),
        ({"host": "http://example.com:1", "schema": "https", "port": 2}, "http://example.com:1"),
        ({"host": "http://example.com", "port": 2}, "http://example.com:2"),
        ({"host": "[::1]", "schema": "http", "port": 8082}, "http://[::1]:8082"),
        ({"host": "http://[::1]:8082/artifactory"}, "http://[::1]:8082/artifactory"),
        ({"host": "::1", "schema": "http"}, "http://[::1]"),
        ({"host": "example.com", "schema": "HTTP"}, "http://example.com"),
        ({"host": "example.com", "schema": "http://"}, "http://example.com"),
        ({"host": "example.com", "conn_type": "http"}, "http://example.com"),
        ({"host": "example.com", "conn_type": "http", "schema": "https"}, "https://example.com"),
        ({"host": "https://example.com", "conn_type": "http"}, "https://example.com"),
        ({"host": "example.com", "conn_type": "generic"}, "https://example.com"),
        ({"host": "example.com/a", "schema": "b"}, "https://example.com/a"),
        ({"host": "example.com", "schema": "jfrog/art ifactory/"}, "https://example.com/jfrog/art%20ifactory"),
    ],
)
def test_host_schema_and_port_come_together_as_people_fill_them_in(fields: dict[str, Any], url: str) -> None:
    assert settings(**fields).base_url == url


@pytest.mark.parametrize(
    ("fields", "advice"),
    [
        ({"host": None}, "The host is missing"),
        ({"host": ""}, "The host is missing"),
        ({"host": "1:2:3", "schema": "http"}, "in brackets"),
        ({"host": "https://example.com:abc"}, "malformed"),
        ({"host": "example.com", "schema": "ftp://"}, "'ftp://' is neither http nor https, nor the path"),
        ({"host": "example.com", "schema": "s3cret@example.com"}, "percent-encode"),
        ({"host": "https://admin:pw@example.com"}, "holds credentials"),
        ({"password": None, "login": "admin"}, "The password is missing"),
    ],
)
def test_a_connection_that_cannot_work_says_so_with_its_id(fields: dict[str, Any], advice: str) -> None:
    with pytest.raises(InvalidSettings, match="Connection 'c': ") as caught:
        settings(**fields)
    assert advice in str(caught.value)
    assert "pw@" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("http://user:pw%2F%40@example.com:8081/artifactory", "http://example.com:8081/artifactory"),
        ("http://user:pw%2F%40@example.com:8081", "http://example.com:8081"),
        ("http://user:pw%2F%40@example.com/", "http://example.com"),
        ("https://user:pw%2F%40@example.com/artifactory", "https://example.com/artifactory"),
        ("artifactory://user:pw%2F%40@example.com:8443/artifactory", "https://example.com:8443/artifactory"),
        ("artifactory://user:pw%2F%40@example.com/jfrog/artifactory/", "https://example.com/jfrog/artifactory"),
        ("artifactory://user:pw%2F%40@example.com:8081/http", "http://example.com:8081"),
        ("artifactory://https://user:pw%2F%40@example.com:8443/artifactory", "https://example.com:8443/artifactory"),
        ("artifactory://user:pw%2F%40@http%3A%2F%2Fexample.com%3A1%2Fartifactory", "http://example.com:1/artifactory"),
        ("http://user:pw%2F%40@[::1]:8081/artifactory?timeout=7&verify=false", "http://[::1]:8081/artifactory"),
    ],
)
def test_a_connections_uri_means_what_people_read_in_it(uri: str, url: str) -> None:
    connection = Connection.from_uri(uri, conn_id="c")
    fields = {name: getattr(connection, name) for name in ("conn_type", "host", "schema", "port", "login", "password")}
    made = settings(connection.extra_dejson, **fields)
    assert made.base_url == url
    assert made.authentication == Basic("user", "pw/@")
    assert (made.timeout, made.verify) == ((7, False) if "?" in uri else (60, True))


@pytest.mark.parametrize("uri", ["artifactory://user:12/s3cret@example.com/artifactory", "http://u:1/s3cret@h"])
def test_a_password_that_breaks_a_uri_is_told_to_be_encoded_and_not_shown(uri: str) -> None:
    connection = Connection.from_uri(uri, conn_id="c")
    with pytest.raises(InvalidSettings, match="percent-encode them") as caught:
        settings(host=connection.host, schema=connection.schema, port=connection.port)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({"timeot": 7}, "'timeot' (is timeout meant?)"),
        ({"Timeout": 7, "cafile": "x"}, "'Timeout' (is timeout meant?), 'cafile' (is ca_file meant?)"),
        ({"X-Secret": SECRET, "timeout": 1}, "nothing here: 'X-Secret'."),
        ({f"k{number}": number for number in range(9)}, "'k4' and 4 more."),
        ({"x\n\x1b" + "y" * 9000: 1}, "'x\\n\\x1byyy"),
    ],
)
def test_keys_that_mean_nothing_are_named_with_what_is_probably_meant(extra: dict[str, Any], named: str) -> None:
    warning = explain_unknown_keys(extra)
    assert warning is not None
    assert named in warning
    assert SECRET not in warning
    assert len(warning) < 600


@pytest.mark.parametrize("extra", [{}, [SECRET], SECRET, None, {"timeout": "7", "docker_urls": {}, "auth_kind": None}])
def test_keys_that_mean_something_are_not_warned_of(extra: Any) -> None:
    assert explain_unknown_keys(extra) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "https://admin:s3cret"},
        {"host": "https://admin:s3cret/artifactory"},
        {"extra": {"proxy": "http://admin:s3cret"}},
        {"extra": {"docker_url": "https://admin:s3cret/{repository}"}},
        {"extra": {"docker_urls": {"docker-dev": "https://admin:s3cret"}}},
    ],
)
def test_a_password_in_the_place_of_a_port_is_shown_in_no_traceback(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings, match="malformed") as caught:
        settings(**fields)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("login", "password", "kind", "authentication"),
    [
        ("admin", "pw", None, Basic("admin", "pw")),
        (None, "eyJtoken", None, Bearer("eyJtoken")),
        ("", "eyJtoken", None, Bearer("eyJtoken")),
        (None, "AKCp8key", None, ApiKey("AKCp8key")),
        ("admin", "AKCp8key", None, Basic("admin", "AKCp8key")),
        (None, None, None, Anonymous()),
        ("", "", "", Anonymous()),
        ("admin", "eyJtoken", "access_token", Bearer("eyJtoken")),
        ("admin", "key", "api_key", ApiKey("key")),
        ("admin", "pw", "anonymous", Anonymous()),
        ("admin", "pw", "automatic", Basic("admin", "pw")),
    ],
)
def test_who_is_asking_follows_from_login_password_and_kind(
    login: str | None, password: str | None, kind: str | None, authentication: Any
) -> None:
    assert settings({"auth_kind": kind}, login=login, password=password).authentication == authentication


OIDC = {"oidc_provider": "ci", "oidc_token_file": "/var/run/token"}


@pytest.mark.parametrize("kind", [None, "", "automatic", "oidc"])
def test_oidc_is_chosen_by_its_fields_whatever_else_is_filled_in(kind: str | None) -> None:
    made = settings(OIDC | {"auth_kind": kind, "refresh_token": "r", "oidc_audience": " "}, login="u", password="p")
    assert made.authentication == IdentityExchange(provider="ci", token_file="/var/run/token")
    more = {"oidc_project_key": "shop", "oidc_audience": "artifactory", "oidc_identity_mapping": "promoters"}
    assert settings(OIDC | more).authentication == IdentityExchange(
        provider="ci",
        token_file="/var/run/token",
        project_key="shop",
        audience="artifactory",
        identity_mapping="promoters",
    )


@pytest.mark.parametrize("kind", [None, "automatic", "refreshable_token"])
@pytest.mark.parametrize("password", ["eyJtoken", "", None])
def test_a_refresh_token_makes_the_access_token_refreshable(kind: str | None, password: str | None) -> None:
    made = settings({"auth_kind": kind, "refresh_token": "r"}, password=password)
    assert made.authentication == RefreshableToken(access_token=password or None, refresh_token="r")


@pytest.mark.parametrize("kind", ["basic", "access_token"])
def test_a_kind_that_is_named_counts_more_than_the_fields_of_others(kind: str) -> None:
    made = settings(OIDC | {"auth_kind": kind, "refresh_token": "r"}, login="u", password="p")
    assert made.authentication == {"basic": Basic("u", "p"), "access_token": Bearer("p")}[kind]


@pytest.mark.parametrize(
    ("extra", "advice"),
    [
        ({"auth_kind": "oidc"}, "oidc_provider and oidc_token_file"),
        ({"oidc_provider": "ci"}, "oidc_provider and oidc_token_file"),
        ({"oidc_token_file": "/var/run/token"}, "oidc_provider and oidc_token_file"),
        ({"auth_kind": "refreshable_token"}, "refresh_token is missing"),
        ({"refresh_token": f"{SECRET} {SECRET}"}, "refresh token of the connection is empty, or holds spaces"),
    ],
)
def test_credentials_that_are_not_whole_say_what_is_missing(extra: dict[str, Any], advice: str) -> None:
    with pytest.raises(InvalidSettings, match="Connection 'c'") as caught:
        settings(extra)
    assert advice in str(caught.value)
    assert SECRET not in str(caught.value)


def test_basic_authentication_needs_a_user_name() -> None:
    with pytest.raises(InvalidSettings, match="The login is missing"):
        settings({"auth_kind": "basic"}, password="pw")


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"verify": "", "ca_file": "", "timeout": "", "docker_url": "", "docker_urls": "", "auth_kind": "", "proxy": ""},
        {"verify": None, "ca_file": None, "timeout": None, "docker_url": None, "docker_urls": None},
        {"X-Unknown": "x", "headers": {"a": True}, "stream": 1, "max_redirects": 3, "docker_urls": {}},
    ],
)
def test_empty_and_unknown_extras_change_nothing(extra: dict[str, Any]) -> None:
    assert settings(extra) == settings()
    assert settings(extra).docker_url == DOCKER_URL


@pytest.mark.parametrize("value", [False, "false", "False", "no", "off", "0", 0])
def test_verification_is_off_only_when_it_is_switched_off(value: Any) -> None:
    assert settings({"verify": value}).verify is False


@pytest.mark.parametrize("value", [True, "true", "yes", "1", 1, None, "", " "])
def test_verification_is_on_otherwise(value: Any) -> None:
    assert settings({"verify": value}).verify is True


def test_numbers_and_maps_may_come_as_text() -> None:
    made = settings({"timeout": "7.5", "promote_timeout": 30, "docker_urls": '{"docker-dev": "https://a:5001/v2"}'})
    assert (made.timeout, made.promote_timeout) == (7.5, 30)
    assert made.docker_urls == {"docker-dev": "https://a:5001/v2"}


@pytest.mark.parametrize(
    "extra",
    [
        {"verify": f"maybe {SECRET}"},
        {"verify": {"a": SECRET}},
        {"timeout": SECRET},
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": "inf"},
        {"timeout": "nan"},
        {"ca_file": {"path": SECRET}},
        {"proxy": [SECRET]},
        {"docker_url": 7},
        {"docker_urls": f"{{{SECRET}"},
        {"docker_urls": "[1]"},
        {"docker_urls": "[" * 100_000},
        {"docker_urls": {"docker-dev": {"url": SECRET}}},
        {"docker_urls": {"docker-dev": f"{SECRET}"}},
        {"auth_kind": SECRET},
        {"refresh_token": [SECRET]},
        {"oidc_token_file": {"a": SECRET}},
        {"proxy": f"socks5://u:{SECRET}@h:1"},
        [SECRET],
        SECRET,
    ],
)
def test_extras_that_cannot_be_used_are_named_and_never_shown(extra: Any) -> None:
    with pytest.raises(InvalidSettings, match=r"onnection 'c'") as caught:
        settings(extra)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.__cause__)
