"""An Xray that has watches, and ways to ask it about images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.integration.conftest import PASSWORD

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.verification import Verdict, Verification, XrayCheck, verify_many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient

SUMMARY, STATUS, VIOLATIONS, WATCHES = "/summary/artifact", "/artifact/status", "/v1/violations", "/v2/watches"
CONFIG = {
    "xray": {
        "watches": {
            "prod": {"repositories": ["docker-dev"], "policies": ["no-high", "licenses"]},
            "off": {"active": False},
            "elsewhere": {"repositories": ["docker-prod"], "policies": ["unused"]},
        }
    },
    "users": {"admin": {"password": PASSWORD, "admin": True}, "reader": {"password": PASSWORD}},
    "permissions": [{"repositories": ["docker-dev"], "users": {"reader": ["read"]}}],
}
CHECK = XrayCheck()
GUARDED = XrayCheck(severity=None, watch="prod")


def dev(image: str, tag: str = "1") -> ImageReference:
    return ImageReference("docker-dev", image, tag)


def issue(name: str, severity: str | None = "High", *, cve: str | None = None) -> dict[str, Any]:
    return {"issue_id": name, "severity": severity, "cves": [{"cve": cve}] if cve else []}


def violation(name: str, *, watch: str = "prod", policy: str = "no-high", **fields: Any) -> dict[str, Any]:
    return {**issue(name), "watch_name": watch, "matched_policies": [{"policy": policy}], **fields}


async def look_at(
    client: ArtifactoryClient, check: XrayCheck, references: Sequence[ImageReference | str]
) -> list[Verification]:
    """Look once at references, or at the tag 1 of images in docker-dev; whatever is told can be shown to people."""
    asked = [dev(each) if isinstance(each, str) else each for each in references]
    async with Ledger(client) as ledger:
        found = await verify_many(ledger, asked, [check])
    for one in found:
        assert one.reason.isprintable()
        assert 0 < len(one.reason) <= 600
        assert PASSWORD not in one.reason
    return found


async def ask(client: ArtifactoryClient, image: str, check: XrayCheck = CHECK) -> Verdict:
    [found] = await look_at(client, check, [image])
    [(name, verdict)] = found.verdicts
    assert (name, found.state) == (check.name, verdict.state)
    return verdict


def bodies(gateway: Gateway, path: str) -> list[Any]:
    """Return what was sent to an endpoint."""
    return [json.loads(seen.body) for seen in gateway.requests if path in seen.path and seen.method == "POST"]
