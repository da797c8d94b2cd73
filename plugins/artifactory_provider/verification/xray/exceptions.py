"""Findings that somebody answers for until a day: they do not count as long as that day has not passed."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import InvalidReference, check_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from artifactory_provider.artifactory.xray_answers import XrayFinding

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,119}")
_NEEDED, _OPTIONAL = ("id", "owner", "expires"), ("reason",)
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class FindingException:
    """One exception.

    :param id: the identifier that it is for: of a vulnerability (``CVE-2024-0001``) or of Xray's issue.
    :param owner: who answers for it.
    :param expires: the last day on which it counts, in UTC.
    :param reason: why.
    """

    id: str
    owner: str
    expires: datetime.date
    reason: str = ""

    @property
    def key(self) -> str:
        """The identifier as it is compared."""
        return self.id.upper()

    def counts(self, day: datetime.date) -> bool:
        """Return whether it counts on a day."""
        return day <= self.expires

    def __str__(self) -> str:
        return f"{self.id} (of {self.owner}, until {self.expires})"


def read_exceptions(entries: object) -> tuple[FindingException, ...]:
    """Return the exceptions that a check is given.

    :param entries: objects with ``id``, ``owner``, ``expires`` (``YYYY-MM-DD``) and perhaps ``reason``.
    :raises ValueError: when one is malformed, or two are for the same identifier.
    """
    if not isinstance(entries, list | tuple):
        raise ValueError(f"Exceptions are a list of objects, not {entries!r:.120}.")
    exceptions = tuple(_read(entry) for entry in entries)
    keys = [exception.key for exception in exceptions]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise ValueError(f"There are two exceptions for {twice}: which one counts would be a guess.")
    return exceptions


@dataclass(frozen=True, slots=True)
class Sorted:
    """What becomes of findings.

    :param counting: those that count.
    :param excepted: the exceptions because of which others do not.
    :param expired: the exceptions that have expired, for findings that count therefore.
    """

    counting: tuple[XrayFinding, ...]
    excepted: tuple[FindingException, ...]
    expired: tuple[FindingException, ...]


def sort_out(findings: Iterable[XrayFinding], exceptions: Sequence[FindingException], day: datetime.date) -> Sorted:
    """Return which findings count on a day.

    A finding is excepted by its issue, or by all of its vulnerabilities: an issue that stands for two is not covered by
    an exception for one.

    :param findings: what was found.
    :param exceptions: what does not count.
    :param day: the day, in UTC.
    """
    by_key = {exception.key: exception for exception in exceptions}
    counting: dict[XrayFinding, None] = {}
    excepted: dict[FindingException, None] = {}
    expired: dict[FindingException, None] = {}
    for finding in findings:
        by_issue = [by_key[key] for key in [finding.issue.upper()] if key in by_key]
        by_cves = [by_key[key] for key in map(str.upper, finding.cves) if key in by_key]
        ways = [by_issue] if by_issue else []
        if by_cves and len(by_cves) == len(finding.cves):
            ways.append(by_cves)
        covering = next((way for way in ways if all(exception.counts(day) for exception in way)), None)
        if covering is not None:
            excepted.update(dict.fromkeys(covering))
        else:
            counting[finding] = None
            named = (*by_issue, *by_cves)
            expired.update(dict.fromkeys(exception for exception in named if not exception.counts(day)))
    return Sorted(tuple(counting), tuple(excepted), tuple(expired))


def _read(entry: object) -> FindingException:
    if not isinstance(entry, dict):
        raise ValueError(f"An exception is an object with {', '.join(_NEEDED)}, not {entry!r:.120}.")
    names = set(entry)
    if missing := [name for name in _NEEDED if name not in names]:
        raise ValueError(f"The exception {_show(entry)} lacks {', '.join(missing)}.")
    if unknown := sorted(map(str, names - {*_NEEDED, *_OPTIONAL})):
        raise ValueError(f"The exception {_show(entry)} has unknown fields: {', '.join(unknown)[:_LONGEST]}.")
    given = {name: _text(entry, name) for name in (*_NEEDED, *_OPTIONAL) if name in names}
    if not _ID.fullmatch(given["id"]):
        raise ValueError(f"{given['id']!r:.140} is no identifier of a vulnerability or of an issue in Xray.")
    return FindingException(given["id"], given["owner"], _read_day(entry, given["expires"]), given.get("reason", ""))


def _read_day(entry: Mapping[Any, Any], text: str) -> datetime.date:
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        day = None
    # The ISO format has other ways to write a day, which people misread.
    if day is None or text != day.isoformat():
        raise ValueError(f"The exception {_show(entry)} expires on {text!r:.60}, which is no day: write YYYY-MM-DD.")
    return day


def _text(entry: Mapping[Any, Any], name: str) -> str:
    try:
        text = check_text(entry[name], f"an exception's {name}")
    except InvalidReference as error:
        raise ValueError(f"The exception {_show(entry)} cannot be read: {error}") from error
    if not text.strip() or not text.isprintable() or len(text) > _LONGEST:
        raise ValueError(f"The exception {_show(entry)} needs {name} as a line of 1 to {_LONGEST} characters.")
    return text


def _show(entry: Mapping[Any, Any]) -> str:
    return f"{entry.get('id', entry)!r:.140}"
