"""What people have accepted of findings: a document of its own, which does not lie in the registry.

Whoever can push to a stage past all promotions can write properties there, too, and would accept what they have done.
And what is gone has no manifest to write on.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from artifactory_provider.audit.findings import KINDS, Acceptance
from artifactory_provider.policy.document import read_document
from artifactory_provider.policy.fields import Fields
from artifactory_provider.policy.policy import read_version
from artifactory_provider.policy.problems import InvalidDocument, Problems

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable

    from artifactory_provider.audit.findings import Finding
    from artifactory_provider.policy.document import Node

DEFAULT_ACCEPTANCES_NAME = "artifactory_accepted_findings"
_NAME = re.compile(rf"({'|'.join(KINDS)}):[A-Za-z0-9._/:-]{{1,500}}@[0-9a-f]{{12}}(\+[0-9a-f]{{8}})?")


class InvalidAcceptances(InvalidDocument):
    """The document of what is accepted cannot be read: while it is so, nothing counts as accepted."""


@dataclass(frozen=True, slots=True)
class Acceptances:
    """What is accepted.

    :param given: the acceptances; those that are over may be among them.
    """

    given: tuple[Acceptance, ...] = ()

    def mark(self, findings: Iterable[Finding], *, at: datetime.datetime) -> list[Finding]:
        """Return findings, those that are accepted at a moment with who has accepted them.

        :param findings: the findings.
        :param at: the moment, with a time zone.
        """
        standing = {one.finding: one for one in self.given if at < one.until}
        return [replace(finding, acceptance=standing.get(finding.name)) for finding in findings]

    def to_text(self) -> str:
        """Return the document, as JSON that ``read_acceptances`` reads."""
        return json.dumps({"version": 1, "accepted": [one.as_dict() for one in self.given]}, indent=2)


def check_finding_name(name: str) -> str:
    """Return the name of a finding when it is one.

    :param name: as reports give it: ``unexplained:docker-prod/payments/api:1.4.2@34378e2735ab``.
    :raises ValueError: when it is none.
    """
    if _NAME.fullmatch(name):
        return name
    raise ValueError(
        f"{name!r:.200} names no finding: take it from the report, such as "
        "'unexplained:docker-prod/payments/api:1.4.2@34378e2735ab'."
    )


def read_acceptances(text: str | None, *, name: str = DEFAULT_ACCEPTANCES_NAME) -> Acceptances:
    """Read what is accepted.

    :param text: the document, as JSON or YAML; None or an empty one where nothing is.
    :param name: what it is called, for messages: the Variable's name.
    :raises InvalidAcceptances: when anything in it is wrong, with all that is.
    """
    if text is None or not text.strip():
        return Acceptances()
    problems = Problems()
    given: list[Acceptance | None] = []
    root = read_document(text, problems)
    if root is not None:
        fields = Fields(root, problems, ("version", "accepted"))
        read_version(fields)
        node = fields.require("accepted", "Write accepted: [] where nothing is.")
        if node is not None and node.value != ():
            given = [_read_one(part, problems) for part in fields.read_list(node)]
    problems.raise_any(name, error=InvalidAcceptances)
    return Acceptances(tuple(one for one in given if one is not None))


def _read_one(node: Node, problems: Problems) -> Acceptance | None:
    fields = Fields(node, problems, ("finding", "reason", "by", "since", "until"))
    finding = fields.read(fields.require("finding", "Name the finding, as reports do."), check_finding_name)
    reason = fields.read_text(fields.require("reason", "Say why, in a line."))
    by = fields.read_text(fields.require("by", "Say who accepts it."))
    since = fields.read_moment(fields.require("since", "Say since when, such as 2026-12-18T16:00:00Z."))
    until = fields.read_moment(fields.require("until", "Say until when, such as 2027-03-31T00:00:00Z."))
    if finding is None or reason is None or by is None or since is None or until is None:
        return None
    return Acceptance(finding, reason, by, since, until)
