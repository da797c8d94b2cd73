"""What is counted and timed, and told to Airflow's own metrics: StatsD, Datadog or OpenTelemetry, wherever they go.

Tags are few, and their values bounded: repositories, outcomes, names of rules; never an image, a tag or a digest. Many
promotions are counted by one call for each repository and outcome. Nothing here asks anything, nor can it fail a task.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from airflow.sdk import conf
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.observability import stats

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.promotion.errors import NotVerified, PromotionError
from artifactory_provider.promotion.reports import PromotionResult
from artifactory_provider.promotion.rules import Refused

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from artifactory_provider.promotion.record import PromotionRecord
    from artifactory_provider.promotion.reports import PromotionReport
    from artifactory_provider.promotion.request import Promotion

log = logging.getLogger(__name__)

WaitReason = Literal["verdict", "rule", "approval", "server"]

_TIMES_AT_ONCE = 100
"""How many times with the same tags a task tells at once: StatsD has a packet for each, and loses some of a flood."""
_LONGEST_VALUE = 60
"""Airflow leaves a metric out that has more than 250 characters with its tags."""


@dataclass(frozen=True, slots=True)
class Metric:
    """Something that is counted or timed.

    :param name: its name, without the prefix that Airflow gives all metrics.
    :param kind: ``counter``, or ``timer`` of milliseconds.
    :param tags: the names of its tags.
    """

    name: str
    kind: Literal["counter", "timer"]
    tags: tuple[str, ...]


PROMOTIONS = Metric("artifactory.promotions", "counter", ("repository", "outcome"))
ROLLBACKS = Metric("artifactory.rollbacks", "counter", ("repository", "outcome"))
LEAD_TIME = Metric("artifactory.lead_time", "timer", ("repository",))
REFUSALS = Metric("artifactory.refusals", "counter", ("repository", "rule"))
WAITS = Metric("artifactory.waits", "counter", ("repository", "reason"))
WAIT_TIME = Metric("artifactory.wait_time", "timer", ("repository", "reason"))
LOOKS = Metric("artifactory.looks", "counter", ("outcome",))
LOOKED_AT = Metric("artifactory.looked_at", "counter", ("outcome",))

METRICS = (PROMOTIONS, ROLLBACKS, LEAD_TIME, REFUSALS, WAITS, WAIT_TIME, LOOKS, LOOKED_AT)
"""All that there are; docs/metrics.md says what each means."""


class PromotionTally:
    """Counts, at the end of a task's work, what became of its promotions: each of them once, however often it looks.

    A context manager around that work. Where the task waits at its end, and looks again, only what it has promoted
    counts, and what it begins to wait for; all else counts when it has ended.

    :param metric: ``PROMOTIONS`` or ``ROLLBACKS``.
    :param waited: how long it is since the task was refused first, where it has waited for that to end.
    """

    def __init__(self, metric: Metric = PROMOTIONS, *, waited: datetime.timedelta | None = None) -> None:
        self._metric, self._waited = metric, waited
        self._results: list[PromotionResult] = []

    def add(self, report: PromotionReport) -> None:
        """Take what became of many promotions."""
        self._results += report.results

    def add_record(self, record: PromotionRecord) -> PromotionRecord:
        """Take what was promoted, and return it."""
        self._results.append(PromotionResult(source=record.source, target=record.target, record=record))
        return record

    @contextmanager
    def of(self, promotion: Promotion) -> Iterator[None]:
        """Take why a promotion was not made, where work on it fails and nothing else was taken.

        :param promotion: the promotion, of one tag or of a whole image.
        """
        before = len(self._results)
        try:
            yield
        except (PromotionError, ArtifactoryError) as error:
            if len(self._results) == before:
                failed = PromotionResult(source=promotion.source, target=promotion.target, error=error)
                self._results.append(failed)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        waits = isinstance(error, TaskDeferred)
        if error is not None and not waits and not isinstance(error, Exception):
            return  # It was killed, and what it has told so far may be half of it.
        count_promotions(self._results, metric=self._metric, waits=waits, has_waited=self._waited is not None)
        if self._waited is not None and not waits:
            time_waits((key, "rule", self._waited) for key in {one.target.repository for one in self._results})


def count_promotions(
    results: Sequence[PromotionResult], *, metric: Metric = PROMOTIONS, waits: bool = False, has_waited: bool = False
) -> None:
    """Count what became of promotions, by repository and outcome, with the refusals among them and the lead times.

    :param results: what became of them.
    :param metric: ``PROMOTIONS`` or ``ROLLBACKS``.
    :param waits: whether the task waits now, and asks again.
    :param has_waited: whether it has before, so that refusals were counted then.
    """
    told = [(result, _name_outcome(result)) for result in results]
    _count_all(
        metric,
        ((one.target.repository, outcome) for one, outcome in told if outcome == "promoted" or not waits),
    )
    refused = [(one.target.repository, one.error.refusal.rule) for one in results if isinstance(one.error, Refused)]
    if not has_waited:
        _count_all(REFUSALS, refused)
        if waits:
            _count_all(WAITS, ((repository, "rule") for repository, _ in refused))
    if metric is PROMOTIONS:
        leads = [
            (one.target.repository, one.record.lead_time) for one, what in told if one.record and what == "promoted"
        ]
        _time_all(LEAD_TIME, (((repository,), lead) for repository, lead in leads if lead is not None))


def count_ends(ends: Iterable[tuple[str, str]]) -> None:
    """Count promotions that will not be made: each repository, with the outcome.

    :param ends: repository and outcome of each.
    """
    _count_all(PROMOTIONS, ends)


def count_refusals(refused: Iterable[tuple[str, str]]) -> None:
    """Count refusals: each repository, with what refuses it.

    :param refused: repository and rule of each.
    """
    _count_all(REFUSALS, refused)


def count_waits(waits: Iterable[tuple[str, WaitReason]]) -> None:
    """Count what a task begins to wait for: each repository, with the reason.

    :param waits: repository and reason of each.
    """
    _count_all(WAITS, waits)


def time_waits(waits: Iterable[tuple[str, WaitReason, datetime.timedelta]]) -> None:
    """Tell how long was waited, at the end of it.

    :param waits: repository, reason and time of each.
    """
    _time_all(WAIT_TIME, (((repository, reason), waited) for repository, reason, waited in waits))


def count_look(number: int, *, is_read: bool) -> None:
    """Count a look at what is waited for.

    :param number: how many images it was about.
    :param is_read: whether anything could be read.
    """
    outcome = "read" if is_read else "unread"
    _count(LOOKS, (outcome,), 1)
    _count(LOOKED_AT, (outcome,), number)


def _name_outcome(result: PromotionResult) -> str:
    if isinstance(result.error, Refused):
        return "refused"
    return "unverified" if isinstance(result.error, NotVerified) else result.outcome


def _time_all(metric: Metric, times: Iterable[tuple[tuple[str, ...], datetime.timedelta]]) -> None:
    groups: dict[tuple[str, ...], list[datetime.timedelta]] = {}
    for values, time in times:
        groups.setdefault(values, []).append(time)
    for values, found in groups.items():
        for time in _choose(sorted(found)):
            _tell(metric, values, partial(_send_time, time))


def _send_time(time: datetime.timedelta, name: str, tags: dict[str, str] | None) -> None:
    stats.timing(name, time, tags=tags)


def _choose(found: Sequence[datetime.timedelta]) -> Sequence[datetime.timedelta]:
    """Return so many of sorted times that they can be told, evenly out of all of them."""
    if len(found) <= _TIMES_AT_ONCE:
        return found
    return [found[(2 * at + 1) * len(found) // (2 * _TIMES_AT_ONCE)] for at in range(_TIMES_AT_ONCE)]


def _count_all(metric: Metric, values: Iterable[tuple[str, ...]]) -> None:
    for each, number in Counter(values).items():
        _count(metric, each, number)


def _count(metric: Metric, values: tuple[str, ...], number: int) -> None:
    _tell(metric, values, partial(_send_count, number))


def _send_count(number: int, name: str, tags: dict[str, str] | None) -> None:
    stats.incr(name, number, tags=tags)


def _tell(metric: Metric, values: tuple[str, ...], send: Callable[[str, dict[str, str] | None], None]) -> None:
    """Hand one metric to Airflow: what goes wrong with it holds up no promotion, and undoes none.

    StatsD itself knows no tags, and Airflow drops them there: their values stand in the name then.
    """
    clean = [_clean(value) for value in values]
    try:
        if _has_tags():
            send(metric.name, dict(zip(metric.tags, clean, strict=True)))
        else:
            send(".".join([metric.name, *(value.replace(".", "__") for value in clean)]), None)
    except Exception as error:  # noqa: BLE001 - whatever a client of a metrics server may raise
        log.warning("%s was not told to Airflow's metrics (%s).", metric.name, type(error).__name__)


def _clean(value: str) -> str:
    """Return a tag's value of characters that Airflow lets through; it drops a metric for any other."""
    return stats.normalize_name_for_stats(value[:_LONGEST_VALUE] or "none", log_warning=False)


def _has_tags() -> bool:
    """Return whether metrics go to where Airflow's configuration says that they may have tags."""
    if conf.getboolean("metrics", "statsd_datadog_enabled", fallback=False):
        return conf.getboolean("metrics", "statsd_datadog_metrics_tags", fallback=True)
    if conf.getboolean("metrics", "statsd_on", fallback=False):
        return conf.getboolean("metrics", "statsd_influxdb_enabled", fallback=False)
    return True
