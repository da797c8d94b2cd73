"""The Artifactory Query Language: what it finds, how it is shown, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from artifactory_sandbox.pytest_plugin import RunningSandbox

MANIFESTS = '"name": {"$match": "*manifest.json"}'
A, B, C = "docker-dev/payments/api/1.0", "docker-dev/payments/api/1.1", "docker-qa/payments/api/1.0"
PLACE_OF_B = '{"repo": "docker-dev", "path": "payments/api/1.1"}'
PLACE_OF_C = '{"repo": "docker-qa", "path": "payments/api/1.0"}'
PLATFORMS = ("linux/amd64", "linux/arm64")


@pytest.fixture(scope="module")
def sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    """Tags of two images in two repositories, one of them an index, with properties on two of them."""
    sandbox = artifactory_sandbox_factory()
    for reference in ("docker-dev/payments/api:1.0", "docker-dev/payments/api:1.1", "docker-qa/payments/api:1.0"):
        sandbox.push_image(reference)
    sandbox.push_image("docker-dev/payments/web:1.0", platforms=PLATFORMS)
    passed: dict[str, str | list[str]] = {"test.status": "passed", "license": ["GPL", "MIT"]}
    sandbox.set_properties("docker-dev/payments/api:1.0", passed)
    sandbox.set_properties("docker-dev/payments/api:1.1", {"test.status": "failed", "license": "GPL"})
    return sandbox


@pytest.fixture
def client(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, auth=("admin", "password")) as client:
        yield client


@pytest.fixture
def digests(sandbox: RunningSandbox) -> dict[str, str]:
    references = ("docker-dev/payments/api:1.0", "docker-dev/payments/api:1.1", "docker-qa/payments/api:1.0")
    return {reference: sandbox.digest(reference) or "" for reference in references}


def ask(client: httpx.Client, query: str) -> httpx.Response:
    return client.post("/api/search/aql", content=query, headers={"Content-Type": "text/plain"})


def find(client: httpx.Client, criteria: str, rest: str = "") -> list[dict[str, Any]]:
    response = ask(client, f"items.find({criteria}){rest}")
    assert response.status_code == 200, response.text
    results: list[dict[str, Any]] = response.json()["results"]
    return results


def paths(client: httpx.Client, criteria: str) -> list[str]:
    found = find(client, criteria, '.include("repo", "path", "name").sort({"$asc": ["repo", "path"]})')
    return [f"{one['repo']}/{one['path']}" for one in found]


def test_the_digests_of_all_tags_of_an_image_come_in_one_request(client: httpx.Client, digests: dict[str, str]) -> None:
    criteria = f'{{"repo": "docker-dev", "path": {{"$match": "payments/api/*"}}, {MANIFESTS}}}'
    found = {one["path"]: one["sha256"] for one in find(client, criteria, '.include("repo", "path", "name", "sha256")')}
    assert found == {
        f"payments/api/{tag}": digests[f"docker-dev/payments/api:{tag}"].removeprefix("sha256:")
        for tag in ("1.0", "1.1")
    }


def test_an_index_is_found_as_list_manifest_and_its_children_beside_it(
    client: httpx.Client, digests: dict[str, str]
) -> None:
    criteria = f'{{"path": {{"$match": "payments/web/*"}}, {MANIFESTS}}}'
    found = {one["path"].partition("web/")[2]: one["name"] for one in find(client, criteria)}
    assert found.pop("1.0") == "list.manifest.json"
    assert set(found.values()) == {"manifest.json"}
    assert all(path.startswith("sha256:") for path in found)


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ('"repo": "docker-qa"', [C]),
        ('"repo": {"$eq": "docker-qa"}', [C]),
        ('"repo": {"$ne": "docker-dev"}', [C]),
        ('"path": {"$match": "payments/api/1.?"}, "repo": "docker-dev"', [A, B]),
        ('"path": {"$match": "payments/api/1.*"}, "repo": "docker-dev"', [A, B]),
        ('"path": {"$match": "payments/ap?/1.0"}, "repo": "docker-dev"', [A]),
        ('"path": {"$match": "payments/api/1.0?"}, "repo": "docker-dev"', []),
        ('"path": {"$nmatch": "payments/*"}', []),
        ('"path": {"$gt": "payments/api/1.0", "$lte": "payments/api/1.1"}', [B]),
        ('"$or": [{"path": "payments/api/1.1"}, {"repo": "docker-qa"}]', [B, C]),
        ('"$or": [{"path": "payments/api/1.1"}, {"path": "payments/api/1.0"}], "repo": "docker-qa"', [C]),
        (f'"$or": [{PLACE_OF_B}, {PLACE_OF_C}]', [B, C]),
        ('"$or": [{"name": "manifest.json"}, {"name": "nothing"}], "repo": "docker-qa"', [C]),
        ('"$or": [{"path": "payments/api/1.1"}, {"path": {"$match": "*api/1.0"}}], "repo": "docker-dev"', [A, B]),
        ('"$or": [{"path": "."}, {"path": "payments"}]', []),
        ('"$and": [{"path": "payments/api/1.0"}, {"repo": "docker-qa"}]', [C]),
        ('"path": "payments/api/1.1", "path": "payments/api/1.0"', []),
        ('"@test.status": "passed"', [A]),
        ('"@test.status": {"$match": "*"}', [A, B]),
        ('"@test.status": {"$ne": "passed"}, "repo": "docker-qa"', [C]),
        ('"@test.status": {"$nmatch": "*"}, "repo": "docker-qa"', [C]),
        ('"@*": "failed"', [B]),
        ('"$msp": [{"@license": {"$match": "*"}}, {"@license": {"$ne": "GPL"}}]', [A]),
        ('"created": {"$last": "1d"}, "repo": "docker-qa"', [C]),
        ('"created": {"$before": "1 minutes"}', []),
        (
            '"modified": {"$gt": "2020-01-01"}, "updated": {"$lt": "2999-01-01T00:00:00+02:00"}, "repo": "docker-qa"',
            [C],
        ),
        ('"size": {"$gt": 0}, "depth": 4, "repo": "docker-qa"', [C]),
        ('"created_by": "admin", "type": "file", "repo": "docker-qa"', [C]),
        ('"path": {"$match": "[a-z]*"}', []),
    ],
)
def test_every_criterion_finds_what_it_says(
    client: httpx.Client, digests: dict[str, str], criteria: str, expected: list[str]
) -> None:
    assert paths(client, f'{{{criteria}, "name": "manifest.json", "path": {{"$nmatch": "*sha256:*"}}}}') == expected


def test_a_manifest_is_found_by_its_digest(client: httpx.Client, digests: dict[str, str]) -> None:
    digest = digests["docker-dev/payments/api:1.1"]
    for criterion in (
        f'"sha256": "{digest.removeprefix("sha256:")}"',
        f'"@sha256": "{digest.removeprefix("sha256:")}"',
        f'"@docker.manifest.digest": "{digest}"',
    ):
        assert paths(client, f'{{{criterion}, "name": "manifest.json"}}') == ["docker-dev/payments/api/1.1"]


def test_folders_are_found_only_when_they_are_asked_for(client: httpx.Client, digests: dict[str, str]) -> None:
    assert find(client, '{"repo": "docker-qa", "path": "."}') == []
    [folder] = find(client, '{"repo": "docker-qa", "path": ".", "type": "folder"}')
    assert (folder["path"], folder["name"], folder["type"]) == (".", "payments", "folder")
    assert len(find(client, '{"repo": "docker-qa", "type": "any"}')) > len(find(client, '{"repo": "docker-qa"}'))


def test_an_item_shows_the_fields_of_artifactory_or_those_that_are_included(
    client: httpx.Client, digests: dict[str, str]
) -> None:
    criteria = '{"repo": "docker-qa", "name": "manifest.json"}'
    [shown] = find(client, criteria)
    times = ["created", "modified", "updated"]
    assert set(shown) == {"repo", "path", "name", "type", "size", "created_by", "modified_by", *times}
    [shown] = find(client, criteria, '.include("name", "size")')
    assert set(shown) == {"name", "size"}
    [shown] = find(client, criteria, '.include("name", "@docker.manifest")')
    assert shown == {"name": "manifest.json", "properties": [{"key": "docker.manifest", "value": "1.0"}]}
    [shown] = find(client, criteria, '.include("*", "property.*")')
    digest = digests["docker-qa/payments/api:1.0"]
    assert {"key": "docker.manifest.digest", "value": digest} in shown["properties"]
    assert (shown["sha256"], shown["depth"]) == (digest.removeprefix("sha256:"), 4)


def test_pages_follow_each_other_and_the_range_tells_where_one_is(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    for number in range(7):
        sandbox.push_image(f"docker-staging/app:{number}", content="same")
    query = 'items.find({"repo": "docker-staging", "name": "manifest.json"}).include("path").sort({"$desc": ["path"]})'
    seen, offset = [], 0
    while True:
        page = ask(client, f"{query}.offset({offset}).limit(3)").json()
        seen += [one["path"] for one in page["results"]]
        count = len(page["results"])
        assert page["range"] == {"start_pos": offset, "end_pos": offset + count, "total": count, "limit": 3}
        offset += 3
        if count < 3:
            break
    assert seen == [f"app/{number}" for number in reversed(range(7))]


def test_a_query_over_a_thousand_references_is_answered(client: httpx.Client, digests: dict[str, str]) -> None:
    wanted = ", ".join(f'{{"path": "payments/api/{number}.0"}}' for number in range(1500))
    found = paths(client, f'{{"repo": "docker-dev", "name": "manifest.json", "$or": [{wanted}]}}')
    assert found == ["docker-dev/payments/api/1.0"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "items",
        "items.find",
        "items.find(",
        "items.find({)",
        'items.find({"repo": "a"}',
        'items.find({"repo": "a"}))',
        'items.find({"repo": "a"} {"b": "c"})',
        'items.find({"repo": "a"}, {"name": "c"})',
        'items.find({"nothing": "a"})',
        'items.find({"repo": {"$like": "a"}})',
        'items.find({"repo": {}})',
        'items.find({"repo": null})',
        'items.find({"repo": ["a"]})',
        'items.find(["repo"])',
        'items.find({"$or": {}})',
        'items.find({"$or": []})',
        'items.find({"$msp": [{"repo": "a"}]})',
        'items.find({"size": {"$gt": "big"}})',
        'items.find({"created": {"$last": "soon"}})',
        'items.find({"created": {"$last": "999999y"}})',
        'items.find({"created": {"$gt": "yesterday"}})',
        'items.find({}).include("nothing")',
        'items.find({}).sort({"$asc": ["depth"]})',
        'items.find({}).sort({"$up": ["name"]})',
        'items.find({}).sort("name")',
        "items.find({}).limit(-1)",
        "items.find({}).limit(99999999999999999999)",
        'items.find({}).limit("many")',
        "items.find({}).limit()",
        'items.find({}).limit(1).include("name")',
        'items.find({}).offset(1).sort({"$asc": ["name"]})',
        "items.find({}).find({})",
        "items.find({}).delete()",
        'builds.find({"name": "a"})',
        'items.find({"$and": [' * 30 + "]})" * 30,
        'items.find({"a": ' + "[" * 100_000,
        'items.find({"$or": [' + '{"repo": "a"},' * 6000 + '{"repo": "b"}]})',
        'items.find({"name": {"$match": "' + "*a" * 30_000 + '"}})',
        'items.find({"@a": {"$ne": "b"' + ', "$eq": "c"' * 6000 + "}})",
        "\x00",
    ],
)
def test_a_query_that_is_none_is_400_in_artifactorys_words(client: httpx.Client, query: str) -> None:
    response = ask(client, query)
    assert response.status_code == 400
    assert response.headers["content-type"].startswith("text/plain")
    assert response.text.startswith("Failed to parse query: ")
    assert "it looks like there is syntax error near the following sub-query: " in response.text
    assert len(response.text) < 2000


def test_a_value_is_a_value_whatever_it_looks_like(client: httpx.Client, digests: dict[str, str]) -> None:
    for text in ("' OR 1=1 --", '\\") OR 1=1', "%", "payments/api/_.0"):
        assert find(client, f'{{"path": "{text}"}}' if "\\" in text else f'{{"path": {{"$match": "{text}"}}}}') == []


def test_half_a_character_is_400(client: httpx.Client) -> None:
    assert ask(client, 'items.find({"path": "\\ud800"})').status_code == 400


def test_a_query_of_megabytes_is_413(client: httpx.Client) -> None:
    assert ask(client, " " * 2_000_000).status_code == 413


def test_anonymous_users_cannot_search_and_others_see_what_they_may_read(
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
) -> None:
    users = {"admin": {"password": "password", "admin": True}, "ci": {"password": "secret"}}
    permissions = [
        {"repositories": ["docker-dev"], "include_patterns": ["payments/**"], "users": {"ci": ["read"]}},
        {"repositories": ["ANY"], "users": {"anonymous": ["read"]}},
    ]
    sandbox = artifactory_sandbox_factory({"users": users, "permissions": permissions, "anonymous": True})
    for image in ("payments/api", "secret", "zebra", "payments/web"):
        sandbox.push_image(f"docker-dev/{image}:1.0")
    with httpx.Client(base_url=sandbox.url) as anonymous:
        assert ask(anonymous, "items.find({})").status_code == 401
    with httpx.Client(base_url=sandbox.url, auth=("ci", "secret")) as client:
        assert paths(client, '{"name": "manifest.json"}') == [
            "docker-dev/payments/api/1.0",
            "docker-dev/payments/web/1.0",
        ]
        second = find(client, '{"name": "manifest.json"}', '.sort({"$asc": ["path"]}).offset(1).limit(1)')
        assert [one["path"] for one in second] == ["payments/web/1.0"]
        demanded = ask(client, 'items.find({}).include("name")')
        assert (demanded.status_code, "repo, path and name" in demanded.text) == (400, True)


def test_a_query_may_be_as_long_as_the_switch_says(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> None:
    sandbox = artifactory_sandbox_factory({"switches": {"longest_query": 100}})
    query = 'items.find({"repo": "docker-dev"})'
    with httpx.Client(base_url=sandbox.url, auth=("admin", "password")) as client:
        assert ask(client, query.ljust(100)).status_code == 200
        refused = ask(client, query.ljust(101))
    assert (refused.status_code, refused.text) == (400, "The query has 101 characters: 100 are allowed.")
