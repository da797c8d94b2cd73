"""Asking a check, so that whatever it does instead of answering is no pass, and no end of the others."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.verification.check import unknown
from artifactory_provider.verification.verdicts import State, Verdict, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.verification.check import Check
    from artifactory_provider.verification.evidence import Evidence, Subject

log = logging.getLogger(__name__)

_SECONDS_A_DIGEST = 0.1


async def ask(check: Check, evidence: Evidence, subjects: Sequence[Subject]) -> list[Verdict]:
    """Return what a check says of each digest.

    What is asynchronous in it is ended when it takes too long; code that blocks the process cannot be.

    :param check: the question.
    :param evidence: what may be read.
    :param subjects: the digests.
    """
    if not subjects:
        return []
    limit = None if check.time_limit is None else check.time_limit + _SECONDS_A_DIGEST * len(subjects)
    bound = asyncio.timeout(limit)
    try:
        async with bound:
            verdicts = list(await check.find_verdicts(evidence, subjects))
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        reason = f"The check {check.name} has failed: what it has waited for was cancelled."
        return [Verdict(State.UNREADABLE, reason, value="check failed")] * len(subjects)
    except ArtifactoryError as error:
        return [unknown(error)] * len(subjects)
    except Exception as error:
        if bound.expired():
            reason = f"The check {check.name} has not answered within {limit:g} s: it is asked again."
            return [Verdict(State.PENDING, reason, value="no answer")] * len(subjects)
        log.warning("The check %s has failed.", check.name, exc_info=True)
        reason = f"The check {check.name} has failed ({type(error).__name__}: {printable(str(error))})."
        return [Verdict(State.UNREADABLE, reason, value="check failed")] * len(subjects)
    if len(verdicts) != len(subjects) or not all(map(_is_verdict, verdicts)):
        reason = f"The check {check.name} has not given one verdict for each digest."
        return [Verdict(State.UNREADABLE, reason, value="check failed")] * len(subjects)
    return verdicts


def _is_verdict(answer: object) -> bool:
    """Return whether it is a verdict; that of a foreign check may be anything."""
    return isinstance(answer, Verdict) and isinstance(answer.state, State)
