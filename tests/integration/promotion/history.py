"""All that ever happened to the tags of a sandbox: not a watcher that may blink, but triggers in its database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artifactory_sandbox.pytest_plugin import RunningSandbox

_TRIGGERS = (
    "CREATE TABLE IF NOT EXISTS history (id INTEGER PRIMARY KEY, event TEXT, place TEXT, digest TEXT, copies INTEGER)",
    """CREATE TRIGGER IF NOT EXISTS history_of_writes AFTER INSERT ON items WHEN NEW.kind = 'manifest' BEGIN
    INSERT INTO history (event, place, digest) VALUES ('shows', NEW.repository || '/' || NEW.path, NEW.digest); END""",
    """CREATE TRIGGER IF NOT EXISTS history_of_deletions AFTER DELETE ON items WHEN OLD.kind = 'manifest' BEGIN
    INSERT INTO history (event, place, digest, copies) VALUES ('gone', OLD.repository || '/' || OLD.path, OLD.digest,
    (SELECT count(*) FROM items WHERE kind = 'manifest' AND digest = OLD.digest)); END""",
)


@dataclass(frozen=True)
class Event:
    """A tag began to show a digest, or ceased to.

    :param copies: of the digest, everywhere, that were left when it ceased to.
    """

    event: str
    place: str
    digest: str
    copies: int | None


class History:
    """What happened to the tags since this was made."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self._sandbox = sandbox
        with sandbox.service.database.writing() as tx:
            for statement in _TRIGGERS:
                tx.execute(statement)
            self._start: int = tx.execute("SELECT coalesce(max(id), 0) FROM history").fetchone()[0]

    def events(self) -> list[Event]:
        with self._sandbox.service.database.reading() as tx:
            query = "SELECT event, place, digest, copies FROM history WHERE id > ? ORDER BY id"
            return [Event(*row) for row in tx.execute(query, (self._start,))]

    def shown(self, tag: str) -> list[str]:
        """Return every digest that a tag has shown, `repository/image:tag`."""
        place = tag.replace(":", "/")
        return [event.digest for event in self.events() if (event.event, event.place) == ("shows", place)]

    def lost(self, digest: str) -> list[Event]:
        """Return the moments in which the last copy of a digest went."""
        return [event for event in self.events() if event.digest == digest and event.copies == 0]
