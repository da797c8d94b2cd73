"""Requests drawn from the sandbox's own OpenAPI description: whatever they hold, the answer is a clear one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from artifactory_sandbox.api.system import OPENAPI
from artifactory_sandbox.application import Application
from artifactory_sandbox.config import Config
from artifactory_sandbox.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from artifactory_sandbox.pytest_plugin import RunningSandbox

# Faults that the fuzzer adds would be what it finds.
described = schemathesis.openapi.from_path(OPENAPI).exclude(path="/sandbox/faults", method="POST")


@pytest.fixture(scope="session")
def fuzzed(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    sandbox = artifactory_sandbox_factory()
    sandbox.push_image("docker-dev/payments/api:1.0", platforms=("linux/amd64", "linux/arm64"))
    return sandbox


@described.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow],
)
def test_whatever_the_description_allows_is_answered_and_refused_in_a_known_shape(
    case: schemathesis.Case[Any], fuzzed: RunningSandbox
) -> None:
    response = case.call(base_url=fuzzed.url, auth=("admin", "password"), timeout=20)
    assert response.status_code < 500, response.text
    is_ours = "".join(response.headers.get("content-type", [])).startswith("application/json")
    if response.status_code >= 400 and is_ours and response.content:
        body = response.json()
        assert "errors" in body or "error" in body
    assert "Traceback" not in response.text


def test_the_description_is_true_to_the_routes(tmp_path: Path) -> None:
    service = Service(tmp_path, Config())
    application = Application(service)
    routed = {
        (re.sub(r":\w+}", "}", route.path), method)
        for route in application.routes
        for method in (route.methods or set()) - {"HEAD"}
    }
    service.close()
    paths = schemathesis.openapi.from_path(OPENAPI).raw_schema["paths"]
    methods = {"get", "post", "put", "patch", "delete"}
    found = {(path, method.upper()) for path, operations in paths.items() for method in methods & set(operations)}
    assert found == routed


def test_the_description_is_served(fuzzed: RunningSandbox) -> None:
    assert (
        schemathesis.openapi.from_url(
            f"{fuzzed.url}/sandbox/openapi.yaml", headers={"Authorization": "Basic YWRtaW46cGFzc3dvcmQ="}
        ).raw_schema["info"]["title"]
        == "artifactory-sandbox"
    )
