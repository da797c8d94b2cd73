"""From an Airflow connection to the settings of a server, and the form in which people fill it in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, PositiveFloat, ValidationError

from artifactory_provider.artifactory.authentication import (
    Anonymous,
    ApiKey,
    Authentication,
    Basic,
    Bearer,
)
from artifactory_provider.artifactory.errors import InvalidSettings
from artifactory_provider.artifactory.settings import DOCKER_URL, ServerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

_API_KEY_START = "AKCp8"

AuthenticationKind = Literal["automatic", "basic", "access_token", "api_key", "anonymous"]


def _absent_when_empty(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _read_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value.strip() else (value or None)


Text: TypeAlias = Annotated[str | None, BeforeValidator(_absent_when_empty)]
Switch: TypeAlias = Annotated[bool | None, BeforeValidator(_absent_when_empty)]
Seconds: TypeAlias = Annotated[PositiveFloat | None, BeforeValidator(_absent_when_empty)]


class ConnectionExtra(BaseModel):
    """The fields of a connection's ``extra`` that count here; all others are left alone and never sent."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    auth_kind: Annotated[AuthenticationKind | None, BeforeValidator(_absent_when_empty)] = None
    verify: Switch = None
    ca_file: Text = None
    client_certificate: Text = None
    client_key: Text = None
    proxy: Text = None
    docker_url: Text = None
    docker_urls: Annotated[dict[str, str] | None, BeforeValidator(_read_json)] = None
    timeout: Seconds = None
    promote_timeout: Seconds = None


def settings_of(
    *,
    conn_id: str,
    host: str | None,
    schema: str | None,
    port: int | None,
    login: str | None,
    password: str | None,
    extra: Mapping[str, Any],
) -> ServerSettings:
    """Return the settings that a connection's fields describe.

    :param conn_id: the connection's id, for messages.
    :param host: the server's URL, or its host alone.
    :param schema: ``http`` or ``https``, where the host is no URL; ``https`` by default.
    :param port: the port, where the host does not name it.
    :param login: the user name, if there is one.
    :param password: password or token.
    :param extra: the connection's extra.
    :raises InvalidSettings: when they cannot work, naming the field and never a secret.
    """
    try:
        fields = ConnectionExtra.model_validate(extra)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InvalidSettings(f"The extra of connection {conn_id!r} cannot be used: {wrong}.") from None
    try:
        return ServerSettings(
            base_url=_base_url(host, schema, port),
            authentication=_authentication(fields.auth_kind or "automatic", login, password),
            docker_url=fields.docker_url or DOCKER_URL,
            docker_urls=fields.docker_urls or {},
            verify=fields.verify is not False,
            ca_file=fields.ca_file,
            client_certificate=fields.client_certificate,
            client_key=fields.client_key,
            proxy=fields.proxy,
            timeout=fields.timeout or ServerSettings.timeout,
            promote_timeout=fields.promote_timeout or ServerSettings.promote_timeout,
        )
    except InvalidSettings as error:
        raise InvalidSettings(f"Connection {conn_id!r}: {error}") from error


def _base_url(host: str | None, schema: str | None, port: int | None) -> str:
    if not host:
        raise InvalidSettings("The host is missing: give Artifactory's URL, such as https://example.com/artifactory.")
    if schema not in {None, "", "http", "https"}:
        raise InvalidSettings("The schema is http or https, or is left out where the host is a complete URL.")
    url = host.strip() if "://" in host else f"{schema or 'https'}://{host.strip()}"
    try:
        parts = urlsplit(url)
        named = parts.port
    except ValueError as error:
        raise InvalidSettings(
            "The host is no URL: its name or port is malformed; an IPv6 address stands in brackets, http://[::1]:8082."
        ) from error
    if port and named is None:
        parts = parts._replace(netloc=f"{parts.netloc}:{port}")
    return urlunsplit(parts)


def _authentication(kind: AuthenticationKind, login: str | None, password: str | None) -> Authentication:
    if kind == "automatic":
        kind = _likely_kind(login, password)
    if kind == "anonymous":
        return Anonymous()
    if not password:
        raise InvalidSettings("The password is missing: give the password, access token or API key there.")
    if kind == "access_token":
        return Bearer(password)
    if kind == "api_key":
        return ApiKey(password)
    if not login:
        raise InvalidSettings("The login is missing: a password needs its user name.")
    return Basic(login, password)


def _likely_kind(login: str | None, password: str | None) -> AuthenticationKind:
    if login:
        return "basic"
    if not password:
        return "anonymous"
    return "api_key" if password.startswith(_API_KEY_START) else "access_token"


CONNECTION_FORM: dict[str, Any] = {
    "ui-field-behaviour": {
        "hidden-fields": ["schema"],
        "relabeling": {
            "host": "Artifactory URL",
            "login": "User name",
            "password": "Password, access token or API key",
        },
        "placeholders": {
            "host": "https://example.com/artifactory",
            "port": "443",
            "login": "leave empty for an access token",
        },
    },
    "conn-fields": {
        "auth_kind": {
            "label": "Authentication",
            "description": "automatic: with a user name basic, without one access token (Bearer) or API key.",
            "schema": {
                "type": ["string", "null"],
                "enum": ["automatic", "basic", "access_token", "api_key", "anonymous"],
                "default": "automatic",
            },
        },
        "verify": {
            "label": "Verify TLS certificates",
            "schema": {"type": ["boolean", "null"], "default": True},
        },
        "ca_file": {
            "label": "Certificate authority file",
            "description": "PEM file on the workers and the triggerer, for a private certificate authority.",
            "schema": {"type": ["string", "null"]},
        },
        "client_certificate": {
            "label": "Client certificate file",
            "description": "PEM file for mutual TLS, with the key in it or in the file below.",
            "schema": {"type": ["string", "null"]},
        },
        "client_key": {"label": "Client key file", "schema": {"type": ["string", "null"]}},
        "proxy": {
            "label": "HTTP proxy",
            "description": "URL of a proxy on the way; without it HTTPS_PROXY and NO_PROXY count.",
            "schema": {"type": ["string", "null"]},
        },
        "docker_url": {
            "label": "Docker API URL",
            "description": (
                "Behind a reverse proxy: a template such as https://{repository}.example.com/v2 or "
                "https://example.com/v2/{repository}. Empty: {base}/api/docker/{repository}/v2."
            ),
            "schema": {"type": ["string", "null"]},
        },
        "docker_urls": {
            "label": "Docker API URLs by repository",
            "description": 'For a port per repository: {"docker-dev": "https://example.com:5001/v2"}.',
            "schema": {"type": ["object", "null"]},
        },
        "timeout": {
            "label": "Timeout of a request (seconds)",
            "schema": {"type": ["number", "null"], "minimum": 1, "default": 60},
        },
        "promote_timeout": {
            "label": "Timeout of a promotion request (seconds)",
            "schema": {"type": ["number", "null"], "minimum": 1, "default": 900},
        },
    },
}
