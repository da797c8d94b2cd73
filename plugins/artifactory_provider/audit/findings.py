"""What an audit finds: each with what it is, where, and a name under which a person can accept exactly that."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable

    from artifactory_provider.artifactory.references import ImageReference

FindingKind = Literal[
    "unexplained", "changed", "gone", "attachment_lost", "child_lost", "rejected", "not_verified", "left_behind"
]
Severity = Literal["high", "medium", "low"]

KINDS: tuple[FindingKind, ...] = get_args(FindingKind)
SEVERITIES: dict[FindingKind, Severity] = {
    "unexplained": "high",
    "changed": "high",
    "attachment_lost": "high",
    "child_lost": "high",
    "rejected": "high",
    "gone": "medium",
    "not_verified": "medium",
    "left_behind": "low",
}
HEADINGS: dict[FindingKind, str] = {
    "unexplained": "No promotion explains it",
    "changed": "It shows another digest than was promoted last",
    "attachment_lost": "It has lost what belongs to it",
    "child_lost": "It has lost a platform",
    "rejected": "Its digest is rejected",
    "gone": "It was promoted, and is gone",
    "not_verified": "It would not pass today's checks",
    "left_behind": "A step of a promotion that nobody ends",
}
_ORDER: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A person's word that a finding is right as it is, for a time.

    :param finding: the name of the finding.
    :param reason: why: a line of text.
    :param by: who says so.
    :param since: since when, with a time zone.
    :param until: until when, with a time zone; after it, the finding is told again.
    """

    finding: str
    reason: str
    by: str
    since: datetime.datetime
    until: datetime.datetime

    def as_dict(self) -> dict[str, str]:
        """Return it as a JSON object."""
        return {
            "finding": self.finding,
            "reason": self.reason,
            "by": self.by,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    :param kind: what it is.
    :param place: repository, image and tag, with the digest that it is about.
    :param words: what there is to know of it: one or two sentences.
    :param parts: what it is about besides the place: the digests and tags that are lost, the digests that are rejected,
        the checks that have not passed, the digest that was promoted last.
    :param by: who has pushed what stands there; nothing where that is not known, or nothing stands there.
    :param pushed: when that was pushed.
    :param since: when it came there.
    :param acceptance: who has accepted it, where somebody has.
    """

    kind: FindingKind
    place: ImageReference
    words: str
    parts: tuple[str, ...] = ()
    by: str = ""
    pushed: datetime.datetime | None = None
    since: datetime.datetime | None = None
    acceptance: Acceptance | None = None

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return SEVERITIES[self.kind]

    @property
    def name(self) -> str:
        """Its name, the same for the same kind, place, digest and parts: an acceptance holds for these alone."""
        digest = str(self.place.digest).removeprefix("sha256:")[:12]
        lost = f"+{hashlib.sha256(' '.join(sorted(self.parts)).encode()).hexdigest()[:8]}" if self.parts else ""
        return f"{self.kind}:{self.place.unpinned()}@{digest}{lost}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as a flat JSON object of texts; its keys are stable."""
        accepted = self.acceptance
        return {
            "finding": self.name,
            "severity": self.severity,
            "kind": self.kind,
            "repository": self.place.repository,
            "image": self.place.image,
            "tag": self.place.tag,
            "digest": self.place.digest,
            "what": self.words,
            "by": self.by or None,
            "pushed": self.pushed.isoformat() if self.pushed else None,
            "since": self.since.isoformat() if self.since else None,
            "accepted_by": accepted.by if accepted else None,
            "accepted_until": accepted.until.isoformat() if accepted else None,
            "accepted_reason": accepted.reason if accepted else None,
        }


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings, each once, the worst first, then by kind and place.

    :param findings: the findings.
    """
    once = {finding.name: finding for finding in findings}
    return sorted(once.values(), key=lambda one: (_ORDER.index(one.severity), KINDS.index(one.kind), str(one.place)))
