"""How one Artifactory server is reached."""

from __future__ import annotations

import math
import string
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from artifactory_provider.artifactory.authentication import Anonymous, Authentication, Renewable
from artifactory_provider.artifactory.errors import InvalidSettings
from artifactory_provider.artifactory.tls import TlsSettings, shared_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

DOCKER_URL = "{base}/api/docker/{repository}/v2"


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Address, credentials, TLS, proxy and patience for one Artifactory server.

    :param base_url: the server's URL, with or without ``/artifactory`` at its end.
    :param authentication: who is asking.
    :param docker_url: where a repository's Docker API is: a template of ``{base}`` and ``{repository}``. For a
        reverse proxy such as ``https://{repository}.example.com/v2`` (sub-domain) or
        ``https://example.com/v2/{repository}`` (repository path).
    :param docker_urls: repository key → URL of its Docker API, for repositories with a port of their own;
        they come before the template.
    :param verify: whether TLS certificates are verified.
    :param ca_file: a PEM file of certificate authorities to trust instead of the system's.
    :param client_certificate: a PEM file with the client certificate, for mutual TLS.
    :param client_key: a PEM file with its key, where the certificate file does not hold it.
    :param proxy: an HTTP proxy's URL; without it ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY`` count.
    :param timeout: seconds for one request, from its start to the end of its answer.
    :param connect_timeout: seconds until the connection stands.
    :param promote_timeout: seconds for a promotion request, which lasts as long as the server's work.
    :param attempts: how often a request that changes nothing is sent before it counts as failed.
    :param longest_pause: the longest wait between two attempts, in seconds, whatever the server asks for.
    :raises InvalidSettings: when the settings cannot work.
    """

    base_url: str
    authentication: Authentication | Renewable = field(default_factory=Anonymous)
    docker_url: str = DOCKER_URL
    docker_urls: Mapping[str, str] = field(default_factory=dict)
    verify: bool = True
    ca_file: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    proxy: str | None = field(default=None, repr=False)
    timeout: float = 60
    connect_timeout: float = 10
    promote_timeout: float = 900
    attempts: int = 5
    longest_pause: float = 60

    def __post_init__(self) -> None:
        _check_url(self.base_url, "base URL")
        _check_template(self.docker_url)
        for repository, url in self.docker_urls.items():
            _check_url(url, f"Docker URL of repository {repository!r}")
        if self.client_key and not self.client_certificate:
            raise InvalidSettings("client_key is given without client_certificate: give both.")
        if self.proxy:
            _check_url(self.proxy, "proxy URL", credentials_allowed=True)
        for name in ("timeout", "connect_timeout", "promote_timeout", "longest_pause"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidSettings(f"{name} is a number of seconds greater than 0.")
        if self.attempts < 1:
            raise InvalidSettings("attempts is a number from 1 on.")

    def docker_api(self, repository: str, *, base: str) -> str:
        """Return the URL of a repository's Docker API, without a slash at its end.

        :param repository: the repository key.
        :param base: the URL that ``{base}`` stands for, which ends in ``/artifactory`` where the server has it.
        """
        url = self.docker_urls.get(repository) or self.docker_url.format(base=base, repository=repository)
        return url.rstrip("/")

    def proxy_for(self, url: str) -> str | None:
        """Return the proxy that leads to a URL, or None.

        :raises InvalidSettings: when the environment names a proxy that is none for HTTP.
        """
        if self.proxy:
            return self.proxy
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        if urllib.request.proxy_bypass(place) or urllib.request.proxy_bypass(parts.hostname or ""):
            return None
        proxy = urllib.request.getproxies().get(parts.scheme)
        if not proxy:
            return None
        proxy = proxy if "://" in proxy else f"http://{proxy}"
        _check_url(proxy, f"proxy in the environment's {parts.scheme.upper()}_PROXY", credentials_allowed=True)
        return proxy

    @property
    def needs_tls(self) -> bool:
        """Whether it is known that TLS is spoken: the server's URL says so, or certificate files are named."""
        return urlsplit(self.base_url).scheme == "https" or bool(self.ca_file or self.client_certificate)

    def tls_context(self) -> ssl.SSLContext:
        """Return the TLS context, which all that share these settings share; it is made anew when a file has changed.

        :raises InvalidSettings: when a certificate file is missing or unreadable.
        """
        return shared_context(
            TlsSettings(
                verify=self.verify,
                ca_file=self.ca_file,
                client_certificate=self.client_certificate,
                client_key=self.client_key,
            )
        )


def _check_url(url: str, what: str, *, credentials_allowed: bool = False) -> None:
    try:
        parts = urlsplit(url)
        is_complete = bool(parts.hostname) and parts.port != 0
        str(parts.hostname).encode("idna")
    except ValueError:
        # From None: that error shows what was taken for the port, and that may be a password.
        raise InvalidSettings(f"The {what} is no URL: its host or port is malformed.") from None
    if not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidSettings(f"The {what} holds spaces or other characters that stand in no URL: percent-encode them.")
    if parts.scheme not in {"http", "https"} or not is_complete:
        raise InvalidSettings(
            f"The {what} must be a complete URL such as https://example.com/artifactory, "
            "with http:// or https:// and a host."
        )
    if (parts.username or parts.password) and not credentials_allowed:
        raise InvalidSettings(f"The {what} holds credentials: give them as login and password instead.")
    if parts.query or parts.fragment:
        raise InvalidSettings(f"The {what} ends with its path: leave out '?' and '#' and what follows.")


def _check_template(template: str) -> None:
    try:
        parsed = [field for field in string.Formatter().parse(template) if field[1] is not None]
    except ValueError as error:
        raise InvalidSettings(f"docker_url {template!r} is no template ({error}).") from error
    fields = {name for _, name, _, _ in parsed}
    is_plain = not any(form or conversion for _, _, form, conversion in parsed)
    if "repository" not in fields or fields - {"base", "repository"} or not is_plain:
        raise InvalidSettings(
            f"docker_url {template!r} must hold {{repository}} and may hold {{base}}, and nothing else in braces."
        )
    _check_url(
        template.format(base="https://example.com/artifactory", repository="repository"),
        "docker_url template",
    )
