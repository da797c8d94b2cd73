"""The page that links to an item lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from artifactory_sandbox.pytest_plugin import RunningSandbox

TREE = "/ui/repos/tree/General/docker-dev"


def test_an_items_page_shows_its_digest_children_and_properties(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    artifactory_sandbox.set_properties("docker-dev/payments/api:1.0", {"test.status": "passed"})
    root = f"http://{artifactory_sandbox.registry}{TREE}"
    assert f'href="{TREE}/payments/api/1.0/manifest.json"' in client.get(f"{root}/payments/api/1.0").text
    page = client.get(f"{root}/payments/api/1.0/manifest.json")
    assert page.headers["content-type"].startswith("text/html")
    for text in (digest, "test.status", "passed", "docker.repoName"):
        assert text in page.text
    assert client.get(f"{root}/payments/none").status_code == 404


def test_what_people_wrote_is_shown_and_not_run(artifactory_sandbox: RunningSandbox, client: httpx.Client) -> None:
    artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    script = "<script>alert('x')</script>"
    artifactory_sandbox.set_properties("docker-dev/payments/api:1.0", {"note": script})
    root = f"http://{artifactory_sandbox.registry}{TREE}"
    shown = client.get(f"{root}/payments/api/1.0/manifest.json").text
    assert script not in shown
    assert "&lt;script&gt;" in shown
    assert "<script>" not in client.get(f"{root}/{script}").text


def test_the_page_asks_a_browser_to_log_in(artifactory_sandbox: RunningSandbox) -> None:
    response = httpx.get(f"http://{artifactory_sandbox.registry}{TREE}")
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Basic ")
