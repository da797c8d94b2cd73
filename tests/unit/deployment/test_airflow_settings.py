"""What docker-compose.yaml tells Airflow: settings, commands and questions that Airflow really knows."""

from __future__ import annotations

import argparse
import http.server
import json
import re
import subprocess
import sys
import threading
from importlib.metadata import files
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import yaml
from airflow.api_fastapi.core_api.datamodels.monitor import HealthInfoResponse
from airflow.cli.cli_parser import get_parser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.unit.deployment.conftest import Call, Deployment

    Shell = Callable[[Sequence[str], Mapping[str, str], Sequence[str]], list[Call]]

SETTING = re.compile(r"AIRFLOW__(?P<section>[A-Z_]+?)__(?P<option>[A-Z_]+)")
CONNECTION = re.compile(r"AIRFLOW_CONN_[A-Z_]+")
# The image's entrypoint, dumb-init in it, and the one command of the service init.
OTHER_VARIABLES = {
    "CONNECTION_CHECK_MAX_COUNT",
    "DUMB_INIT_SETSID",
    "AIRFLOW_ADMIN_USER",
    "AIRFLOW_ADMIN_EMAIL",
    "AIRFLOW_ADMIN_PASSWORD",
    "BACKFILL_POOL_SLOTS",
}


def airflow_options() -> dict[str, dict[str, Any]]:
    """Read Airflow's own description of its configuration."""
    [path] = [one for one in files("apache-airflow-core") or () if one.match("config_templates/config.yml")]
    described = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {section: values["options"] for section, values in described.items()}


def settings(environment: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Return section and option of each setting in an environment."""
    return {
        (found["section"].lower(), found["option"].lower()): value
        for name, value in environment.items()
        if (found := SETTING.fullmatch(name))
    }


def test_every_setting_is_an_option_that_airflow_or_its_provider_has(
    deployment: Deployment, provider_interface: dict[str, Any]
) -> None:
    known = {section: set(options) for section, options in airflow_options().items()}
    known |= {section: set(options) for section, options in provider_interface["options"].items()}
    used = {one for service in deployment.airflow.values() for one in settings(service["environment"])}
    assert len(used) > 10
    assert {one for one in used if one[1] not in known.get(one[0], ())} == set()


def test_what_a_worker_imports_before_its_tasks_do_is_there(deployment: Deployment) -> None:
    environment = deployment.services["worker"]["environment"]
    names = json.loads(environment["AIRFLOW__CELERY__EXTRA_CELERY_CONFIG"])["imports"]
    assert "artifactory_provider.hooks.artifactory" in names
    assert [name for name in names if find_spec(name) is None] == []


def test_every_variable_means_something_to_its_container(deployment: Deployment) -> None:
    unknown = {
        variable
        for service in deployment.airflow.values()
        for variable in service["environment"]
        if not SETTING.fullmatch(variable) and not CONNECTION.fullmatch(variable) and variable not in OTHER_VARIABLES
    }
    assert unknown == set()


def test_every_airflow_service_has_the_same_settings_and_keys(deployment: Deployment) -> None:
    common = deployment.raw["x-airflow-environment"]
    for key in ("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"):
        assert key in common
    for name in deployment.airflow:
        environment = deployment.raw["services"][name]["environment"]
        assert {variable: environment.get(variable) for variable in common} == common, name
        assert settings(environment) == settings(common), f"{name} has settings of its own"


def test_the_executor_and_the_auth_manager_are_those_of_the_image(
    deployment: Deployment, provider_interface: dict[str, Any]
) -> None:
    environment = deployment.services["scheduler"]["environment"]
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert environment["AIRFLOW__CORE__AUTH_MANAGER"] in provider_interface["auth_managers"]


def test_tasks_and_probes_find_the_servers_where_they_listen(deployment: Deployment) -> None:
    options = airflow_options()
    environment = deployment.services["worker"]["environment"]
    url = urlsplit(environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"])
    assert url.hostname
    assert deployment.services[url.hostname]["command"] == ["api-server"]
    assert (str(url.port), url.path) == (options["api"]["port"]["default"], "/execution/")
    [published] = deployment.services[url.hostname]["ports"]
    assert published.endswith(f":{url.port}")
    assert environment["AIRFLOW__API__BASE_URL"] == f"http://localhost:{published.split(':')[1]}"

    probe = urlsplit(deployment.services["scheduler"]["healthcheck"]["test"][-1])
    assert str(probe.port) == options["scheduler"]["scheduler_health_check_server_port"]["default"]
    assert environment["AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK"] == "true"


def recorded_parser(lines: Sequence[str]) -> argparse.ArgumentParser:
    """Build a parser from the recorded arguments of a provider's command."""
    parser = argparse.ArgumentParser()
    for line in lines:
        words = line.split()
        flags = [word for word in words if word.startswith("-")]
        parser.add_argument(
            *flags,
            dest=flags[-1].strip("-").replace("-", "_"),
            action="store" if "VALUE" in words else "store_true",
            required="REQUIRED" in words,
        )
    return parser


def parse(argv: Sequence[str], recorded: Mapping[str, Sequence[str]]) -> None:
    """Parse a command line of Airflow, failing where Airflow would print its usage."""
    command = " ".join(argv[:2])
    try:
        if command in recorded:
            recorded_parser(recorded[command]).parse_args(argv[2:])
        else:
            get_parser().parse_args(argv)
    except SystemExit:
        pytest.fail(f"Airflow has no such command: airflow {' '.join(argv)}")


def test_every_airflow_command_exists_with_its_flags(
    deployment: Deployment, run_in_shell: Shell, provider_interface: dict[str, Any]
) -> None:
    commands: dict[str, list[list[str]]] = {}
    for name, service in deployment.airflow.items():
        command = service["command"]
        if command[0] == "bash":  # as in the image's entrypoint: otherwise the words are Airflow's
            calls = run_in_shell(command, service["environment"], ["airflow"])
            commands[name] = [call.argv[1:] for call in calls]
        else:
            commands[name] = [command]
    for lines in commands.values():
        for argv in lines:
            parse(argv, provider_interface["commands"])
    assert {name: [line[0] for line in lines] for name, lines in commands.items()} == {
        "init": ["db", "pools", "users"],
        "apiserver": ["api-server"],
        "scheduler": ["scheduler"],
        "dag-processor": ["dag-processor"],
        "worker": ["celery"],
        "triggerer": ["triggerer"],
    }


def test_a_failed_migration_stops_everything_that_waits_for_it(deployment: Deployment, tmp_path: Path) -> None:
    failing = tmp_path / "airflow"
    failing.write_text('#!/bin/sh\n[ "$1" != db ] || exit 3\n', encoding="utf-8")
    failing.chmod(0o755)
    init = deployment.services["init"]
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    result = subprocess.run(init["command"], env=init["environment"] | path, check=False)
    assert result.returncode == 3


@pytest.mark.parametrize("is_there", [True, False])
def test_the_pool_of_backfills_is_made_once_and_then_left_as_it_is(
    deployment: Deployment, tmp_path: Path, is_there: bool
) -> None:
    calls, stub = tmp_path / "calls", tmp_path / "airflow"
    found = "true" if is_there else '[ "$1 $2" != "pools get" ]'
    stub.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {calls}\n{found}\n', encoding="utf-8")
    stub.chmod(0o755)
    init = deployment.services["init"]
    subprocess.run(init["command"], env=init["environment"] | {"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)
    made = [line for line in calls.read_text().splitlines() if line.startswith("pools set")]
    assert made == ([] if is_there else ["pools set artifactory_backfill 4 Chunks of backfills"])
    parse(["pools", "set", "artifactory_backfill", "4", "Chunks of backfills"], {})


def test_the_first_user_is_an_administrator_with_the_password_of_the_secrets(
    deployment: Deployment, run_in_shell: Shell, secrets: dict[str, str]
) -> None:
    init = deployment.services["init"]
    call = run_in_shell(init["command"], init["environment"], ["airflow"])[-1]
    create = call.argv
    assert create[1:3] == ["users", "create"]
    given = dict(zip(create[3::2], create[4::2], strict=True))
    assert (given["--username"], given["--role"]) == ("admin", "Admin")
    # Without one of these the command asks for the password, twice.
    assert not {"--password", "-p", "--use-random-password"} & set(create)
    assert call.stdin == f"{secrets['AIRFLOW_ADMIN_PASSWORD']}\n" * 2


class _Monitor(http.server.BaseHTTPRequestHandler):
    answer: bytes = b""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/v2/monitor/health" else 404)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def monitor() -> Iterator[str]:
    """Stand in for the API server's answer about the health of each component."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Monitor) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("service", "component"),
    [("apiserver", "metadatabase"), ("dag-processor", "dag_processor"), ("triggerer", "triggerer")],
)
def test_a_health_check_fails_when_its_own_component_is_ill(
    deployment: Deployment, monitor: str, service: str, component: str
) -> None:
    kind, program, *arguments = deployment.services[service]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    here = [argument.replace("apiserver:8080", monitor) for argument in arguments]

    def exit_code(ill: str | None, status: str | None) -> int:
        report = {name: {"status": status if name == ill else "healthy"} for name in HealthInfoResponse.model_fields}
        _Monitor.answer = json.dumps(report).encode()
        return subprocess.run([sys.executable, *here], capture_output=True, check=False).returncode

    others = HealthInfoResponse.model_fields.keys() - {component}
    assert exit_code(None, None) == 0
    assert exit_code(component, "unhealthy") != 0
    assert exit_code(component, None) != 0
    assert {other: exit_code(other, "unhealthy") for other in others} == dict.fromkeys(others, 0)


def test_the_worker_is_asked_by_its_own_name_over_its_own_broker(
    deployment: Deployment, run_in_shell: Shell, provider_interface: dict[str, Any]
) -> None:
    worker = deployment.services["worker"]
    kind, command = worker["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    [call] = run_in_shell(["/bin/sh", "-c", command], worker["environment"] | {"HOSTNAME": "abc"}, ["celery"])
    assert call.argv == ["celery", "inspect", "ping", "--destination", "celery@abc"]
    assert "--destination" in provider_interface["celery"]["inspect"]
    assert call.environment["CELERY_BROKER_URL"] == worker["environment"]["AIRFLOW__CELERY__BROKER_URL"]


def test_a_worker_that_is_stopped_has_time_to_finish_a_promotion(deployment: Deployment) -> None:
    worker = deployment.services["worker"]
    assert worker["environment"]["DUMB_INIT_SETSID"] == "0"
    assert worker["stop_grace_period"] == "5m"


def test_what_a_crash_costs_is_told_with_airflows_own_options_and_defaults(root: Path, deployment: Deployment) -> None:
    options, text = airflow_options(), " ".join((root / "docs" / "deployment.md").read_text(encoding="utf-8").split())
    environment = settings(deployment.services["scheduler"]["environment"])
    told = {
        ("triggerer", "capacity"): ("1000", "1,000 waiting tasks (`[triggerer] capacity`)"),
        ("scheduler", "task_instance_heartbeat_timeout"): ("300", "`[scheduler] task_instance_heartbeat_timeout`, 300"),
        ("scheduler", "task_instance_heartbeat_timeout_detection_interval"): ("10.0", "looked at every 10 (`task_ins"),
        ("scheduler", "orphaned_tasks_check_interval"): ("300.0", "`[scheduler] orphaned_tasks_check_interval`, 300"),
        ("core", "default_task_retry_delay"): (
            "300",
            "five where a DAG says nothing (`[core] default_task_retry_delay",
        ),
    }
    interval = ("workers", "min_heartbeat_interval")
    assert (options[interval[0]][interval[1]]["default"], environment[interval]) == ("5", "1")
    assert "every second (`[workers] min_heartbeat_interval`, five where nothing is said)" in text
    for (section, option), (default, words) in told.items():
        assert options[section][option]["default"] == default
        assert environment.get((section, option), default) == default
        assert words in text


def test_a_triggerers_places_and_the_time_until_a_lost_task_is_noticed_can_be_set(
    deployment: Deployment, secrets: dict[str, str]
) -> None:
    chosen = {"AIRFLOW_TRIGGERER_CAPACITY": "5000", "AIRFLOW_TASK_HEARTBEAT_TIMEOUT": "60"}
    for name in deployment.airflow:
        found = settings(deployment.fill_in(secrets | chosen)[name]["environment"])
        assert found["triggerer", "capacity"] == "5000"
        assert found["scheduler", "task_instance_heartbeat_timeout"] == "60"


def test_the_versions_that_are_told_to_go_together_are_those_that_were_recorded(
    root: Path, provider_interface: dict[str, Any]
) -> None:
    text = " ".join((root / "docs" / "deployment.md").read_text(encoding="utf-8").split())
    versions = provider_interface["versions"]
    celery, fab = versions["apache-airflow-providers-celery"], versions["apache-airflow-providers-fab"]
    assert f"the Celery provider {celery} with Celery {versions['celery']} and the FAB provider {fab}" in text
    assert f"under Airflow {versions['apache-airflow']}" in text
    assert re.findall(r"celery==", (root / "requirements.txt").read_text(encoding="utf-8")) == []
