"""One look at what Xray says of many manifests: summaries by few requests, then the scan of each that would pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import ArtifactoryError, PermissionDenied, TooMuchAsked, UnexpectedAnswer
from artifactory_provider.artifactory.xray_answers import ScannedArtifact, ScanStatus, Summaries, Violations
from artifactory_provider.verification.check import unknown
from artifactory_provider.verification.together import ask_together
from artifactory_provider.verification.verdicts import State, Verdict, printable
from artifactory_provider.verification.xray.exceptions import Sorted, sort_out
from artifactory_provider.verification.xray.parts import short
from artifactory_provider.verification.xray.terms import count, list_findings, tell_excepted, tell_expired, word

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from artifactory_provider.artifactory.layout import Folder
    from artifactory_provider.artifactory.xray_answers import Watch, XrayFinding
    from artifactory_provider.verification.evidence import Evidence
    from artifactory_provider.verification.xray.parts import Part
    from artifactory_provider.verification.xray.terms import Terms

_AT_MOST = 50
"""Artifacts a request: a summary of one may have some hundred kilobytes."""
_STATUSES_AT_ONCE = 16
_FEW = 16
_LONGEST_WORDS = 120
_WAITS = frozenset({"NOT_SCANNED", "PENDING", "SCANNING"})
_ADVICE = {
    "NOT_SUPPORTED": "Xray cannot scan this kind of artifact.",
    "FAILED": "See in Xray why the scan has failed, and have it scanned again.",
    "PARTIAL": "See in Xray which part was not scanned, and have it scanned again.",
}


class Inquiry:
    """What Xray is asked in one look.

    :param evidence: what may be read in the look.
    :param terms: what is asked of each manifest.
    """

    def __init__(self, evidence: Evidence, terms: Terms) -> None:
        self._evidence = evidence
        self._terms = terms

    async def judge(self, parts: Iterable[Part]) -> dict[Part, Verdict]:
        """Return the verdict on each of some manifests.

        :param parts: the manifests.
        """
        told = await self._find_summaries(list(dict.fromkeys(parts)))
        verdicts = {
            part: summary if isinstance(summary, Verdict) else self._weigh(summary.findings or ())
            for part, summary in told.items()
        }
        verdicts |= await self._judge_scans(verdicts, told)
        if self._terms.asks_for_violations:
            verdicts |= await self._judge_violations(_passed(verdicts))
        return verdicts

    async def _find_summaries(self, parts: Sequence[Part]) -> dict[Part, ScannedArtifact | Verdict]:
        """Return the summary of each manifest, or the verdict where there is none that is surely its own."""
        by_path = self._terms.asks_for_violations
        identifiers = {part: part.path if by_path else part.checksum for part in parts}
        asked = {part.digest for part in parts}
        client, once = self._evidence.client, self._evidence.once

        async def ask(chunk: Sequence[str]) -> Summaries:
            ways = {"paths": chunk} if by_path else {"checksums": chunk}
            return await once(("xray summaries", by_path, tuple(chunk)), lambda: client.artifact_summaries(**ways))

        answers = await ask_together(identifiers.values(), ask, at_most=_AT_MOST)

        def read(part: Part) -> ScannedArtifact | Verdict:
            answer = answers[identifiers[part]]
            if isinstance(answer, ArtifactoryError):
                return unknown(answer)
            return _find_own(part, identifiers[part], answer, by_path=by_path, asked=asked)

        return {part: read(part) for part in parts}

    def _weigh(self, findings: Iterable[XrayFinding]) -> Verdict:
        severe = [finding for finding in findings if self._terms.is_severe(finding)]
        found = self._sort_out(severe)
        if found.counting:
            what = f"{list_findings(found.counting)}; {self._terms.severity} and worse fails."
            return Verdict(State.FAILED, f"Xray has {what}{tell_expired(found)}", value=count(found.counting))
        clear = f", with nothing at or above {self._terms.severity}" if self._terms.severity else ""
        return Verdict(State.PASSED, f"Xray's scan is done{clear}.{tell_excepted(found)}", value="done")

    async def _judge_scans(
        self, verdicts: Mapping[Part, Verdict], told: Mapping[Part, ScannedArtifact | Verdict]
    ) -> dict[Part, Verdict]:
        """Return the verdicts that change by how far the scans are: of what would pass, and of few that wait."""
        waiting = [part for part, each in verdicts.items() if each.state is State.PENDING and each.error is None]
        # That something can never come is worth a request, but not one for each of hundreds at every look.
        asked = [*_passed(verdicts), *(waiting if len(waiting) <= _FEW else [])]
        statuses = await concurrently(lambda part: self._ask_status(part, told[part]), asked, at_once=_STATUSES_AT_ONCE)
        return {
            part: self._judge_scan(status, verdicts[part])
            if verdicts[part].state is State.PASSED
            else _explain_waiting(status, verdicts[part])
            for part, status in zip(asked, statuses, strict=True)
        }

    async def _ask_status(self, part: Part, summary: ScannedArtifact | Verdict) -> ScanStatus | ArtifactoryError | None:
        """Ask how far a scan is, at the place where Xray says that this very digest is."""
        repository, folder = part.place
        if isinstance(summary, ScannedArtifact) and summary.spot is not None and not summary.is_in(part.place):
            repository, folder = summary.spot.place
        path = f"{folder}/{part.file}"
        client, once = self._evidence.client, self._evidence.once
        try:
            return await once(("xray status", repository, path), lambda: client.scan_status(repository, path))
        except ArtifactoryError as error:
            return error

    def _judge_scan(self, status: ScanStatus | ArtifactoryError | None, passed: Verdict) -> Verdict:
        if isinstance(status, ArtifactoryError):
            return unknown(status)
        if status is None:
            reason = "Xray has a summary, but no status of the scan: Xray 3.80.9 and newer tell it, to who may read it."
            return Verdict(State.UNREADABLE, reason, value="no status")
        parts = ("sca", "violations") if self._terms.asks_for_violations else ("sca",)
        needed = {"overall": status.overall, **{part: status.parts.get(part, "") for part in parts}}
        states = {_state_of(each) for each in needed.values()}
        if states == {State.PASSED}:
            return Verdict(State.PASSED, passed.reason, value=passed.value, since=status.time)
        return _tell_undone(status, needed)

    async def _judge_violations(self, passed: Mapping[Part, Verdict]) -> dict[Part, Verdict]:
        flaws = {part: await self._find_flaw(part.place[0]) for part in passed}
        flawed = {part: flaw for part, flaw in flaws.items() if flaw is not None}
        clear = [part for part in passed if part not in flawed]
        files = {part.place: part.file for part in clear}

        async def ask(chunk: Sequence[Folder]) -> Violations:
            items = [(repository, f"{folder}/{files[repository, folder]}") for repository, folder in chunk]
            violations = await self._evidence.client.find_violations(items, watch=self._terms.watch)
            return self._attribute(violations, chunk)

        answers = await ask_together(files, ask, at_most=_AT_MOST)
        return flawed | {part: self._judge_answer(part, answers[part.place], passed[part]) for part in clear}

    def _attribute(self, violations: Violations, places: Sequence[Folder]) -> Violations:
        """Return those of the violations that count, if it is clear for each in which of some places it is found."""
        counting = [one for one in violations.listed if self._terms.concerns(one)]
        strange = [one for one in counting if not any(one.is_in(place) for place in places)]
        is_clear = violations.is_whole and not strange and all(one.spots is not None for one in counting)
        if len(places) > 1 and not is_clear:
            raise TooMuchAsked("Xray does not tell of each violation in which of the images it is.")
        if strange:
            raise UnexpectedAnswer(
                f"Xray tells of {word(strange[0].finding.name)} elsewhere, although it was asked for the violations in "
                "one image alone: to ask so needs Xray 3.88.10 or newer."
            )
        return Violations(tuple(counting), len(counting) + violations.total - len(violations.listed))

    def _judge_answer(self, part: Part, answer: Violations | ArtifactoryError, passed: Verdict) -> Verdict:
        if isinstance(answer, ArtifactoryError):
            return unknown(answer)
        found = self._sort_out([one.finding for one in answer.listed if one.is_in(part.place)])
        rule = self._terms.rule
        if found.counting:
            reason = f"Xray has {list_findings(found.counting, 'violation')}, of {rule}.{tell_expired(found)}"
            return Verdict(State.FAILED, reason, value=count(found.counting, "violation"))
        if not answer.is_whole:
            reason = f"Xray lists {len(answer.listed)} of {answer.total} violations: what the others are is unknown."
            return Verdict(State.UNREADABLE, reason, value="unreadable")
        reason = f"{passed.reason} No violation of {rule}.{tell_excepted(found)}"
        return Verdict(State.PASSED, reason, value=passed.value, since=passed.since)

    async def _find_flaw(self, repository: str) -> Verdict | None:
        """Return why it would say nothing that there is no violation: nothing looks for one."""
        if not self._terms.check_watch:
            return None
        try:
            watches = await self._evidence.once(("xray watches",), self._evidence.client.watches)
        except PermissionDenied as error:
            advice = "Or set check_watch to false, and make sure by hand that the watch is right."
            return Verdict(State.UNREADABLE, f"{error} {advice}", value="unreadable", error=error)
        except ArtifactoryError as error:
            return unknown(error)
        return _find_flaw(watches, self._terms, repository)

    def _sort_out(self, findings: Iterable[XrayFinding]) -> Sorted:
        return sort_out(findings, self._terms.exceptions, self._evidence.now.date())


def _passed(verdicts: Mapping[Part, Verdict]) -> dict[Part, Verdict]:
    return {part: verdict for part, verdict in verdicts.items() if verdict.state is State.PASSED}


def _find_own(
    part: Part, identifier: str, answer: Summaries, *, by_path: bool, asked: Collection[str]
) -> ScannedArtifact | Verdict:
    """Return the summary of a manifest, told by its digest, or the verdict where there is none."""
    name, alike = short(part.digest), [one for one in answer.artifacts if one.digest == part.digest]
    own = [one for one in alike if not by_path or one.is_in(part.place)]
    if any(one.findings is None or one.spot is None for one in own):
        return Verdict(State.UNREADABLE, f"Xray's summary of {name} cannot be read.", value="unreadable")
    if own and (identifier in answer.missing or len({frozenset(one.findings or ()) for one in own}) > 1):
        reason = f"Xray tells two things of {name} in one answer: neither counts. Have it scanned again."
        return Verdict(State.UNREADABLE, reason, value="contradiction")
    if own:
        return next((one for one in own if one.is_in(part.place)), own[0])
    if identifier in answer.missing:
        said = printable(answer.missing[identifier], longest=_LONGEST_WORDS)
        return _not_indexed(f"Xray has no summary of {name} ({said})")
    if by_path and not alike and any(one.is_in(part.place) for one in answer.artifacts):
        return _not_indexed(f"Xray knows only what was at {part.path} before {name}")
    strange = [one.digest for one in answer.artifacts if one.digest not in asked]
    if alike or strange or answer.unreadable:
        told = "it is elsewhere" if alike else f"of {short(strange[0])}" if strange else "what cannot be read"
        reason = f"Xray was asked for {name} at {part.path} and tells {told}: that is no evidence."
        return Verdict(State.UNREADABLE, reason, value="unreadable")
    return _not_indexed(f"Xray's answer does not mention {name}")


def _not_indexed(why: str) -> Verdict:
    return Verdict(State.PENDING, f"{why}: its scan is waited for.", value="not indexed")


def _explain_waiting(status: ScanStatus | ArtifactoryError | None, waiting: Verdict) -> Verdict:
    """Say more of what is not in Xray's summaries: how far its scan is, and whether it can still come."""
    if not isinstance(status, ScanStatus):
        return waiting
    if _state_of(status.overall) is State.UNREADABLE:
        return _tell_undone(status, {"overall": status.overall})
    reason = f"{waiting.reason} The status of the scan is {word(status.overall)}."
    return Verdict(State.PENDING, reason, value=word(status.overall))


def _tell_undone(status: ScanStatus, needed: Mapping[str, str]) -> Verdict:
    told = ", ".join(f"{part} {word(each) or 'not told'}" for part, each in needed.items())
    if all(_state_of(each) is not State.UNREADABLE for each in needed.values()):
        reason = f"Xray's scan is not done ({told}): its end is waited for."
        return Verdict(State.PENDING, reason, value=word(status.overall), since=status.time)
    advice = next((text for name, text in _ADVICE.items() if name in needed.values()), "See the scan in Xray.")
    reason = f"Xray's scan has no result that counts ({told}). {advice}"
    return Verdict(State.UNREADABLE, reason, value=word(status.overall), since=status.time)


def _state_of(status: str) -> State:
    if status == "DONE":
        return State.PASSED
    return State.PENDING if status in _WAITS else State.UNREADABLE


def _find_flaw(watches: Sequence[Watch], terms: Terms, repository: str) -> Verdict | None:
    named = [watch for watch in watches if terms.watch in {None, watch.name}]
    covering = [watch for watch in named if watch.covers(repository)]
    if any(terms.policy is None or terms.policy in watch.policies for watch in covering):
        return None
    if not named:
        flaw = f"There is no watch {terms.watch!r}" if terms.watch else "There is no watch"
    elif not covering:
        which = f"The watch {terms.watch!r} is switched off, or" if terms.watch else "Every watch is switched off, or"
        flaw = f"{which} does not watch {repository!r}"
    else:
        flaw = f"No active watch of {repository!r} that is asked for applies the policy {terms.policy!r}"
    return Verdict(State.UNREADABLE, f"{flaw}: that there is no violation would say nothing.", value="no watch")
