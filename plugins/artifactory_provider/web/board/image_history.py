"""What happened to the tags of one image, as its page tells it: the trail of its stages, and what people decided."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from artifactory_provider.audit import Period, make_trail
from artifactory_provider.board.history import find_decisions, name_promotion
from artifactory_provider.tasks.assets import SCHEME
from artifactory_provider.web.board.airflow_internals import list_image_events
from artifactory_provider.web.board.image_models import Happening
from artifactory_provider.web.board.showing import show_by
from artifactory_provider.web.history import read_told_promotions
from artifactory_provider.web.trail.makers import KnownMakers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from artifactory_provider.audit import StandingTag, TrailRow
    from artifactory_provider.board.history import Decision
    from artifactory_provider.web.board.joining import Servers
    from artifactory_provider.web.board.views import Rights
    from artifactory_provider.web.events import AssetEvent

_MOST_EVENTS = 500
_LONG_AGO = datetime.datetime.min.replace(tzinfo=datetime.UTC)

makers = KnownMakers()


def tell_history(
    session: Session,
    event_filter: Any,
    rights: Rights,
    *,
    image: str,
    connection: str,
    servers: Servers,
    stages: Mapping[str, str],
    tags: Sequence[StandingTag],
) -> list[Happening]:
    """Return what happened to the tags of an image, the newest first; each promotion once, whoever tells of it.

    :param session: a session of Airflow's database.
    :param event_filter: what leaves only events that the user may see, as ``EventFilterDep`` gives it.
    :param rights: what the user may know.
    :param image: the image.
    :param connection: the connection of its server: on others, repositories may have the same keys.
    :param servers: which server events tell of.
    :param stages: repository key → the stage's name.
    :param tags: what stands in the stages for the image.
    """
    uris = [f"{SCHEME}://{repository}/{image}" for repository in stages]
    events = list_image_events(session, event_filter, uris, limit=_MOST_EVENTS, may_read_runs=rights.runs)

    def is_meant(event: AssetEvent) -> bool:
        repository = event.uri.removeprefix(f"{SCHEME}://").partition("/")[0]
        return servers.may_be(servers.find(event.dag_id), connection, repository)

    rows = make_trail(
        tags,
        [told for event in reversed(events) if is_meant(event) for told in read_told_promotions(event)],
        period=Period(),
        find_makers=lambda runs: makers.find(session, runs, readable_dags=rights.dags, may_read_runs=rights.runs),
    )
    # Of what is older than the events that were read, nobody can say that no event tells of it.
    known_from = events[-1].timestamp if len(events) == _MOST_EVENTS else _LONG_AGO
    told = [_tell_promotion(row, stages, known_from=known_from, names_runs=rights.runs) for row in rows]
    told += [_tell_decision(one, stages) for one in find_decisions(tags)]
    return sorted(told, key=lambda one: one.time or _LONG_AGO, reverse=True)


def _tell_promotion(
    row: TrailRow, stages: Mapping[str, str], *, known_from: datetime.datetime, names_runs: bool
) -> Happening:
    """Return a promotion as it is told; by which run and whom, and what is missing of that, to who may read runs."""
    is_known = row.told_by != "record" or row.time is None or row.time >= known_from
    return Happening(
        **_place(row.target, stages),
        time=row.time,
        what=name_promotion(row.kind, row.replaced),
        digest=row.digest,
        replaced=row.replaced if row.replaced.startswith("sha256:") else "",
        source=row.source,
        by=show_by(row.maker) if names_runs else None,
        who=row.by if names_runs else "",
        run=row.run,
        reason="",
        verdicts=[one for one in row.verdicts.split("; ") if one],
        approvals=row.approvals,
        override=row.override,
        disagreement=row.disagreement,
        remark=row.remark if is_known and names_runs else "",
    )


def _tell_decision(one: Decision, stages: Mapping[str, str]) -> Happening:
    return Happening(
        **_place(one.target, stages),
        time=one.time,
        what=one.what,
        digest=one.digest,
        replaced="",
        source="",
        by=None,
        who=one.by,
        run="",
        reason=one.reason,
        verdicts=[],
        approvals="",
        override="",
        disagreement="",
        remark="",
    )


def _place(target: str, stages: Mapping[str, str]) -> dict[str, Any]:
    repository = target.partition("/")[0]
    return {"stage": stages[repository], "repository": repository, "tag": target.rpartition(":")[2]}
