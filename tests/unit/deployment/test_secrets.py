"""The one file of secrets: made by one command, insisted on, and the same for all who must agree."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import yaml
from airflow.sdk import Connection
from cryptography.fernet import Fernet

from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_sandbox.config import parse_config

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.unit.deployment.conftest import Call, Deployment

    Shell = Callable[[Sequence[str], Mapping[str, str], Sequence[str]], list[Call]]
    MakeSecrets = Callable[[Path], Path]

SECRET_NAME = re.compile(r"PASSWORD|SECRET|FERNET_KEY|_CONN(_|$)|BROKER_URL|RESULT_BACKEND|TOKEN")


def required_variables(deployment: Deployment) -> set[str]:
    return set(re.findall(r"\$\{(\w+):\?", deployment.text))


def test_no_secret_is_written_in_the_file(deployment: Deployment) -> None:
    literal = {
        f"{name}: {variable}"
        for name, service in deployment.raw["services"].items()
        for variable, value in service.get("environment", {}).items()
        if SECRET_NAME.search(variable) and not re.search(r"\$\{\w+:\?", value)
    }
    assert literal == set()
    passwords = re.findall(r"://[^/@\s:]*:(.+?)@", deployment.text)
    assert passwords
    assert [password for password in passwords if not password.startswith("${")] == []


def test_no_secret_has_a_default(deployment: Deployment) -> None:
    with_default = set(re.findall(r"\$\{(\w+):?-", deployment.text))
    assert with_default & required_variables(deployment) == set()
    assert [name for name in with_default if SECRET_NAME.search(name)] == []
    assert re.findall(r"\$\{\w+}", deployment.text) == [], "unset, it would be empty without a word"


def test_each_missing_secret_is_an_error_that_names_the_command_to_run(
    deployment: Deployment, secrets: dict[str, str]
) -> None:
    required = required_variables(deployment)
    assert required
    for missing in required:
        for value in ({}, {missing: ""}):
            others = {name: one for name, one in secrets.items() if name != missing} | value
            with pytest.raises(LookupError, match=rf"{missing} .*sh deploy/make-secrets\.sh"):
                deployment.fill_in(others)


def test_the_command_makes_all_that_is_required_and_nothing_else(
    deployment: Deployment, secrets: dict[str, str]
) -> None:
    assert secrets.keys() - {"COMPOSE_PROFILES"} == required_variables(deployment)
    assert secrets["COMPOSE_PROFILES"] == "sandbox"


def test_the_secrets_can_be_read_by_their_owner_only(tmp_path: Path, make_secrets: MakeSecrets) -> None:
    assert stat.S_IMODE(make_secrets(tmp_path).stat().st_mode) == 0o600


def test_secrets_that_are_there_are_kept(tmp_path: Path, make_secrets: MakeSecrets) -> None:
    first = make_secrets(tmp_path).read_bytes()
    assert make_secrets(tmp_path).read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", "deploy"]


def test_no_two_installations_share_a_secret(tmp_path: Path, make_secrets: MakeSecrets) -> None:
    values = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        lines = make_secrets(tmp_path / name).read_text(encoding="utf-8").splitlines()
        values.append({line for line in lines if "=" in line and not line.startswith(("#", "COMPOSE_PROFILES"))})
    assert len(values[0]) == len(values[1]) > 0
    assert values[0].isdisjoint(values[1])


def test_the_keys_are_as_strong_as_airflow_wants_them(secrets: dict[str, str]) -> None:
    assert Fernet(secrets["FERNET_KEY"]).decrypt(Fernet(secrets["FERNET_KEY"]).encrypt(b"x")) == b"x"
    assert len(secrets["JWT_SECRET"]) >= 64, "HS512 signs with 64 bytes or more"
    hexadecimal = {name: value for name, value in secrets.items() if re.fullmatch("[0-9a-f]+", value)}
    assert hexadecimal.keys() == secrets.keys() - {
        "FERNET_KEY",
        "COMPOSE_PROFILES",
        "AIRFLOW_CONN_ARTIFACTORY_DEFAULT",
    }
    assert {name: value for name, value in hexadecimal.items() if len(value) < 24} == {}


def test_the_file_of_secrets_is_not_sent_to_the_build(root: Path) -> None:
    assert (root / ".dockerignore").read_text(encoding="utf-8").splitlines()[1] == "*"


def test_airflow_and_the_database_agree_on_the_password(deployment: Deployment) -> None:
    database = deployment.services["postgres"]["environment"]
    for service in deployment.airflow.values():
        for variable in ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CELERY__RESULT_BACKEND"):
            url = urlsplit(service["environment"][variable])
            assert (url.username, url.password, url.hostname, url.path) == (
                database["POSTGRES_USER"],
                database["POSTGRES_PASSWORD"],
                "postgres",
                f"/{database['POSTGRES_DB']}",
            )


def test_airflow_and_the_broker_agree_on_the_password(deployment: Deployment, run_in_shell: Shell) -> None:
    valkey = deployment.services["valkey"]
    [server] = run_in_shell(valkey["command"], valkey["environment"], ["valkey-server"])
    assert server.argv == ["valkey-server", "-"], "a password in the arguments shows in every process list"
    settings = dict(line.split(maxsplit=1) for line in server.stdin.splitlines())
    url = urlsplit(deployment.services["worker"]["environment"]["AIRFLOW__CELERY__BROKER_URL"])
    assert (url.scheme, url.hostname, url.port, url.password) == ("redis", "valkey", 6379, settings["requirepass"])
    assert any(volume == f"valkey-data:{settings['dir']}" for volume in valkey["volumes"])

    health = valkey["healthcheck"]["test"]
    assert health[0] == "CMD-SHELL"
    with pytest.raises(subprocess.CalledProcessError):
        run_in_shell(["sh", "-c", health[1]], valkey["environment"], ["valkey-cli"])  # says nothing, so no PONG


def test_the_connection_of_airflow_opens_the_sandbox(deployment: Deployment, run_in_shell: Shell) -> None:
    sandbox = deployment.services["sandbox"]
    [call] = run_in_shell(
        [*sandbox["entrypoint"], *sandbox["command"]], sandbox["environment"], ["artifactory-sandbox"]
    )
    [configuration] = call.files.values()
    users = parse_config(yaml.safe_load(configuration)).users

    text = deployment.services["worker"]["environment"]["AIRFLOW_CONN_ARTIFACTORY_DEFAULT"]
    connection = Connection.from_json(text, conn_id=ArtifactoryHook.default_conn_name)
    assert connection.conn_type == ArtifactoryHook.conn_type
    assert connection.login
    assert users[connection.login].admin
    assert users[connection.login].password.get_secret_value() == connection.password
    port = call.argv[call.argv.index("--port") + 1]
    assert connection.host == f"http://sandbox:{port}/artifactory"
    assert json.loads(text).keys() == {"conn_type", "host", "login", "password"}


def test_the_data_check_has_a_database_of_its_own(deployment: Deployment, root: Path, run_in_shell: Shell) -> None:
    uri = deployment.services["worker"]["environment"]["AIRFLOW_CONN_SERVICE_CATALOG"]
    connection = Connection.from_uri(uri, conn_id="service_catalog")
    assert (connection.conn_type, connection.host) == ("postgres", "postgres")
    [script] = (root / "deploy" / "postgres").iterdir()
    environment = deployment.services["postgres"]["environment"]
    [call] = run_in_shell(["bash", "-e", str(script)], environment, ["psql"])
    assert f"--set=password={connection.password}" in call.argv
    assert f"CREATE ROLE {connection.login} LOGIN PASSWORD :'password';" in call.stdin
    assert f"CREATE DATABASE {connection.schema} OWNER {connection.login};" in call.stdin
    assert f"REVOKE CONNECT ON DATABASE {environment['POSTGRES_DB']} FROM PUBLIC;" in call.stdin


def test_git_ignores_the_secrets(root: Path) -> None:
    assert subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=root, check=False).returncode == 0
