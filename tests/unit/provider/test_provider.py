from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import airflow
import jsonschema

from artifactory_provider import __version__
from artifactory_provider.provider_info import get_provider_info

SCHEMAS = Path(airflow.__file__).parent
INFO = get_provider_info()


def schema(name: str) -> Any:
    return json.loads((SCHEMAS / name).read_text())


def test_the_provider_info_fits_airflows_schema() -> None:
    jsonschema.validate(INFO, schema("provider_info.schema.json"))
    assert INFO["versions"] == [__version__]


def test_the_connection_form_fits_airflows_schema_of_connection_fields() -> None:
    fields = schema("provider.yaml.schema.json")["properties"]["connection-types"]["items"]["properties"]["conn-fields"]
    for connection in INFO["connection-types"]:
        jsonschema.validate(connection["conn-fields"], fields)


def test_the_form_offers_exactly_the_fields_that_count() -> None:
    from artifactory_provider.hooks.connections import ConnectionExtra

    (connection,) = INFO["connection-types"]
    assert set(connection["conn-fields"]) == set(ConnectionExtra.model_fields)


def test_the_forms_defaults_are_the_defaults() -> None:
    from artifactory_provider.artifactory.settings import ServerSettings

    (connection,) = INFO["connection-types"]
    for name in ("timeout", "promote_timeout", "verify"):
        assert connection["conn-fields"][name]["schema"]["default"] == getattr(ServerSettings, name)


def test_airflow_hides_the_secrets_of_the_form_wherever_it_shows_a_connection() -> None:
    from airflow.sdk._shared.secrets_masker import should_hide_value_for_key

    (connection,) = INFO["connection-types"]
    fields = connection["conn-fields"]
    assert fields["refresh_token"]["schema"]["format"] == "password"
    assert all(should_hide_value_for_key(name) for name in ("refresh_token", "proxy"))


def test_everything_that_the_provider_info_names_can_be_imported() -> None:
    (connection,) = INFO["connection-types"]
    names = [
        connection["hook-class-name"],
        *INFO["extra-links"],
        *INFO["notifications"],
        *(one["handler"] for one in INFO["asset-uris"]),
    ]
    for kind in ("hooks", "operators", "sensors", "triggers"):
        names += [module for part in INFO[kind] for module in part["python-modules"]]
    for name in names:
        assert pkgutil.resolve_name(name)


def test_airflow_finds_provider_and_plugin_by_their_entry_points() -> None:
    (provider,) = entry_points(group="apache_airflow_provider", name="provider_info").select(
        value="artifactory_provider.provider_info:get_provider_info"
    )
    assert provider.load()() == INFO
    (plugin,) = entry_points(group="airflow.plugins", name="artifactory")
    assert plugin.load().name == "artifactory"


def test_airflow_registers_the_connection_type() -> None:
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    hook = ProvidersManagerTaskRuntime().hooks["artifactory"]
    assert hook is not None
    assert (hook.hook_name, hook.connection_id_attribute_name) == ("JFrog Artifactory", "artifactory_conn_id")


LAZY = """
import sys
import airflow.sdk, airflow.sdk.exceptions, airflow.triggers.base
before = set(sys.modules)
import artifactory_provider.tasks.assets
import artifactory_provider.operators.promote
import artifactory_provider.provider_info
import artifactory_provider.tasks.retries
import artifactory_provider.sensors.verification
import artifactory_provider.triggers.verification
new = set(sys.modules) - before
heavy = {"aiohttp", "requests", "artifactory_provider.hooks.artifactory", "artifactory_provider.artifactory.client"}
print(sorted(new & heavy))
"""


PUBLIC = """
import importlib, sys
for room in ("hooks", "links", "operators", "sensors", "tasks", "triggers"):
    module = importlib.import_module(f"artifactory_provider.{room}")
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert module.__all__ and not missing, (room, missing)
    assert not hasattr(module, "NoSuchName"), room
"""

FORM = """
import sys
import artifactory_provider.provider_info
artifactory_provider.provider_info.get_provider_info()
print(sorted({"aiohttp", "airflow", "requests", "artifactory_provider.hooks.artifactory"} & set(sys.modules)))
"""


def test_every_room_has_the_public_names_that_it_declares_and_no_others() -> None:
    subprocess.run([sys.executable, "-c", PUBLIC], timeout=60, check=True)


def test_the_connection_form_is_read_without_airflow_or_an_http_client() -> None:
    done = subprocess.run([sys.executable, "-c", FORM], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_what_dag_files_import_brings_no_http_client() -> None:
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
