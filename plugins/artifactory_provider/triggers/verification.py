"""The triggers that wait for verdicts in the triggerer, one digest or many. They only read."""

from __future__ import annotations

import asyncio
import datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.triggers.poller import Wait, poller_of
from artifactory_provider.verification import State
from artifactory_provider.verification.outcomes import describe_waiting, settle
from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from artifactory_provider.verification import Verification

_NOT_LOOKED_AT = {"status": State.PENDING.value, "reason": "It was not looked at in time."}
_FIRST_LOOK = 300.0
"""Seconds that the first look may take, whenever the waiting is to end."""
_REASONS = 500_000
"""The characters that all reasons together have, at most; one has 600 at most."""


class VerificationTrigger(BaseTrigger):
    """Wait until the verification of one digest ends.

    Its one event is ``{"status": …, "digest": …, "reason": …, "verdicts": […]}``, the status being that of the
    verification, or ``error`` where asking again cannot help. All triggers of one connection in one triggerer look
    together; see ``triggers.poller``.

    :param artifactory_conn_id: the Airflow connection.
    :param reference: ``repository/image:tag@digest``; without a digest, the first look pins one.
    :param checks: the checks, as ``check_to_dict`` writes them.
    :param poke_interval: seconds between two looks, at least half a second.
    :param follow: whether a tag that is moved is waited for with its new digest, instead of ending the wait.
    :param until: when the task stops waiting, ISO 8601; for the log.
    """

    def __init__(
        self,
        *,
        artifactory_conn_id: str,
        reference: str,
        checks: Sequence[Mapping[str, Any]],
        poke_interval: float,
        follow: bool = False,
        until: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.artifactory_conn_id = artifactory_conn_id
        self.reference = reference
        self.checks = [dict(check) for check in checks]
        self.poke_interval = poke_interval
        self.follow = follow
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "artifactory_conn_id": self.artifactory_conn_id,
                "reference": self.reference,
                "checks": self.checks,
                "poke_interval": self.poke_interval,
                "follow": self.follow,
                "until": self.until,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until there is an answer."""
        wait = Wait(ImageReference.parse(self.reference), self.checks, follow=self.follow)
        async with poller_of(self.artifactory_conn_id).joined([wait], interval=self.poke_interval):
            while True:
                found = await wait.news()
                if found.is_settled:
                    break
                if found.error is not None:
                    self.log.warning("%s Asking again later.", found.error)
                else:
                    self.log.info("%s", describe_waiting(found, until=self.until))
        yield TriggerEvent(settle(found))


class BatchVerificationTrigger(BaseTrigger):
    """Wait until the verifications of many digests have ended, or the time is over.

    Its one event is ``{"passed": ["repository/image:tag@digest", …], "held": [{"reference", "status", "reason"}, …]}``.

    :param artifactory_conn_id: the Airflow connection.
    :param references: ``repository/image:tag@digest`` each; without a digest, the first look pins one.
    :param checks: the checks, as ``check_to_dict`` writes them.
    :param poke_interval: seconds between two looks, at least half a second.
    :param until: when the waiting ends with what has passed by then, ISO 8601.
    :param follow: whether a tag that is moved is waited for with its new digest.
    """

    def __init__(
        self,
        *,
        artifactory_conn_id: str,
        references: Sequence[str],
        checks: Sequence[Mapping[str, Any]],
        poke_interval: float,
        until: str,
        follow: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.artifactory_conn_id = artifactory_conn_id
        self.references = list(references)
        self.checks = [dict(check) for check in checks]
        self.poke_interval = poke_interval
        self.until = until
        self.follow = follow

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "artifactory_conn_id": self.artifactory_conn_id,
                "references": self.references,
                "checks": self.checks,
                "poke_interval": self.poke_interval,
                "until": self.until,
                "follow": self.follow,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for all, and tell what became of each in the order that they were given in."""
        found: dict[int, Verification] = {}
        waits = [Wait(ImageReference.parse(one), self.checks, follow=self.follow) for one in self.references]

        async def follow(at: int) -> None:
            while at not in found or not found[at].is_settled:
                found[at] = await waits[at].news()

        left = datetime.datetime.fromisoformat(self.until) - datetime.datetime.now(datetime.UTC)
        async with poller_of(self.artifactory_conn_id).joined(waits, interval=self.poke_interval):
            tasks = [asyncio.create_task(follow(at)) for at in range(len(waits))]
            try:
                await self._report(tasks, found, left.total_seconds())
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        yield TriggerEvent(self._tell(found))

    async def _report(
        self, tasks: Sequence[asyncio.Task[None]], found: Mapping[int, Verification], seconds: float
    ) -> None:
        """Say how many are waited for whenever that changes, until all has ended or the time is over."""
        loop = asyncio.get_running_loop()
        begun, said = loop.time(), ""
        pending = set(tasks)
        while pending:
            # Whoever comes late, because no triggerer was there before, is looked at once nevertheless.
            is_known = len(found) == len(tasks)
            left = begun + (seconds if is_known else max(seconds, _FIRST_LOOK)) - loop.time()
            if left <= 0:
                break
            pause = min(max(1.0, self.poke_interval) if is_known else 1.0, left)
            done, pending = await asyncio.wait(pending, timeout=pause, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
            line = self._count(found)
            if line != said:
                said = line
                self.log.info("%s", line)

    def _count(self, found: Mapping[int, Verification]) -> str:
        passed = sum(one.state is State.PASSED for one in found.values())
        ended = sum(one.is_settled for one in found.values())
        left = len(self.references) - ended
        waiting = next((one.summary for one in found.values() if not one.is_settled), "")
        more = f"; waiting for {left:,} until {self.until}, such as: {waiting}" if waiting else ""
        return f"{passed:,} of {len(self.references):,} have passed, {ended - passed:,} have not{more}"

    def _tell(self, found: Mapping[int, Verification]) -> dict[str, Any]:
        passed, held = [], []
        for at, reference in enumerate(self.references):
            one = found.get(at)
            if one is not None and one.state is State.PASSED:
                passed.append(str(one.reference))
            else:
                told = settle(one) if one else _NOT_LOOKED_AT
                about = str(one.reference) if one else reference
                held.append({"reference": about, "status": told["status"], "reason": told["reason"]})
        longest = min(600, _REASONS // max(1, len(held)))
        for each in held:
            each["reason"] = printable(each["reason"], longest=longest)
        return {"passed": passed, "held": held}
