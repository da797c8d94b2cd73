"""What an Xray check asks of a manifest, and how findings are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.xray_answers import Violation, XrayFinding
    from artifactory_provider.verification.xray.exceptions import FindingException, Sorted

SEVERITIES = ("Unknown", "Information", "Low", "Medium", "High", "Critical")
"""From the least to the worst, as Xray orders them ("Get Violations", ``min_severity``)."""

_SHOWN = 4
_LONGEST_WORD = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asked of a manifest; the fields are those of ``XrayCheck``."""

    severity: str | None
    watch: str | None
    policy: str | None
    exceptions: tuple[FindingException, ...]
    check_watch: bool

    @property
    def asks_for_violations(self) -> bool:
        """Whether violations are asked for. They belong to a path, while findings belong to a digest."""
        return self.watch is not None or self.policy is not None

    @property
    def rule(self) -> str:
        """The watch and the policy, in words."""
        named = (f"{what} {name!r}" for what, name in (("watch", self.watch), ("policy", self.policy)) if name)
        return " and ".join(named)

    def is_severe(self, finding: XrayFinding) -> bool:
        """Return whether a finding is at or above the severity."""
        return self.severity is not None and rank_of(finding.severity) >= rank_of(self.severity)

    def concerns(self, violation: Violation) -> bool:
        """Return whether a violation is one of the watch and of the policy; what is not told counts."""
        is_watched = self.watch is None or violation.watch in {None, self.watch}
        is_violated = self.policy is None or violation.policies is None or self.policy in violation.policies
        return is_watched and is_violated


def rank_of(severity: str) -> int:
    """Return the rank of a severity, the worst for a word that is none of Xray's.

    :param severity: the word.
    """
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def list_findings(findings: Sequence[XrayFinding], what: str = "finding") -> str:
    """Return how many findings there are, the worst of them by name, and how many more.

    :param findings: the findings.
    :param what: what one of them is called.
    """
    worst = sorted(findings, key=lambda finding: (-rank_of(finding.severity), finding.name))
    named = [f"{word(finding.name)} ({word(finding.severity) or 'no severity'})" for finding in worst[:_SHOWN]]
    return f"{count(findings, what)}: {_join(named, len(worst))}"


def count(findings: Sequence[XrayFinding], what: str = "finding") -> str:
    """Return how many findings there are, in words.

    :param findings: the findings.
    :param what: what one of them is called.
    """
    return f"{len(findings)} {what}{'' if len(findings) == 1 else 's'}"


def tell_excepted(found: Sorted) -> str:
    """Return a sentence on the exceptions that were needed, after a space; nothing where none was.

    :param found: what became of findings.
    """
    return f" Excepted: {_name(found.excepted)}." if found.excepted else ""


def tell_expired(found: Sorted) -> str:
    """Return a sentence on the exceptions that count no more, after a space; nothing where there is none.

    :param found: what became of findings.
    """
    return f" Expired is the exception for {_name(found.expired)}." if found.expired else ""


def word(text: str) -> str:
    """Return a word of Xray's as it can be shown.

    :param text: the word.
    """
    return printable(text, longest=_LONGEST_WORD)


def _name(exceptions: Sequence[FindingException]) -> str:
    return _join([str(exception) for exception in exceptions[:_SHOWN]], len(exceptions))


def _join(shown: Sequence[str], number: int) -> str:
    return ", ".join(shown) + (f" and {number - len(shown)} more" if number > len(shown) else "")
