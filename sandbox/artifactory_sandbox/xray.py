"""Xray: what scans have found, told to the sandbox beforehand, and what follows for downloads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_sandbox.config import XrayConfig, XrayFinding
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.names import ant_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from artifactory_sandbox.config import XrayWatch
    from artifactory_sandbox.items import Item
    from artifactory_sandbox.metadata import Database

SEVERITIES = ("Unknown", "Information", "Low", "Medium", "High", "Critical")
_UNLISTED = frozenset({"NOT_SUPPORTED", "NOT_SCANNED", "PENDING"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which violations are asked for; None stands for any.

    :param watch: the name of the watch.
    :param kind: `Security`, `License` or `Operational_Risk`.
    :param min_severity: the least severity, one of `SEVERITIES`.
    :param since: when they were made at the earliest, ISO 8601 in UTC.
    :param until: when they were made at the latest.
    :param issue: Xray's identifier of the issue.
    :param cve: the identifier of the vulnerability.
    """

    watch: str | None = None
    kind: str | None = None
    min_severity: str | None = None
    since: str | None = None
    until: str | None = None
    issue: str | None = None
    cve: str | None = None

    def takes(self, violation: Mapping[str, Any]) -> bool:
        """Return whether a violation is one of those."""
        created = str(violation["created"])
        cves = [one.get("cve") for one in violation.get("properties", ()) if isinstance(one, dict)]
        return (
            self.watch in {None, violation.get("watch_name")}
            and self.kind in {None, violation.get("type")}
            and self.issue in {None, violation.get("issue_id")}
            and (self.cve is None or self.cve in cves)
            and (self.min_severity is None or severity_of(violation) >= SEVERITIES.index(self.min_severity))
            and (self.since is None or created >= self.since)
            and (self.until is None or created <= self.until)
        )


class Xray:
    """What Xray knows of the artifacts of a sandbox; what is told later counts more.

    :param config: what it knows from the start.
    :param database: where it keeps what it is told later.
    """

    def __init__(self, config: XrayConfig, database: Database) -> None:
        self._config = config
        self._database = database
        self._unknown = XrayFinding(artifact="**", status=config.default_status)
        with database.reading() as tx:
            told = tx.execute("SELECT body FROM findings ORDER BY id").fetchall()
        self.findings = (*config.findings, *(XrayFinding.model_validate_json(body) for (body,) in told))

    @property
    def watches(self) -> Mapping[str, XrayWatch]:
        """The watches, by name."""
        return self._config.watches

    def add(self, findings: tuple[XrayFinding, ...]) -> None:
        """Learn more."""
        rows = [(finding.model_dump_json(by_alias=True),) for finding in findings]
        with self._database.writing() as tx:
            tx.executemany("INSERT INTO findings (body) VALUES (?)", rows)
        self.findings = (*self.findings, *findings)

    def reset(self) -> None:
        """Know what the configuration says, and no more."""
        with self._database.writing() as tx:
            tx.execute("DELETE FROM findings")
        self.findings = self._config.findings

    def look_up(self, item: Item) -> XrayFinding:
        """Return what is known of an artifact."""
        path = f"{item.repository}/{item.full_path}"
        for finding in reversed(self.findings):
            if finding.artifact == item.digest or ant_pattern(finding.artifact).fullmatch(path):
                return finding
        return self._unknown

    def summarize(self, item: Item) -> XrayFinding | None:
        """Return what a summary tells of an artifact; None where it has not come so far that it is listed.

        One whose scan is under way again, or has failed, is listed with what was found before.
        """
        finding = self.look_up(item)
        return None if finding.status in _UNLISTED else finding

    def violations(self, among: Iterable[Item], wanted: Wanted) -> list[dict[str, Any]]:
        """Return the violations in some artifacts, each with those of them that it is found in."""
        found: dict[tuple[int, int], dict[str, Any]] = {}
        for item in among:
            finding = self.look_up(item)
            for number, told in enumerate(finding.violations):
                violation = found.setdefault(
                    (id(finding), number), {"created": item.updated, **told, "impacted_artifacts": []}
                )
                violation["impacted_artifacts"].append(place_of(item))
        return [violation for violation in found.values() if wanted.takes(violation)]

    def require_download(self, item: Item) -> None:
        """Refuse a download that a policy forbids, in Artifactory's words (sobolevn/git-secret#801).

        :raises Refusal: 403.
        """
        finding = self.look_up(item)
        is_unscanned = self._config.block_unscanned and finding.status not in {"DONE", "NOT_SUPPORTED"}
        if finding.is_blocked or is_unscanned:
            reason = f"the download blocking policy configured in Xray for {item.repository}"
            what = f"{item.full_path} was not downloaded due to {reason}"
            raise Refusal(403, f"Artifact download request rejected: {what}.")


def place_of(item: Item) -> str:
    """Return where an artifact is, as Xray's answers have it: that of an image is its folder."""
    path = f"{item.path}/" if item.kind == "manifest" else item.full_path
    return f"default/{item.repository}/{path}"


def severity_of(violation: Mapping[str, Any]) -> int:
    """Return the rank of a violation's severity, the least for a word that is none."""
    severity = violation.get("severity")
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0
