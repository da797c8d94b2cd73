from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Reply, html
from tests.integration.promotion.planning.planning import QUERY, actions, plan

from artifactory_provider.artifactory import rest_api
from artifactory_provider.artifactory.errors import PermissionDenied, ServerFailed, UnexpectedAnswer
from artifactory_provider.promotion.planning.rendering import as_csv, as_table, render_plan

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

ODD_FOLDERS = (
    "",
    ".",
    "1",
    "Team/App/1",
    "{image}/<script>",
    "{image}/a|b",
    "{image}/=cmd",
    "{image}/1\n2",
    "{image}/_uploads",
    "{image}/sha256:" + "0" * 64,
    "{image}/sha256__" + "0" * 64,
    "{image}/" + "x" * 200,
    "/{image}//1",
)


async def test_files_that_no_docker_client_could_name_are_passed_over(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")

    def add(reply: Reply) -> Reply:
        document = json.loads(reply.body)
        [real] = document["results"]
        document["results"] += [{**real, "path": folder.format(image=image)} for folder in ODD_FOLDERS]
        return replace(reply, body=json.dumps(document).encode())

    gateway.rule("POST", QUERY, times=1, reply=add)
    made = await plan(client, image)
    assert actions(made) == {"1": "promote"}
    assert all("script" not in text(made) for text in (render_plan, as_csv, as_table))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"results": 1}', b'{"results": [1]}', b'{"results": [{"repo": "docker-dev"}]}', b"\xff"],
)
async def test_an_answer_that_is_no_result_is_an_error_and_not_an_empty_plan(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, body: bytes
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", QUERY, reply=Reply(200, body, {"Content-Type": "application/json"}))
    with pytest.raises(UnexpectedAnswer):
        await plan(client, image)


async def test_a_login_page_and_a_failing_server_are_errors_and_not_an_empty_plan(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", QUERY, times=1, reply=html())
    with pytest.raises(UnexpectedAnswer):
        await plan(client, image)
    gateway.rule("POST", QUERY, reply=Reply(503))
    with pytest.raises(ServerFailed):
        await plan(client, image)


async def test_a_server_that_sends_one_page_for_ever_is_not_asked_for_ever(
    client: ArtifactoryClient,
    sandbox: RunningSandbox,
    gateway: Gateway,
    image: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    monkeypatch.setattr(rest_api, "ITEMS_A_PAGE", 2)
    found = {"repo": "docker-dev", "name": "manifest.json", "sha256": "0" * 64}
    page = {"results": [{**found, "path": f"{image}/{tag}"} for tag in ("1", "2")]}
    gateway.rule("POST", QUERY, reply=Reply(200, json.dumps(page).encode(), {"Content-Type": "application/json"}))
    with pytest.raises(UnexpectedAnswer, match="the same page at every offset"):
        await plan(client, image)
    assert len(gateway.requests) < 50


async def test_a_tag_that_is_deleted_after_the_list_was_read_is_left_out_or_missing(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    gateway.rule("POST", QUERY, reply=Reply(403))
    for name, expected in (("*", {"2": "promote"}), ("1", {"1": "missing", "2": "promote"})):
        for tag in ("1", "2"):
            sandbox.push_image(f"docker-dev/{image}:{tag}")
        gateway.rule("GET", "/tags/list", times=1, after=lambda: sandbox.delete(f"docker-dev/{image}:1"))
        assert actions(await plan(client, image, name, "2")) == expected


async def test_times_are_asked_for_only_where_something_depends_on_them(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    gateway.rule("POST", QUERY, reply=Reply(403))
    sandbox.push_image(f"docker-dev/{image}:1")
    await plan(client, image)
    assert gateway.count("GET", r"/api/storage/docker-dev/[^?]*$") == 0
    await plan(client, image, target_tags=("{date:%Y}",))
    assert gateway.count("GET", r"/api/storage/docker-dev/[^?]*$") == 1
    assert gateway.count("GET", r"/api/storage/docker-dev/.*\?properties$") == 2, "marks, once a plan"


async def test_a_source_that_may_not_be_read_is_an_error_that_names_the_permission(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("*", "", reply=Reply(403))
    with pytest.raises(PermissionDenied, match="Read on 'docker-dev'"):
        await plan(client, image)
