"""The key that seals what people have answered, out of an Airflow connection."""

from __future__ import annotations

from airflow.sdk import BaseHook

from artifactory_provider.artifactory.errors import InvalidSettings
from artifactory_provider.policy.seals import derive_key


def sealing_key(conn_id: str) -> bytes:
    """Return the key that the password of a connection stands for; takes about 50 milliseconds.

    Tasks know the password, and Airflow's UI and REST API show it to nobody.

    :param conn_id: the Airflow connection, whatever its type.
    :raises InvalidSettings: when it has no password.
    """
    password = BaseHook.get_connection(conn_id).password
    if not password:
        raise InvalidSettings(
            f"The connection {conn_id!r} has no password, which seals the answers of people so that nobody can change "
            "them: name one with any long random password as seal_connection in the extra of the one to Artifactory."
        )
    return derive_key(password)
