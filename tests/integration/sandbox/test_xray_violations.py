"""Xray's violations, by all of its filters, and the watches that they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from artifactory_sandbox.pytest_plugin import RunningSandbox

URL = "/xray/api/v1/violations"
HIGH = {
    "issue_id": "XRAY-1",
    "watch_name": "prod",
    "severity": "High",
    "type": "Security",
    "created": "2026-01-02T00:00:00.000Z",
    "properties": [{"cve": "CVE-2024-0001"}],
    "matched_policies": [{"policy": "no-high", "rule": "r", "is_blocking": True}],
}
LOW = HIGH | {"issue_id": "XRAY-2", "severity": "Low", "created": "2026-03-04T00:00:00.000Z", "properties": []}
LICENSE = HIGH | {"issue_id": "GPL-3.0", "watch_name": "legal", "type": "License", "severity": "Medium"}


@pytest.fixture
def told(artifactory_sandbox: RunningSandbox) -> RunningSandbox:
    for name in ("app", "other"):
        artifactory_sandbox.push_image(f"docker-dev/{name}:1")
    artifactory_sandbox.add_finding("docker-dev/**", violations=[HIGH, LOW, LICENSE])
    return artifactory_sandbox


def ask(client: httpx.Client, filters: dict[str, Any], **pagination: Any) -> list[str]:
    answer = client.post(URL, json={"filters": filters, "pagination": pagination}).json()
    found = [one["issue_id"] for one in answer["violations"]]
    assert pagination or answer["total_violations"] == len(found)
    return found


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["XRAY-1", "GPL-3.0", "XRAY-2"]),
        ({"watch_name": "prod"}, ["XRAY-1", "XRAY-2"]),
        ({"watch_name": "nowhere"}, []),
        ({"violation_type": "License"}, ["GPL-3.0"]),
        ({"min_severity": "Medium"}, ["XRAY-1", "GPL-3.0"]),
        ({"min_severity": "Critical"}, []),
        ({"created_from": "2026-02-01T00:00:00+01:00"}, ["XRAY-2"]),
        ({"created_until": "2026-02-01T00:00:00Z"}, ["XRAY-1", "GPL-3.0"]),
        ({"issue_id": "XRAY-2"}, ["XRAY-2"]),
        ({"cve_id": "CVE-2024-0001"}, ["XRAY-1", "GPL-3.0"]),
        ({"resources": {"artifacts": []}}, []),
        ({"resources": {"artifacts": [{"repo": "docker-dev", "path": "nothing/1/manifest.json"}]}}, []),
    ],
)
@pytest.mark.usefixtures("told")
def test_violations_are_listed_by_every_filter(
    client: httpx.Client, filters: dict[str, Any], expected: list[str]
) -> None:
    assert ask(client, filters) == expected


def test_a_violation_names_the_artifacts_that_it_is_in_and_by_request_those_alone(
    told: RunningSandbox, client: httpx.Client
) -> None:
    places = ["default/docker-dev/app/1/", "default/docker-dev/other/1/"]
    for artifacts, expected in (
        (None, places),
        ([{"repo": "docker-dev", "path": "other/1/manifest.json"}], places[1:]),
    ):
        answer = client.post(URL, json={"filters": {"resources": {"artifacts": artifacts}}}).json()
        assert [one["impacted_artifacts"] for one in answer["violations"]] == [expected] * 3
    assert told.digest("docker-dev/app:1")


@pytest.mark.usefixtures("told")
def test_the_policies_of_a_violation_are_details(client: httpx.Client) -> None:
    for is_asked in (False, True):
        answer = client.post(URL, json={"filters": {"include_details": is_asked}}).json()
        assert all(("matched_policies" in one) is is_asked for one in answer["violations"])


@pytest.mark.usefixtures("told")
def test_violations_come_in_pages_and_in_the_order_that_is_asked_for(client: httpx.Client) -> None:
    assert ask(client, {}, order_by="severity") == ["XRAY-1", "GPL-3.0", "XRAY-2"]
    assert ask(client, {}, order_by="severity", direction="asc") == ["XRAY-2", "GPL-3.0", "XRAY-1"]
    assert ask(client, {}, order_by="issue_id") == ["GPL-3.0", "XRAY-1", "XRAY-2"]
    assert ask(client, {}, order_by="issue_id", limit=2) == ["GPL-3.0", "XRAY-1"]
    assert ask(client, {}, order_by="issue_id", limit=2, offset=2) == ["XRAY-2"]
    page = client.post(URL, json={"pagination": {"limit": 1}}).json()
    assert (page["total_violations"], len(page["violations"])) == (3, 1)


@pytest.mark.parametrize(
    "body",
    [
        {"filters": {"min_severity": "Terrible"}},
        {"filters": {"created_from": "yesterday"}},
        {"filters": {"created_from": "0001-01-01T00:00:00+14:00"}},
        {"pagination": {"limit": 0}},
        {"filters": {"resources": {"artifacts": [{}]}}},
    ],
)
def test_a_filter_that_is_none_is_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    assert client.post(URL, json=body).status_code == 400


@pytest.fixture(scope="module")
def restricted(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    watches = {
        "prod": {"repositories": ["docker-dev"], "policies": ["no-high"]},
        "all": {"active": False},
    }
    users = {"admin": {"password": "password", "admin": True}, "ci": {"password": "secret"}}
    permissions = [{"repositories": ["docker-qa"], "users": {"ci": ["read"]}}]
    return artifactory_sandbox_factory({"xray": {"watches": watches}, "users": users, "permissions": permissions})


@pytest.fixture
def admin(restricted: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=restricted.url, auth=("admin", "password")) as client:
        yield client


def test_violations_are_told_of_what_the_user_may_read(restricted: RunningSandbox) -> None:
    for repository in ("docker-dev", "docker-qa"):
        restricted.push_image(f"{repository}/app:1", content="same")
    restricted.add_finding("**", violations=[HIGH])
    with httpx.Client(base_url=restricted.url, auth=("ci", "secret")) as client:
        [violation] = client.post(URL, json={}).json()["violations"]
    assert violation["impacted_artifacts"] == ["default/docker-qa/app/1/"]


def test_watches_tell_what_they_watch_and_which_policies_they_apply(admin: httpx.Client) -> None:
    prod, everything = admin.get("/xray/api/v2/watches").json()
    assert prod["general_data"] == {"id": "prod", "name": "prod", "description": "", "active": True}
    assert prod["project_resources"]["resources"] == [
        {"type": "repository", "bin_mgr_id": "default", "name": "docker-dev"}
    ]
    assert prod["assigned_policies"] == [{"name": "no-high", "type": "security"}]
    assert everything["general_data"]["active"] is False
    assert everything["project_resources"]["resources"] == [{"type": "all-repos"}]
    assert admin.get("/xray/api/v2/watches/prod").json() == prod
    assert admin.get("/xray/api/v2/watches/none").status_code == 404
