"""What the registry shows, asked for many promotions together, and each thing once.

A promotion asks its questions as if it were alone. Questions that wait at the same moment are joined into few queries;
what does not change while promotions run (a manifest by its digest, a permission, a repository's kind) is asked for
once. That a server refuses queries is remembered: its Docker API is asked tag by tag then. Nothing else is kept: what
tags show is asked for anew each time.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self, TypeVar

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.diagnosis import check_promotable
from artifactory_provider.artifactory.errors import (
    TRANSIENT,
    ArtifactoryError,
    AuthenticationFailed,
    NotArtifactory,
    NotFound,
    PermissionDenied,
    QueryUnusable,
    RepositoryNotFound,
    RequestNotSent,
    RequestRefused,
    UnexpectedAnswer,
    UnsupportedRepository,
)
from artifactory_provider.artifactory.layout import tag_path
from artifactory_provider.promotion.each_tag import EachTag
from artifactory_provider.promotion.listing import Image, Listing, image_of
from artifactory_provider.promotion.queries import Question, find_together, tags_of
from artifactory_provider.promotion.removal import remove_tag

if TYPE_CHECKING:
    import datetime
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from types import TracebackType

    from artifactory_provider.artifactory.aql import Item
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Manifest, Referrer
    from artifactory_provider.artifactory.references import ImageReference

log = logging.getLogger(__name__)

T = TypeVar("T")

_JOIN_WITHIN = 0.1
"""Seconds that a question waits for others at most."""
_QUERIES_AT_ONCE = 2
_MOST_KNOWN = 2000
_LASTING_FAILURES: dict[object, tuple[type[ArtifactoryError], ...]] = {
    "permission": (PermissionDenied, RepositoryNotFound, RequestRefused, UnsupportedRepository),
    "repository": (
        AuthenticationFailed,
        NotFound,
        PermissionDenied,
        RequestRefused,
        UnexpectedAnswer,
        UnsupportedRepository,
    ),
}
"""What is not asked for again: it will not change while promotions run."""
_REFUSED_FOR_GOOD = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, 405, 501})
_OVERLOADED = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
_REFUSALS: tuple[type[ArtifactoryError], ...] = (
    AuthenticationFailed,
    NotFound,
    PermissionDenied,
    QueryUnusable,
    RequestRefused,
)
"""Servers refuse queries of anonymous users, proxies may not let them through, and digests may be missing in the
results: each tag is asked for then."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A question that waits for its answer."""

    question: Question
    answer: asyncio.Future[Listing]


class Ledger:
    """What promotions over one open client know of the registry. Use it as an asynchronous context manager.

    :param client: an open client.
    :param refuses_queries: whether the server is known to refuse queries.
    """

    def __init__(self, client: ArtifactoryClient, *, refuses_queries: bool = False) -> None:
        self.client = client
        self.is_shared = False
        self.refuses_queries = refuses_queries
        self._partners = 1
        self._waiting: list[_Asked] = []
        self._unanswered: set[_Asked] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self._known: dict[tuple[object, ...], asyncio.Task[Any]] = {}
        self._permitted: set[tuple[str, str]] = set()
        self._refused: set[tuple[str, str]] = set()
        self._asking: dict[tuple[str, str], asyncio.Lock] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        left = [task for task in (*self._answering, *self._known.values()) if not task.done()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    @asynccontextmanager
    async def shared_by(self, partners: int) -> AsyncIterator[None]:
        """Let several promotions ask at a time; each says with ``leave`` when it asks no more.

        :param partners: how many.
        """
        self.is_shared, self._partners = True, partners
        try:
            yield
        finally:
            self.is_shared, self._partners = False, 1

    def leave(self) -> None:
        """Ask no more: nobody waits for one's questions from now on."""
        self._partners -= 1
        self._ask_when_all_wait()

    async def look(self, question: Question) -> Listing:
        """Return what the registry shows now.

        :param question: what is asked.
        :raises ArtifactoryError: when the server cannot be asked.
        """
        if not self.is_shared:
            return await self._find([question]) or await self._ask_each(question)
        loop = asyncio.get_running_loop()
        asked = _Asked(question, loop.create_future())
        self._waiting.append(asked)
        self._unanswered.add(asked)
        self._ask_when_all_wait()
        if self._waiting and self._timer is None:
            self._timer = loop.call_later(_JOIN_WITHIN, self._ask)
        return await asked.answer

    async def read(self, place: ImageReference) -> Manifest:
        """Return the manifest of a digest.

        :param place: repository, image and digest.
        :raises TagNotFound: when the image does not have it.
        """
        place = place.by_digest()
        return await self._once(("manifest", place), lambda: self.client.manifest(place))

    async def find_referrers(self, subject: ImageReference) -> tuple[Referrer, ...]:
        """Return the manifests that refer to a digest.

        :param subject: repository, image and digest.
        """
        subject = subject.by_digest()
        return await self._once(("referrers", subject), lambda: self.client.referrers(subject))

    async def list_digests(self, image: ImageReference) -> set[str]:
        """Return the digests that the tags of an image show; none where the server refuses queries.

        :param image: repository and image.
        """
        key = image_of(image)
        return await self._once(("digests", key), lambda: self._list_digests(key))

    async def _list_digests(self, image: Image) -> set[str]:
        items = await self.find_items(tags_of(image))
        return {item.digest for item in items or ()}

    async def find_items(self, criteria: Mapping[str, Any]) -> list[Item] | None:
        """Return the files that meet AQL criteria, or None where the server does not answer queries.

        :param criteria: as AQL has them.
        :raises ArtifactoryError: when the server cannot be asked.
        """
        return await self._query(lambda: self.client.find_items(criteria))

    async def find_annotated_items(self, criteria: Mapping[str, Any]) -> list[Item] | None:
        """Return the files that meet AQL criteria with their properties, or None where the server answers no queries.

        :param criteria: as AQL has them; they must bound by themselves what is found.
        :raises ArtifactoryError: when the server cannot be asked.
        """
        return await self._query(lambda: self.client.find_annotated_items(criteria))

    async def check_repositories(self, *references: ImageReference) -> None:
        """Make sure that promotions from and to some repositories can work, as far as the user may ask.

        :param references: what stands in them.
        :raises RepositoryNotFound: when there is no such repository.
        :raises UnsupportedRepository: when one is no local or federated Docker repository.
        """
        for key in dict.fromkeys(reference.repository for reference in references):
            await self.check_repository(key)

    async def check_repository(self, key: str) -> None:
        """Make sure that promotions from and to a repository can work, as far as the user may ask.

        :param key: the repository key.
        :raises RepositoryNotFound: when there is no such repository.
        :raises UnsupportedRepository: when it is no local or federated Docker repository.
        """
        try:
            await self._check_promotable(key)
        except (NotArtifactory, RepositoryNotFound, UnsupportedRepository):
            raise
        except ArtifactoryError as error:
            log.info("Whether %r can promote is unknown: %s", key, error)

    async def tells_all(self, key: str) -> bool:
        """Return whether queries find all that a repository shows: it passes on nothing of others.

        :param key: the repository key.
        """
        if self.refuses_queries:
            return False
        try:
            await self._check_promotable(key)
        except ArtifactoryError as error:
            log.info("Whether queries find all of %r is unknown: %s", key, error)
            return False
        return True

    async def _check_promotable(self, key: str) -> None:
        await self._once(("repository", key), lambda: check_promotable(self.client, key))

    async def date(self, place: ImageReference) -> datetime.datetime | None:
        """Return when a tag was last written, or None where the server does not say.

        :param place: repository, image and tag.
        """
        try:
            return await self._once(("updated", place), lambda: self.client.updated(tag_path(place)))
        except ArtifactoryError as error:
            log.info("How old %s is stays unknown: %s", place, error)
            return None

    async def drop(self, place: ImageReference) -> None:
        """Remove a tag of a promotion's own, once; what cannot be removed is left for the next promotion of the image.

        :param place: repository, image and tag, a name that is given once.
        """
        try:
            await self._once(("drop", place.unpinned()), lambda: remove_tag(self.client, place))
        except ArtifactoryError as error:
            log.warning("%s is left behind: %s", place, error)

    async def permit(self, place: ImageReference, ask: Callable[[], Awaitable[None]], *, what: str = "promote") -> None:
        """Ask for a permission: image by image, until one of the repository's has it; what is refused is kept, too.

        :param place: repository and image.
        :param ask: raises when the permission is missing.
        :param what: the deed that it is for.
        """
        key = (what, place.repository)
        # One asks for all; where that one is not permitted, nobody waits for another's answer any more.
        async with self._asking.setdefault(key, asyncio.Lock()):
            if key not in self._permitted and key not in self._refused:
                await self._ask_permission(key, place.image, ask)
        if key not in self._permitted:
            await self._ask_permission(key, place.image, ask)

    async def _ask_permission(self, key: tuple[str, str], image: str, ask: Callable[[], Awaitable[None]]) -> None:
        try:
            await self._once(("permission", *key, image), ask)
        except _LASTING_FAILURES["permission"]:
            self._refused.add(key)
            raise
        self._permitted.add(key)

    async def _once(self, key: tuple[object, ...], ask: Callable[[], Awaitable[T]]) -> T:
        """Ask once for all who want to know; an error that may pass is forgotten."""
        task: asyncio.Task[T] | None = self._known.pop(key, None)
        if task is None:
            task = asyncio.ensure_future(_run(ask))
            task.add_done_callback(lambda done: self._forget_failure(key, done))
        # What is wanted often is the last to be forgotten.
        self._known[key] = task
        if len(self._known) > _MOST_KNOWN:
            self._forget_oldest()
        return await asyncio.shield(task)

    def _forget_failure(self, key: tuple[object, ...], task: asyncio.Task[Any]) -> None:
        """Keep of the failures what will not change: which permission is missing, which repository cannot promote."""
        error = None if task.cancelled() else task.exception()
        lasts = isinstance(error, _LASTING_FAILURES.get(key[0], ()))
        if (task.cancelled() or error is not None) and not lasts and self._known.get(key) is task:
            del self._known[key]

    def _forget_oldest(self) -> None:
        oldest = next((key for key, task in self._known.items() if task.done()), None)
        if oldest is not None:
            del self._known[oldest]

    def _ask_when_all_wait(self) -> None:
        if self._waiting and len(self._unanswered) >= self._partners:
            self._ask()

    def _ask(self) -> None:
        """Ask all questions that wait, together; while the server is at its limit of queries, more may join them."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and len(self._answering) < _QUERIES_AT_ONCE:
            waiting, self._waiting = self._waiting, []
            task = asyncio.ensure_future(self._answer(waiting))
            self._answering.add(task)
            task.add_done_callback(self._ask_next)

    def _ask_next(self, task: asyncio.Task[None]) -> None:
        self._answering.discard(task)
        is_due = self._timer is None or len(self._unanswered) >= self._partners
        if is_due and not task.cancelled():
            self._ask()

    async def _answer(self, waiting: Sequence[_Asked]) -> None:
        try:
            await self._answer_together(waiting)
        except Exception as error:  # noqa: BLE001 - whoever has asked gets it
            for asked in waiting:
                self._give(asked, error)

    def _give(self, asked: _Asked, found: Listing | Exception) -> None:
        """Give an answer to whoever waits for it still."""
        self._unanswered.discard(asked)
        if asked.answer.done():
            return
        if isinstance(found, Listing):
            asked.answer.set_result(found)
        else:
            asked.answer.set_exception(found)

    async def _answer_together(self, waiting: Sequence[_Asked]) -> None:
        listing = await self._find([asked.question for asked in waiting])
        if listing is not None:
            for asked in waiting:
                self._give(asked, listing)
            return
        each = EachTag(self.client)
        rejections = await self._find_rejections([asked.question for asked in waiting])

        async def answer_one(asked: _Asked) -> None:
            try:
                found = await each.find(asked.question)
            except AuthenticationFailed:
                raise
            except ArtifactoryError as error:
                self._give(asked, error)
            else:
                found.add_rejections(rejections)
                self._give(asked, found)

        await concurrently(answer_one, waiting)

    async def _ask_each(self, question: Question) -> Listing:
        found = await EachTag(self.client).find(question)
        found.add_rejections(await self._find_rejections([question]))
        return found

    async def _find_rejections(self, questions: Sequence[Question]) -> Listing:
        """Find them by a query of their own: whatever was odd about another one, or failed, is no proof of none."""
        digests = tuple(digest for question in questions for digest in question.rejected)
        alone = [Question(with_marks=True, rejected=digests)]
        found = await self._query(lambda: find_together(self.client, alone)) if digests else None
        return found or Listing(knows_files=False)

    async def _find(self, questions: Sequence[Question]) -> Listing | None:
        # One odd name may spoil a query for many: whatever came of it, each is asked for alone then.
        spoilt = (*_REFUSALS, *TRANSIENT, UnexpectedAnswer) if len(questions) > 1 else _REFUSALS
        return await self._query(lambda: find_together(self.client, questions), spoilt)

    async def _query(
        self, ask: Callable[[], Awaitable[T]], refusals: tuple[type[ArtifactoryError], ...] = _REFUSALS
    ) -> T | None:
        """Return what queries find; None where the server refuses them, or fails in one of some other ways."""
        if self.refuses_queries:
            return None
        try:
            return await ask()
        except RequestNotSent:
            raise
        except refusals as error:
            if error.status in _OVERLOADED:
                raise  # To ask for each tag would be more than what it has too much of.
            # Of two queries at once the one may be refused for good, and the other for what it holds.
            if error.status in _REFUSED_FOR_GOOD:
                self.refuses_queries = True
            log.info("%s Asking for each tag instead.", error)
            return None


async def _run(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()
