"""Many promotion requests, and what became of them: one look at all targets tells more than hundreds of answers."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tenacity

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import TRANSIENT, ArtifactoryError, AuthenticationFailed, PermissionDenied
from artifactory_provider.promotion.confirmation import patience_for
from artifactory_provider.promotion.errors import TargetUnverified
from artifactory_provider.promotion.observation import observe_tags

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.observation import Shown

log = logging.getLogger(__name__)

_WAVES = 6
_LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True)
class Sending:
    """One promotion request.

    :param source: repository, image, tag and digest.
    :param target: repository, image, tag and the same digest.
    :param copy: False moves.
    """

    source: ImageReference
    target: ImageReference
    copy: bool = True


async def send_all(
    client: ArtifactoryClient,
    sendings: Iterable[Sending],
    *,
    slots: asyncio.Semaphore,
    within: float,
    renew: Callable[[ImageReference], ImageReference] | None = None,
) -> tuple[dict[Sending, Exception], dict[Sending, ImageReference]]:
    """Send all requests, look at all targets, and send again what was not done, a few times.

    :param client: an open client.
    :param sendings: the requests.
    :param slots: how many requests may be under way at a time.
    :param within: the seconds that the targets may take to show what the server says it has done.
    :param renew: gives a request that is sent again another target, so that each is sent to once; without it, the same
        digest goes to the same tag again, or there is nothing left to bring.
    :return: those whose target does not show the digest in the end, and why; and the targets to which all were sent.
    :raises AuthenticationFailed: as soon as the credentials are refused.
    """
    work = _Work(client, sendings, slots, within)
    again = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(_WorkLeft),
        stop=tenacity.stop_after_attempt(_WAVES),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=_LONGEST_PAUSE),
        reraise=True,
    )
    try:
        async for wave in again:
            with wave:
                if renew is not None and wave.retry_state.attempt_number > 1:
                    work.targets |= {sending: renew(work.targets[sending]) for sending in work.left}
                await work.wave()
    except _WorkLeft as error:
        log.warning("%s That was the last try.", error)
    return work.failed | work.left, work.targets


class _WorkLeft(Exception):
    """Some requests did no work, for reasons that may pass."""


class _Work:
    def __init__(
        self, client: ArtifactoryClient, sendings: Iterable[Sending], slots: asyncio.Semaphore, within: float
    ) -> None:
        self.left: dict[Sending, Exception] = dict.fromkeys(sendings, Exception("It was not sent."))
        self.failed: dict[Sending, Exception] = {}
        self.targets = {sending: sending.target for sending in self.left}
        self._client = client
        self._slots = slots
        self._within = within

    async def wave(self) -> None:
        """Send what is left, and sort it by what has become of it."""
        sendings = list(self.left)
        answers = await concurrently(self._send, sendings, at_once=len(sendings) or 1)
        errors = dict(zip(sendings, answers, strict=True))
        refused = {sending: error for sending, error in errors.items() if isinstance(error, PermissionDenied)}
        undone = await self._undone({s: error for s, error in errors.items() if s not in refused})
        self.left = {sending: error for sending, error in undone.items() if isinstance(error, TRANSIENT)}
        self.failed |= refused | {sending: error for sending, error in undone.items() if sending not in self.left}
        if self.left:
            first = next(iter(self.left.values()))
            log.warning("%d of %d requests did no work, such as: %s", len(self.left), len(sendings), first)
            raise _WorkLeft(f"{len(self.left)} requests did no work.")

    async def _send(self, sending: Sending) -> ArtifactoryError | None:
        async with self._slots:
            try:
                await self._client.promote(sending.source, self.targets[sending], copy=sending.copy)
            except AuthenticationFailed:
                raise
            except ArtifactoryError as error:
                return error
        return None

    async def _undone(self, answers: dict[Sending, ArtifactoryError | None]) -> dict[Sending, Exception]:
        """Return what the targets do not show, with the answer, or what there is to say where that was good."""
        wrong = await self._wrong(answers)
        if late := [sending for sending, shown in wrong.items() if shown is None and answers[sending] is None]:
            # What shows another digest does not get better by waiting.
            in_time = set(late).difference(await self._absent_in_time(late))
            wrong = {sending: shown for sending, shown in wrong.items() if sending not in in_time}
        return {
            sending: answers[sending]
            or TargetUnverified(
                f"{self.targets[sending]} shows {shown.digest if shown else 'nothing'} after it was promoted.",
                found=shown.digest if shown else None,
            )
            for sending, shown in wrong.items()
        }

    async def _absent_in_time(self, sendings: list[Sending]) -> list[Sending]:
        left = sendings

        async def look() -> None:
            nonlocal left
            left = list(await self._wrong(left))
            if left:
                raise _WorkLeft(f"{len(left)} targets do not show what was promoted.")

        try:
            await patience_for(_WorkLeft, within=self._within)(look)
        except _WorkLeft as error:
            log.warning("%s", error)
        return left

    async def _wrong(self, sendings: Iterable[Sending]) -> dict[Sending, Shown | None]:
        """Return the requests whose targets do not show their digest, with what they show."""
        targets = {sending: self.targets[sending] for sending in sendings}
        seen = await observe_tags(self._client, targets.values())
        shown = {sending: seen.get(target.unpinned()) for sending, target in targets.items()}
        return {s: one for s, one in shown.items() if one is None or one.digest != s.target.digest}
