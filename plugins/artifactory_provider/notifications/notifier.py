"""The notifier that tells people what waits for them, is held back, has failed, or is late."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from airflow.sdk import BaseHook, BaseNotifier
from airflow.sdk._shared.secrets_masker import redact

from artifactory_provider.notifications.describing import describe
from artifactory_provider.notifications.places import explain_no_links
from artifactory_provider.notifications.receivers import NotTold, deliver, read_receiver
from artifactory_provider.notifications.spans import find_seconds
from artifactory_provider.pipelines.model import Event as PipelineEvent
from artifactory_provider.pipelines.notices import check_address, check_connection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow.sdk import Context

    from artifactory_provider.notifications.messages import Event, Message

EVENTS: tuple[Event, ...] = (*get_args(PipelineEvent), "retry", "skipped", "done")
_UNREADABLE = "Could not be told by connection %r, which cannot be read: make or mend it.\n%s"
_LEAST_SECONDS = 0.1
_NO_TIME = "No time was left for it: what went before it at the task's end has taken all that Airflow allows."


class PromotionNotifier(BaseNotifier):
    """Tell people by Slack, Microsoft Teams, mail or any webhook what has become of a task, in a few lines with links.

    Give it as ``on_failure_callback``, ``on_success_callback``, ``on_retry_callback`` or ``on_skipped_callback`` of
    tasks, as ``notifiers`` of those that ask people or wait for rules, and in a ``DeadlineAlert``. It says what the
    task's exception, result or report says. A receiver that does not answer delays the task by 5 seconds at most, and
    any number of them by 10 together; it fails nothing: the task's log has what could not be told.

    :param connection: the Airflow connection of the receiver: of a type for mail or Slack, or of type HTTP, whose
        extra says with ``receiver`` that it is ``slack``, ``teams`` or takes ``json``.
    :param on: which events are told: ``waits``, ``refused``, ``failed``, ``late``, ``superseded``, ``digest``,
        ``retry``, ``skipped``, ``done``; None for all that it is called for.
    :param to: the addresses that mail goes to; by default those of the connection's extra.
    :param context: what it tells of where it is awaited, as in the triggerer; Airflow gives it.
    :raises ValueError: when an argument makes no sense.
    """

    def __init__(
        self,
        connection: str,
        *,
        on: Sequence[str] | None = None,
        to: Sequence[str] = (),
        context: Context | None = None,
    ) -> None:
        super().__init__(context=context)
        if isinstance(on, str) or isinstance(to, str):
            raise ValueError("on and to are lists.")
        if unknown := [event for event in on or () if event not in EVENTS]:
            raise ValueError(f"{unknown[0]!r:.60} is nothing that is told: there are {', '.join(EVENTS)}.")
        self.connection = check_connection(connection)
        self.on = frozenset(event for event in EVENTS if on is None or event in on)
        self.to = tuple(check_address(address) for address in to)

    def notify(self, context: Context) -> None:
        """Tell what has happened, if it is to be told."""
        message = self._describe(context)
        if message is None:
            return
        with self._telling(message):
            connection = BaseHook.get_connection(self.connection)
            receiver = read_receiver(connection, connection.extra_dejson, to=self.to)
            seconds = _find_time(context)
            try:
                deliver(receiver, message.short()).result(timeout=seconds)
            except TimeoutError:
                raise _slow(seconds) from None

    async def async_notify(self, context: Context) -> None:
        """Tell what has happened, as ``notify`` does, in the triggerer."""
        message = self._describe(context)
        if message is None:
            return
        with self._telling(message):
            connection = await BaseHook.aget_connection(self.connection)
            receiver = read_receiver(connection, await connection.aextra_dejson(), to=self.to)
            seconds = _find_time(context)
            try:
                await asyncio.wait_for(asyncio.wrap_future(deliver(receiver, message.short())), seconds)
            except TimeoutError:
                raise _slow(seconds) from None

    @contextmanager
    def _telling(self, message: Message) -> Iterator[None]:
        """Say in the log what people were told, or what nobody has got to know and why; nothing fails for that."""
        try:
            yield
        except NotTold as error:
            self.log.error("Could not be told by connection %r. %s\n%s", self.connection, error, message.as_text())
        except Exception:
            self.log.exception(_UNREADABLE, self.connection, message.as_text())
        else:
            self.log.info("Told by connection %r: %s", self.connection, message.title)

    def _describe(self, context: Mapping[str, Any] | Context) -> Message | None:
        """Return what is to be told, without what Airflow knows to be secret."""
        try:
            message = describe(context, wanted=self.on)
            if message is None:
                return None
            return replace(message.map(lambda text: str(redact(text))), note=explain_no_links())
        except Exception:
            self.log.exception("Nobody is told by connection %r: it could not be put in words.", self.connection)
            return None


def _find_time(context: Mapping[str, Any] | Context) -> float:
    """Return how many seconds there are to tell people.

    :raises NotTold: when there are none.
    """
    seconds = find_seconds(context)
    if seconds < _LEAST_SECONDS:
        raise NotTold(_NO_TIME)
    return seconds


def _slow(seconds: float) -> NotTold:
    return NotTold(f"It has not ended within {seconds:.1f} s; whether it was told is unknown.")
