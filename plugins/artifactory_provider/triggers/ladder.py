"""The trigger that waits for images on their way through stages: until any of them may move on. It only reads."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.triggers.newer import Begun, newer_tags_of
from artifactory_provider.triggers.poller import Wait, poller_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

_PAUSE = 1.0
"""Seconds between two looks at what the poller has told."""


class LadderTrigger(BaseTrigger):
    """Wait until the verification of any of many digests ends, a newer tag supersedes any, or a moment has come.

    Its one event is ``{"changed": …}``, how many have ended; nothing of what it has seen counts beyond that, as whoever
    goes on asks anew. All triggers of one connection in one triggerer look together; see ``triggers.poller`` and
    ``triggers.newer``.

    :param artifactory_conn_id: the Airflow connection.
    :param waits: ``{"checks": […], "references": […]}`` each: the checks, as ``check_to_dict`` writes them, and
        ``repository/image:tag@digest`` of what they are asked of.
    :param poke_interval: seconds between two looks, at least half a second.
    :param until: when the waiting ends in any case, ISO 8601.
    :param newer: ``{"tag": …, "starts": […], "since": …}``: which tags are meant, as ``Pipeline.tag`` has it, of what,
        as ``repository/image:tag@digest`` in one repository, and from when on newer ones count, ISO 8601; None where
        none do.
    """

    def __init__(
        self,
        *,
        artifactory_conn_id: str,
        waits: Sequence[Mapping[str, Any]],
        poke_interval: float,
        until: str,
        newer: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.artifactory_conn_id = artifactory_conn_id
        self.waits = [dict(each) for each in waits]
        self.poke_interval = poke_interval
        self.until = until
        self.newer = newer

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "artifactory_conn_id": self.artifactory_conn_id,
                "waits": self.waits,
                "poke_interval": self.poke_interval,
                "until": self.until,
                "newer": self.newer,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until something has changed."""
        waits = [
            Wait(ImageReference.parse(reference), each["checks"])
            for each in self.waits
            for reference in each["references"]
        ]
        until = datetime.datetime.fromisoformat(self.until)
        self.log.info("Waiting for the verdicts of %s images, until %s.", f"{len(waits):,}", self.until)
        begun = Begun.read(self.newer) if self.newer else None
        async with contextlib.AsyncExitStack() as joined:
            await joined.enter_async_context(
                poller_of(self.artifactory_conn_id).joined(waits, interval=self.poke_interval)
            )
            if begun is not None:
                newer_tags = newer_tags_of(self.artifactory_conn_id, self.poke_interval)
                await joined.enter_async_context(newer_tags.waiting(begun))
            while True:
                # The others of the same look are told with the first one: whoever goes on takes them along.
                changed = [wait for wait in waits if wait.is_over]
                superseded = begun.superseded if begun is not None else {}
                left = (until - datetime.datetime.now(datetime.UTC)).total_seconds()
                if changed or superseded or left <= 0:
                    break
                await asyncio.sleep(min(_PAUSE, left))
            for wait in changed:
                (await wait.news())  # raises what has made looking impossible
        for reason in superseded.values():
            self.log.info("%s", reason)
        yield TriggerEvent({"changed": len(changed) + len(superseded)})
