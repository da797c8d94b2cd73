"""The one file of secrets: made by one command, insisted on, and the same for all who must agree."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import yaml
from airflow.sdk import Connection
from cryptography.fernet import Fernet
from dotenv import dotenv_values

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


def test_the_secrets_can_be_read_by_their_owner_only_whatever_the_umask(
    tmp_path: Path, make_secrets: MakeSecrets
) -> None:
    before = os.umask(0)
    try:
        assert stat.S_IMODE(make_secrets(tmp_path).stat().st_mode) == 0o600
    finally:
        os.umask(before)


def checkout(tmp_path: Path, root: Path) -> Path:
    """Return the script in a directory of its own, where it may write."""
    script = tmp_path / "checkout" / "deploy" / "make-secrets.sh"
    script.parent.mkdir(parents=True)
    shutil.copy(root / "deploy" / "make-secrets.sh", script)
    return script


def tools(tmp_path: Path, **changed: str | None) -> dict[str, str]:
    """Return an environment with the usual tools, some of them missing (None) or another script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in (*TOOLS, "cat", "dirname"):
        if name not in changed:
            found = shutil.which(name)
            assert found is not None
            (folder / name).symlink_to(found)
    for name, text in changed.items():
        if text is not None:
            (folder / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
            (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


TOOLS = ("base64", "dd", "ln", "mv", "od", "rm", "tr")


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("text", [None, "exit 1", "exit 0", "echo '?'"], ids=["gone", "fails", "does nothing", "lies"])
@pytest.mark.parametrize("tool", TOOLS)
def test_whatever_tool_is_missing_or_fails_no_file_with_a_bad_secret_is_written(
    tmp_path: Path, root: Path, secrets: dict[str, str], tool: str, text: str | None, shell: str
) -> None:
    script, environment = checkout(tmp_path, root), tools(tmp_path, **{tool: text})
    program = shutil.which(shell)
    assert program is not None
    done = subprocess.run([program, script], env=environment, capture_output=True, check=False, cwd="/")
    file = script.parents[1] / ".env"
    assert file.exists() or done.returncode != 0
    if file.exists():
        written = {name: len(value or "") for name, value in dotenv_values(file, interpolate=False).items()}
        assert written == {name: len(value) for name, value in secrets.items()}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    if tool in {"base64", "dd", "od", "tr"}:
        assert sorted(path.name for path in script.parents[1].iterdir()) == ["deploy"]


@pytest.mark.parametrize("tool", ["od", "base64"])
def test_a_missing_tool_is_named(tmp_path: Path, root: Path, tool: str) -> None:
    script, environment = checkout(tmp_path, root), tools(tmp_path, **{tool: None})
    done = subprocess.run(["/bin/sh", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert tool in done.stderr
    assert "Nothing was written" in done.stderr
    assert [path.name for path in script.parents[1].iterdir()] == ["deploy"]


def test_two_runs_at_once_make_one_file(tmp_path: Path, root: Path) -> None:
    script = checkout(tmp_path, root)
    runs = [subprocess.Popen(["sh", script], stdout=subprocess.PIPE, text=True) for _ in range(8)]
    said = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * 8
    assert sum(text.startswith("Wrote .env") for text in said) == 1
    assert sorted(path.name for path in script.parents[1].iterdir()) == [".env", "deploy"]


def test_a_value_that_is_missing_from_the_file_is_named_and_nothing_is_changed(
    tmp_path: Path, root: Path, make_secrets: MakeSecrets
) -> None:
    file = make_secrets(tmp_path)
    before = file.read_text(encoding="utf-8")
    text = re.sub(r"^JWT_SECRET=.*$", "JWT_SECRET=", before, flags=re.MULTILINE)
    file.write_text(text, encoding="utf-8")
    line = ["sh", str(tmp_path / "deploy" / "make-secrets.sh")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, file.read_text(encoding="utf-8")) == (1, text)
    assert "without a value for JWT_SECRET" in done.stderr
    elsewhere = os.environ | {"JWT_SECRET": "from the environment, as Compose takes it"}
    assert subprocess.run(line, env=elsewhere, capture_output=True, check=False).returncode == 0


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


def databases(deployment: Deployment, root: Path, run_in_shell: Shell) -> dict[str, tuple[str | None, str | None]]:
    """Return the databases that are made when there is none, each with its owner and the owner's password."""
    environment = deployment.services["postgres"]["environment"]
    call = run_psql(deployment, root, run_in_shell)
    variables = dict(re.findall(r"^\\getenv (\w+) (\w+)$", call.stdin, re.MULTILINE))
    roles = {
        name: environment[variables[variable]]
        for name, variable in re.findall(r"^CREATE ROLE (\w+) LOGIN PASSWORD :'(\w+)';$", call.stdin, re.MULTILINE)
    }
    assert call.stdin.count("CREATE ROLE") == len(roles), "a role that has more rights than to log in"
    owners = re.findall(r"^CREATE DATABASE (\w+) OWNER (\w+);$", call.stdin, re.MULTILINE)
    return {database: (owner, roles[owner]) for database, owner in owners}


def run_psql(deployment: Deployment, root: Path, run_in_shell: Shell) -> Call:
    """Run what the image of PostgreSQL runs once."""
    [script] = (root / "deploy" / "postgres").iterdir()
    environment = deployment.services["postgres"]["environment"]
    [call] = run_in_shell(["bash", "-e", str(script)], environment, ["psql"])
    return call


def test_airflow_and_the_database_agree_on_the_password(
    deployment: Deployment, root: Path, run_in_shell: Shell
) -> None:
    made = databases(deployment, root, run_in_shell)
    for service in deployment.airflow.values():
        for variable in ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CELERY__RESULT_BACKEND"):
            url = urlsplit(service["environment"][variable])
            assert url.hostname == "postgres"
            assert made[url.path.removeprefix("/")] == (url.username, url.password)


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
    made = databases(deployment, root, run_in_shell)
    assert made.pop(connection.schema or "") == (connection.login, connection.password)
    [airflow] = made
    assert made[airflow][0] != connection.login
    statements = run_psql(deployment, root, run_in_shell).stdin
    for name in (airflow, connection.schema):
        assert f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC;" in statements


def test_no_role_that_a_service_logs_in_with_is_a_superuser_and_the_superuser_cannot_log_in(
    deployment: Deployment, root: Path, run_in_shell: Shell
) -> None:
    superuser = deployment.services["postgres"]["environment"]["POSTGRES_USER"]
    call = run_psql(deployment, root, run_in_shell)
    for service in deployment.airflow.values():
        names = {urlsplit(value).username for value in service["environment"].values() if "@postgres:" in value}
        assert names == {"airflow", "service_catalog"}
        assert superuser not in names
    assert f"--set=superuser={superuser}" in call.argv
    assert call.stdin.rstrip().endswith('ALTER ROLE :"superuser" PASSWORD NULL;')
    assert not re.search(r"SUPERUSER|CREATEROLE|CREATEDB|GRANT|BYPASSRLS", call.stdin)


def test_no_process_list_shows_a_secret(
    deployment: Deployment, secrets: dict[str, str], root: Path, run_in_shell: Shell
) -> None:
    words: list[str] = run_psql(deployment, root, run_in_shell).argv
    programs = [
        "airflow",
        "artifactory-sandbox",
        "celery",
        "curl",
        "pg_isready",
        "python",
        "valkey-cli",
        "valkey-server",
    ]
    for service in deployment.services.values():
        health = service.get("healthcheck", {}).get("test", [])
        checked = ["sh", "-c", *health[1:]] if health[:1] == ["CMD-SHELL"] else health[1:]
        for line in ([*service.get("entrypoint", []), *service.get("command", [])], checked):
            words += line
            if line[:1] in (["bash"], ["sh"]):
                with suppress(subprocess.CalledProcessError):  # what the stand-ins say is no answer to a health check
                    calls = run_in_shell(line, service["environment"] | {"HOSTNAME": "a"}, programs)
                    words += [word for call in calls for word in call.argv]
    values = [value for name, value in secrets.items() if name != "COMPOSE_PROFILES"]
    assert [word for word in words if any(value in word for value in values)] == []


def test_git_ignores_the_secrets(root: Path) -> None:
    for name in (".env", ".env.unfinished.123"):
        assert subprocess.run(["git", "check-ignore", "-q", name], cwd=root, check=False).returncode == 0
