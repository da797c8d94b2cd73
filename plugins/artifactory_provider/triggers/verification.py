"""The trigger that waits for verdicts in the triggerer. It only reads."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from artifactory_provider.artifactory.errors import TRANSIENT, ArtifactoryError
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.verification import check_from_dict
from artifactory_provider.verification.verdicts import State
from artifactory_provider.verification.verification import verify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.verification.verification import Verification

_SHORTEST_PAUSE = 0.5
_LONGEST_BACKOFF = 600.0


class VerificationTrigger(BaseTrigger):
    """Ask about one digest until its verification ends.

    Its one event is ``{"status": …, "digest": …, "reason": …}``, the status being that of the verification, or
    ``error`` where asking again cannot help.

    :param artifactory_conn_id: the Airflow connection.
    :param reference: ``repository/image:tag@digest``; without a digest, the first look pins one.
    :param checks: the checks, as ``check_to_dict`` writes them.
    :param poke_interval: seconds between two looks, at least half a second.
    """

    def __init__(
        self,
        *,
        artifactory_conn_id: str,
        reference: str,
        checks: Sequence[Mapping[str, Any]],
        poke_interval: float,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.artifactory_conn_id = artifactory_conn_id
        self.reference = reference
        self.checks = [dict(check) for check in checks]
        self.poke_interval = poke_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "artifactory_conn_id": self.artifactory_conn_id,
                "reference": self.reference,
                "checks": self.checks,
                "poke_interval": self.poke_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until there is an answer."""
        from artifactory_provider.hooks.artifactory import ArtifactoryHook

        try:
            async with ArtifactoryHook(self.artifactory_conn_id).client() as client:
                verification = await self._wait(client)
        except ArtifactoryError as error:
            yield TriggerEvent({"status": "error", "digest": None, "reason": str(error)})
            return
        yield TriggerEvent(
            {
                "status": verification.state.value,
                "digest": verification.reference.digest,
                "reason": verification.reason,
            }
        )

    async def _wait(self, client: ArtifactoryClient) -> Verification:
        reference = ImageReference.parse(self.reference)
        checks = [check_from_dict(check) for check in self.checks]
        said, failures = "", 0
        while True:
            asked: float | None = None
            try:
                verification = await verify(client, reference, checks)
            except TRANSIENT as error:
                failures, asked = failures + 1, error.retry_after
                self.log.warning("%s Asking again later.", error)
            else:
                if verification.state is not State.PENDING:
                    return verification
                failures, reference = 0, verification.reference
                if verification.reason != said:
                    said = verification.reason
                    self.log.info("Waiting: %s", verification.summary)
            await asyncio.sleep(self._pause(failures, asked))

    def _pause(self, failures: int, asked: float | None) -> float:
        """Return the seconds until the next look: longer after failures, and never in step with others."""
        interval = max(self.poke_interval, _SHORTEST_PAUSE)
        longest = max(interval, _LONGEST_BACKOFF)
        pause: float = min(max(interval * 2 ** min(failures, 16), asked or 0), longest)
        return pause * random.uniform(1, 1.2)  # noqa: S311 - spreads requests, keeps no secret
