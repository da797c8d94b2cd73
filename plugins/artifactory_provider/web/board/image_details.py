"""What images are made of, asked in the background and kept: of a digest for good, what belongs to it for a minute."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.board.details import AttachedPart, Contents, read_attached, read_contents
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.web.board.looking import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from artifactory_provider.artifactory.references import ImageReference

log = logging.getLogger(__name__)

_AT_ONCE = 3
_MOST_WAITING = 30
_FRESH = 60.0
"""Seconds that what belongs to an image is good for."""
_FRESH_TROUBLE = 5.0
_PATIENCE = 1.5
"""Seconds that a request waits for the answer; then it is told to ask again."""
_LONGEST = 30.0
_MOST_IMAGES, _MOST_DIGESTS = 200, 5000

Key = tuple[str, tuple["ImageReference", ...]]


@dataclass(frozen=True)
class Details:
    """What some digests are made of.

    :param contents: digest → what it holds.
    :param attached: repository and digest → what belongs to it.
    :param trouble: what could not be asked.
    """

    contents: Mapping[str, Contents] = field(default_factory=dict)
    attached: Mapping[tuple[str, str], tuple[AttachedPart, ...]] = field(default_factory=dict)
    trouble: str | None = None


class ImageDetails:
    """Asks for what images are made of, a few at a time, whoever looks.

    :param clock: the seconds that go by.
    :param patience: the seconds that a request waits.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, patience: float = _PATIENCE) -> None:
        self._clock, self._patience = clock, patience
        self._pool = concurrent.futures.ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="artifactory-image")
        self._lock = threading.Lock()
        self._asked: OrderedDict[Key, tuple[float, concurrent.futures.Future[Details]]] = OrderedDict()
        self._contents: OrderedDict[str, Contents] = OrderedDict()

    def find(self, conn_id: str, places: tuple[ImageReference, ...]) -> Details | None:
        """Return what digests are made of; None where that is not known yet: ask again in a second or two.

        :param conn_id: the connection of their server.
        :param places: repository, image, tag and digest of each.
        """
        answer = self._ask((conn_id, places))
        if answer is None:
            return Details(trouble="Too many images are looked at now: ask again in some seconds.")
        try:
            return answer.result(timeout=self._patience)
        except (TimeoutError, concurrent.futures.CancelledError):
            return None

    def _ask(self, key: Key) -> concurrent.futures.Future[Details] | None:
        with self._lock:
            known = self._asked.get(key)
            if known is not None and self._is_fresh(*known):
                return known[1]
            if sum(not asked.done() for _, asked in self._asked.values()) >= _MOST_WAITING:
                return None
            answer = self._pool.submit(self._look, *key)
            self._asked[key] = (self._clock(), answer)
            self._asked.move_to_end(key)
            while len(self._asked) > _MOST_IMAGES:
                self._asked.popitem(last=False)
            return answer

    def _is_fresh(self, begun: float, answer: concurrent.futures.Future[Details]) -> bool:
        if not answer.done():
            return True
        return self._clock() - begun < (_FRESH if answer.result().trouble is None else _FRESH_TROUBLE)

    def _look(self, conn_id: str, places: tuple[ImageReference, ...]) -> Details:
        try:
            return asyncio.run(self._read(conn_id, places))
        except (ArtifactoryError, TimeoutError) as error:
            return Details(trouble=f"The server could not be asked: {str(error) or 'it takes too long.'}")
        except Exception as error:
            log.warning("What %s is made of could not be read.", places[0] if places else "nothing", exc_info=error)
            return Details(trouble=f"What it is made of could not be read ({type(error).__name__}).")

    async def _read(self, conn_id: str, places: tuple[ImageReference, ...]) -> Details:
        settings = await read_settings(ArtifactoryHook(conn_id))
        new = [place for place in places if str(place.digest) not in self._contents]
        async with asyncio.timeout(_LONGEST), ArtifactoryClient(settings) as client, Ledger(client) as ledger:
            contents, failed = await read_contents(ledger, new)
            attached, not_attached = await read_attached(ledger, places)
        with self._lock:
            self._contents.update(contents)
            known = {
                digest: self._contents[digest] for place in places if (digest := str(place.digest)) in self._contents
            }
            while len(self._contents) > _MOST_DIGESTS:
                self._contents.popitem(last=False)
        errors = dict.fromkeys(map(str, (*failed, *not_attached)))
        return Details(known, attached, " ".join(errors) or None)
