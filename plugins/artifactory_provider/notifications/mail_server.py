"""The mail server of a connection, as Airflow's SMTP provider reaches it, with less patience."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.smtp.hooks.smtp import SmtpHook

if TYPE_CHECKING:
    from airflow.sdk import Connection


class MailHook(SmtpHook):
    """Reach the mail server of a connection that has been read.

    :param connection: the connection.
    :param longest: seconds that the server may take for each step.
    :param tries: how often a message is sent at most.
    """

    def __init__(self, connection: Connection, *, longest: float, tries: int) -> None:
        super().__init__(connection.conn_id)
        self._given, self._longest, self._tries = connection, longest, tries

    def get_connection(self, conn_id: str) -> Any:  # type: ignore[override]
        """Return the connection: it is not asked for in the thread that sends."""
        return self._given

    @property
    def timeout(self) -> int:
        """Seconds for each step: the connection's, where these are fewer."""
        return max(1, min(super().timeout, int(self._longest)))

    @property
    def smtp_retry_limit(self) -> int:
        """How often it is tried again."""
        return self._tries - 1
