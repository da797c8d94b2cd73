"""`python -m benchmarks.waits_process COUNT INTERVAL [PROPERTY]`: the triggers of sensors in one event loop.

All wait for the same property, or each for one of its own, `<PROPERTY>-<number>`.
Each line that it reads lets it go on; it answers the first when all wait, and the second when all have ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from artifactory_provider.triggers import VerificationTrigger
from artifactory_provider.verification import PropertyCheck, check_to_dict
from benchmarks.tag_sets import name_tags

_PAGE = 4096


_ANSWERS = os.fdopen(os.dup(1), "w")


async def main() -> None:
    """Start the triggers, and answer on what was the standard output; what they log goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    count, interval = int(sys.argv[1]), float(sys.argv[2])
    own = sys.argv[3] if len(sys.argv) > 3 else None
    step = _Step()
    await _read_line()  # What is imported at the first use is no wait's.
    before = _resident()
    fired: dict[str, float] = {}

    async def run(number: int, reference: str) -> None:
        check = PropertyCheck(name=f"{own}-{number}") if own else PropertyCheck()
        trigger = VerificationTrigger(
            artifactory_conn_id="artifactory_default",
            reference=reference,
            checks=[check_to_dict(check)],
            poke_interval=interval,
        )
        async for event in trigger.run():
            if event.payload["status"] != "passed":
                raise RuntimeError(f"{reference}: {event.payload}")
            fired[reference] = time.time()

    references = [str(tag) for tag in name_tags("docker-dev", "waits", count)]
    tasks = [asyncio.create_task(run(number, reference)) for number, reference in enumerate(references)]
    await asyncio.sleep(3 * interval)
    _tell(memory=_resident() - before, step=step.longest)
    await _read_line()
    await asyncio.gather(*tasks)
    _tell(fired=fired, step=step.longest)


class _Step:
    """The CPU time of the longest step that has held the loop."""

    def __init__(self) -> None:
        self.longest = 0.0
        run = asyncio.events.Handle._run

        def timed(handle: asyncio.events.Handle) -> None:
            begun = time.thread_time()
            run(handle)
            self.longest = max(self.longest, time.thread_time() - begun)

        asyncio.events.Handle._run = timed  # type: ignore[assignment,method-assign]


async def _read_line() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


def _tell(**values: Any) -> None:
    print(json.dumps(values), file=_ANSWERS, flush=True)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


if __name__ == "__main__":
    asyncio.run(main())
