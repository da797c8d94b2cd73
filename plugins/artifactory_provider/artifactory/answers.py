"""What the server sent back, and what it means when it is no success."""

from __future__ import annotations

import contextlib
import datetime
import html
import json
import re
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    AuthenticationFailed,
    NotArtifactory,
    NotFound,
    PermissionDenied,
    RateLimited,
    RequestRefused,
    ServerFailed,
    UnexpectedAnswer,
    UnsupportedRepository,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LONGEST_DETAIL = 500
_VERSION = re.compile(r"Artifactory/(\d{1,6})\.(\d{1,6})\.(\d{1,6})")
_ARTIFACTORY_HEADERS = ("X-JFrog-Version", "X-Artifactory-Id", "X-Artifactory-Node-Id")
_SHORTEST_SECRET = 4
_STRUCK_OUT = "***"
_BLOCKED_BY_XRAY = "download blocking policy configured in Xray"
_PLAIN: dict[int, tuple[type[ArtifactoryError], str]] = {
    404: (NotFound, "There is nothing at this path: check it, and that no proxy leads elsewhere."),
    407: (AuthenticationFailed, "The HTTP proxy asks for credentials: give them in the proxy's URL."),
    429: (RateLimited, "The server limits requests: ask less often, or let fewer tasks ask at a time."),
    501: (RequestRefused, "The server, or a proxy before it, never does this: see whether a proxy can let it through."),
}
_UNSUPPORTED_REPOSITORY = re.compile(r"Unsupported (V2|docker) repository request", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """One complete answer.

    :param endpoint: method and path of the request, without query and credentials.
    :param status: the HTTP status.
    :param headers: the headers, looked up without regard to case.
    :param content: the body's bytes.
    :param secrets: texts to strike out of whatever is said about it.
    """

    endpoint: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def media_type(self) -> str:
        """The ``Content-Type`` without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", errors="replace")

    @property
    def is_html(self) -> bool:
        """Whether a proxy's or a login page came instead of an answer of the API."""
        beginning = self.content[:200].lstrip().lower()
        return self.media_type == "text/html" or beginning.startswith((b"<!doctype", b"<html"))

    def hide(self, secrets: Iterable[str]) -> Answer:
        """Return the answer as it came; the secrets are struck out of whatever is said about it.

        :param secrets: the texts; those of less than four characters stay, as they stand everywhere.
        """
        return replace(self, secrets=tuple(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET))

    def redact(self, secrets: Iterable[str]) -> Answer:
        """Return the answer with the secrets struck out of its body, too: error pages may show what was sent.

        :param secrets: as for ``hide``.
        """
        hidden = self.hide(secrets)
        content = self.content
        for secret in hidden.secrets:
            content = content.replace(secret.encode(), _STRUCK_OUT.encode())
        return replace(hidden, content=content)

    def json(self) -> Any:
        """Return the body's JSON value.

        :raises UnexpectedAnswer: when the body is empty, HTML, or no JSON.
        """
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(self.content)
        # Not from the parser's error: that holds the whole text.
        raise self.unexpected("JSON")

    def document(self) -> dict[str, Any]:
        """Return the body's JSON object.

        :raises UnexpectedAnswer: when the body is none.
        """
        document = self.json()
        if not isinstance(document, dict):
            raise self.unexpected("a JSON object")
        return document

    def unexpected(self, wanted: str) -> UnexpectedAnswer:
        """Return the error that says that something else came than was wanted.

        :param wanted: what should have come, such as ``JSON``.
        """
        return UnexpectedAnswer(
            self._explain_other(wanted), status=self.status, endpoint=self.endpoint, detail=self.detail
        )

    def not_artifactory(self, wanted: str) -> UnexpectedAnswer:
        """Return the error for what every Artifactory answers and this server does not.

        :param wanted: what should have come.
        """
        if self.is_from_artifactory:
            return self.unexpected(wanted)
        server = self._show(self.headers.get("Server", ""))
        named = f" (it calls itself {server!r})" if server else ""
        return NotArtifactory(
            f"This does not look like an Artifactory{named}: {self._explain_other(wanted)}",
            status=self.status,
            endpoint=self.endpoint,
            detail=self.detail,
        )

    def _explain_other(self, wanted: str) -> str:
        return (
            f"{self.endpoint} answered {self.status} with {self.description} instead of {self._strike_out(wanted)}: "
            "check that the connection's host is Artifactory's own URL (often it ends in /artifactory) and "
            "that no proxy or login page stands before it."
        )

    @property
    def description(self) -> str:
        """What the body is, in a few words."""
        if not self.content:
            return "an empty body"
        return "an HTML page" if self.is_html else self._show(self.media_type) or "untyped content"

    @property
    def detail(self) -> str | None:
        """The server's own words, shortened; None where it said nothing readable."""
        if not self.content:
            return None
        if self.is_html:
            title = re.search(r"<title[^>]*>(.*?)</title>", self.text, re.IGNORECASE | re.DOTALL)
            return self._show(html.unescape(title.group(1))) if title else None
        try:
            said = _find_messages(json.loads(self.content))
        except (ValueError, RecursionError):
            return self._show(self.text)
        return self._show("; ".join(said)) if said else None

    def _show(self, text: str) -> str | None:
        """Return a text of the server's as it may be shown; what stands in it in code was not struck out before."""
        return readable(self._strike_out(text))

    def _strike_out(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, _STRUCK_OUT)
        return text

    @property
    def server_version(self) -> tuple[int, ...] | None:
        """Artifactory's version, which its newer and older versions send under two names; None where neither came."""
        named = _VERSION.search(self.headers.get("X-JFrog-Version", "") or self.headers.get("Server", ""))
        return tuple(map(int, named.groups())) if named else None

    @property
    def is_from_artifactory(self) -> bool:
        """Whether the answer says that it comes from an Artifactory; a proxy may hide that."""
        return self.server_version is not None or any(name in self.headers for name in _ARTIFACTORY_HEADERS)

    @property
    def retry_after(self) -> float | None:
        """The seconds that ``Retry-After`` asks to wait, if it is there and readable."""
        value = self.headers.get("Retry-After", "").strip()
        if value.isdecimal():
            return float(value)
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        return max(0.0, (moment - datetime.datetime.now(datetime.UTC)).total_seconds())


def refusal(answer: Answer, *, needs: str | None = None, credentials: str | None = None) -> ArtifactoryError:
    """Return the error that an unsuccessful answer stands for.

    :param answer: an answer whose status is no success.
    :param needs: the permissions that the request needs, in words, to be named where one is missing.
    :param credentials: what is known of credentials that were refused, and what to do about them.
    """
    kind, advice = _judge(answer, needs, credentials)
    said = f": {answer.detail}" if answer.detail else ""
    shown = f" ({answer.description})" if answer.is_html else ""
    return kind(
        f"{answer.endpoint} answered {answer.status}{shown}{said.rstrip('.')}. {advice}",
        status=answer.status,
        endpoint=answer.endpoint,
        detail=answer.detail,
        retry_after=answer.retry_after,
    )


def _judge(answer: Answer, needs: str | None, credentials: str | None) -> tuple[type[ArtifactoryError], str]:
    status = answer.status
    if status == 400 and _UNSUPPORTED_REPOSITORY.search(answer.detail or ""):
        return UnsupportedRepository, (
            "The repository does not exist or is no local or federated Docker repository: check its key."
        )
    if 300 <= status < 400:
        return UnexpectedAnswer, (
            f"It redirects to {_show_location(answer)}: set the connection's host to the URL that answers itself."
        )
    if status < 300:
        return UnexpectedAnswer, "That is no answer of Artifactory's here: check that no proxy answers in its place."
    if status == 401:
        return AuthenticationFailed, credentials or (
            "The credentials are missing, wrong or expired: check login and password or token of the connection."
        )
    if status == 403:
        if _BLOCKED_BY_XRAY in (answer.detail or ""):
            return RequestRefused, "Xray blocks this image: see its violations in Xray, or its policy."
        needed = f"needs {needs}" if needs else "needs a permission that it does not have"
        return PermissionDenied, f"The user of the connection {needed}: ask for it in a permission target."
    if status in _PLAIN:
        return _PLAIN[status]
    if status >= 500:
        return ServerFailed, "The server, or a proxy before it, failed: try again later; its log says why."
    return RequestRefused, (
        "The server, or a proxy before it, will not do this as it was asked: see the reason in its log, and check that "
        "no proxy forbids it."
    )


def _show_location(answer: Answer) -> str:
    """Return where a redirect leads, without the parts of a URL that may hold secrets."""
    try:
        parts = urlsplit(answer.headers.get("Location", ""))
        place = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        place = ""
    return readable(place) or "an unnamed place"


def _find_messages(document: Any) -> list[str]:
    """Collect the messages of Artifactory's, Docker's and OAuth's error documents."""
    if not isinstance(document, dict):
        return []
    entries = document.get("errors") or document.get("messages") or []
    if isinstance(entries, list) and entries:
        return [str(entry["message"]) for entry in entries if isinstance(entry, dict) and "message" in entry]
    said = document.get("error_description") or document.get("message") or document.get("error")
    return [str(said)] if said else []


def readable(text: str) -> str | None:
    """Return a text of the server's in one line, shortened, without what cannot be shown; None where nothing is left.

    :param text: any text.
    """
    words = " ".join("".join(one if one.isprintable() or one.isspace() else "\ufffd" for one in text).split())
    if len(words) > _LONGEST_DETAIL:
        return f"{words[: _LONGEST_DETAIL - 1]}…"
    return words or None
