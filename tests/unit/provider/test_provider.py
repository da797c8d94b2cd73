from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.sdk import Asset, RetryAction
from airflow.sdk.module_loading import import_string

from artifactory_provider import __version__
from artifactory_provider.artifactory import errors
from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.assets import image_asset, repository_alias
from artifactory_provider.promotion import errors as promotion_errors
from artifactory_provider.provider_info import get_provider_info
from artifactory_provider.retries import RETRY_POLICY

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
    names = [connection["hook-class-name"], *INFO["extra-links"], *(one["handler"] for one in INFO["asset-uris"])]
    for kind in ("hooks", "operators", "sensors", "triggers"):
        names += [module for part in INFO[kind] for module in part["python-modules"]]
    for name in names:
        assert import_string(name) if name.rpartition(".")[2][0].isupper() or "check_uri" in name else __import__(name)


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
import artifactory_provider.assets
import artifactory_provider.operators.promote
import artifactory_provider.provider_info
import artifactory_provider.retries
import artifactory_provider.sensors.verification
import artifactory_provider.triggers.verification
new = set(sys.modules) - before
heavy = {"aiohttp", "requests", "artifactory_provider.hooks.artifactory", "artifactory_provider.artifactory.client"}
print(sorted(new & heavy))
"""


def test_what_dag_files_import_brings_no_http_client() -> None:
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_an_asset_is_a_repository_and_an_image() -> None:
    assert image_asset("docker-qa", "payments/api").uri == "artifactory://docker-qa/payments/api"
    assert repository_alias("docker-qa").name == "artifactory://docker-qa"
    assert Asset("artifactory://docker-qa/payments/api") == image_asset("docker-qa", "payments/api")


@pytest.mark.parametrize("uri", ["artifactory://docker-qa", "artifactory:///app", "artifactory://docker-qa/App:1"])
def test_an_asset_uri_that_names_no_image_is_refused_when_the_dag_is_read(uri: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        Asset(uri)


@pytest.mark.parametrize(("repository", "image"), [("docker qa", "app"), ("docker-qa", "App"), ("docker-qa", "app:1")])
def test_an_asset_of_a_malformed_name_is_refused(repository: str, image: str) -> None:
    with pytest.raises(InvalidReference):
        image_asset(repository, image)


FAIL = [
    errors.AuthenticationFailed,
    errors.PermissionDenied,
    errors.NotFound,
    errors.RepositoryNotFound,
    errors.ImageNotFound,
    errors.TagNotFound,
    errors.UnsupportedManifest,
    errors.UnsupportedRepository,
    errors.RequestRefused,
    errors.InvalidSettings,
    errors.TlsFailed,
    InvalidReference,
    promotion_errors.InvalidPlan,
    promotion_errors.InvalidPromotion,
    promotion_errors.SourceMoved,
    promotion_errors.TargetConflict,
    promotion_errors.NothingToRestore,
]
TRY_AGAIN = [
    errors.ConnectionFailed,
    errors.RequestNotSent,
    errors.RequestTimedOut,
    errors.ServerFailed,
    errors.UnexpectedAnswer,
    errors.NotArtifactory,  # a proxy's page while the server is away looks like one
    errors.QueryUnusable,
    promotion_errors.TargetUnverified,
    promotion_errors.SourceRemains,
    promotion_errors.AttachmentLost,
]


@pytest.mark.parametrize("kind", FAIL)
def test_what_would_fail_again_fails_at_once(kind: type[Exception]) -> None:
    assert RETRY_POLICY.evaluate(kind("…"), 1, 3, None).action is RetryAction.FAIL


@pytest.mark.parametrize("kind", TRY_AGAIN)
def test_what_may_be_gone_is_tried_again(kind: type[Exception]) -> None:
    assert RETRY_POLICY.evaluate(kind("…"), 1, 3, None).action is not RetryAction.FAIL


def test_a_rate_limit_is_waited_for() -> None:
    decision = RETRY_POLICY.evaluate(errors.RateLimited("…"), 1, 3, None)
    assert decision.action is RetryAction.RETRY
    assert decision.retry_delay is not None


def test_every_error_has_a_decision() -> None:
    known = {*FAIL, *TRY_AGAIN, errors.RateLimited, errors.ArtifactoryError, promotion_errors.PromotionError}
    known |= {promotion_errors.TagsNotPromoted}  # what is left is tried again; what is done is not done twice
    for module in (errors, promotion_errors):
        for value in vars(module).values():
            assert not (isinstance(value, type) and issubclass(value, Exception)) or value in known
