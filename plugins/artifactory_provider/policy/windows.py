"""When a rule lets changes through: its windows, read from the document, and a look-out that tells what holds when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from artifactory_provider.policy.fields import Fields
from artifactory_provider.policy.intervals import EXAMPLES, read_interval
from artifactory_provider.policy.recurrences import read_cron, read_rule
from artifactory_provider.policy.series import Reader, Series
from artifactory_provider.policy.zones import DAY, Zone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.policy.document import Node
    from artifactory_provider.policy.problems import Problems

HORIZON = 731 * DAY
"""How far ahead an opening is looked for, in seconds."""
MOST_WINDOWS = 100

_MOST_LOOKS = 1000
_MOST_CHANGES = 500
_REFERENCE = 1704067200
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Windows:
    """When changes may be made: within one of the allowed windows, and within none of the denied ones.

    :param zone: whose clock the windows are about.
    :param allow: the windows in which changes may be made; none for always.
    :param deny: the windows in which they may not, whatever is allowed.
    """

    zone: Zone
    allow: tuple[Series, ...] = ()
    deny: tuple[Series, ...] = ()

    @property
    def allowed_in_words(self) -> str:
        """The allowed windows, as they are written."""
        shown = [series.in_words for series in self.allow[:_SHOWN]]
        more = len(self.allow) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more else "")


class WindowState(NamedTuple):
    """What holds in a time: whether changes may be made, and which denied window is why not, if one is.

    Where they may not be made, they may not be before ``opens`` either, which may be later than what is told here.
    """

    since: int
    until: int
    is_open: bool
    opens: int
    denied_by: str = ""


class Lookout:
    """Tells whether changes may be made at a moment; moments that move on cost little.

    :param windows: the windows.
    """

    def __init__(self, windows: Windows) -> None:
        self._allow = [Reader(series) for series in windows.allow]
        self._deny = [Reader(series) for series in windows.deny]
        self._state = WindowState(0, 0, False, 0)

    def look(self, second: int) -> WindowState:
        """Return what holds at a moment, and at least how long.

        :param second: seconds since 1970 in UTC.
        """
        state = self._state
        if not state.since <= second < state.until:
            self._state = state = self._find(second)
        return state

    def find_opening(self, second: int) -> int | None:
        """Return the first moment from here on at which changes may be made, if there is one within reach."""
        return find_common_opening([self], second)

    def find_change(self, second: int) -> int | None:
        """Return the next moment at which changes may be made and could not before, or the other way round."""
        state = first = self.look(second)
        for _ in range(_MOST_CHANGES):
            if state.since > second + HORIZON:
                return None
            state = self.look(state.until if state.is_open else state.opens)
            if state.is_open != first.is_open:
                return state.since
        return None

    def _find(self, second: int) -> WindowState:
        denied = [(reader, reader.find(second)) for reader in self._deny]
        allowed = [reader.find(second) for reader in self._allow]
        until = min((segment.until for segment in [*allowed, *(one for _, one in denied)]), default=second + HORIZON)
        denying = [(segment.until, reader.series.in_words) for reader, segment in denied if segment.is_inside]
        if denying:
            opens, text = max(denying, key=lambda one: one[0])
            return WindowState(second, until, False, opens, text)
        if allowed and not any(segment.is_inside for segment in allowed):
            return WindowState(second, until, False, min(segment.until for segment in allowed))
        return WindowState(second, until, True, second)


def find_common_opening(lookouts: Sequence[Lookout], second: int) -> int | None:
    """Return the first moment from here on at which all let changes through, if there is one within reach.

    :param lookouts: those that have to.
    :param second: seconds since 1970 in UTC.
    """
    # For all moments of a day it is looked as far ahead, so that they have one answer.
    last = second - second % DAY + HORIZON
    moment, agreeing, looks = second, 0, 0
    while agreeing < len(lookouts):
        lookout = lookouts[looks % len(lookouts)]
        state = lookout.look(moment)
        looks += 1
        if state.is_open:
            agreeing += 1
            continue
        moment, agreeing = state.opens, 0
        if moment > last or looks > _MOST_LOOKS + 10 * len(lookouts):
            return None
    return moment


def read_windows(node: Node, problems: Problems) -> Windows | None:
    """Read the windows of a rule; None where they cannot be told.

    :param node: the object with the windows.
    :param problems: where to note what is wrong.
    """
    before = len(problems.found)
    fields = Fields(node, problems, ["timezone", "allow", "deny"])
    zone = fields.read(fields.require("timezone", "Name the zone of the times, such as Europe/Berlin or UTC."), Zone)
    if isinstance(node.value, Mapping) and not (fields.is_given("allow") or fields.is_given("deny")):
        fields.add(node, "There is no window: give allow, deny or both.")
    # What else is wrong is told together with a zone that does not exist.
    of_zone = zone or Zone("UTC")
    allow = _read_series(fields, "allow", of_zone)
    deny = _read_series(fields, "deny", of_zone)
    if zone is None or len(problems.found) > before:
        return None
    windows = Windows(zone, allow, deny)
    if _never_opens(windows):
        fields.add(node, "These windows never open: what is allowed, always lies within what is denied.")
        return None
    return windows


def _read_series(fields: Fields, name: str, zone: Zone) -> tuple[Series, ...]:
    parts = fields.read_list(fields.get(name))
    if len(parts) > MOST_WINDOWS:
        fields.add(parts[0], f"There are {len(parts):,} windows: at most {MOST_WINDOWS} are read.")
        return ()
    ends_late = name == "deny"
    read = [
        _read_recurring(part, fields.problems, zone)
        if isinstance(part.value, Mapping)
        else _read_written(part, fields, zone, ends_late=ends_late)
        for part in parts
    ]
    return tuple(series for series in read if series is not None)


def _read_written(node: Node, fields: Fields, zone: Zone, *, ends_late: bool) -> Series | None:
    """Read a window that is a text, or a date: what YAML takes for a date, is one here as well."""
    if node.kind == "timestamp":
        node = type(node)(node.line, node.field, node.value, "str")
    return fields.read(node, lambda text: read_interval(text, zone, ends_late=ends_late))


def _read_recurring(node: Node, problems: Problems, zone: Zone) -> Series | None:
    is_rule = isinstance(node.value, Mapping) and "rrule" in node.value
    known = ["rrule", "start", "duration"] if is_rule else ["cron", "duration"]
    fields = Fields(node, problems, known)
    duration = fields.read_duration(fields.require("duration", "Say how long each window lasts, such as 90m."))
    if not is_rule:
        advice = f"A window is a text, such as {EXAMPLES}, or has cron and duration, or rrule, start and duration."
        cron = fields.require("cron", advice)
        return fields.read(cron, lambda text: read_cron(text, duration, zone)) if duration else None
    start_node = fields.require("start", "Say from when the rule counts, such as 2026-01-30T16:00.")
    if start_node is not None and start_node.kind == "timestamp":
        start_node = type(start_node)(start_node.line, start_node.field, start_node.value, "str")
    start = fields.read_text(start_node)
    if duration is None or start is None:
        return None
    return fields.read(fields.get("rrule"), lambda text: read_rule(text, start, duration, zone))


def opens_again(windows: Windows, second: int) -> bool:
    """Tell whether changes may be made at a moment or later; windows that recur do not come to an end.

    :param windows: the windows.
    :param second: seconds since 1970 in UTC.
    """
    if not windows.allow or not all(series.is_finite for series in windows.allow):
        return True
    return not _stays_closed(windows, second)


def _never_opens(windows: Windows) -> bool:
    """Tell whether no change can ever be made, which must not depend on when it is asked.

    Windows that recur are followed through some years. What is denied once ends some time, and keeps nothing that
    recurs from opening; what is allowed once has all of it to reckon with.
    """
    once = [series for series in windows.allow if series.is_finite]
    recurring = tuple(series for series in windows.allow if not series.is_finite)
    attempts: list[tuple[Windows, int]] = []
    if recurring or not windows.allow:
        denied = tuple(series for series in windows.deny if not series.is_finite)
        attempts.append((Windows(windows.zone, recurring, denied), _REFERENCE))
    attempts += [(Windows(windows.zone, (series,), windows.deny), series.starts) for series in once]
    return all(_stays_closed(attempt, since) for attempt, since in attempts)


def _stays_closed(windows: Windows, since: int) -> bool:
    """Tell whether windows are closed for good; what is not found out within reason, is not held against them."""
    lookout, moment = Lookout(windows), since
    last = since + max((series.cycle for series in [*windows.allow, *windows.deny]), default=0)
    for _ in range(_MOST_LOOKS):
        state = lookout.look(moment)
        if state.is_open:
            return False
        moment = state.opens
        if moment > last:
            return True
    return False
