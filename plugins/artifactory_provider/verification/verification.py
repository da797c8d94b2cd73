"""One look at a digest with all checks of a stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.diagnosis import explain_missing, look
from artifactory_provider.artifactory.errors import NotFound
from artifactory_provider.verification.verdicts import State, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Descriptor
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.verification.checks import Check


@dataclass(frozen=True)
class Verification:
    """What one look found.

    :param reference: the image, pinned to the digest that this holds for.
    :param state: what all verdicts come to.
    :param reasons: one sentence for each verdict.
    """

    reference: ImageReference
    state: State
    reasons: tuple[str, ...]

    @property
    def reason(self) -> str:
        """All reasons in one line."""
        return " ".join(self.reasons)

    @property
    def summary(self) -> str:
        """All reasons, then briefly which image they are about: one line of a log."""
        return summarize(self.reference, self.reason)


def summarize(reference: ImageReference, reason: str) -> str:
    """Return a line of a log that begins with what matters: ``test.status is not set (app:1.4.2, 34378e27…)``.

    :param reference: the image that it is about.
    :param reason: why it passes or not.
    """
    parts = [f"{reference.image}:{reference.tag}", *([reference.short_digest] if reference.short_digest else [])]
    return f"{reason.rstrip('.')} ({', '.join(parts)})"


async def verify(client: ArtifactoryClient, reference: ImageReference, checks: Sequence[Check]) -> Verification:
    """Look once at what a tag shows and ask every check about it.

    Verdicts that end the waiting count only when the tag shows the same digest after they were read as before. While
    one is pending, the next look shows whether the tag has moved.

    :param client: an open client.
    :param reference: repository, image and tag; with a digest, the verification holds for that one alone.
    :param checks: the questions.
    :raises NotFound: naming what is missing, where the tag does not exist and no digest is pinned, or where there is
        nothing to read the evidence from although the tag is there.
    """
    before = await look(client, reference)
    if before is None:
        if reference.digest is None:
            raise await explain_missing(client, reference)
        return _superseded(reference, None)
    if reference.digest not in {None, before.digest}:
        return _superseded(reference, before)
    pinned = reference.pinned(before.digest)
    try:
        verdicts = await concurrently(lambda check: check.verdict(client, pinned, before), checks)
    except NotFound:
        after = await client.descriptor(reference)
        if after == before:
            raise
        return _superseded(pinned, after)
    state = _together(verdicts)
    if state is not State.PENDING and (after := await client.descriptor(reference)) != before:
        return _superseded(pinned, after)
    return Verification(pinned, state, tuple(verdict.reason for verdict in verdicts))


def _superseded(reference: ImageReference, found: Descriptor | None) -> Verification:
    shown = found.digest if found else "nothing any more"
    return Verification(reference, State.SUPERSEDED, (f"The tag shows {shown}, no longer {reference.digest}.",))


def _together(verdicts: Sequence[Verdict]) -> State:
    """The worst of all verdicts; no verdict at all is no pass."""
    states = {verdict.state for verdict in verdicts}
    for state in (State.SUPERSEDED, State.FAILED, State.PENDING, State.PASSED):
        if state in states:
            return state
    return State.PENDING
