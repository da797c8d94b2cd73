"""What commands find in Airflow's database is what Airflow's own backend finds there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.models.variable import Variable
from airflow.secrets.metastore import MetastoreBackend
from tests.integration.cli.stored_rows import stored_connection

from artifactory_provider.cli.airflow_internals import use_database
from artifactory_provider.cli.stored_secrets import StoredSecretsBackend

FIELDS = ("conn_id", "conn_type", "description", "host", "schema", "login", "password", "port", "extra")
CONNECTIONS: dict[str, dict[str, Any]] = {
    "artifactory_full": {
        "conn_type": "artifactory",
        "description": "of a test",
        "host": "https://example.com/artifactory",
        "schema": "https",
        "login": "promoter",
        "password": "a:b@c/ü %",
        "port": 8443,
        "extra": json.dumps({"ca_file": "/etc/ca.pem", "refresh_token": "secret"}),
    },
    "artifactory_bare": {"conn_type": "http"},
}


@pytest.mark.usefixtures("migrated_database")
@pytest.mark.parametrize("conn_id", CONNECTIONS)
def test_a_connection_is_found_as_airflow_finds_it(conn_id: str) -> None:
    with stored_connection(conn_id, **CONNECTIONS[conn_id]):
        theirs, ours = MetastoreBackend().get_connection(conn_id), StoredSecretsBackend().get_connection(conn_id)
    assert ours
    assert [getattr(ours, name) for name in FIELDS] == [getattr(theirs, name) for name in FIELDS]
    assert ours.password == CONNECTIONS[conn_id].get("password")


@pytest.mark.usefixtures("stored_variables")
def test_a_variable_is_found_as_airflow_finds_it_and_none_where_there_is_none() -> None:
    Variable.set("artifactory_of_secrets", "100 % ünï")
    for key, text in (("artifactory_of_secrets", "100 % ünï"), ("artifactory_that_is_not_there", None)):
        assert StoredSecretsBackend().get_variable(key) == MetastoreBackend().get_variable(key) == text
    assert StoredSecretsBackend().get_connection("artifactory_that_is_not_there") is None


def test_it_stands_where_airflows_own_stood_and_the_environment_comes_first() -> None:
    from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

    for _ in range(2):
        use_database()
        names = [type(one).__name__ for one in ensure_secrets_backend_loaded()]
        assert names == ["EnvironmentVariablesBackend", "StoredSecretsBackend"]
