"""From an Airflow connection to the settings of a server, and the form in which people fill it in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveFloat, ValidationError

from artifactory_provider.artifactory.authentication import (
    Anonymous,
    ApiKey,
    Authentication,
    Basic,
    Bearer,
    IdentityExchange,
    RefreshableToken,
    Renewable,
)
from artifactory_provider.artifactory.errors import InvalidSettings
from artifactory_provider.artifactory.settings import DOCKER_URL, ServerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

_API_KEY_START = "AKCp8"

AuthenticationKind = Literal["automatic", "basic", "access_token", "refreshable_token", "oidc", "api_key", "anonymous"]


def _absent_when_empty(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _read_json(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) and value.strip() else (value or None)
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None


Text: TypeAlias = Annotated[str | None, BeforeValidator(_absent_when_empty)]
Switch: TypeAlias = Annotated[bool | None, BeforeValidator(_absent_when_empty)]
Seconds: TypeAlias = Annotated[PositiveFloat | None, BeforeValidator(_absent_when_empty)]


class ConnectionExtra(BaseModel):
    """The fields of a connection's ``extra`` that count here; all others are left alone and never sent."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    auth_kind: Annotated[AuthenticationKind | None, BeforeValidator(_absent_when_empty)] = None
    refresh_token: Text = Field(default=None, repr=False)
    oidc_provider: Text = None
    oidc_token_file: Text = None
    oidc_project_key: Text = None
    oidc_audience: Text = None
    oidc_identity_mapping: Text = None
    verify: Switch = None
    ca_file: Text = None
    client_certificate: Text = None
    client_key: Text = None
    proxy: Text = Field(default=None, repr=False)
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
            authentication=_authentication(fields, login, password),
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
    except ValueError:
        # From None: that error shows what was taken for the port, and that may be a password.
        raise InvalidSettings(
            "The host is no URL: its name or port is malformed; an IPv6 address stands in brackets, http://[::1]:8082."
        ) from None
    if port and named is None:
        parts = parts._replace(netloc=f"{parts.netloc}:{port}")
    return urlunsplit(parts)


def _authentication(fields: ConnectionExtra, login: str | None, password: str | None) -> Authentication | Renewable:
    kind = fields.auth_kind or "automatic"
    if kind == "automatic":
        kind = _likely_kind(fields, login, password)
    if kind == "anonymous":
        return Anonymous()
    if kind == "oidc":
        return _identity_exchange(fields)
    if kind == "refreshable_token":
        if not fields.refresh_token:
            raise InvalidSettings("The refresh_token is missing: it was given together with the access token.")
        return RefreshableToken(access_token=password or None, refresh_token=fields.refresh_token)
    if not password:
        raise InvalidSettings("The password is missing: give the password, access token or API key there.")
    if kind == "access_token":
        return Bearer(password)
    if kind == "api_key":
        return ApiKey(password)
    if not login:
        raise InvalidSettings("The login is missing: a password needs its user name.")
    return Basic(login, password)


def _identity_exchange(fields: ConnectionExtra) -> IdentityExchange:
    if not fields.oidc_provider or not fields.oidc_token_file:
        raise InvalidSettings("OIDC needs oidc_provider and oidc_token_file: give both.")
    return IdentityExchange(
        provider=fields.oidc_provider,
        token_file=fields.oidc_token_file,
        project_key=fields.oidc_project_key,
        audience=fields.oidc_audience,
        identity_mapping=fields.oidc_identity_mapping,
    )


def _likely_kind(fields: ConnectionExtra, login: str | None, password: str | None) -> AuthenticationKind:
    if fields.oidc_provider or fields.oidc_token_file:
        return "oidc"
    if fields.refresh_token:
        return "refreshable_token"
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
            "description": (
                "automatic: OIDC or refreshable token where their fields are filled in; else with a user name basic, "
                "without one access token (Bearer) or API key."
            ),
            "schema": {
                "type": ["string", "null"],
                "enum": list(get_args(AuthenticationKind)),
                "default": "automatic",
            },
        },
        "refresh_token": {
            "label": "Refresh token",
            "description": (
                "Belongs to the access token. Servers take it once, so one task at a time can use the connection: "
                "prefer OIDC."
            ),
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "oidc_provider": {
            "label": "OIDC provider",
            "description": "The name under which Artifactory knows who issues the identity tokens.",
            "schema": {"type": ["string", "null"]},
        },
        "oidc_token_file": {
            "label": "OIDC identity token file",
            "description": "On the workers and the triggerer, such as a projected service account token.",
            "schema": {"type": ["string", "null"]},
        },
        "oidc_project_key": {"label": "OIDC project key", "schema": {"type": ["string", "null"]}},
        "oidc_audience": {"label": "OIDC audience", "schema": {"type": ["string", "null"]}},
        "oidc_identity_mapping": {"label": "OIDC identity mapping", "schema": {"type": ["string", "null"]}},
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
