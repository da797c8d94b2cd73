"""What a user may do from the board: each is a run of a shipped DAG, or a request of Airflow's own REST API.

Nothing is changed here. Rights, audit log and forms are Airflow's; what a user may not do is not offered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from artifactory_provider.hooks.connections import DEFAULT_CONNECTION
from artifactory_provider.pipelines.model import ON_PUSH
from artifactory_provider.web.airflow_internals import may, may_trigger
from artifactory_provider.web.board.airflow_internals import find_paused
from artifactory_provider.web.board.models import Action
from artifactory_provider.web.board.shipped import BULK, ON_DEMAND, ROLLBACK, SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.orm import Session

    from artifactory_provider.pipelines.model import Pipeline
    from artifactory_provider.web.board.models import ActionName


class _Deed(NamedTuple):
    action: ActionName
    title: str
    dag_id: str
    conf: Mapping[str, str | bool]
    fields: Mapping[str, str]
    lists: Sequence[str] = ()


_TAG = {name: name for name in ("repository", "image", "tag", "reason")}
_SEEN = {**_TAG, "digest": "digest"}
_DEEDS = (
    _Deed(
        "promote",
        "Promote",
        ON_DEMAND,
        {},
        {
            "image": "image",
            "tag": "tag",
            "from": "source_repository",
            "to": "target_repository",
            "digest": "digest",
            "target_tag": "target_tag",
            "replaces": "replaces",
            "dry_run": "dry_run",
            "approval": "approval",
            "on_conflict": "on_conflict",
        },
    ),
    _Deed(
        "promote_many",
        "Promote many",
        BULK,
        {},
        {
            "images": "images",
            "tags": "tags",
            "from": "repositories",
            "to": "target_repository",
            "target_tag": "target_tags",
            "dry_run": "dry_run",
            "on_conflict": "on_conflict",
        },
        ("images", "tags", "repositories", "target_tags"),
    ),
    _Deed(
        "roll_back",
        "Roll back",
        ROLLBACK,
        {},
        {**_TAG, "version": "version", "replaces": "replaces", "approval": "approval"},
    ),
    _Deed("hold", "Hold the tag", "hold_or_reject", {"decision": "hold"}, _SEEN),
    _Deed("lift_hold", "Lift the hold", "hold_or_reject", {"decision": "lift_hold"}, _SEEN),
    _Deed("reject", "Reject the digest", "hold_or_reject", {"decision": "reject"}, _SEEN),
    _Deed("lift_rejection", "Lift the rejection", "hold_or_reject", {"decision": "lift_rejection"}, _SEEN),
    _Deed(
        "stop",
        "Stop the line",
        "stop_the_line",
        {"action": "stop"},
        {name: name for name in ("reason", "repositories", "images", "until", "also_rollbacks")},
        ("repositories", "images"),
    ),
    _Deed(
        "resume",
        "Let the line go on",
        "stop_the_line",
        {"action": "resume"},
        {name: name for name in ("reason", "repositories", "images", "since")},
        ("repositories", "images"),
    ),
)
_ON_IMAGES = frozenset({ON_DEMAND, BULK, ROLLBACK, "hold_or_reject"})
"""The DAGs that act on images, all of them over one connection."""
_RUNS = "/api/v2/dags/{}/dagRuns"
_CLEAR = "/api/v2/dags/{}/clearTaskInstances"
_ANSWER = "/api/v2/dags/{}/dagRuns/{{run_id}}/taskInstances/{{task_id}}/{{map_index}}/hitlDetails"


def find_actions(session: Session, user: Any, ladders: Iterable[Pipeline], others: Iterable[str] = ()) -> list[Action]:
    """Return what a user may do.

    :param session: a session of Airflow's database.
    :param user: who is logged in.
    :param ladders: the ladders whose own runs and tasks are meant, too; ones that the user may read.
    :param others: further DAGs whose tasks are meant; ones that the user may read.
    """
    deeds = list(_DEEDS)
    dags = list(SHIPPED)
    for ladder in ladders:
        deeds.append(_Deed("run", "Run the ladder", ladder.name, {}, {"images": "images", "to": "stage"}, ("images",)))
        dags += [ladder.name, f"{ladder.name}{ON_PUSH}"]
    dags = list(dict.fromkeys([*dags, *others]))
    paused = find_paused(session, {*dags, *(deed.dag_id for deed in deeds)})
    allowed = {dag_id for dag_id in paused if may_trigger(user, dag_id)}
    found = [
        Action(
            action=deed.action,
            title=deed.title,
            dag_id=deed.dag_id,
            method="POST",
            path=_RUNS.format(quote(deed.dag_id, safe="")),
            conf=dict(deed.conf),
            fields=dict(deed.fields),
            lists=list(deed.lists),
            is_paused=paused[deed.dag_id],
            connection=DEFAULT_CONNECTION if deed.dag_id in _ON_IMAGES else None,
        )
        for deed in deeds
        if deed.dag_id in allowed
    ]
    return [*found, *_find_answers(user, [dag_id for dag_id in dags if dag_id in paused], paused)]


def _find_answers(user: Any, dag_ids: Sequence[str], paused: Mapping[str, bool]) -> Iterator[Action]:
    """Yield what the user may do to tasks of DAGs."""
    for dag_id in dag_ids:
        name = quote(dag_id, safe="")
        own: dict[str, Any] = {"dag_id": dag_id, "conf": {}, "fields": {}, "lists": [], "is_paused": paused[dag_id]}
        if may(user, "PUT", dag_id, "TASK_INSTANCE"):
            yield Action(action="retry", title="Try again", method="POST", path=_CLEAR.format(name), **own)
        if may(user, "PUT", dag_id, "HITL_DETAIL"):
            yield Action(action="answer", title="Answer", method="PATCH", path=_ANSWER.format(name), **own)
