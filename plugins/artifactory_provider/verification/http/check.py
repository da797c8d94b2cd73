"""The check that asks another service over HTTP."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    RateLimited,
    RequestNotSent,
    ServerFailed,
    TlsFailed,
    UnexpectedAnswer,
)
from artifactory_provider.verification.check import Check, ask_each, unknown
from artifactory_provider.verification.conditions import LARGEST_DOCUMENT, Condition, ConditionFailed, read_document
from artifactory_provider.verification.http.request_templates import (
    FIELDS,
    SUBJECTS,
    check_body,
    check_endpoint,
    fields_of,
    fill_body,
    fill_endpoint,
)
from artifactory_provider.verification.moments import check_seconds
from artifactory_provider.verification.verdicts import State, Verdict, worst

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.answers import Answer
    from artifactory_provider.artifactory.transport import Transport
    from artifactory_provider.verification.evidence import Evidence, Subject

_METHODS = ("GET", "POST", "PUT")
_MOST_SECONDS = 100
_AT_ONCE = 8
_SUBJECTS_A_CALL = 500
_CALLS_AT_ONCE = 2
_ANY_STATUS = range(100, 1000)
_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED})
_NO_VERDICTS = _REFUSALS | {HTTPStatus.TOO_MANY_REQUESTS}
_HEADERS = {"Accept": "application/json"}


@dataclass(frozen=True, kw_only=True)
class HttpCheck(Check):
    """Whether another service says of a digest that it has passed.

    Endpoint and body are templates: ``{repository}``, ``{image}``, ``{tag}`` and ``{digest}`` stand for what is
    verified, and one of the two names the digest. The answer is JSON with status 200, and JMESPath expressions tell
    what it says; only ``true`` itself counts as true. One that says two things at a time passes never; one that fails
    fails whatever else it says.

    With ``many``, one call asks about up to 500 digests: ``{subjects}`` in the body stands for a list of objects with
    the four fields, and ``results`` finds in the answer either an object of digest → document, or a list of documents
    that each have a ``digest``. The expressions are used on these documents. A digest that is not there waits.

    :param conn_id: the connection of the service, of type HTTP: its host, login, password, and headers in the extra.
    :param endpoint: path and query below the connection's URL.
    :param passed: the expression that is true when it has passed, such as ``status == 'passed'``.
    :param failed: the one that is true when it has failed.
    :param pending: the one that is true when the service is at work still.
    :param message: the one that finds what is to be told to people.
    :param method: ``GET``, ``POST`` or ``PUT``.
    :param body: the body, JSON; with ``many`` by default ``{"subjects": {subjects}}``.
    :param many: whether one call asks about many.
    :param results: where the answer has the documents, with ``many``.
    :param failed_statuses: the HTTP statuses that say that it has failed.
    :param pending_statuses: those that say that there is no verdict yet.
    :param timeout: seconds for one call, from its start to the end of its answer, at most 100.
    :param name: what it is called in records; by default like its connection.
    :raises ValueError: when a template or an expression is none, or makes no sense here.
    """

    kind: ClassVar[str] = "http"

    conn_id: str
    endpoint: str
    passed: str
    failed: str | None = None
    pending: str | None = None
    message: str | None = None
    method: str = "GET"
    body: str | None = None
    many: bool = False
    results: str = "@"
    failed_statuses: Sequence[int] = ()
    pending_statuses: Sequence[int] = (202, 404)
    timeout: float = 30
    name: str = ""

    def __post_init__(self) -> None:
        if not self.conn_id or not isinstance(self.conn_id, str):
            raise ValueError("An HTTP check needs conn_id: the connection of the service that it asks.")
        object.__setattr__(self, "name", self.name or self.conn_id)
        self._check_request()
        check_seconds(self.timeout, "timeout of an HTTP check")
        if self.timeout > _MOST_SECONDS:
            raise ValueError(f"timeout of an HTTP check is at most {_MOST_SECONDS} seconds, not {self.timeout!r}.")
        for expression in (self.passed, self.results, *self._others()):
            Condition.parse(expression)
        for kind in ("failed_statuses", "pending_statuses"):
            object.__setattr__(self, kind, tuple(getattr(self, kind)))
        statuses = (*self.failed_statuses, *self.pending_statuses)
        if len(set(statuses)) < len(statuses) or not all(map(_can_be_verdict, statuses)):
            raise ValueError(
                "failed_statuses and pending_statuses are different statuses from 201 to 499; 401, 403, 407 and 429 "
                "say nothing of a digest."
            )

    def _others(self) -> list[str]:
        return [each for each in (self.failed, self.pending, self.message) if each is not None]

    def _check_request(self) -> None:
        if self.method not in _METHODS:
            raise ValueError(f"method is one of {', '.join(_METHODS)}, not {self.method!r:.60}.")
        if self.many and self.body is None:
            object.__setattr__(self, "body", f'{{"subjects": {{{SUBJECTS}}}}}')
        check_endpoint(self.endpoint, () if self.many else FIELDS)
        if self.body is not None:
            check_body(self.body, (SUBJECTS,) if self.many else FIELDS)
        if (self.method == "GET") != (self.body is None):
            raise ValueError("A GET has no body, and a POST or PUT has one; with many, method is POST or PUT.")
        wanted = SUBJECTS if self.many else "digest"
        if wanted not in fields_of(self.endpoint) | fields_of(self.body or ""):
            raise ValueError(
                f"The request does not name {{{wanted}}}: the answer would be about no digest in particular."
            )

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        """Ask the service, about each or about many at a time; what is wrong for all is found out once."""
        connect = evidence.connect
        if connect is None:
            reason = f"{self.name} cannot be asked: there are no connections here."
            return [Verdict(State.UNREADABLE, reason, value="unreadable")] * len(subjects)
        service = await evidence.once(("connection", self.conn_id), lambda: connect(self.conn_id))
        async with service.transport(timeout=self.timeout) as transport:
            asking = _Asking(self, transport)
            if not self.many:
                return await ask_each(subjects, asking.ask_about, at_once=_AT_ONCE)
            calls = [subjects[at : at + _SUBJECTS_A_CALL] for at in range(0, len(subjects), _SUBJECTS_A_CALL)]
            answers = await concurrently(asking.ask_about_many, calls, at_once=_CALLS_AT_ONCE)
        return [verdict for answer in answers for verdict in answer]


class _NoDocument(Exception):
    """An answer that has a verdict in it already, or that nothing can be read from."""

    def __init__(self, verdict: Verdict, *, is_for_all: bool = False) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict
        self.is_for_all = is_for_all


class _Asking:
    """One look's way to the service. Once it is known that it answers nobody, nobody asks it any more.

    :param check: what is asked.
    :param transport: the open way.
    """

    def __init__(self, check: HttpCheck, transport: Transport) -> None:
        self._check = check
        self._transport = transport
        self._for_all: Verdict | None = None
        self._secrets: tuple[str, ...] = ()
        texts = {State.FAILED: check.failed, State.PASSED: check.passed, State.PENDING: check.pending}
        self._conditions = {state: Condition.parse(text) for state, text in texts.items() if text is not None}
        self._message = Condition.parse(check.message) if check.message is not None else None
        self._results = Condition.parse(check.results)

    async def ask_about(self, subject: Subject) -> Verdict:
        try:
            document = await self._fetch([subject])
        except _NoDocument as other:
            return other.verdict
        # An expression may take a while, in which others want the loop.
        return await asyncio.to_thread(self._judge, document)

    async def ask_about_many(self, subjects: Sequence[Subject]) -> list[Verdict]:
        try:
            document = await self._fetch(subjects)
            return await asyncio.to_thread(self._judge_all, document, subjects)
        except _NoDocument as other:
            return [other.verdict] * len(subjects)
        except ArtifactoryError as error:
            return [unknown(error)] * len(subjects)

    def _judge_all(self, document: Any, subjects: Sequence[Subject]) -> list[Verdict]:
        results = self._read_results(document)
        return [self._judge_results(results.get(subject.digest, ())) for subject in subjects]

    async def _fetch(self, subjects: Sequence[Subject]) -> Any:
        """Return the JSON value that the service answers.

        :raises _NoDocument: with the verdict, when it answers something else.
        :raises ArtifactoryError: when it does not answer.
        """
        if self._for_all is not None:
            raise _NoDocument(self._for_all)
        try:
            answer = await self._send(subjects)
            self._secrets = answer.secrets
            self._judge_status(answer)
            return self._read(answer)
        except _NoDocument as other:
            if other.is_for_all:
                self._for_all = other.verdict
            raise
        except ArtifactoryError as error:
            named = type(error)(f"{self._check.name}: {error}", endpoint=error.endpoint)
            if isinstance(error, RequestNotSent | TlsFailed):
                self._for_all = unknown(named)
            raise named from None

    async def _send(self, subjects: Sequence[Subject]) -> Answer:
        from artifactory_provider.artifactory.transport import BodyReading

        check = self._check
        endpoint = fill_endpoint(check.endpoint, None if check.many else subjects[0]).lstrip("/")
        body = None if check.body is None else fill_body(check.body, subjects)
        try:
            return await self._transport.request(
                check.method,
                f"{self._transport.settings.base_url.rstrip('/')}/{endpoint}",
                repeatable=False,
                allowed=_ANY_STATUS,
                headers=_HEADERS if body is None else {**_HEADERS, "Content-Type": "application/json"},
                data=body,
                reading=BodyReading(largest=LARGEST_DOCUMENT),
            )
        except UnexpectedAnswer:
            raise self._unreadable("answered with more than 1 MiB") from None

    def _judge_status(self, answer: Answer) -> None:
        """Raise the verdict that the status of an answer is by itself, if it is one."""
        check, status = self._check, answer.status
        said = f"answered {status}{f': {answer.detail}' if answer.detail else ''}".rstrip(".")
        if status in check.failed_statuses:
            raise _NoDocument(Verdict(State.FAILED, f"{check.name} {said}.", value=str(status)))
        if status in check.pending_statuses:
            reason = f"{check.name} {said}; there is no verdict yet."
            raise _NoDocument(Verdict(State.PENDING, reason, value=str(status)))
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._out_of_order(answer, said)
        if status in _REFUSALS:
            advice = f"check login and password of connection {check.conn_id!r}, and what its user may read"
            raise self._unreadable(f"{said}; {advice}", is_for_all=True)
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            advice = f"give connection {check.conn_id!r} the URL that answers itself"
            raise self._unreadable(f"redirects ({status}), which is not followed; {advice}", is_for_all=True)
        if status != HTTPStatus.OK:
            raise self._unreadable(f"{said}; that is no answer that says passed or failed")

    def _read(self, answer: Answer) -> Any:
        try:
            document = read_document(answer.content)
        except ValueError:
            document = None
        if isinstance(document, dict | list):
            return document
        advice = f"check the URL of connection {self._check.conn_id!r}, and that no login page stands before it"
        raise self._unreadable(f"answered with {answer.description} instead of a JSON object or list; {advice}")

    def _out_of_order(self, answer: Answer, said: str) -> _NoDocument:
        """Return the verdict on a service that may answer later."""
        is_limit = answer.status == HTTPStatus.TOO_MANY_REQUESTS
        wait = f", and asks to wait {answer.retry_after:.0f} s" if answer.retry_after is not None else ""
        reason = f"{self._check.name} {said}{wait}; it is asked again."
        error = (RateLimited if is_limit else ServerFailed)(
            reason, status=answer.status, endpoint=answer.endpoint, retry_after=answer.retry_after
        )
        verdict = Verdict(State.PENDING, reason, value="no answer", error=error)
        return _NoDocument(verdict, is_for_all=is_limit or answer.status == HTTPStatus.SERVICE_UNAVAILABLE)

    def _unreadable(self, what: str, *, is_for_all: bool = False) -> _NoDocument:
        reason = f"{self._check.name} {what}."
        return _NoDocument(Verdict(State.UNREADABLE, reason, value="unreadable"), is_for_all=is_for_all)

    def _read_results(self, document: Any) -> dict[str, list[Any]]:
        """Return what an answer about many says of each digest."""
        try:
            found = self._results.find(document)
        except ConditionFailed as error:
            raise self._unreadable(f"answered, but {error}") from None
        if isinstance(found, dict):
            return {str(digest): [result] for digest, result in found.items()}
        if not isinstance(found, list):
            raise self._unreadable(f"answered, but {self._check.results!r} finds no object and no list in it")
        results: dict[str, list[Any]] = {}
        for result in found:
            if isinstance(result, dict) and isinstance(result.get("digest"), str):
                results.setdefault(result["digest"], []).append(result)
        return results

    def _judge_results(self, results: Sequence[Any]) -> Verdict:
        """Return the verdict on a digest; where it is told of more than once, the worst."""
        if not results:
            return Verdict(State.PENDING, f"{self._check.name} does not tell of this digest yet.", value="absent")
        verdicts = [self._judge(result) for result in results]
        state = worst(verdict.state for verdict in verdicts)
        return next(verdict for verdict in verdicts if verdict.state is state)

    def _judge(self, document: Any) -> Verdict:
        name = self._check.name
        try:
            told = [state for state, condition in self._conditions.items() if condition.is_true(document)]
            said = self._find_message(document)
        except ConditionFailed as error:
            return Verdict(State.UNREADABLE, f"{name} answered, but {error}.", value="unreadable")
        if State.FAILED in told:
            return Verdict(State.FAILED, f"{name} says failed{said}.", value="failed")
        if told == [State.PASSED]:
            return Verdict(State.PASSED, f"{name} says passed{said}.", value="passed")
        if told == [State.PENDING]:
            return Verdict(State.PENDING, f"{name} says pending{said}.", value="pending")
        why = "says passed and pending at once" if told else "gives no answer that is known"
        return Verdict(State.PENDING, f"{name} {why}{said}; passed is waited for.", value="unknown")

    def _find_message(self, document: Any) -> str:
        found = self._message.find(document) if self._message else None
        if found is None:
            return ""
        text = found if isinstance(found, str) else json.dumps(found)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return f": {text}".rstrip(".")


def _can_be_verdict(status: object) -> bool:
    return isinstance(status, int) and HTTPStatus.CREATED <= status < 500 and status not in _NO_VERDICTS
