"""Why a request had no answer: errors of aiohttp, TLS and sockets become typed ones that say what to do."""

from __future__ import annotations

import os
import ssl
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp

from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    AuthenticationFailed,
    ConnectionFailed,
    RequestNotSent,
    RequestTimedOut,
    TlsFailed,
)

NO_ANSWER = (aiohttp.ClientError, ssl.SSLError, OSError)
"""What is raised instead of an answer; time-outs are among them."""


def explain_failure(
    error: Exception, *, endpoint: str, url: str, proxy: str | None, timeout: float, connect_timeout: float
) -> ArtifactoryError:
    """Return the typed error for one that was raised instead of an answer.

    Raise it where the other one is handled no more, so that no chain leads to that: aiohttp's errors hold the headers
    that were sent, and parts of what came back, which may repeat them.

    :param error: one of ``NO_ANSWER``.
    :param endpoint: method and path of the request.
    :param url: where it was sent.
    :param proxy: the proxy on the way, if there is one.
    :param timeout: the seconds that the request had.
    :param connect_timeout: the seconds that the connection had.
    """
    place = show_place(url)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return _explain_deaf_server(endpoint, show_place(proxy or url), connect_timeout)
    if isinstance(error, TimeoutError):
        return _explain_slow_server(endpoint, place, timeout)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _explain_proxy(endpoint, place, proxy, error.status)
    if isinstance(error, aiohttp.ClientProxyConnectionError) and proxy:
        return _explain_no_proxy(endpoint, proxy)
    if tls := _find_tls_error(error):
        return _explain_tls(endpoint, place, tls)
    if isinstance(error, aiohttp.ClientConnectorError):
        return RequestNotSent(
            f"{endpoint} was not sent: there is no server at {place} ({_reason(error)}). "
            "Check host and port of the connection, and that the server runs.",
            endpoint=endpoint,
        )
    return ConnectionFailed(
        f"{endpoint}: the connection to {place} broke ({type(error.__cause__ or error).__name__}); what the server "
        "did with the request is unknown. Try again; if it breaks again, see what the logs of the server and of "
        "proxies before it say.",
        endpoint=endpoint,
    )


def show_place(url: str) -> str:
    """Return scheme, host and port alone: what else stands in a URL may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _explain_deaf_server(endpoint: str, place: str, seconds: float) -> RequestNotSent:
    return RequestNotSent(
        f"{endpoint} was not sent: {place} accepted no connection within {seconds:g} s. Check host and port of the "
        "connection, and what lies between.",
        endpoint=endpoint,
    )


def _explain_slow_server(endpoint: str, place: str, seconds: float) -> RequestTimedOut:
    return RequestTimedOut(
        f"{endpoint} had no answer within {seconds:g} s: the server at {place} is slow or does not answer; what it did "
        "with the request is unknown. Try again later, or allow it more time.",
        endpoint=endpoint,
    )


def _explain_no_proxy(endpoint: str, proxy: str) -> RequestNotSent:
    return RequestNotSent(
        f"{endpoint} was not sent: there is no proxy at {show_place(proxy)}. Check the proxy of the connection, or "
        "HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment.",
        endpoint=endpoint,
    )


def _explain_tls(endpoint: str, place: str, error: Exception) -> TlsFailed:
    if isinstance(error, ssl.CertificateError):
        unread = " (REQUESTS_CA_BUNDLE does not count)" if "REQUESTS_CA_BUNDLE" in os.environ else ""
        return TlsFailed(
            f"{endpoint} was not sent: the certificate of {place} is not trusted ({error}). Name your authority's "
            f"file as ca_file in the connection, or as SSL_CERT_FILE in the environment{unread}.",
            endpoint=endpoint,
        )
    return TlsFailed(
        f"{endpoint} had no answer: TLS with {place} failed ({error}). Check that the URL's https is right, "
        "and whether the server wants a client certificate: client_certificate in the connection.",
        endpoint=endpoint,
    )


def _explain_proxy(endpoint: str, place: str, proxy: str | None, status: int) -> ArtifactoryError:
    kind: type[ArtifactoryError] = RequestNotSent
    advice = "Check the proxy, and that it may go there."
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        kind, advice = AuthenticationFailed, "Give its credentials in the proxy's URL."
    return kind(
        f"{endpoint} was not sent: the proxy {show_place(proxy or '')} answered {status} when it was asked for a way "
        f"to {place}. {advice}",
        endpoint=endpoint,
    )


def _find_tls_error(error: BaseException | None) -> Exception | None:
    """Return the TLS error behind another one: that the other side wants a certificate shows after the handshake."""
    while error is not None:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return error.certificate_error
        found = getattr(error, "os_error", error)
        if isinstance(found, ssl.SSLError):
            return found
        error = error.__cause__
    return None


def _reason(error: aiohttp.ClientConnectorError) -> str:
    return error.os_error.strerror or str(error.os_error) or type(error.os_error).__name__
