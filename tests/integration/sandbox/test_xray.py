"""Xray: scans, their results, and downloads that a policy forbids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from artifactory_sandbox.pytest_plugin import running_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from artifactory_sandbox.pytest_plugin import RunningSandbox

STATUS = "/xray/api/v1/artifact/status"
PATH = "team/app/1.0/manifest.json"
MANIFEST = "/api/docker/docker-dev/v2/team/app/manifests/1.0"
ISSUE = {"issue_id": "XRAY-1", "severity": "High", "cves": [{"cve": "CVE-2024-0001"}]}


@pytest.fixture
def digest(artifactory_sandbox: RunningSandbox) -> str:
    return artifactory_sandbox.push_image("docker-dev/team/app:1.0")


def status(client: httpx.Client) -> str:
    answer = client.post(STATUS, json={"repo": "docker-dev", "path": PATH}).json()
    overall: str = answer["overall"]["status"]
    assert set(answer["details"]) == {"sca", "contextual_analysis", "exposures", "violations"}
    return overall


def test_a_scan_is_as_far_as_xray_was_told(client: httpx.Client, digest: str) -> None:
    assert status(client) == "NOT_SCANNED"
    for told in ("SCANNING", "DONE"):
        finding = {"artifact": "docker-dev/team/**", "status": told}
        assert client.post("/sandbox/xray", json=[finding]).status_code == 204
        assert status(client) == told
    assert client.post("/sandbox/xray", json=[{"artifact": digest, "status": "FAILED"}]).status_code == 204
    assert status(client) == "FAILED"
    assert [one["status"] for one in client.get("/sandbox/xray").json()] == ["SCANNING", "DONE", "FAILED"]
    assert client.delete("/sandbox/xray").status_code == 204
    assert status(client) == "NOT_SCANNED"
    assert client.post(STATUS, json={"repo": "docker-dev", "path": "none/1.0/manifest.json"}).status_code == 404


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_summary_lists_issues_and_licenses_by_path_or_by_checksum(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str, version: str
) -> None:
    artifactory_sandbox.add_finding(digest, issues=[ISSUE], licenses=[{"name": "MIT"}])
    for wanted, unknown in (
        ({"paths": [f"default/docker-dev/{PATH}", "default/docker-dev/x"]}, "default/docker-dev/x"),
        ({"checksums": [digest[7:], "0" * 64]}, "0" * 64),
    ):
        answer = client.post(f"/xray/api/{version}/summary/artifact", json=wanted).json()
        [artifact] = answer["artifacts"]
        assert (artifact["issues"], artifact["licenses"]) == ([ISSUE], [{"name": "MIT"}])
        assert artifact["general"] == {
            "component_id": "team/app:1.0",
            "name": "team/app:1.0",
            "path": "default/docker-dev/team/app/1.0/",
            "pkg_type": "Docker",
            "sha256": digest[7:],
        }
        words = "Artifact doesn't exist or not indexed/cached in Xray"
        assert answer["errors"] == [{"identifier": unknown, "error": words}]


def test_a_summary_by_path_does_not_look_at_checksums(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    artifactory_sandbox.add_finding(digest)
    wanted = {"paths": ["default/docker-dev/x"], "checksums": [digest[7:]]}
    answer = client.post("/xray/api/v1/summary/artifact", json=wanted).json()
    assert [one["identifier"] for one in answer["errors"]] == ["default/docker-dev/x"]
    assert answer["artifacts"] == []


@pytest.mark.parametrize(
    ("status", "is_listed"),
    [
        ("NOT_SCANNED", False),
        ("PENDING", False),
        ("NOT_SUPPORTED", False),
        ("SCANNING", True),
        ("DONE", True),
        ("PARTIAL", True),
        ("FAILED", True),
    ],
)
def test_a_summary_lists_what_a_scan_has_reached(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str, status: str, is_listed: bool
) -> None:
    artifactory_sandbox.add_finding(digest, status=status)
    answer = client.post("/xray/api/v1/summary/artifact", json={"checksums": [digest[7:].upper()]}).json()
    assert (len(answer["artifacts"]), len(answer["errors"])) == ((1, 0) if is_listed else (0, 1))


def test_parts_of_a_scan_may_be_elsewhere_than_the_whole(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    artifactory_sandbox.add_finding(digest, parts={"violations": "PENDING", "exposures": "DONE"})
    answer = client.post(STATUS, json={"repo": "docker-dev", "path": PATH}).json()
    told = {part: one["status"] for part, one in answer["details"].items()}
    assert answer["overall"]["status"] == "DONE"
    assert told == {
        "sca": "DONE",
        "contextual_analysis": "NOT_SUPPORTED",
        "exposures": "DONE",
        "violations": "PENDING",
    }


def test_each_manifest_of_an_index_is_scanned_by_itself(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    index = artifactory_sandbox.push_image("docker-dev/team/multi:1.0", platforms=("linux/amd64", "linux/arm64"))
    document = client.get("/api/docker/docker-dev/v2/team/multi/manifests/1.0").json()
    first, second = (one["digest"] for one in document["manifests"])
    artifactory_sandbox.add_finding(first)
    for digest, path, expected in (
        (index, "team/multi/1.0/list.manifest.json", "NOT_SCANNED"),
        (first, f"team/multi/{first}/manifest.json", "DONE"),
        (second, f"team/multi/{second}/manifest.json", "NOT_SCANNED"),
    ):
        answer = client.post(STATUS, json={"repo": "docker-dev", "path": path}).json()
        assert answer["overall"]["status"] == expected
        summary = client.post("/xray/api/v1/summary/artifact", json={"checksums": [digest[7:]]}).json()
        assert len(summary["artifacts"]) == (expected == "DONE")


def test_a_blocked_artifact_cannot_be_downloaded_but_promoted_and_looked_at(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    artifactory_sandbox.add_finding("docker-dev/team/**", blocked=True)
    words = f"{PATH} was not downloaded due to the download blocking policy configured in Xray for docker-dev."
    for path in (MANIFEST, f"/docker-dev/{PATH}"):
        refused = client.get(path)
        assert refused.status_code == 403
        assert refused.json()["errors"][0]["message"] == f"Artifact download request rejected: {words}"
    assert client.head(MANIFEST).status_code == 200
    promotion = {"targetRepo": "docker-qa", "dockerRepository": "team/app", "copy": True}
    assert client.post("/api/docker/docker-dev/v2/promote", json=promotion).status_code == 200
    assert client.get(MANIFEST.replace("docker-dev", "docker-qa")).status_code == 200


def test_what_was_not_scanned_is_blocked_where_that_is_the_policy(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    sandbox = artifactory_sandbox_factory(
        {"xray": {"block_unscanned": True, "findings": [{"artifact": "docker-dev/safe/**", "issues": []}]}}
    )
    with httpx.Client(base_url=sandbox.url, auth=("admin", "password")) as client:
        for name, expected in (("safe", 200), ("unknown", 403)):
            sandbox.push_image(f"docker-dev/{name}:1")
            assert client.get(f"/api/docker/docker-dev/v2/{name}/manifests/1").status_code == expected


def test_xray_tells_no_one_what_he_may_not_read(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> None:
    users = {"admin": {"password": "password", "admin": True}, "ci": {"password": "secret"}}
    sandbox = artifactory_sandbox_factory({"users": users})
    sandbox.push_image("docker-dev/team/app:1.0")
    with httpx.Client(base_url=sandbox.url, auth=("ci", "secret")) as client:
        assert client.post(STATUS, json={"repo": "docker-dev", "path": PATH}).status_code == 404
        summary = client.post("/xray/api/v1/summary/artifact", json={"paths": [f"default/docker-dev/{PATH}"]})
        assert summary.json()["artifacts"] == []
        assert client.get("/xray/api/v2/watches").status_code == 403
        assert client.get("/xray/api/v2/watches/prod").status_code == 403
        for method in ("GET", "POST", "DELETE"):
            assert client.request(method, "/sandbox/xray").status_code == 403
        assert httpx.get(f"{sandbox.url}/xray/api/v1/system/ping").status_code == 200


def test_a_checksum_finds_the_artifact_that_the_user_may_read(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    users = {"admin": {"password": "password", "admin": True}, "ci": {"password": "secret"}}
    permissions = [{"repositories": ["docker-qa"], "users": {"ci": ["read"]}}]
    sandbox = artifactory_sandbox_factory({"users": users, "permissions": permissions})
    digest = sandbox.push_image("docker-dev/team/app:1.0", content="same")
    sandbox.push_image("docker-qa/team/app:1.0", content="same")
    sandbox.add_finding(digest)
    with httpx.Client(base_url=sandbox.url, auth=("ci", "secret")) as client:
        answer = client.post("/xray/api/v1/summary/artifact", json={"checksums": [digest[7:]]}).json()
    assert [one["general"]["path"] for one in answer["artifacts"]] == ["default/docker-qa/team/app/1.0/"]
    assert answer["errors"] == []


def test_a_pattern_that_begins_like_a_digest_is_a_pattern(
    artifactory_sandbox: RunningSandbox, client: httpx.Client, digest: str
) -> None:
    artifactory_sandbox.push_image("docker-dev/sha/app:1.0")
    artifactory_sandbox.add_finding("docker-dev/sha/**", status="FAILED")
    path = PATH.replace("team", "sha")
    assert client.post(STATUS, json={"repo": "docker-dev", "path": path}).json()["overall"]["status"] == "FAILED"


@pytest.mark.parametrize("body", [[{"artifact": "a", "status": "MAYBE"}], [{}], {}, [{"artifact": "a", "extra": 1}]])
def test_a_finding_that_is_none_is_refused(client: httpx.Client, body: object) -> None:
    refused = client.post("/sandbox/xray", json=body)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["message"].startswith("The request body is not valid: ")


def test_what_xray_was_told_outlasts_a_restart_until_it_is_reset(tmp_path: Path) -> None:
    finding = {"artifact": "docker-dev/team/**", "status": "DONE", "blocked": True}
    for expected in (404, 403, 200):
        with (
            running_sandbox(tmp_path) as sandbox,
            httpx.Client(base_url=sandbox.url, auth=(sandbox.username, sandbox.password)) as client,
        ):
            assert client.get(MANIFEST).status_code == expected
            if expected == 404:
                sandbox.push_image("docker-dev/team/app:1.0")
                assert client.post("/sandbox/xray", json=[finding]).status_code == 204
            else:
                assert client.delete("/sandbox/xray").status_code == 204
