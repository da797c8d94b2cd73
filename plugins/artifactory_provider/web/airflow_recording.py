"""What webhooks take from inside Airflow: the secrets of connections, and events on assets, recorded once each.

As with the pages, an Airflow that lacks something costs the webhooks that need it, and nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from artifactory_provider.web.airflow_internals import needed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session


class DatabaseDown(Exception):
    """Airflow's database, or where its connections are kept, could not be asked: asking again later may help."""


class Recorded(Enum):
    """What became of an event."""

    NEW = "recorded"
    REPEAT = "a repeat of what was recorded before"
    NOBODY = "no DAG listens for it"


@dataclass(frozen=True, kw_only=True)
class TagEvent:
    """A push of a tag, or a verdict on it.

    :param asset: the name and the URI of the asset.
    :param key: its partition key.
    :param compared: how the keys begin of which the last one tells whether this is a repeat; None for the key itself,
        whenever it was recorded.
    :param extra: what the event says.
    """

    asset: tuple[str, str]
    key: str
    extra: Mapping[str, Any]
    compared: str | None = None


def read_extra(conn_id: str) -> dict[str, Any] | None:
    """Return the extra of a connection, wherever it is kept; None where there is no such connection.

    :param conn_id: the connection's id.
    :raises DatabaseDown: when nobody can tell.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.models.connection import Connection
        from airflow.sdk.exceptions import AirflowNotFoundException
        from airflow.utils.session import create_session

        try:
            extra = Connection.get_connection_from_secrets(conn_id).extra
        except AirflowNotFoundException:
            # Airflow says so too where its database cannot be reached.
            try:
                with create_session(scoped=False) as session:
                    session.execute(select(1))
            except SQLAlchemyError as error:
                raise DatabaseDown(type(error).__name__) from error
            return None
        except SQLAlchemyError as error:
            raise DatabaseDown(type(error).__name__) from error
    try:
        found = json.loads(extra or "{}")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def record(event: TagEvent) -> Recorded:
    """Record an event on an asset, unless it is a repeat, and let it start what is scheduled on it.

    Two processes that are told the same at the same time record it once: they take turns at the asset.

    :param event: the event.
    :raises DatabaseDown: when it could not be recorded.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.utils.session import create_session

        try:
            with create_session(scoped=False) as session:
                return _record(session, event)
        except (SQLAlchemyError, RuntimeError) as error:  # the latter where no lock is to be had
            raise DatabaseDown(type(error).__name__) from error


def _record(session: Session, event: TagEvent) -> Recorded:
    from airflow.assets.manager import _lock_asset_model, asset_manager
    from airflow.models.asset import AssetModel

    name, uri = event.asset
    asset = session.scalar(select(AssetModel).where(AssetModel.name == name, AssetModel.uri == uri))
    if asset is None or asset.active is None:
        return Recorded.NOBODY
    asset_id = asset.id
    session.commit()  # Only a transaction that begins with the lock sees what was recorded before it.
    with _lock_asset_model(session=session, asset_id=asset_id):
        if _is_repeat(session, asset_id, event):
            return Recorded.REPEAT
        asset_manager.register_asset_change(
            asset=session.get_one(AssetModel, asset_id),
            extra=dict(event.extra),
            partition_key=event.key,
            source_is_api=True,
            session=session,
        )
        session.commit()
    return Recorded.NEW


def _is_repeat(session: Session, asset_id: int, event: TagEvent) -> bool:
    from airflow.models.asset import AssetEvent

    query = select(AssetEvent.partition_key).where(AssetEvent.asset_id == asset_id)
    if event.compared is None:
        query = query.where(AssetEvent.partition_key == event.key)
    else:
        query = query.where(AssetEvent.partition_key.startswith(event.compared, autoescape=True))
    return session.scalar(query.order_by(AssetEvent.id.desc()).limit(1)) == event.key
