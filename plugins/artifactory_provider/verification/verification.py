"""One look at digests with all checks of a stage: at one, or at thousands by few queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently, in_turns
from artifactory_provider.artifactory.diagnosis import explain_missing
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.verification.asking import ask
from artifactory_provider.verification.check import unknown
from artifactory_provider.verification.evidence import Evidence, Subject
from artifactory_provider.verification.looks import look_at_all
from artifactory_provider.verification.verdicts import State, Verdict, worst

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.verification.check import Check
    from artifactory_provider.verification.evidence import Connect


@dataclass(frozen=True)
class Verification:
    """What one look found.

    :param reference: the image, pinned to the digest that this holds for, as far as one is known.
    :param state: what all verdicts come to.
    :param reasons: one sentence for each verdict.
    :param verdicts: name of the check and its verdict, in the order of the checks; none where the tag itself is the
        reason.
    :param error: what the server answered, where that is why nothing is known.
    """

    reference: ImageReference
    state: State
    reasons: tuple[str, ...]
    verdicts: tuple[tuple[str, Verdict], ...] = ()
    error: ArtifactoryError | None = field(default=None, compare=False)

    @property
    def reason(self) -> str:
        """All reasons in one line."""
        return " ".join(self.reasons)

    @property
    def summary(self) -> str:
        """All reasons, then briefly which image they are about: one line of a log."""
        return self.summarize(self.reason)

    def summarize(self, reason: str) -> str:
        """Return a reason, then briefly which image it is about.

        :param reason: why it passes or not.
        """
        return summarize(self.reference, reason)

    def as_followed(self) -> Verification:
        """Return what is known where the tag has moved, and its new digest is waited for now."""
        reasons = (f"{self.reason} Its new digest is waited for.",)
        return Verification(self.reference.unpinned(), State.PENDING, reasons)

    @property
    def is_settled(self) -> bool:
        """Whether the waiting ends."""
        return self.state is not State.PENDING


def summarize(reference: ImageReference, reason: str) -> str:
    """Return a line of a log that begins with what matters: ``test.status is not set (app:1.4.2, 34378e27…)``.

    :param reference: the image that it is about.
    :param reason: why it passes or not.
    """
    parts = [f"{reference.image}:{reference.tag}", *([reference.short_digest] if reference.short_digest else [])]
    return f"{reason.rstrip('.')} ({', '.join(parts)})"


async def verify(
    client: ArtifactoryClient, reference: ImageReference, checks: Sequence[Check], *, connect: Connect | None = None
) -> Verification:
    """Look once at what a tag shows and ask every check about it; see ``verify_many``.

    :param client: an open client.
    :param reference: repository, image and tag; with a digest, the verification holds for that one alone.
    :param checks: the questions.
    :param connect: how checks reach other services.
    :raises NotFound: naming what is missing, where the tag does not exist and no digest is pinned, or where there is
        nothing to read the evidence from although the tag is there.
    :raises ArtifactoryError: when the server cannot be asked.
    """
    async with Ledger(client) as ledger:
        [found] = await verify_many(ledger, [reference], checks, connect=connect)
    if found.error is not None:
        raise found.error
    return found


async def verify_many(
    ledger: Ledger,
    references: Sequence[ImageReference],
    checks: Sequence[Check],
    *,
    connect: Connect | None = None,
) -> list[Verification]:
    """Look once at what tags show and ask every check about them.

    Verdicts that end the waiting count only when the tag shows the same digest after they were read as before. While
    one is pending, the next look shows whether the tag has moved.

    :param ledger: what the registry shows, over an open client; a new one for each look.
    :param references: repository, image and tag; with a digest, the verification holds for that one alone.
    :param checks: the questions.
    :param connect: how checks reach other services.
    :return: one verification for each reference, in their order; what the server answered instead is the ``error`` of
        those that it is about.
    """
    return await verify_each(ledger, [(reference, checks) for reference in references], connect=connect)


async def verify_each(
    ledger: Ledger, questions: Sequence[tuple[ImageReference, Sequence[Check]]], *, connect: Connect | None = None
) -> list[Verification]:
    """Look once at what tags show and ask about each its own checks; see ``verify_many``.

    :param ledger: what the registry shows, over an open client; a new one for each look.
    :param questions: an image reference and its checks each; those with the very same sequence are asked together.
    :param connect: how checks reach other services.
    :return: one verification for each question, in their order.
    """
    evidence = Evidence(ledger, connect=connect)
    references = [reference for reference, _ in questions]
    found: dict[int, Verification] = {}
    subjects: dict[int, Subject] = {}
    async for at, seen in in_turns(enumerate(await look_at_all(ledger, references))):
        if isinstance(seen, ArtifactoryError):
            found[at] = fail_to_look(references[at], seen)
        elif seen is None:
            found[at] = await _missing(ledger.client, references[at])
        elif references[at].digest not in {None, seen.digest}:
            found[at] = _superseded(references[at], seen.digest)
        else:
            subjects[at] = seen
    try:
        verdicts = await _ask_all(evidence, subjects, [checks for _, checks in questions])
    finally:
        await evidence.close()
    async for at, told in in_turns(verdicts.items()):
        found[at] = _together(subjects[at].reference, told)
    await _look_again(ledger, subjects, found)
    return [found[at] for at in range(len(questions))]


async def _ask_all(
    evidence: Evidence, subjects: dict[int, Subject], checks_of: Sequence[Sequence[Check]]
) -> dict[int, list[tuple[str, Verdict]]]:
    """Return the names of each subject's checks and what they say of it; those of the same checks are asked at once."""
    alike: dict[int, list[int]] = {}
    for at in subjects:
        alike.setdefault(id(checks_of[at]), []).append(at)
    told: dict[int, list[tuple[str, Verdict]]] = {at: [] for at in subjects}

    async def ask_about(some: list[int]) -> None:
        checks, asked = checks_of[some[0]], [subjects[at] for at in some]
        verdicts = await concurrently(lambda check: ask(check, evidence, asked), checks)
        for check, answers in zip(checks, verdicts, strict=True):
            async for at, verdict in in_turns(zip(some, answers, strict=True)):
                told[at].append((check.name, verdict))

    await concurrently(ask_about, alike.values())
    return told


async def _look_again(ledger: Ledger, subjects: dict[int, Subject], found: dict[int, Verification]) -> None:
    """Take back what is settled of tags that have moved meanwhile."""
    settled = [at for at in subjects if found[at].is_settled]
    for at, seen in zip(settled, await look_at_all(ledger, [subjects[at].reference for at in settled]), strict=True):
        if isinstance(seen, ArtifactoryError):
            found[at] = fail_to_look(subjects[at].reference, seen)
        elif seen is None or seen.digest != subjects[at].digest:  # Queries do not tell media types.
            found[at] = _superseded(subjects[at].reference, seen.digest if seen else None)


async def _missing(client: ArtifactoryClient, reference: ImageReference) -> Verification:
    if reference.digest is not None:
        return _superseded(reference, None)
    return fail_to_look(reference, await explain_missing(client, reference))


def fail_to_look(reference: ImageReference, error: ArtifactoryError) -> Verification:
    """Return what is known of a tag that could not be looked at: nothing, for now or for good.

    :param reference: repository, image and tag.
    :param error: what came instead.
    """
    verdict = unknown(error)
    return Verification(reference, verdict.state, (verdict.reason,), error=error)


def _superseded(reference: ImageReference, digest: str | None) -> Verification:
    shown = digest or "nothing any more"
    return Verification(reference, State.SUPERSEDED, (f"The tag shows {shown}, no longer {reference.digest}.",))


def _together(reference: ImageReference, verdicts: Sequence[tuple[str, Verdict]]) -> Verification:
    state = worst(verdict.state for _, verdict in verdicts)
    # What could not be asked is no reason to ask again where another verdict has settled it.
    error = next((verdict.error for _, verdict in verdicts if verdict.state is state and verdict.error), None)
    reasons = tuple(verdict.reason for _, verdict in verdicts)
    return Verification(reference, state, reasons, tuple(verdicts), error)
