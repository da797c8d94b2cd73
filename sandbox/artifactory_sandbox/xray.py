"""Xray: what scans have found, told to the sandbox beforehand, and what follows for downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_sandbox.config import XrayConfig, XrayFinding
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.names import ant_pattern

if TYPE_CHECKING:
    from artifactory_sandbox.items import Item
    from artifactory_sandbox.metadata import Database


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
