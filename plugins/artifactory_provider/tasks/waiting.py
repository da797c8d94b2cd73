"""What a task does when rules refuse what it promotes: it fails, or waits without a worker until they may allow it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

from airflow.providers.standard.triggers.temporal import DateTimeTrigger

from artifactory_provider.policy.responses import InvalidResponse, read_moment
from artifactory_provider.promotion.errors import InvalidPromotion, PromotionError, TagsNotPromoted
from artifactory_provider.promotion.rules import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow.sdk import BaseOperator, Context
    from pydantic import JsonValue

    from artifactory_provider.promotion.rules import Refusal

WhenRefused = Literal["fail", "wait"]
Notifier: TypeAlias = "Callable[[Context], object]"
"""What tells people of a task, as Airflow's notifiers do."""

_KEY = "artifactory_refused_since"
_TOLD = "artifactory_refused_told"
_AGAIN = datetime.timedelta(minutes=1)
"""Until the next look where nobody can say when a refusal ends: a stop, a hold."""
_LONGEST = datetime.timedelta(hours=1)
"""Until the next look where it is known: a policy may be changed before."""


def as_notifiers(given: object) -> tuple[Notifier, ...]:
    """Return who tells people, as a tuple.

    :param given: one notifier, several, or None.
    :raises ValueError: when something else is given.
    """
    if given is None:
        return ()
    if callable(given):
        return (given,)
    if not isinstance(given, Iterable) or not all(map(callable, found := tuple(given))):
        raise ValueError(
            "notifiers is one that is called with a task's context, such as a PromotionNotifier, or a list of such, "
            f"not {given!r:.120}."
        )
    return found


def check_when_refused(value: str) -> str:
    """Return what a refusal leads to when there is such a choice.

    :param value: ``fail`` or ``wait``.
    :raises InvalidPromotion: when it is neither.
    """
    if value in get_args(WhenRefused):
        return value
    raise InvalidPromotion(f"when_refused is 'fail' or 'wait', not {value!r:.120}.")


def wait_if_refused(
    task: BaseOperator,
    context: Context,
    errors: Iterable[BaseException | None],
    *,
    longest: datetime.timedelta,
    notifiers: Sequence[Notifier] = (),
) -> None:
    """Give the worker back until the first of some refusals may have ended; then ``resume`` of the task is called.

    :param task: the task.
    :param context: its context.
    :param errors: why its promotions failed; without a refusal among them, nothing is done.
    :param longest: how long it waits since the first refusal; what is still refused after that has failed.
    :param notifiers: who is told, when it begins to wait.
    """
    found = [error for error in errors if isinstance(error, Refused) and error.refusal.may_pass]
    refusals = [error.refusal for error in found]
    if not refusals:
        return
    now = datetime.datetime.now(datetime.UTC)
    since = note_first(context, now, key=_KEY)
    moment = min(min(_next_look(refusal, now) for refusal in refusals), since + longest)
    if moment <= now:
        task.log.error("Still refused after %s: it has waited long enough.", now - since)
        return
    first = min(refusals, key=lambda refusal: _next_look(refusal, now))
    task.log.info("Refused: %s Looking again at %s.", first, moment.isoformat(" ", timespec="seconds"))
    tell_once(task, context, notifiers, key=_TOLD, error=found[refusals.index(first)])
    task.defer(trigger=DateTimeTrigger(moment=moment), method_name="resume")


def find_waited(context: Context) -> datetime.timedelta:
    """Return how long it is since a task that has waited for refusals to end was refused first.

    :param context: its context.
    """
    now = datetime.datetime.now(datetime.UTC)
    return now - note_first(context, now, key=_KEY)


def tell_once(
    task: BaseOperator,
    context: Context,
    notifiers: Sequence[Notifier],
    *,
    key: str,
    about: str = "",
    error: Exception | None = None,
) -> None:
    """Tell people that a task begins to wait, unless they have been told since somebody has cleared it last.

    That they have been told is noted afterwards: where the worker is killed in between, they are told twice rather than
    never. A notifier that fails is named in the log, and holds up neither the others nor the task.

    :param task: the task.
    :param context: its context.
    :param notifiers: who tells.
    :param key: what that they were told is noted as, a key of Airflow's task state store.
    :param about: what they are told about: about something else, they are told anew.
    :param error: what the task waits for the end of.
    """
    if not notifiers:
        return
    # Airflow counts the tries that a cleared task still has from the one it was cleared at.
    note: dict[str, JsonValue] = {"about": about, "max_tries": context["ti"].max_tries}
    store = context["task_state_store"]
    if store.get(key) == note:
        return
    for notifier in notifiers:
        try:
            notifier(cast("Context", {**context, "exception": error}))
        except Exception:
            task.log.exception("%s has failed: whether it has told people that the task waits is unknown.", notifier)
    store.set(key, note)


def failures_of(error: PromotionError) -> list[Exception]:
    """Return why a promotion failed: the error itself, or those of the tags of a whole image.

    :param error: the error.
    """
    return list(error.failures.values()) if isinstance(error, TagsNotPromoted) else [error]


def next_look(until: datetime.datetime | None, now: datetime.datetime) -> datetime.datetime:
    """Return when to look again at what is refused.

    :param until: when that ends by itself; None where nobody can say.
    :param now: the current moment.
    """
    if until is None:
        return now + _AGAIN
    return min(max(until, now + datetime.timedelta(seconds=1)), now + _LONGEST)


def _next_look(refusal: Refusal, now: datetime.datetime) -> datetime.datetime:
    return next_look(refusal.until, now)


def note_first(context: Context, now: datetime.datetime, *, key: str) -> datetime.datetime:
    """Return when something happened first in this run of a task; where somebody has cleared it since, it is another.

    :param context: the task's context.
    :param now: the current moment, which it is where nothing is noted.
    :param key: what is noted, a key of Airflow's task state store.
    """
    # Airflow counts the tries that a cleared task still has from the one it was cleared at.
    store, tries = context["task_state_store"], context["ti"].max_tries
    if (since := _read_since(store.get(key), tries)) is not None:
        return min(since, now)
    store.set(key, {"since": now.isoformat(), "max_tries": tries})
    return now


def _read_since(known: object, tries: int) -> datetime.datetime | None:
    """Return when it was first, if that was noted since the task was cleared: users may edit what is noted."""
    if not isinstance(known, Mapping) or known.get("max_tries") != tries:
        return None
    try:
        return read_moment(known.get("since"), "since")
    except InvalidResponse:
        return None
