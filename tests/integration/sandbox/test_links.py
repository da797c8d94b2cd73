"""Links to Artifactory's own user interface, which the sandbox has none of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from artifactory_sandbox.pytest_plugin import RunningSandbox

TREE = "/ui/repos/tree/General/docker-dev"


def test_a_link_to_an_item_leads_to_what_is_known_of_it(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    root = f"http://{artifactory_sandbox.registry}{TREE}"
    shown = client.get(f"{root}/payments/api/1.0/manifest.json", follow_redirects=True)
    assert shown.json()["checksums"]["sha256"] == digest.removeprefix("sha256:")
    assert client.get(root, follow_redirects=True).json()["children"] == [{"uri": "/payments", "folder": True}]
    assert client.get(f"{root}/payments/none", follow_redirects=True).status_code == 404


def test_a_link_asks_a_browser_to_log_in(artifactory_sandbox: RunningSandbox) -> None:
    response = httpx.get(f"http://{artifactory_sandbox.registry}{TREE}")
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Basic ")
