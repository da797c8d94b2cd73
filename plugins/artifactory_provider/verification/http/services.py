"""Other services that checks ask: what a connection says of one, without Airflow."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.authentication import Anonymous, Authentication
from artifactory_provider.artifactory.credentials import FixedCredentials
from artifactory_provider.artifactory.errors import InvalidSettings
from artifactory_provider.artifactory.settings import ServerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from artifactory_provider.artifactory.transport import Transport

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True, kw_only=True)
class HttpService:
    """How a service is reached over HTTP.

    :param base_url: its URL, which endpoints are added to.
    :param authentication: who is asking.
    :param headers: further headers of each request; they may be secrets, such as keys.
    :param verify: whether its TLS certificate is verified.
    :param ca_file: a PEM file of certificate authorities to trust instead of the system's.
    :param client_certificate: a PEM file with the client certificate, for mutual TLS.
    :param client_key: a PEM file with its key, where the certificate file does not hold it.
    :param proxy: an HTTP proxy's URL; without it ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY`` count.
    :raises InvalidSettings: when a header cannot be sent.
    """

    base_url: str
    authentication: Authentication = field(default_factory=Anonymous)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify: bool = True
    ca_file: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    proxy: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name, value in self.headers.items():
            if not _HEADER_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
                raise InvalidSettings(
                    f"The header {name!r:.60} cannot be sent: its name is letters, digits and '-', its value has no "
                    "line breaks and no characters outside ASCII."
                )

    def transport(self, *, timeout: float) -> Transport:
        """Return the way to the service, not open yet. Nothing is sent again: the next look asks again.

        :param timeout: seconds for one request, from its start to the end of its answer.
        :raises InvalidSettings: when the service cannot be reached so.
        """
        # Imported when it is asked for: checks are written in DAG files, which are read without an HTTP client.
        from artifactory_provider.artifactory.transport import Transport

        settings = ServerSettings(
            base_url=self.base_url,
            verify=self.verify,
            ca_file=self.ca_file,
            client_certificate=self.client_certificate,
            client_key=self.client_key,
            proxy=self.proxy,
            timeout=timeout,
            attempts=1,
            # Who waits for verdicts is told how long a service asks to wait; a look does not last so long.
            longest_pause=1,
        )
        return Transport(settings, FixedCredentials(_WithHeaders(self.authentication, self.headers)))


@dataclass(frozen=True, slots=True)
class _WithHeaders:
    """Credentials, and headers that are as secret."""

    authentication: Authentication
    others: Mapping[str, str] = field(repr=False)

    def headers(self) -> dict[str, str]:
        """Return all headers; those of the credentials win."""
        return {**self.others, **self.authentication.headers()}

    def secrets(self) -> tuple[str, ...]:
        """Return what must be shown nowhere."""
        return (*self.authentication.secrets(), *self.others.values())
