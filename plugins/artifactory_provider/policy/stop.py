"""Stop the line: an order that nothing moves to some targets until it is lifted. A document of its own.

An order holds as soon as it stands there: when it was given is told to people, and no clock has to agree.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from artifactory_provider.policy.document import read_document
from artifactory_provider.policy.fields import Fields
from artifactory_provider.policy.origins import DEFAULT_ORIGINS, ORIGINS, check_origin
from artifactory_provider.policy.policy import read_version
from artifactory_provider.policy.problems import Problems
from artifactory_provider.policy.targets import TargetPatterns, read_targets
from artifactory_provider.promotion.rules import Refusal
from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from artifactory_provider.policy.document import Node
    from artifactory_provider.policy.origins import Origin
    from artifactory_provider.promotion.rules import Change

DEFAULT_STOP_NAME = "artifactory_stop"
_SHOWN = 300


@dataclass(frozen=True, kw_only=True)
class StopOrder:
    """One order to stop.

    :param reason: why: a line of text.
    :param by: who gave it.
    :param since: when it was given, with a time zone.
    :param targets: which targets stop; all where none are named.
    :param until: when it ends by itself, with a time zone; None where somebody has to lift it.
    :param applies_to: whose promotions stop.
    """

    reason: str
    by: str
    since: datetime.datetime
    targets: TargetPatterns = field(default_factory=TargetPatterns)
    until: datetime.datetime | None = None
    applies_to: frozenset[Origin] = DEFAULT_ORIGINS

    def to_dict(self) -> dict[str, Any]:
        """Return it as ``read_stop`` reads it."""
        patterns: Mapping[str, Any] = {
            "repositories": self.targets.repositories,
            "images": self.targets.images,
            "tags": self.targets.tags,
        }
        return {
            "targets": {name: list(one.include) for name, one in patterns.items()},
            "reason": self.reason,
            "by": self.by,
            "since": self.since.isoformat(),
            **({"until": self.until.isoformat()} if self.until else {}),
            "applies_to": [origin for origin in ORIGINS if origin in self.applies_to],
        }


@dataclass(frozen=True)
class Stop:
    """The orders to stop that are given.

    :param orders: the orders; those that are over may be among them.
    :param name: what the document is called: the Variable's name.
    """

    orders: tuple[StopOrder, ...] = ()
    name: str = DEFAULT_STOP_NAME

    def refuse(self, change: Change, *, origin: Origin, at: datetime.datetime) -> Refusal | None:
        """Return which order stops a change at a moment, or None where none does; of several, the one that ends last.

        :param change: the change.
        :param origin: who or what started the run.
        :param at: the moment, with a time zone.
        :raises ValueError: when the moment has no time zone, or that is no origin.
        """
        check_origin(origin)
        if at.tzinfo is None:
            raise ValueError(f"{at} has no time zone: give a moment with one.")
        stopping = [
            order
            for order in self.orders
            if (order.until is None or at < order.until)
            and origin in order.applies_to
            and order.targets.match(change.target)
        ]
        if not stopping:
            return None
        order = max(stopping, key=lambda order: (order.until is None, order.until or order.since))
        ends = "until it is lifted" if order.until is None else f"until {_show(order.until)}"
        return Refusal(
            f"The line is stopped for {change.target.repository} {ends}, by {printable(order.by, longest=80)} since "
            f"{_show(order.since)}: {printable(order.reason, longest=_SHOWN).rstrip('.')}.",
            until=order.until,
            lifted_by=f"Whoever may edit Airflow's Variables may lift the stop ({self.name}).",
            rule="stop",
        )

    def to_text(self) -> str:
        """Return the document, as JSON that ``read_stop`` reads."""
        return json.dumps({"version": 1, "stops": [order.to_dict() for order in self.orders]}, indent=2)


def read_stop(text: str | bytes | None, *, name: str = DEFAULT_STOP_NAME) -> Stop:
    """Read the orders to stop.

    :param text: the document, as YAML or JSON; None or an empty one where nothing is stopped.
    :param name: what it is called, for messages: the Variable's name.
    :raises InvalidPolicy: when anything in it is wrong, with all that is; nothing may move then.
    """
    if text is None or not text.strip():
        return Stop(name=name)
    problems = Problems()
    orders: list[StopOrder | None] = []
    root = read_document(text, problems)
    if root is not None:
        fields = Fields(root, problems, ("version", "stops"))
        read_version(fields)
        node = fields.require("stops", "Write stops: [] where nothing is stopped.")
        if node is not None and node.value != ():
            orders = [_read_order(part, problems) for part in fields.read_list(node)]
    problems.raise_any(name)
    return Stop(tuple(order for order in orders if order is not None), name=name)


def _read_order(node: Node, problems: Problems) -> StopOrder | None:
    fields = Fields(node, problems, ("targets", "reason", "by", "since", "until", "applies_to"))
    targets: TargetPatterns | None = TargetPatterns()
    if (targets_node := fields.get("targets")) is not None:
        targets = read_targets(targets_node, problems, repositories_required=False)
    reason = fields.read_text(fields.require("reason", "Say why, in a line."))
    by = fields.read_text(fields.require("by", "Say who stops the line."))
    since = fields.read_moment(fields.require("since", "Say since when, such as 2026-12-18T16:00:00Z."))
    until = fields.read_moment(fields.get("until"))
    applies_to = fields.read_origins(fields.get("applies_to"))
    if since and until and until <= since:
        fields.add(node, "It ends before it begins: mend until, or leave it out.")
    if targets is None or reason is None or by is None or since is None:
        return None
    return StopOrder(reason=reason, by=by, since=since, targets=targets, until=until, applies_to=applies_to)


def _show(moment: datetime.datetime) -> str:
    return f"{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"
