"""From an Airflow connection to the settings of a server."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias
from urllib.parse import quote, urlsplit, urlunsplit

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
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.hooks.connection_form import (  # noqa: TC001 - pydantic reads them
    AuthenticationKind,
    WebhookAuthentication,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_CONNECTION = "artifactory_default"
"""The connection that is meant where none is named."""

_API_KEY_START = "AKCp8"
_PROTOCOLS = ("http", "https")
_KEYS_SHOWN = 5


def _empty_to_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _read_json(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) and value.strip() else (value or None)
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None


Text: TypeAlias = Annotated[str | None, BeforeValidator(_empty_to_none)]
Switch: TypeAlias = Annotated[bool | None, BeforeValidator(_empty_to_none)]
Seconds: TypeAlias = Annotated[PositiveFloat | None, BeforeValidator(_empty_to_none)]


class ConnectionExtra(BaseModel):
    """The fields of a connection's ``extra`` that count here; all others are left alone and never sent."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    auth_kind: Annotated[AuthenticationKind | None, BeforeValidator(_empty_to_none)] = None
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
    policy: Text = None
    stop: Text = None
    seal_connection: Text = None
    webhook_secret: Text = Field(default=None, repr=False)
    webhook_auth: Annotated[WebhookAuthentication | None, BeforeValidator(_empty_to_none)] = None


_SAME_SETTINGS = {
    "ca_file",
    "client_certificate",
    "client_key",
    "docker_url",
    "docker_urls",
    "promote_timeout",
    "proxy",
    "timeout",
}


def explain_unknown_keys(extra: object) -> str | None:
    """Return the warning that names the keys of an extra that mean nothing here, or None where there are none.

    :param extra: the connection's extra; what is no JSON object has no keys.
    """
    known = list(ConnectionExtra.model_fields)
    unknown = [key for key in map(str, extra) if key not in known] if isinstance(extra, dict) else []
    if not unknown:
        return None
    shown = []
    for key in unknown[:_KEYS_SHOWN]:
        (likely, *_) = [*get_close_matches(key.lower(), known, n=1, cutoff=0.75), None]
        shown.append(f"{key!r:.60}" + (f" (is {likely} meant?)" if likely else ""))
    more = f" and {len(unknown) - _KEYS_SHOWN} more" if len(unknown) > _KEYS_SHOWN else ""
    return f"The extra of the connection has keys that mean nothing here: {', '.join(shown)}{more}."


@dataclass(frozen=True, slots=True)
class RuleNames:
    """The rules that a connection names, and what seals the answers that they ask for.

    :param policy: that of the policy; None for the usual one.
    :param stop: that of the stops; None for the usual one.
    :param seal: the connection whose password seals what people answer; None for this one.
    """

    policy: str | None
    stop: str | None
    seal: str | None


def rules_of(extra: Mapping[str, Any]) -> RuleNames:
    """Return which Variables hold the rules of promotions over a connection.

    :param extra: the connection's extra.
    :raises InvalidSettings: when a name is none.
    """
    fields = _read_extra("", extra)
    return RuleNames(fields.policy, fields.stop, fields.seal_connection)


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """What shows that a webhook comes from the server.

    :param secret: what only the two know.
    :param is_signed: whether the payload is signed with it; else it is sent as it is.
    """

    secret: str = field(repr=False)
    is_signed: bool


def webhook_secret_of(extra: Mapping[str, Any]) -> WebhookSecret | None:
    """Return what webhooks of a connection's server have to show; None where none is to be taken.

    :param extra: the connection's extra.
    :raises InvalidSettings: when a field cannot be used.
    """
    fields = _read_extra("", extra)
    if fields.webhook_secret is None:
        return None
    return WebhookSecret(fields.webhook_secret, fields.webhook_auth != "secret")


def settings_of(
    *,
    conn_id: str,
    conn_type: str | None = None,
    host: str | None,
    schema: str | None,
    port: int | None,
    login: str | None,
    password: str | None,
    extra: Mapping[str, Any],
) -> ServerSettings:
    """Return the settings that a connection's fields describe.

    :param conn_id: the connection's id, for messages.
    :param conn_type: the connection's type: ``http`` means HTTP where neither host nor schema says so, all others
        mean HTTPS.
    :param host: the server's URL, or its host alone.
    :param schema: ``http`` or ``https``, where the host is no URL; or the path of the server's URL: what Airflow
        calls the schema when it reads a connection from a URI.
    :param port: the port, where the host does not name it.
    :param login: the user name, if there is one.
    :param password: password or token.
    :param extra: the connection's extra.
    :raises InvalidSettings: when they cannot work, naming the field and never a secret.
    """
    fields = _read_extra(conn_id, extra)
    try:
        return ServerSettings(
            base_url=base_url_of(conn_type, host, schema, port),
            authentication=_authentication(fields, login, password),
            verify=fields.verify is not False,
            **fields.model_dump(include=_SAME_SETTINGS, exclude_none=True),
        )
    except InvalidSettings as error:
        raise InvalidSettings(f"Connection {conn_id!r}: {error}") from error


def _read_extra(conn_id: str, extra: Mapping[str, Any]) -> ConnectionExtra:
    try:
        return ConnectionExtra.model_validate(extra)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InvalidSettings(f"The extra of connection {conn_id!r} cannot be used: {wrong}.") from None


def base_url_of(conn_type: str | None, host: str | None, schema: str | None, port: int | None) -> str:
    """Return the URL that a connection's fields name; see ``settings_of``.

    :param conn_type: the connection's type.
    :param host: the server's URL, or its host alone.
    :param schema: ``http`` or ``https``, or the path of the URL.
    :param port: the port, where the host does not name it.
    :raises InvalidSettings: when they name none.
    """
    host = (host or "").strip()
    if not host:
        raise InvalidSettings("The host is missing: give the server's URL, such as https://example.com/artifactory.")
    protocol, path = _split_schema(schema or "")
    if "://" not in host:
        host = f"{protocol or (conn_type if conn_type in _PROTOCOLS else 'https')}://{_bracket_ipv6(host)}"
    try:
        parts = urlsplit(host)
        named = parts.port
    except ValueError:
        # From None: that error shows what was taken for the port, and that may be a password.
        raise InvalidSettings(
            "The host is no URL: its name or port is malformed; an IPv6 address stands in brackets, http://[::1]:8082."
        ) from None
    if port and named is None:
        parts = parts._replace(netloc=f"{parts.netloc}:{port}")
    if path and parts.path in {"", "/"}:
        parts = parts._replace(path=path)
    return urlunsplit(parts)


def _split_schema(schema: str) -> tuple[str | None, str]:
    """Return the protocol that a connection's schema names, if it does, and the path, if it is one."""
    schema = schema.strip()
    protocol = schema.lower().removesuffix("://")
    if protocol in _PROTOCOLS:
        return protocol, ""
    if "@" in schema:
        # Not shown: it is the end of a password.
        raise InvalidSettings(
            "The connection's URI has a login or password with '/', '?', '#' or '@' in it: percent-encode them."
        )
    if ":" in schema:
        raise InvalidSettings(f"The schema {schema!r:.60} is neither http nor https, nor the path of the server's URL.")
    return None, f"/{quote(schema.strip('/'))}" if schema.strip("/") else ""


def _bracket_ipv6(host: str) -> str:
    """Return a host as it stands in URLs: Airflow takes the brackets from an IPv6 address in a URI."""
    try:
        return f"[{ipaddress.IPv6Address(host)}]"
    except ValueError:
        return host


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
