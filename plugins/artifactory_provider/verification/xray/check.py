"""The check of Xray's scan: it is done, and what it has found is bearable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import InvalidReference, check_text
from artifactory_provider.verification.check import Check, unknown
from artifactory_provider.verification.verdicts import State, Verdict
from artifactory_provider.verification.xray.exceptions import read_exceptions
from artifactory_provider.verification.xray.inquiry import Inquiry
from artifactory_provider.verification.xray.parts import find_children, part_of, short
from artifactory_provider.verification.xray.terms import SEVERITIES, Terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.verification.evidence import Evidence, Subject
    from artifactory_provider.verification.xray.parts import Part


@dataclass(frozen=True, kw_only=True)
class XrayCheck(Check):
    """Whether Xray has scanned that very digest, and found nothing that is too severe, and no violation.

    Of an index, Xray must have scanned the index and every manifest in it, attestations left out.

    :param severity: the least severity that fails, one of ``Unknown``, ``Information``, ``Low``, ``Medium``, ``High``,
        ``Critical``; a word that is none of them fails as if it was the worst. None: only violations fail.
    :param watch: a watch that must not tell of a violation.
    :param policy: a policy that must not be violated, of that watch, or of any that watches the repository.
    :param exceptions: findings that do not count until a day: objects with ``id`` (of a vulnerability, or of Xray's
        issue), ``owner``, ``expires`` (``YYYY-MM-DD``, the last day, in UTC) and perhaps ``reason``.
    :param platforms_only: whether an index itself needs no scan, for an Xray that scans only the manifests in it.
    :param check_watch: whether Xray is asked if there is such a watch and it watches the repository. That needs the
        role Manage Watches; without it, a watch that is switched off, or misspelt, looks like one without violations.
    :raises ValueError: when nothing is asked, or a part is malformed.
    """

    kind: ClassVar[str] = "xray"

    severity: str | None = "High"
    watch: str | None = None
    policy: str | None = None
    exceptions: tuple[Mapping[str, Any], ...] = ()
    platforms_only: bool = False
    check_watch: bool = True

    def __post_init__(self) -> None:
        if self.severity is not None and self.severity not in SEVERITIES:
            raise ValueError(f"{self.severity!r:.80} is no severity of Xray's: they are {', '.join(SEVERITIES)}.")
        for what in ("watch", "policy"):
            _check_name(getattr(self, what), what)
        if self.severity is None and self.watch is None and self.policy is None:
            raise ValueError("An Xray check needs a severity, a watch or a policy: else it asks nothing.")
        for what in ("platforms_only", "check_watch"):
            if not isinstance(getattr(self, what), bool):
                raise ValueError(f"{what} is true or false, not {getattr(self, what)!r:.80}.")
        read_exceptions(self.exceptions)
        object.__setattr__(self, "exceptions", tuple(dict(entry) for entry in self.exceptions))

    @property
    def name(self) -> str:
        """``xray``, and what is asked of it."""
        asked = {"severity": self.severity, "watch": self.watch, "policy": self.policy}
        return " ".join(["xray", *(f"{what}={value}" for what, value in asked.items() if value)])

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        """Ask Xray about all digests by few requests, and about the scan of each that would pass by one more."""
        inquiry = Inquiry(evidence, self._terms())
        own = {subject: part_of(subject) for subject in subjects if self._asks_for_itself(subject)}
        verdicts = await inquiry.judge(own.values())
        # The manifests in an index are read only where the index itself does not decide already.
        indexes = [subject for subject in dict.fromkeys(subjects) if subject.descriptor.is_index]
        undecided = [each for each in indexes if each not in own or verdicts[own[each]].state is State.PASSED]
        children = dict(zip(undecided, await find_children(evidence, undecided), strict=True))
        listed = [parts for parts in children.values() if not isinstance(parts, ArtifactoryError)]
        verdicts |= await inquiry.judge(part for parts in listed for part in parts)

        def answer(subject: Subject) -> Verdict:
            if subject not in children:
                return verdicts[own[subject]]
            return _join(own.get(subject), children[subject], verdicts)

        return [answer(subject) for subject in subjects]

    def _asks_for_itself(self, subject: Subject) -> bool:
        return not (self.platforms_only and subject.descriptor.is_index)

    def _terms(self) -> Terms:
        return Terms(
            severity=self.severity,
            watch=self.watch,
            policy=self.policy,
            exceptions=read_exceptions(self.exceptions),
            check_watch=self.check_watch,
        )


def _check_name(name: object, what: str) -> None:
    try:
        is_name = name is None or (check_text(name, f"the name of a {what}").strip() and str(name).isprintable())
    except InvalidReference as error:
        raise ValueError(f"An Xray check has no such {what}: {error}") from error
    if not is_name or len(str(name)) > 200:
        raise ValueError(f"An Xray check needs the name of a {what}, in 1 to 200 characters that can be shown.")


def _join(own: Part | None, children: Sequence[Part] | ArtifactoryError, verdicts: Mapping[Part, Verdict]) -> Verdict:
    """Return the verdict on an index: the worst of those on it and on the manifests in it."""
    if isinstance(children, ArtifactoryError):
        return unknown(children)
    if not children:
        return Verdict(State.UNREADABLE, "The index holds no manifest that Xray could scan.", value="empty")
    told = [(part, verdicts[part]) for part in (*([own] if own else []), *children)]
    order = (State.FAILED, State.UNREADABLE, State.PENDING, State.PASSED)
    state = next(state for state in order if any(verdict.state is state for _, verdict in told))
    alike = [(part, verdict) for part, verdict in told if verdict.state is state]
    part, verdict = alike[0]
    if state is State.PASSED:
        oldest = min((each.since for _, each in told if each.since), default=None)
        reasons = " ".join(dict.fromkeys(each.reason for _, each in told))
        return Verdict(state, f"Of all {len(told)} manifests: {reasons}", value=verdict.value, since=oldest)
    where = f"In {len(alike)} of {len(told)} manifests, first {short(part.digest)}: "
    error = next((each.error for _, each in alike if each.error is not None), None)
    return Verdict(state, where + verdict.reason, value=verdict.value, since=verdict.since, error=error)
