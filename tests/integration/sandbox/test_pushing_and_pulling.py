"""The OCI distribution API: every way to push a blob, what a manifest needs, and what comes back."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.integration.sandbox.pushing import (
    CONTENT,
    IMAGE,
    OCI_INDEX,
    OCI_MANIFEST,
    UPLOADS,
    code,
    descriptor,
    digest_of,
    manifest_of,
    push_blob,
    push_manifest,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from artifactory_sandbox.pytest_plugin import RunningSandbox


def test_a_blob_pushed_by_post_and_put_comes_back_byte_for_byte(client: httpx.Client) -> None:
    started = client.post(UPLOADS)
    assert started.status_code == 202
    assert started.headers["docker-upload-uuid"]
    finished = client.put(started.headers["location"], params={"digest": digest_of(CONTENT)}, content=CONTENT)
    assert finished.status_code == 201
    assert finished.headers["docker-content-digest"] == digest_of(CONTENT)
    pulled = client.get(finished.headers["location"])
    assert pulled.content == CONTENT
    assert pulled.headers["docker-content-digest"] == digest_of(CONTENT)


def test_a_blob_pushed_in_one_post_comes_back(client: httpx.Client) -> None:
    digest = push_blob(client, CONTENT)
    head = client.head(f"{IMAGE}/blobs/{digest}")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(CONTENT)))


def test_a_blob_pushed_in_chunks_comes_back_and_the_status_tells_how_far_it_is(client: httpx.Client) -> None:
    location = client.post(UPLOADS).headers["location"]
    half = len(CONTENT) // 2
    first = client.patch(location, content=CONTENT[:half], headers={"Content-Range": f"0-{half - 1}"})
    assert (first.status_code, first.headers["range"]) == (202, f"0-{half - 1}")
    status = client.get(first.headers["location"])
    assert (status.status_code, status.headers["range"]) == (204, f"0-{half - 1}")
    end = {"Content-Range": f"{half}-{len(CONTENT) - 1}"}
    assert client.patch(location, content=CONTENT[half:], headers=end).status_code == 202
    assert client.put(location, params={"digest": digest_of(CONTENT)}).status_code == 201
    assert client.get(f"{IMAGE}/blobs/{digest_of(CONTENT)}").content == CONTENT


def test_a_stream_without_a_length_is_taken(client: httpx.Client) -> None:
    def stream() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 100_000

    location = client.post(UPLOADS).headers["location"]
    assert client.patch(location, content=stream()).headers["range"] == "0-3999999"
    assert client.put(location, params={"digest": digest_of(b"x" * 4_000_000)}).status_code == 201


def test_a_chunk_out_of_order_is_416_and_does_not_count(client: httpx.Client) -> None:
    location = client.post(UPLOADS).headers["location"]
    client.patch(location, content=b"0123456789", headers={"Content-Range": "0-9"})
    for wrong in ("5-9", "20-24", "0-4"):
        response = client.patch(location, content=b"abcde", headers={"Content-Range": wrong})
        assert code(response) == (416, "BLOB_UPLOAD_INVALID")
        assert response.headers["range"] == "0-9"
    assert client.put(location, params={"digest": digest_of(b"0123456789")}).status_code == 201


def test_a_digest_that_lies_is_refused_and_leaves_nothing(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    location = client.post(UPLOADS).headers["location"]
    lie = digest_of(b"something else")
    assert code(client.put(location, params={"digest": lie}, content=CONTENT)) == (400, "DIGEST_INVALID")
    assert code(client.get(f"{IMAGE}/blobs/{lie}")) == (404, "BLOB_UNKNOWN")
    assert code(client.get(location)) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert list((artifactory_sandbox.data / "uploads").iterdir()) == []


def test_nothing_is_added_to_an_upload_while_its_digest_is_checked(client: httpx.Client) -> None:
    content = b"x" * 64_000_000
    location = client.post(UPLOADS).headers["location"]
    assert client.patch(location, content=content).status_code == 202
    wanted, statuses = {"digest": digest_of(content, "sha512")}, set()
    with ThreadPoolExecutor(3) as pool:
        finishing = [pool.submit(client.put, location, params=wanted) for _ in range(3)]
        while not all(one.done() for one in finishing):
            more = client.patch(location, content=b"y", headers={"Content-Range": "0-0"})
            statuses.add(more.status_code)
    assert 409 in statuses
    first, *others = sorted(one.result().status_code for one in finishing)
    assert first == 201
    assert {*statuses, *others} <= {404, 409, 416}


def test_sha512_digests_are_checked_and_served(client: httpx.Client) -> None:
    digest = digest_of(CONTENT, "sha512")
    location = client.post(UPLOADS).headers["location"]
    assert client.put(location, params={"digest": digest}, content=CONTENT).status_code == 201
    assert client.get(f"{IMAGE}/blobs/{digest}").content == CONTENT


def test_an_upload_that_is_cancelled_is_gone(client: httpx.Client) -> None:
    location = client.post(UPLOADS).headers["location"]
    assert client.delete(location).status_code == 204
    assert code(client.patch(location, content=b"x")) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_an_upload_belongs_to_its_image(client: httpx.Client) -> None:
    location = client.post(UPLOADS).headers["location"]
    elsewhere = location.replace("/payments/api/", "/payments/other/")
    assert code(client.put(elsewhere, params={"digest": digest_of(b"")})) == (404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize(
    ("header", "expected"),
    [("bytes=0-9", CONTENT[:10]), ("bytes=100-", CONTENT[100:]), ("bytes=-7", CONTENT[-7:])],
)
def test_a_range_of_a_blob_is_206(client: httpx.Client, header: str, expected: bytes) -> None:
    digest = push_blob(client, CONTENT)
    response = client.get(f"{IMAGE}/blobs/{digest}", headers={"Range": header})
    assert (response.status_code, response.content) == (206, expected)


def test_a_range_past_the_end_is_416(client: httpx.Client) -> None:
    digest = push_blob(client, CONTENT)
    assert client.get(f"{IMAGE}/blobs/{digest}", headers={"Range": "bytes=999999-"}).status_code == 416


@pytest.mark.parametrize(
    "header", ["bytes", "bytes=", "bytes=-", "bytes=a-b", "items=0-5", "bytes=0-0,5-6", "bytes=²-³"]
)
def test_a_range_that_is_none_or_more_than_one_is_passed_over(client: httpx.Client, header: str) -> None:
    digest = push_blob(client, CONTENT)
    response = client.get(f"{IMAGE}/blobs/{digest}", headers={b"Range": header.encode("latin-1")})
    assert (response.status_code, response.content) == (200, CONTENT)


@pytest.mark.parametrize("source", ["payments/api", "docker-dev/payments/api"])
def test_a_blob_is_mounted_from_another_image(client: httpx.Client, source: str) -> None:
    digest = push_blob(client, CONTENT)
    other = "/api/docker/docker-dev/v2/payments/other"
    response = client.post(f"{other}/blobs/uploads/", params={"mount": digest, "from": source})
    assert response.status_code == 201
    assert client.get(f"{other}/blobs/{digest}").content == CONTENT


def test_a_mount_that_cannot_be_done_becomes_an_upload(client: httpx.Client) -> None:
    response = client.post(UPLOADS, params={"mount": digest_of(b"nowhere"), "from": "payments/other"})
    assert response.status_code == 202
    assert client.put(response.headers["location"], params={"digest": digest_of(b"a")}, content=b"a").status_code == 201


def test_a_blob_of_another_image_is_not_here(client: httpx.Client) -> None:
    digest = push_blob(client, CONTENT)
    response = client.get(f"/api/docker/docker-dev/v2/payments/other/blobs/{digest}")
    assert code(response) == (404, "BLOB_UNKNOWN")


def test_a_manifest_comes_back_by_tag_and_digest_as_it_was_pushed(client: httpx.Client) -> None:
    push_blob(client, b"config")
    push_blob(client, b"layer")
    content = manifest_of(b"config", b"layer")
    pushed = push_manifest(client, content, "1.0")
    assert pushed.status_code == 201
    assert pushed.headers["docker-content-digest"] == digest_of(content)
    for reference in ("1.0", digest_of(content)):
        pulled = client.get(f"{IMAGE}/manifests/{reference}")
        assert pulled.content == content
        assert pulled.headers["content-type"] == OCI_MANIFEST
        assert pulled.headers["docker-content-digest"] == digest_of(content)
        head = client.head(f"{IMAGE}/manifests/{reference}")
        assert head.headers["content-length"] == str(len(content))


def test_a_manifest_whose_blobs_are_missing_is_refused(client: httpx.Client) -> None:
    push_blob(client, b"config")
    response = push_manifest(client, manifest_of(b"config", b"never pushed"), "1.0")
    assert code(response) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert response.json()["errors"][0]["detail"] == {"digest": digest_of(b"never pushed")}
    assert code(client.get(f"{IMAGE}/manifests/1.0")) == (404, "MANIFEST_UNKNOWN")


def test_an_index_whose_children_are_missing_is_refused(client: httpx.Client) -> None:
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(b"{}", OCI_MANIFEST)]}
    response = push_manifest(client, json.dumps(index).encode(), "1.0", OCI_INDEX)
    assert code(response) == (400, "MANIFEST_BLOB_UNKNOWN")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b"[" * 100_000,
        b"{}",
        b'{"schemaVersion": 1}',
        b'{"schemaVersion": 2, "config": 5, "layers": []}',
        b'{"schemaVersion": 2, "config": {"digest": "sha256:short", "size": 1}, "layers": []}',
        json.dumps({"schemaVersion": 2, "config": descriptor(b"c"), "layers": "none"}).encode(),
        json.dumps({"schemaVersion": 2, "config": {**descriptor(b"c"), "size": -1}, "layers": []}).encode(),
        json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode(),
        json.dumps({"schemaVersion": 2, "mediaType": ["x" * 100_000]}).encode(),
        json.dumps({"schemaVersion": 2, "mediaType": "x" * 100_000}).encode(),
        json.dumps({**json.loads(manifest_of(b"c")), "mediaType": {}}).encode(),
        json.dumps({**json.loads(manifest_of(b"c")), "manifests": [descriptor(b"c")]}).encode(),
        json.dumps(
            {**json.loads(manifest_of(b"c")), "layers": [{**descriptor(b"c"), "mediaType": "a\r\nb: c"}]}
        ).encode(),
        manifest_of(b"c").replace(b"2", b"NaN", 1),
        manifest_of(b"c").replace(b'{"schema', b'{"annotations": {"a": Infinity}, "schema', 1),
        manifest_of(b"c").decode().encode("utf-16"),
        b"\xef\xbb\xbf" + manifest_of(b"c"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(client: httpx.Client, content: bytes) -> None:
    push_blob(client, b"c")
    response = push_manifest(client, content, "1.0")
    assert code(response) == (400, "MANIFEST_INVALID")
    assert len(response.content) < 1000


def test_an_index_is_not_an_image_as_well(client: httpx.Client) -> None:
    content = json.dumps({**json.loads(manifest_of(b"c")), "mediaType": OCI_INDEX, "manifests": []}).encode()
    assert code(push_manifest(client, content, "1.0", OCI_INDEX)) == (400, "MANIFEST_INVALID")


def test_only_a_layer_may_be_elsewhere_and_one_that_was_pushed_stays_with_its_image(client: httpx.Client) -> None:
    for content in (b"config", b"layer"):
        push_blob(client, content)
    manifest = json.loads(manifest_of(b"config", b"layer", b"elsewhere"))
    for part in (manifest["config"], *manifest["layers"]):
        part["urls"] = ["https://store.example.com/layer"]
    assert push_manifest(client, json.dumps(manifest).encode(), "1.0").status_code == 201
    body = {"targetRepo": "docker-prod", "dockerRepository": "payments/api", "tag": "1.0", "copy": True}
    assert client.post("/api/docker/docker-dev/v2/promote", json=body).status_code == 200
    for repository in ("docker-dev", "docker-prod"):
        layer = f"/api/docker/{repository}/v2/payments/api/blobs/{digest_of(b'layer')}"
        assert code(client.delete(layer)) == (405, "UNSUPPORTED")
        assert client.get(layer).content == b"layer"
    manifest["config"]["digest"] = digest_of(b"elsewhere")
    assert code(push_manifest(client, json.dumps(manifest).encode(), "2.0")) == (400, "MANIFEST_BLOB_UNKNOWN")


def test_the_labels_of_a_config_that_is_far_larger_than_it_says_are_not_read(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    for padding in ("", " " * 5_000_000):
        config = json.dumps({"config": {"Labels": {"a": "b", "padding": padding}}}).encode()
        push_blob(client, config)
        manifest = json.loads(manifest_of(config))
        manifest["config"]["size"] = 1
        assert push_manifest(client, json.dumps(manifest).encode(), "1.0").status_code == 201
        labels = artifactory_sandbox.properties("docker-dev/payments/api:1.0").get("docker.label.a")
        assert labels == (None if padding else ["b"])


def test_a_manifest_of_more_than_four_mebibytes_is_413(client: httpx.Client) -> None:
    assert code(push_manifest(client, b" " * (4 * 1024 * 1024 + 1), "1.0"))[0] == 413


def test_a_manifest_pushed_under_another_digest_is_refused(client: httpx.Client) -> None:
    push_blob(client, b"config")
    response = push_manifest(client, manifest_of(b"config"), digest_of(b"other"))
    assert code(response) == (400, "DIGEST_INVALID")


def test_a_tag_that_is_pushed_again_with_other_content_is_a_new_artifact(
    artifactory_sandbox: RunningSandbox, client: httpx.Client
) -> None:
    push_blob(client, b"config")
    push_blob(client, b"layer")
    push_manifest(client, manifest_of(b"config"), "1.0")
    artifactory_sandbox.set_properties("docker-dev/payments/api:1.0", {"test.status": "passed"})
    push_manifest(client, manifest_of(b"config"), "1.0")
    assert artifactory_sandbox.properties("docker-dev/payments/api:1.0")["test.status"] == ["passed"]
    assert push_manifest(client, manifest_of(b"config", b"layer"), "1.0").status_code == 201
    assert "test.status" not in artifactory_sandbox.properties("docker-dev/payments/api:1.0")
    assert code(client.get(f"{IMAGE}/manifests/{digest_of(manifest_of(b'config'))}")) == (404, "MANIFEST_UNKNOWN")
