"""The OCI distribution API: lists of tags and images, and what goes when something is deleted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from tests.integration.sandbox.pushing import (
    CONTENT,
    IMAGE,
    OCI_INDEX,
    OCI_MANIFEST,
    code,
    descriptor,
    manifest_of,
    push_blob,
    push_manifest,
)

if TYPE_CHECKING:
    import httpx

    from artifactory_sandbox.pytest_plugin import RunningSandbox


def test_tags_are_listed_in_order_and_in_pages(artifactory_sandbox: RunningSandbox, client: httpx.Client) -> None:
    for tag in ("b", "a", "C", "1.10", "1.9"):
        artifactory_sandbox.push_image(f"docker-dev/payments/api:{tag}", content="same", platforms=("linux/amd64",))
    everything = ["1.10", "1.9", "C", "a", "b"]
    assert client.get(f"{IMAGE}/tags/list").json() == {"name": "payments/api", "tags": everything}
    assert client.get(f"{IMAGE}/tags/list?n=0").json()["tags"] == everything
    first = client.get(f"{IMAGE}/tags/list?n=2")
    assert first.json()["tags"] == everything[:2]
    assert first.headers["link"] == '</v2/payments/api/tags/list?last=2&n=2>; rel="next"'
    assert client.get(f"{IMAGE}/tags/list?n=2&last=2").json()["tags"] == everything[2:4]
    by_name = client.get(f"{IMAGE}/tags/list?n=2&last=1.9")
    assert by_name.json()["tags"] == everything[2:4]
    assert "last=a&" in by_name.headers["link"]
    last = client.get(f"{IMAGE}/tags/list?n=2&last=a")
    assert (last.json()["tags"], last.headers.get("link")) == (["b"], None)


def test_the_links_from_page_to_page_lead_to_every_tag_even_where_tags_are_numbers(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    tags = sorted(str(number) for number in range(1, 13))
    for tag in tags:
        artifactory_sandbox.push_image(f"docker-dev/payments/api:{tag}", content="same", platforms=("linux/amd64",))
    for size in range(1, 7):
        found, query = [], {"n": str(size)}
        while query:
            page = client.get(f"{IMAGE}/tags/list", params=query)
            found += page.json()["tags"]
            query = dict(parse_qsl(urlsplit(page.links["next"]["url"]).query)) if page.links else {}
        assert found == tags


def test_tags_of_an_image_that_is_not_there_are_404(client: httpx.Client) -> None:
    assert code(client.get(f"{IMAGE}/tags/list")) == (404, "NAME_UNKNOWN")


def test_the_catalogue_lists_images(artifactory_sandbox: RunningSandbox, client: httpx.Client) -> None:
    for image in ("b", "a/c", "a"):
        artifactory_sandbox.push_image(f"docker-dev/{image}:1.0")
    catalogue = client.get("/api/docker/docker-dev/v2/_catalog")
    assert catalogue.json() == {"repositories": ["a", "a/c", "b"]}
    assert client.get("/api/docker/docker-qa/v2/_catalog").json() == {"repositories": []}


def test_deleting_a_digest_deletes_its_tags_and_deleting_a_tag_only_itself(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    for tag in ("1.1", "1.2"):
        artifactory_sandbox.tag("docker-dev/payments/api:1.0", f"docker-dev/payments/api:{tag}")
    assert client.delete(f"{IMAGE}/manifests/1.0").status_code == 202
    assert artifactory_sandbox.tags("docker-dev", "payments/api") == ["1.1", "1.2"]
    assert client.delete(f"{IMAGE}/manifests/{digest}").status_code == 202
    assert artifactory_sandbox.tags("docker-dev", "payments/api") == []
    assert code(client.delete(f"{IMAGE}/manifests/{digest}")) == (404, "MANIFEST_UNKNOWN")


def test_what_an_index_needs_is_not_deleted_under_it(artifactory_sandbox: RunningSandbox, client: httpx.Client) -> None:
    digest = artifactory_sandbox.push_image("docker-dev/payments/api:1.0", platforms=("linux/amd64", "linux/arm64"))
    child = client.get(f"{IMAGE}/manifests/{digest}").json()["manifests"][0]["digest"]
    config = client.get(f"{IMAGE}/manifests/{child}").json()["config"]["digest"]
    assert code(client.delete(f"{IMAGE}/manifests/{child}")) == (405, "UNSUPPORTED")
    assert code(client.delete(f"{IMAGE}/blobs/{config}")) == (405, "UNSUPPORTED")
    assert client.delete(f"{IMAGE}/manifests/{digest}").status_code == 202
    assert client.get("/api/storage/docker-dev/payments").status_code == 404


def test_a_child_with_a_tag_of_its_own_outlives_that_tag(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    child = artifactory_sandbox.push_image("docker-dev/payments/api:1.0-linux-amd64")
    content = client.get(f"{IMAGE}/manifests/{child}").content
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(content, OCI_MANIFEST)]}
    assert push_manifest(client, json.dumps(index).encode(), "1.0", OCI_INDEX).status_code == 201
    assert client.delete(f"{IMAGE}/manifests/1.0-linux-amd64").status_code == 202
    assert client.get(f"{IMAGE}/manifests/{child}").content == content


def test_a_blob_that_no_manifest_needs_can_be_deleted(client: httpx.Client) -> None:
    digest = push_blob(client, CONTENT)
    assert client.delete(f"{IMAGE}/blobs/{digest}").status_code == 202
    assert code(client.get(f"{IMAGE}/blobs/{digest}")) == (404, "BLOB_UNKNOWN")


def test_layers_in_flight_outlive_the_tag_that_held_them(client: httpx.Client) -> None:
    """Another push may have seen a layer and skipped it: overwriting a tag in between must not break that push."""
    for content in (b"config", b"layer"):
        push_blob(client, content)
    push_manifest(client, manifest_of(b"config", b"layer"), "1.0")
    push_manifest(client, manifest_of(b"config"), "1.0")
    assert push_manifest(client, manifest_of(b"config", b"layer"), "2.0").status_code == 201


def test_an_index_pushed_over_the_tag_of_its_own_child_keeps_the_child(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    child = artifactory_sandbox.push_image("docker-dev/payments/api:1.0")
    content = client.get(f"{IMAGE}/manifests/{child}").content
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(content, OCI_MANIFEST)]}
    assert push_manifest(client, json.dumps(index).encode(), "1.0", OCI_INDEX).status_code == 201
    assert client.get(f"{IMAGE}/manifests/{child}").content == content
