"""What Xray answers, read strictly: an answer that is not as documented says nothing at all."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.layout import LIST_FILE, MANIFEST_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from artifactory_provider.artifactory.answers import Answer
    from artifactory_provider.artifactory.layout import Folder

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class XrayFinding:
    """One issue that Xray has found.

    :param issue: Xray's own identifier, such as ``XRAY-124116``; empty where it names none.
    :param cves: the identifiers of the vulnerabilities; empty for one that has none.
    :param severity: Xray's word; empty where it says none.
    """

    issue: str
    cves: tuple[str, ...]
    severity: str

    @property
    def name(self) -> str:
        """What people call it."""
        return next((name for name in (*self.cves, self.issue) if name), "an issue without a name")


@dataclass(frozen=True, slots=True)
class Spot:
    """Where Xray says that an artifact is.

    :param path: the path of the folder, in most answers with the repository key before it.
    """

    path: str

    @property
    def place(self) -> Folder:
        """Repository and folder."""
        repository, _, folder = self.path.partition("/")
        return repository, folder

    def is_in(self, place: Folder) -> bool:
        """Return whether that is a place, told with its repository or without.

        :param place: repository and folder.
        """
        return self.path in {"/".join(place), place[1]}


@dataclass(frozen=True, slots=True)
class ScannedArtifact:
    """What a summary tells of one artifact.

    :param digest: ``sha256:`` and 64 hexadecimal digits.
    :param spot: where it is; None where that is not told.
    :param findings: what was found in it; None where that cannot be read.
    """

    digest: str
    spot: Spot | None
    findings: tuple[XrayFinding, ...] | None

    def is_in(self, place: Folder) -> bool:
        """Return whether it is told to be in a place.

        :param place: repository and folder.
        """
        return self.spot is not None and self.spot.is_in(place)


@dataclass(frozen=True, slots=True)
class Summaries:
    """What a summary of many artifacts tells.

    :param artifacts: those that Xray knows.
    :param missing: what it has no summary of, the checksum or ``<repository>/<path>`` → in Xray's words, why.
    :param unreadable: how many entries do not even tell what they are about.
    """

    artifacts: tuple[ScannedArtifact, ...]
    missing: Mapping[str, str] = field(default_factory=dict)
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class ScanStatus:
    """How far the scan of an artifact is.

    :param overall: Xray's word for all of it, such as ``DONE``.
    :param parts: ``sca``, ``violations`` and so on → Xray's word for it.
    :param time: when that was written, where it is told.
    """

    overall: str
    parts: Mapping[str, str]
    time: datetime.datetime | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation of a policy.

    :param finding: what violates it.
    :param watch: the watch that tells of it; None where that is not told.
    :param policies: the policies that are violated; None where that is not told.
    :param spots: where the artifacts are that it is found in; None where one of them cannot be read.
    """

    finding: XrayFinding
    watch: str | None
    policies: frozenset[str] | None
    spots: frozenset[Spot] | None

    def is_in(self, place: Folder) -> bool:
        """Return whether it is told to be found in a place; where nothing is told, it may be.

        :param place: repository and folder.
        """
        return self.spots is None or any(spot.is_in(place) for spot in self.spots)


@dataclass(frozen=True, slots=True)
class Violations:
    """The violations that an answer lists.

    :param listed: those.
    :param total: how many there are.
    """

    listed: tuple[Violation, ...]
    total: int

    @property
    def is_whole(self) -> bool:
        """Whether all of them are listed."""
        return len(self.listed) >= self.total


@dataclass(frozen=True, slots=True)
class Watch:
    """What a watch watches.

    :param name: its name.
    :param is_active: whether it is switched on.
    :param policies: the names of the policies that it applies.
    :param repositories: the keys of the repositories that it watches; None for all of them.
    """

    name: str
    is_active: bool
    policies: frozenset[str]
    repositories: frozenset[str] | None

    def covers(self, repository: str) -> bool:
        """Return whether it watches a repository.

        :param repository: the repository key.
        """
        return self.is_active and (self.repositories is None or repository in self.repositories)


def read_summaries(answer: Answer) -> Summaries:
    """Return what an answer tells of artifacts.

    :raises UnexpectedAnswer: when it is no summary.
    """
    document = answer.document()
    # Go writes null for an empty list.
    entries, errors = (document.get(name) for name in ("artifacts", "errors"))
    is_told = "artifacts" in document or "errors" in document
    if not (is_told and isinstance(entries, list | None) and isinstance(errors, list | None)):
        raise answer.unexpected("a summary of artifacts")
    artifacts = [_read_artifact(entry) for entry in entries or ()]
    missing = [_read_error(error) for error in errors or ()]
    return Summaries(
        tuple(artifact for artifact in artifacts if artifact),
        dict(error for error in missing if error),
        artifacts.count(None) + missing.count(None),
    )


def read_scan_status(answer: Answer) -> ScanStatus:
    """Return the status of a scan.

    :raises UnexpectedAnswer: when the answer is none.
    """
    document = answer.document()
    overall, details = document.get("overall"), document.get("details")
    if not (isinstance(overall, dict) and isinstance(overall.get("status"), str) and isinstance(details, dict)):
        raise answer.unexpected("the status of a scan")
    parts = {name: part.get("status") for name, part in details.items() if isinstance(part, dict)}
    return ScanStatus(
        overall["status"],
        {name: status for name, status in parts.items() if isinstance(status, str)},
        _read_time(overall.get("time")),
    )


def read_violations(answer: Answer) -> Violations:
    """Return the violations that an answer lists.

    :raises UnexpectedAnswer: when it is no list of violations.
    """
    document = answer.document()
    total, entries = document.get("total_violations"), document.get("violations")
    is_list = isinstance(entries, list | None) and all(isinstance(entry, dict) for entry in entries or ())
    if type(total) is not int or not is_list or len(entries or ()) > total:
        raise answer.unexpected("a list of violations")
    return Violations(tuple(_read_violation(entry) for entry in entries or ()), total)


def read_watches(answer: Answer) -> list[Watch]:
    """Return the watches that an answer lists; one that cannot be read watches nothing.

    :raises UnexpectedAnswer: when it is no list of watches.
    """
    entries = answer.json()
    if not isinstance(entries, list):
        raise answer.unexpected("a list of watches")
    watches = (_read_watch(entry) for entry in entries)
    return [watch for watch in watches if watch]


def read_spot(path: object) -> Spot | None:
    """Return the folder that a path in an answer leads to; None where it is no such path.

    Xray writes ``default/<repository>/<image>/<tag>/``, or the path of the manifest in that folder; the first part is
    the name under which it knows the Artifactory.

    :param path: ``general.path`` of a summary, or an impacted artifact of a violation.
    """
    if not isinstance(path, str):
        return None
    _, _, inner = path.strip("/").partition("/")
    for name in (LIST_FILE, MANIFEST_FILE):
        inner = inner.removesuffix(f"/{name}")
    return Spot(inner) if inner else None


def _read_artifact(entry: object) -> ScannedArtifact | None:
    general = entry.get("general") if isinstance(entry, dict) else None
    checksum = general.get("sha256") if isinstance(general, dict) else None
    if not isinstance(entry, dict) or not isinstance(general, dict) or not isinstance(checksum, str):
        return None
    if not _SHA256.fullmatch(checksum.lower()):
        return None
    issues = entry.get("issues")
    is_list = isinstance(issues, list | None) and all(isinstance(issue, dict) for issue in issues or ())
    findings = None
    if "issues" in entry and is_list:
        findings = tuple(_read_finding(issue, issue.get("cves")) for issue in issues or ())
    return ScannedArtifact(f"sha256:{checksum.lower()}", read_spot(general.get("path")), findings)


def _read_error(entry: object) -> tuple[str, str] | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("identifier"), str):
        return None
    return entry["identifier"].removeprefix("default/"), _text(entry.get("error"))


def _read_finding(issue: Mapping[str, Any], cves: object) -> XrayFinding:
    """Read an issue; a vulnerability without a name keeps its place, as an empty one."""
    entries = cves if isinstance(cves, list) else [cves] if isinstance(cves, dict) else []
    named = (entry.get("cve") if isinstance(entry, dict) else None for entry in entries)
    return XrayFinding(_text(issue.get("issue_id")), tuple(_text(name) for name in named), _text(issue.get("severity")))


def _read_violation(entry: Mapping[str, Any]) -> Violation:
    impacted = _list(entry.get("impacted_artifacts") or entry.get("impact_artifacts"))
    spots = [read_spot(each.get("path") if isinstance(each, dict) else each) for each in impacted]
    matched = _list(entry.get("matched_policies"))
    policies = [_text(each.get("policy")) if isinstance(each, dict) else "" for each in matched]
    watch = entry.get("watch_name")
    return Violation(
        _read_finding(entry, entry.get("properties") or entry.get("cves")),
        watch if isinstance(watch, str) else None,
        frozenset(policies) if policies and all(policies) else None,
        frozenset(spot for spot in spots if spot) if spots and None not in spots else None,
    )


def _read_watch(entry: object) -> Watch | None:
    if not isinstance(entry, dict):
        return None
    general, resources = entry.get("general_data"), entry.get("project_resources")
    if not isinstance(general, dict) or not isinstance(resources, dict) or not isinstance(general.get("name"), str):
        return None
    watched = [each for each in _list(resources.get("resources")) if isinstance(each, dict)]
    keys = {_text(each.get("name")) for each in watched if each.get("type") == "repository"}
    assigned = {_text(each.get("name")) for each in _list(entry.get("assigned_policies")) if isinstance(each, dict)}
    is_all = any(each.get("type") == "all-repos" for each in watched)
    repositories = None if is_all else frozenset(keys)
    return Watch(general["name"], general.get("active") is True, frozenset(assigned), repositories)


def _read_time(value: object) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
