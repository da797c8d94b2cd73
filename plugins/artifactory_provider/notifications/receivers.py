"""Who is told: an Airflow connection becomes a receiver, which takes a message within a bounded time, or does not."""

from __future__ import annotations

import asyncio
import concurrent.futures
import ipaddress
import json
import smtplib
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from airflow.sdk.exceptions import AirflowException

from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    InvalidSettings,
    RateLimited,
    RequestNotSent,
    ServerFailed,
)
from artifactory_provider.hooks.connections import base_url_of
from artifactory_provider.hooks.http_connections import service_of
from artifactory_provider.notifications.forms import mail_form, slack_form, teams_form
from artifactory_provider.pipelines.notices import check_address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Connection

    from artifactory_provider.notifications.messages import Message
    from artifactory_provider.verification.http.services import HttpService

WebForm = Literal["slack", "teams", "json"]

_SECONDS_A_TRY = 4.0
_TRIES = 2
_PAUSE = 0.5
_LONGEST_PAUSE = 2.0
_MAIL_TYPES = frozenset({"smtp", "email"})
_SLACK_TYPE, _SLACK_URL = "slackwebhook", "https://hooks.slack.com/services"
_MAIL_SECRETS = ("access_token", "client_secret")
_SHORTEST_SECRET = 6
"""Characters that a part of an address or a header's value has at least where it is hidden: less may be any word."""
_OWN_EXTRA = frozenset({"receiver", "to"})
_GOOD = tuple(range(HTTPStatus.OK, HTTPStatus.MULTIPLE_CHOICES))
_MAY_PASS = (RequestNotSent, RateLimited, ServerFailed)
"""What did not reach the receiver, or what it did not take where it says so: to send it again tells nobody twice."""
_NOT_TAKEN = (None, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""Their statuses: after a 500, 502 or 504 the receiver may have it."""
_FORMS: Mapping[WebForm, Callable[[Message], dict[str, Any]]] = {
    "slack": slack_form,
    "teams": teams_form,
    "json": lambda message: message.as_dict(),
}


class NotTold(Exception):
    """A receiver has not taken a message; the text says why, and holds no secret."""


class Receiver(Protocol):
    """Who takes messages."""

    def deliver(self, message: Message) -> None:
        """Tell it.

        :param message: the message, shortened.
        :raises NotTold: when it does not take it.
        """


@dataclass(frozen=True, kw_only=True)
class WebReceiver:
    """A webhook.

    :param form: the form that it takes messages in.
    :param url: its whole address, which is a secret.
    :param service: how it is reached.
    :param secrets: what must be shown nowhere.
    """

    form: WebForm
    url: str = field(repr=False)
    service: HttpService = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    def deliver(self, message: Message) -> None:
        """Post it, once more where it has not arrived."""
        try:
            asyncio.run(self._post(json.dumps(_FORMS[self.form](message), ensure_ascii=False)))
        except ArtifactoryError as error:
            raise NotTold(hide(self._explain(error), self.secrets)) from None

    async def _post(self, body: str) -> None:
        async with self.service.transport(timeout=_SECONDS_A_TRY) as transport:
            for left in reversed(range(_TRIES)):
                try:
                    await transport.request(
                        "POST",
                        self.url,
                        allowed=_GOOD,
                        headers={"Content-Type": "application/json"},
                        data=body.encode(),
                    )
                except _MAY_PASS as error:
                    if not left or error.status not in _NOT_TAKEN:
                        raise
                    await asyncio.sleep(min(error.retry_after or _PAUSE, _LONGEST_PAUSE))
                else:
                    return

    @staticmethod
    def _explain(error: ArtifactoryError) -> str:
        if error.status is None:
            return str(error)
        return f"It answered {error.status}{f': {error.detail}' if error.detail else ''}".rstrip(".") + "."


@dataclass(frozen=True, kw_only=True)
class MailReceiver:
    """A mail server, and the addresses that mail goes to.

    :param connection: the connection, as Airflow's SMTP provider reads it.
    :param to: the addresses.
    :param secrets: what must be shown nowhere.
    """

    connection: Connection = field(repr=False)
    to: tuple[str, ...]
    secrets: tuple[str, ...] = field(repr=False)

    def deliver(self, message: Message) -> None:
        """Send it as a mail."""
        try:
            from artifactory_provider.notifications.mail_server import MailHook
        except ImportError as error:
            raise NotTold(f"Mail needs apache-airflow-providers-smtp, which is not installed: {error}.") from None
        subject, body = mail_form(message)
        try:
            with MailHook(self.connection, longest=_SECONDS_A_TRY, tries=_TRIES) as hook:
                hook.send_email_smtp(to=list(self.to), subject=subject, html_content=body)
        except (AirflowException, OSError, RuntimeError, ValueError, smtplib.SMTPException) as error:
            raise NotTold(hide(f"{type(error).__name__}: {error}", self.secrets)) from None


def read_receiver(connection: Connection, extra: Mapping[str, Any], *, to: Sequence[str] = ()) -> Receiver:
    """Return the receiver that a connection describes.

    :param connection: the connection.
    :param extra: its extra.
    :param to: the addresses that mail goes to; by default the connection's own.
    :raises NotTold: when it describes none, naming the field and never a secret.
    """
    try:
        if connection.conn_type in _MAIL_TYPES:
            known = (connection.password, *map(extra.get, _MAIL_SECRETS))
            secrets = tuple(one for one in known if isinstance(one, str) and one)
            return MailReceiver(connection=connection, to=_read_addresses(to or extra.get("to")), secrets=secrets)
        form = _read_form(connection.conn_type, extra)
        url = _read_url(connection, is_webhook=form != "json")
        others = {name: value for name, value in extra.items() if name not in _OWN_EXTRA}
        service = service_of(
            conn_type=connection.conn_type,
            host=_origin(url),
            schema=None,
            port=None,
            login=connection.login if form == "json" else None,
            password=connection.password if form == "json" else None,
            extra=others,
        )
        headers = [value for value in service.headers.values() if len(value) >= _SHORTEST_SECRET]
        secrets = (*find_secrets(url), *service.authentication.secrets(), *headers)
        return WebReceiver(form=form, url=url, service=service, secrets=secrets)
    except (InvalidSettings, ValueError) as error:
        raise NotTold(str(error)) from None


def deliver(receiver: Receiver, message: Message) -> concurrent.futures.Future[None]:
    """Begin to tell a receiver, in a thread that nobody has to wait for: it may hang in a name that is looked up.

    :param receiver: the receiver.
    :param message: the message, shortened.
    :return: the future of it, which raises ``NotTold`` and nothing else.
    """
    future: concurrent.futures.Future[None] = concurrent.futures.Future()

    def work() -> None:
        try:
            receiver.deliver(message)
        except NotTold as error:
            future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - whatever it is fails no promotion; its text may hold the address
            future.set_exception(NotTold(f"{type(error).__name__}."))
        else:
            future.set_result(None)

    threading.Thread(target=work, name="promotion-notifier", daemon=True).start()
    return future


def hide(text: str, secrets: Sequence[str]) -> str:
    """Return a text without some secrets.

    :param text: any text.
    :param secrets: what is not to be shown.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def find_secrets(url: str) -> tuple[str, ...]:
    """Return what must be shown nowhere of a webhook's address: path and query, whole and in parts.

    :param url: the address.
    """
    parts = urlsplit(url)
    found = [parts.path, unquote(parts.path), parts.query, *parts.path.split("/")]
    found += [value for _, value in parse_qsl(parts.query)]
    return tuple(dict.fromkeys(one for one in found if len(one) >= _SHORTEST_SECRET))


def _read_form(conn_type: str | None, extra: Mapping[str, Any]) -> WebForm:
    if conn_type == _SLACK_TYPE:
        return "slack"
    form = extra.get("receiver", "json")
    if form not in get_args(WebForm):
        raise InvalidSettings(f"receiver in the extra is {' or '.join(get_args(WebForm))}, not {form!r:.60}.")
    found: WebForm = form
    return found


def _read_url(connection: Connection, *, is_webhook: bool) -> str:
    """Return the whole address: a webhook's may stand in the password, or end there."""
    host = connection.host or (_SLACK_URL if connection.conn_type == _SLACK_TYPE else None)
    end = (connection.password or "").strip() if is_webhook else ""
    if end.lower().startswith(("http://", "https://")):
        url = end
    else:
        url = base_url_of(connection.conn_type, host, connection.schema, connection.port)
        url = f"{url.rstrip('/')}/{end.lstrip('/')}" if end else url
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isascii() or not url.isprintable():
        raise InvalidSettings("The address in host or password is no URL.")
    if is_webhook and parts.scheme != "https" and not _is_loopback(parts.hostname):
        raise InvalidSettings("The webhook's address has to begin with https: whoever reads it can write there.")
    return url if parts.path else urlunsplit(parts._replace(path="/"))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _read_addresses(to: Any) -> tuple[str, ...]:
    addresses = [one.strip() for one in to.replace(";", ",").split(",")] if isinstance(to, str) else to
    if not isinstance(addresses, list | tuple) or not addresses:
        raise InvalidSettings("Nobody is named whom mail goes to: give to, or to in the connection's extra.")
    return tuple(check_address(str(one)) for one in addresses)
