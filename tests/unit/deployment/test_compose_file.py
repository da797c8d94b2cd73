"""docker-compose.yaml: what starts, in which order, with which rights."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.deployment.conftest import Deployment


def test_the_file_follows_the_compose_specification(root: Path) -> None:
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.compose-spec",
            root / "docker-compose.yaml",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_parts_that_the_product_needs_are_there(deployment: Deployment) -> None:
    assert deployment.airflow.keys() == {
        "init",
        "apiserver",
        "scheduler",
        "dag-processor",
        "worker",
        "triggerer",
    }
    assert deployment.services.keys() - deployment.airflow.keys() == {"postgres", "valkey", "sandbox"}


def test_every_long_running_service_is_watched(deployment: Deployment) -> None:
    expected = {"test", "interval", "timeout", "retries", "start_period"}
    incomplete = {
        name: expected - service.get("healthcheck", {}).keys()
        for name, service in deployment.long_running.items()
        if expected - service.get("healthcheck", {}).keys()
    }
    assert incomplete == {}


def test_every_long_running_service_comes_back_after_a_crash(deployment: Deployment) -> None:
    assert {service["restart"] for service in deployment.long_running.values()} == {"unless-stopped"}


def test_the_database_is_prepared_once_and_before_anything_uses_it(deployment: Deployment) -> None:
    assert deployment.services["init"]["restart"] == "no"
    for name, service in deployment.airflow.items():
        if name != "init":
            assert service["depends_on"]["init"] == {"condition": "service_completed_successfully"}, name


def test_nothing_starts_before_what_it_needs_is_healthy(deployment: Deployment) -> None:
    for name, service in deployment.services.items():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in deployment.services[needed], f"{name} waits for {needed} forever"
            else:
                assert needed == "init", f"{name} does not wait for {needed} to be healthy"
    needs = {name: set(service.get("depends_on", {})) for name, service in deployment.services.items()}
    assert needs["init"] == {"postgres"}
    assert all(
        needs[name] >= {"postgres", "valkey"}
        for name in ("apiserver", "scheduler", "dag-processor", "worker", "triggerer")
    )
    assert "apiserver" in needs["worker"], "a task without the API server fails"


def test_airflow_starts_without_the_sandbox(deployment: Deployment) -> None:
    assert deployment.services["sandbox"]["profiles"] == ["sandbox"]
    dependents = [name for name, service in deployment.services.items() if "sandbox" in service.get("depends_on", {})]
    assert dependents == []


def test_every_container_is_confined(deployment: Deployment) -> None:
    for name, service in deployment.services.items():
        assert service.get("read_only") is True, name
        assert service.get("cap_drop") == ["ALL"], name
        assert service.get("security_opt") == ["no-new-privileges:true"], name
        assert str(service.get("user", "0")).split(":")[0] not in {"0", "root"}, name
        assert not {"privileged", "cap_add", "devices", "pid", "network_mode"} & service.keys(), name
        assert not any("docker.sock" in volume for volume in service["volumes"]), name


def test_no_container_can_fill_the_disk_or_the_memory_of_the_host(deployment: Deployment) -> None:
    for name, service in deployment.services.items():
        assert {"max-size", "max-file"} <= service["logging"]["options"].keys(), name
        assert service["mem_limit"], name


def test_ports_are_open_to_this_machine_only_unless_told_otherwise(deployment: Deployment) -> None:
    published = {name: service["ports"] for name, service in deployment.services.items() if "ports" in service}
    assert published == {"apiserver": ["127.0.0.1:8080:8080"], "sandbox": ["127.0.0.1:8081:8081"]}


def test_database_and_broker_are_reached_by_airflow_alone(deployment: Deployment) -> None:
    assert deployment.raw["networks"]["data"] == {"internal": True}
    inside = {name for name, service in deployment.services.items() if "data" in service["networks"]}
    assert inside == {*deployment.airflow, "postgres", "valkey"}
    assert deployment.services["postgres"]["networks"] == ["data"]
    assert deployment.services["valkey"]["networks"] == ["data"]


def test_what_must_outlive_a_container_is_in_a_named_volume(deployment: Deployment) -> None:
    mounted = {
        name: [volume.split(":")[0] for volume in service["volumes"] if not volume.startswith(".")]
        for name, service in deployment.services.items()
    }
    airflow = {name: ["airflow-logs"] for name in deployment.airflow}
    own = {"postgres": ["postgres-data"], "valkey": ["valkey-data"], "sandbox": ["sandbox-data"]}
    assert mounted == airflow | own
    assert set(deployment.raw["volumes"]) == {volume for volumes in mounted.values() for volume in volumes}


def test_what_is_mounted_from_the_checkout_is_there_and_cannot_be_changed(deployment: Deployment, root: Path) -> None:
    for service in deployment.services.values():
        for source, _, mode in (volume.split(":") for volume in service["volumes"] if volume.startswith(".")):
            assert (root / source).exists()
            assert mode == "ro"


def test_every_image_can_be_pinned_to_a_digest(deployment: Deployment, secrets: dict[str, str]) -> None:
    digest = f"@sha256:{'0' * 64}"
    pinned = {"POSTGRES_IMAGE": f"postgres:16{digest}", "VALKEY_IMAGE": f"valkey/valkey:8.1{digest}"}
    services = deployment.fill_in(secrets | pinned | {"AIRFLOW_IMAGE": f"apache/airflow:3.3.2{digest}"})
    for name, service in services.items():
        image = service["build"]["args"]["AIRFLOW_IMAGE"] if "build" in service else service["image"]
        assert image.endswith(digest), name
