"""Xray: what scans have found, told to the sandbox beforehand, and what follows for downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.names import ant_pattern

if TYPE_CHECKING:
    from artifactory_sandbox.items import Item
    from artifactory_sandbox.metadata import Database

Status = Literal["NOT_SUPPORTED", "NOT_SCANNED", "PENDING", "SCANNING", "DONE", "PARTIAL", "FAILED"]


class Finding(BaseModel):
    """What a scan has found in some artifacts.

    :param artifact: the digest of a manifest, or an Ant pattern of `<repository>/<image>/<tag>/<file>`.
    :param status: how far the scan has come.
    :param issues: as Xray's summary lists them: `issue_id`, `severity`, `cves` and so on.
    :param licenses: as Xray's summary lists them.
    :param violations: as Xray lists them: `watch_name`, `severity`, `type` and so on.
    :param is_blocked: whether a policy forbids to download it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    artifact: str
    status: Status = "DONE"
    issues: tuple[dict[str, Any], ...] = ()
    licenses: tuple[dict[str, Any], ...] = ()
    violations: tuple[dict[str, Any], ...] = ()
    is_blocked: bool = Field(default=False, alias="blocked")

    def covers(self, item: Item) -> bool:
        """Tell whether an artifact is meant."""
        if self.artifact.startswith("sha"):
            return self.artifact == item.digest
        return ant_pattern(self.artifact).fullmatch(f"{item.repository}/{item.full_path}") is not None


class XrayConfig(BaseModel):
    """The findings that stand from the start, and what holds for all that none of them covers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    findings: tuple[Finding, ...] = ()
    default_status: Status = "NOT_SCANNED"
    block_unscanned: bool = False


class Xray:
    """What Xray knows of the artifacts of a sandbox; what is told later counts more.

    :param config: what it knows from the start.
    :param database: where it keeps what it is told later.
    """

    def __init__(self, config: XrayConfig, database: Database) -> None:
        self._config = config
        self._database = database
        with database.reading() as tx:
            told = [
                Finding.model_validate_json(body) for (body,) in tx.execute("SELECT body FROM findings ORDER BY id")
            ]
        self.findings = (*config.findings, *told)

    def add(self, findings: tuple[Finding, ...]) -> None:
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

    def look_up(self, item: Item) -> Finding:
        """Return what is known of an artifact."""
        found = (finding for finding in reversed(self.findings) if finding.covers(item))
        return next(found, Finding(artifact=item.digest or "", status=self._config.default_status))

    def require_download(self, item: Item) -> None:
        """Refuse a download that a policy forbids, in Artifactory's words (sobolevn/git-secret#801).

        :raises Refusal: 403.
        """
        if not self.findings and not self._config.block_unscanned:
            return
        finding = self.look_up(item)
        is_unscanned = self._config.block_unscanned and finding.status not in {"DONE", "NOT_SUPPORTED"}
        if finding.is_blocked or is_unscanned:
            raise Refusal(
                403,
                f"Artifact download request rejected: {item.full_path} was not downloaded due to the download "
                f"blocking policy configured in Xray for {item.repository}.",
            )
