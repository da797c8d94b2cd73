"""Who has promoted the board's images, and by which run, as far as Airflow's events tell it."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from artifactory_provider.hooks.connections import DEFAULT_CONNECTION
from artifactory_provider.pipelines.model import ON_PUSH
from artifactory_provider.tasks.assets import SCHEME
from artifactory_provider.web.board.airflow_internals import list_newer_events
from artifactory_provider.web.board.shipped import SHIPPED
from artifactory_provider.web.history import is_of_its_asset, read_entries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from artifactory_provider.pipelines.model import Pipeline
    from artifactory_provider.web.history import RecordedPromotion

_MOST_KNOWN = 200_000
_LATE = datetime.timedelta(minutes=10)


class Servers:
    """Which server a promotion was made on, as far as its DAG tells it.

    :param pipelines: the ladders, which tell of their DAGs which servers they promote on.
    """

    def __init__(self, pipelines: Sequence[Pipeline] = ()) -> None:
        self._connections: dict[str, str] = dict.fromkeys(SHIPPED, DEFAULT_CONNECTION)
        for pipeline in pipelines:
            self._connections |= {
                pipeline.name: pipeline.connection,
                f"{pipeline.name}{ON_PUSH}": pipeline.connection,
            }
        self._shared = _find_shared(pipelines)

    def find(self, dag_id: str | None) -> str | None:
        """Return the connection that a DAG promotes over; None where nobody knows it.

        :param dag_id: the DAG, if one has made the promotion.
        """
        return self._connections.get(dag_id) if dag_id else None

    def may_be(self, found: str | None, conn_id: str, repository: str) -> bool:
        """Return whether a promotion counts for a server; of an unknown one, where no two have a repository of its key.

        :param found: the connection that it was made over, as ``find`` returns it.
        :param conn_id: the connection of the server.
        :param repository: the key of the target's repository.
        """
        return found == conn_id or (found is None and repository not in self._shared)


class Promotions:
    """Who has promoted what is known to Airflow's events: read once, then what is new."""

    def __init__(self) -> None:
        self._since: datetime.datetime | None = None
        self._known: dict[tuple[str | None, str, str], RecordedPromotion] = {}
        self._servers = Servers()
        self.dag_ids: frozenset[str] = frozenset()
        """The DAGs that have made them."""

    def find(self, conn_id: str, target: str, digest: str) -> RecordedPromotion | None:
        """Return the newest promotion of a digest to a tag, if an event tells of it.

        :param conn_id: the connection of the server.
        :param target: ``repository/image:tag``.
        :param digest: the digest.
        """
        repository = target.partition("/")[0]
        meant = (known for known in (conn_id, None) if self._servers.may_be(known, conn_id, repository))
        found = (self._known.get((known, target, digest)) for known in meant)
        return next((promotion for promotion in found if promotion is not None), None)

    def find_digests(self, conn_id: str) -> dict[tuple[str, str, str], set[str]]:
        """Return (repository, image, tag) → digests that were promoted there.

        :param conn_id: the connection of the server.
        """
        found: dict[tuple[str, str, str], set[str]] = {}
        for known, target, digest in self._known:
            repository, image, tag = _split(target)
            if self._servers.may_be(known, conn_id, repository):
                found.setdefault((repository, image, tag), set()).add(digest)
        return found

    def read_on(self, session: Session, pipelines: Sequence[Pipeline]) -> None:
        """Read what events have come since the last time.

        :param session: a session of Airflow's database.
        :param pipelines: the ladders, which tell of their DAGs which servers they promote on.
        """
        self._servers = Servers(pipelines)
        # A transaction that is slow to end has an older moment, and a lower number, than what is known by then.
        since = self._since - _LATE if self._since else None
        events = list_newer_events(session, uri_start=f"{SCHEME}://", since=since)
        for entry in read_entries(events, words=(), outcome=""):
            for promotion in entry.promotions:
                # Anybody may emit any event: one counts that a DAG has emitted, about the very asset that it is on.
                if promotion.dag_id is not None and is_of_its_asset(entry.event, promotion.target):
                    self._note(self._servers.find(promotion.dag_id), promotion)
        if events:
            self._since = max(event.timestamp for event in events)
        while len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self.dag_ids = frozenset(str(promotion.dag_id) for promotion in self._known.values())

    def _note(self, conn_id: str | None, promotion: RecordedPromotion) -> None:
        key = (conn_id, promotion.target, promotion.digest)
        # A later run that has found it done has not brought it there.
        if promotion.outcome != "unchanged" or key not in self._known:
            self._known.pop(key, None)
            self._known[key] = promotion


def _find_shared(pipelines: Sequence[Pipeline]) -> frozenset[str]:
    """Return the repository keys that stages of several servers have."""
    found: dict[str, set[str]] = {}
    for pipeline in pipelines:
        for stage in pipeline.stages:
            found.setdefault(stage.repository, set()).add(pipeline.connection)
    return frozenset(key for key, connections in found.items() if len(connections) > 1)


def _split(target: str) -> tuple[str, str, str]:
    """Return repository, image and tag of what an event calls a target; it may be anything."""
    repository, _, rest = target.partition("/")
    image, _, tag = rest.rpartition(":")
    return repository, image, tag
