"""What was found of signatures or attestations of one digest, and what that comes to."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.verification.check import unknown
from artifactory_provider.verification.verdicts import State, Verdict, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.errors import ArtifactoryError
    from artifactory_provider.verification.signing.keys import PublicKey

_TOLD = 3
_LONGEST = 260


class Standing(enum.Enum):
    """What one thing is worth that was found."""

    VALID = "valid"
    OTHER_KEY = "another key"
    UNMET = "not met"
    """Verified, but not what is asked for."""
    FLAWED = "not valid"
    """Not what it should be, whoever has made it: of another digest, cut off, unreadable."""
    UNKNOWN = "unreadable"
    """The server could not be asked for it."""


@dataclass(frozen=True, slots=True)
class SigningFinding:
    """One signature or attestation that was found, or a reason why there is none to find.

    :param standing: what it is worth.
    :param reason: what is said of it, without a full stop.
    :param signer: whose it is, where that is verified.
    :param error: what the server answered, where nothing is known of it.
    """

    standing: Standing
    reason: str
    signer: PublicKey | None = None
    error: ArtifactoryError | None = None


def flawed(place: str, reason: object) -> SigningFinding:
    """Return that something is there and no good.

    :param place: what it is and where it stands.
    :param reason: what is wrong with it.
    """
    return SigningFinding(Standing.FLAWED, f"{place}: {printable(str(reason), longest=_LONGEST).rstrip('.')}")


def has_valid(findings: Sequence[SigningFinding]) -> bool:
    """Return whether one of some findings is enough to pass.

    :param findings: the findings.
    """
    return any(finding.standing is Standing.VALID for finding in findings)


def decide(findings: Sequence[SigningFinding], *, what: str, nothing: str, waits: bool) -> Verdict:
    """Return what all findings come to: one that is valid is enough, and the others are told.

    :param findings: what was found.
    :param what: what was looked for.
    :param nothing: what is said where there is nothing.
    :param waits: whether one is waited for where all that is there is by other keys.
    """
    valid = [finding for finding in findings if finding.standing is Standing.VALID]
    others = [finding for finding in findings if finding.standing is not Standing.VALID]
    if valid:
        told = f" Not counted: {_tell(others)}." if others else ""
        signer = valid[0].signer
        author = f"key {signer.fingerprint}" if signer else None
        reason = f"{what.capitalize()} found: {valid[0].reason}.{told}"
        return Verdict(State.PASSED, reason, value="verified" if signer else "there", author=author)
    error = next((finding.error for finding in findings if finding.error is not None), None)
    if error is not None:
        return unknown(error)
    if not findings:
        return Verdict(State.PENDING, f"{nothing}.", value="none")
    standings = {finding.standing for finding in findings}
    is_awaited = waits and standings == {Standing.OTHER_KEY}
    worst = next(each for each in (Standing.UNMET, Standing.FLAWED, Standing.OTHER_KEY) if each in standings)
    return Verdict(
        State.PENDING if is_awaited else State.FAILED,
        f"No {what} counts{' yet' if is_awaited else ''}: {_tell(others)}.",
        value=worst.value,
    )


def _tell(findings: Sequence[SigningFinding]) -> str:
    counted = Counter(finding.reason for finding in findings)
    told = [f"{reason} ({times} times)" if times > 1 else reason for reason, times in counted.items()]
    more = f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return "; ".join(told[:_TOLD]) + more
