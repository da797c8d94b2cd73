"""An audit as people and programs read it: CSV, JSON, Markdown. Whatever others have written stays text in it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.audit.findings import HEADINGS, KINDS, Finding
from artifactory_provider.promotion.csv_text import write_csv
from artifactory_provider.promotion.planning.rendering import inline_code
from artifactory_provider.promotion.reports import escape_markdown
from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator, Mapping
    from typing import TextIO

    from artifactory_provider.audit.acceptances import Acceptances
    from artifactory_provider.audit.auditing import Audit

_SHOWN_OF_A_KIND = 20
_LONGEST_CELL = 1000
_NAMED = 5
_COLUMNS = (
    "finding",
    "severity",
    "kind",
    "repository",
    "image",
    "tag",
    "digest",
    "what",
    "by",
    "pushed",
    "since",
    "accepted_by",
    "accepted_until",
    "accepted_reason",
)


@dataclass(frozen=True)
class AuditReport:
    """What an audit comes to, once it is known what people have accepted.

    :param audit: what it has found.
    :param findings: its findings, with who has accepted them.
    """

    audit: Audit
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, audit: Audit, acceptances: Acceptances, *, at: datetime.datetime) -> AuditReport:
        """Return the report of an audit.

        :param audit: what it has found.
        :param acceptances: what is accepted.
        :param at: the moment, with a time zone.
        """
        return cls(audit, tuple(acceptances.mark(audit.findings, at=at)))

    @property
    def open(self) -> tuple[Finding, ...]:
        """The findings that nobody has accepted."""
        return tuple(finding for finding in self.findings if finding.acceptance is None)

    @property
    def counts(self) -> dict[str, int]:
        """How many open findings there are of each kind that there are any of."""
        found = Counter(finding.kind for finding in self.open)
        return {kind: found[kind] for kind in KINDS if found[kind]}

    def as_dict(self) -> dict[str, Any]:
        """Return what it comes to as a small JSON object: counts, and the first open findings."""
        return {
            "tags": self.audit.tags,
            "repositories": list(self.audit.repositories),
            "open": len(self.open),
            "accepted": len(self.findings) - len(self.open),
            "counts": self.counts,
            "by_repository": dict(Counter(finding.place.repository for finding in self.open)),
            "first": [{"finding": one.name, "what": _shown(one.words)} for one in self.open[:_NAMED]],
        }

    def write_csv(self, file: TextIO) -> None:
        """Write all findings as CSV, with a header; no cell is taken for a formula by a spreadsheet.

        :param file: an open text file.
        """
        rows = (finding.as_dict() for finding in self.findings)
        file.write(write_csv(_COLUMNS, ([_shown(str(row[name] or "")) for name in _COLUMNS] for row in rows)))

    def write_json(self, file: TextIO) -> None:
        """Write all findings as a JSON document, with what they come to.

        :param file: an open text file.
        """
        json.dump({**self.as_dict(), "findings": [one.as_dict() for one in self.findings]}, file, indent=1)

    def as_markdown(self) -> str:
        """Return it as Markdown: the headline, then the open findings of each kind, then what is accepted."""
        return "\n".join([f"**{headline(self.as_dict())}**", "", *self._sections(), *self._accepted()]).rstrip() + "\n"

    def _sections(self) -> Iterator[str]:
        for kind in KINDS:
            of_kind = [finding for finding in self.open if finding.kind == kind]
            if of_kind:
                yield f"### {HEADINGS[kind]} ({len(of_kind):,}, {of_kind[0].severity})"
                yield ""
                yield "| Finding | What there is to know |"
                yield "| --- | --- |"
                yield from map(_row, of_kind[:_SHOWN_OF_A_KIND])
                yield ""
                if len(of_kind) > _SHOWN_OF_A_KIND:
                    yield f"… and {len(of_kind) - _SHOWN_OF_A_KIND:,} more: the files of the report have all."
                    yield ""

    def _accepted(self) -> Iterator[str]:
        accepted = [(finding, finding.acceptance) for finding in self.findings if finding.acceptance]
        if accepted:
            yield f"### Accepted ({len(accepted):,})"
            yield ""
            yield "| Finding | By | Until | Why |"
            yield "| --- | --- | --- | --- |"
            for finding, one in accepted[:_SHOWN_OF_A_KIND]:
                cells = (
                    escape_markdown(printable(one.by)),
                    f"{one.until:%Y-%m-%d}",
                    escape_markdown(_shown(one.reason)),
                )
                yield f"| {inline_code(finding.name)} | {' | '.join(cells)} |"
            yield ""


def headline(document: Mapping[str, Any]) -> str:
    """Return in one line what a report comes to.

    :param document: as ``AuditReport.as_dict`` makes it.
    """
    where = ", ".join(document["repositories"])
    found = f"{document['open']:,} open {'finding' if document['open'] == 1 else 'findings'}"
    return f"{found} among {document['tags']:,} tags of {where}; {document['accepted']:,} accepted."


def _row(finding: Finding) -> str:
    return f"| {inline_code(finding.name)} | {escape_markdown(_shown(finding.words))} |"


def _shown(text: str) -> str:
    return printable(" ".join(text.split()), longest=_LONGEST_CELL)
