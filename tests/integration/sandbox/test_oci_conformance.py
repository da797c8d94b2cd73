"""The OCI distribution specification 1.1, workflow by workflow, as a client of any registry meets it.

Everything is done under `/v2/<repository key>/<image>`, once with a password and once anonymously.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from tests.integration.sandbox import oci
from tests.integration.sandbox.oci import INDEX, Contents, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from artifactory_sandbox.pytest_plugin import RunningSandbox

ANYONE = {"repositories": ["ANY"], "users": {"anonymous": ["read", "annotate", "deploy", "delete"]}}
ACCEPT = {"Accept": f"{oci.INDEX}, {oci.MANIFEST}"}
EITHER_ALGORITHM = pytest.mark.parametrize("algorithm", ["sha256", "sha512"])


@pytest.fixture(scope="session")
def open_sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    return artifactory_sandbox_factory({"anonymous": True, "permissions": [ANYONE]})


@pytest.fixture(params=["with a password", "anonymously"])
def registry(request: pytest.FixtureRequest, open_sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    credentials = ("admin", "password") if request.param == "with a password" else None
    with httpx.Client(base_url=f"http://{open_sandbox.registry}/v2/", auth=credentials) as client:
        yield client


@pytest.fixture
def image() -> str:
    return f"docker-dev/conformance/{secrets.token_hex(6)}"


def push_blob(registry: httpx.Client, image: str, content: bytes, digest: str) -> None:
    """Push by POST and PUT, and take the answer at its word."""
    location = registry.post(f"{image}/blobs/uploads/").headers["location"]
    headers = {"Content-Type": "application/octet-stream"}
    done = registry.put(location, params={"digest": digest}, content=content, headers=headers)
    assert (done.status_code, done.headers["docker-content-digest"]) == (201, digest)
    assert registry.get(done.headers["location"]).content == content


def push(registry: httpx.Client, image: str, contents: Contents) -> None:
    for digest, content in contents.blobs.items():
        push_blob(registry, image, content, digest)
    for reference, digest in [*((digest, digest) for digest in contents.manifests), *contents.tags.items()]:
        content = contents.manifests[digest]
        document = json.loads(content)
        headers = {"Content-Type": document["mediaType"]}
        done = registry.put(f"{image}/manifests/{reference}", content=content, headers=headers)
        assert (done.status_code, done.headers["docker-content-digest"]) == (201, digest)
        assert done.headers.get("oci-subject") == document.get("subject", {}).get("digest")
        assert "warning" not in done.headers
        assert registry.get(done.headers["location"], headers=ACCEPT).content == content


def is_served(registry: httpx.Client, url: str, content: bytes, digest: str, media_type: str) -> None:
    for method in ("HEAD", "GET"):
        found = registry.request(method, url, headers=ACCEPT)
        assert found.status_code == 200
        assert found.headers["docker-content-digest"] == digest
        assert found.headers["content-length"] == str(len(content))
        assert found.headers["content-type"] == media_type
        assert found.content == (content if method == "GET" else b"")


@pytest.mark.parametrize("make", oci.ALL, ids=lambda make: make.__name__)
def test_whatever_is_pushed_is_listed_pulled_referred_to_and_deleted(
    registry: httpx.Client, image: str, make: Callable[[], Contents]
) -> None:
    contents = make()
    push(registry, image, contents)
    listed = registry.get(f"{image}/tags/list")
    assert listed.json()["tags"] == sorted(contents.tags)
    for reference, digest in [*contents.tags.items(), *((digest, digest) for digest in contents.manifests)]:
        manifest = contents.manifests[digest]
        is_served(registry, f"{image}/manifests/{reference}", manifest, digest, json.loads(manifest)["mediaType"])
    for digest, content in contents.blobs.items():
        is_served(registry, f"{image}/blobs/{digest}", content, digest, "application/octet-stream")
    for subject, expected in contents.referrers.items():
        assert referrers(registry, image, subject) == sorted(expected, key=str)
    urls = [f"{image}/manifests/{reference}" for reference in (*contents.tags, *reversed(contents.manifests))]
    for url in [*urls, *(f"{image}/blobs/{digest}" for digest in contents.blobs)]:
        assert registry.delete(url).status_code in {202, 404}
        assert registry.head(url).status_code == 404
    for subject in contents.referrers:
        assert referrers(registry, image, subject) == []


def referrers(registry: httpx.Client, image: str, subject: str, **query: str) -> list[object]:
    found = registry.get(f"{image}/referrers/{subject}", params=query)
    assert (found.status_code, found.headers["content-type"]) == (200, INDEX)
    index = found.json()
    assert (index["schemaVersion"], index["mediaType"]) == (2, INDEX)
    assert found.headers.get("oci-filters-applied") == ("artifactType" if query else None)
    return sorted(index["manifests"], key=str)


def test_referrers_are_filtered_by_their_artifact_type(registry: httpx.Client, image: str) -> None:
    contents = oci.artifacts_with_subject()
    push(registry, image, contents)
    [(subject, expected)] = contents.referrers.items()
    for kind in {entry["artifactType"] for entry in expected if "artifactType" in entry}:
        wanted = [entry for entry in expected if entry.get("artifactType") == kind]
        assert referrers(registry, image, subject, artifactType=kind) == sorted(wanted, key=str)
    assert referrers(registry, image, subject, artifactType="application/vnd.nothing") == []


def test_a_digest_that_nothing_refers_to_has_an_empty_list_of_referrers(registry: httpx.Client, image: str) -> None:
    assert referrers(registry, image, digest_of(b"nothing")) == []


def test_a_referrer_that_comes_before_its_subject_is_listed_before_and_after(
    registry: httpx.Client, image: str
) -> None:
    contents, late = Contents(), Contents()
    subject = late.manifest(tag="late")
    contents.artifact(subject=subject)
    push(registry, image, contents)
    [before] = referrers(registry, image, subject["digest"])
    push(registry, image, late)
    assert referrers(registry, image, subject["digest"]) == [before]


def test_an_image_that_is_not_there_has_no_tags(registry: httpx.Client, image: str) -> None:
    found = registry.get(f"{image}/tags/list")
    assert (found.status_code, found.json()["errors"][0]["code"]) == (404, "NAME_UNKNOWN")


def test_tags_come_in_lexical_order_and_after_the_last_that_is_named(registry: httpx.Client, image: str) -> None:
    contents = oci.image()
    [digest] = contents.manifests
    contents.tags = dict.fromkeys(["b", "B", "a", "1", "10", "2", "_x", "latest"], digest)
    push(registry, image, contents)
    expected = sorted(contents.tags)
    assert registry.get(f"{image}/tags/list").json() == {"name": image.partition("/")[2], "tags": expected}
    for position, last in enumerate(expected):
        page = registry.get(f"{image}/tags/list", params={"last": last, "n": "3"}).json()["tags"]
        assert page == expected[position + 1 : position + 4]


@EITHER_ALGORITHM
def test_a_blob_is_pushed_in_one_post(registry: httpx.Client, image: str, algorithm: str) -> None:
    content = secrets.token_bytes(512)
    digest = digest_of(content, algorithm)
    done = registry.post(f"{image}/blobs/uploads/", params={"digest": digest}, content=content)
    assert (done.status_code, done.headers["docker-content-digest"]) == (201, digest)
    assert registry.get(done.headers["location"]).content == content


@EITHER_ALGORITHM
@pytest.mark.parametrize("last", ["PATCH", "PUT"])
def test_a_blob_is_pushed_in_chunks_and_the_location_leads_on_after_one_out_of_order(
    registry: httpx.Client, image: str, algorithm: str, last: str
) -> None:
    content, size = secrets.token_bytes(3067), 1024
    digest = digest_of(content, algorithm)
    location = registry.post(f"{image}/blobs/uploads/", headers={"Content-Length": "0"}).headers["location"]
    for start in range(0, len(content), size):
        wrong = start + size if start + size < len(content) else 0
        assert send(registry, "PATCH", location, content[wrong : wrong + size], wrong).status_code == 416
        status = registry.get(location)
        assert status.status_code == 204
        assert not start or status.headers["range"] == f"0-{start - 1}"
        location = status.headers["location"]
        chunk, ends = content[start : start + size], start + size >= len(content)
        if ends and last == "PUT":
            sent = send(registry, "PUT", with_digest(location, digest), chunk, start)
            assert sent.status_code == 201
        else:
            sent = send(registry, "PATCH", location, chunk, start)
            assert (sent.status_code, sent.headers["range"]) == (202, f"0-{start + len(chunk) - 1}")
            location = sent.headers["location"]
    if last == "PATCH":
        assert registry.put(with_digest(location, digest)).status_code == 201
    assert registry.get(f"{image}/blobs/{digest}").content == content


def send(registry: httpx.Client, method: str, url: str, chunk: bytes, start: int) -> httpx.Response:
    headers = {"Content-Range": f"{start}-{start + len(chunk) - 1}", "Content-Type": "application/octet-stream"}
    return registry.request(method, url, content=chunk, headers=headers)


def with_digest(location: str, digest: str) -> str:
    return f"{location}{'&' if urlsplit(location).query else '?'}digest={digest}"


@pytest.mark.parametrize("content", [b"", b"{}"], ids=["empty", "empty JSON"])
@EITHER_ALGORITHM
def test_the_smallest_blobs_are_blobs(registry: httpx.Client, image: str, content: bytes, algorithm: str) -> None:
    digest = digest_of(content, algorithm)
    push_blob(registry, image, content, digest)
    is_served(registry, f"{image}/blobs/{digest}", content, digest, "application/octet-stream")
    assert registry.delete(f"{image}/blobs/{digest}").status_code == 202
    assert registry.head(f"{image}/blobs/{digest}").status_code == 404


@EITHER_ALGORITHM
def test_no_way_to_push_takes_a_digest_that_lies(registry: httpx.Client, image: str, algorithm: str) -> None:
    content, lie = b"content", digest_of(b"something else", algorithm)
    uploads = f"{image}/blobs/uploads/"
    assert registry.post(uploads, params={"digest": lie}, content=content).status_code == 400
    location = registry.post(uploads).headers["location"]
    assert registry.put(location, params={"digest": lie}, content=content).status_code == 400
    location = registry.post(uploads).headers["location"]
    location = registry.patch(location, content=content).headers["location"]
    refused = registry.put(location, params={"digest": lie})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")
    assert registry.head(f"{image}/blobs/{lie}").status_code == 404


@EITHER_ALGORITHM
@pytest.mark.parametrize("is_named", [True, False], ids=["from an image", "from anywhere"])
@pytest.mark.parametrize("repository", ["docker-dev", "docker-qa"])
def test_a_blob_that_is_here_already_is_mounted(
    registry: httpx.Client, image: str, algorithm: str, is_named: bool, repository: str
) -> None:
    content = secrets.token_bytes(64)
    digest, other = digest_of(content, algorithm), f"{repository}/conformance/other"
    push_blob(registry, other, content, digest)
    source = {"from": other} if is_named else {}
    done = registry.post(f"{image}/blobs/uploads/", params={"mount": digest, **source})
    assert (done.status_code, done.headers["docker-content-digest"]) == (201, digest)
    assert registry.get(done.headers["location"]).content == content


@pytest.mark.parametrize("source", [{}, {"from": "docker-qa/nothing"}, {"from": "unknown/nothing"}, {"from": "-"}])
def test_a_mount_of_what_is_not_there_becomes_an_upload(
    registry: httpx.Client, image: str, source: dict[str, str]
) -> None:
    content = secrets.token_bytes(64)
    started = registry.post(f"{image}/blobs/uploads/", params={"mount": digest_of(content), **source})
    assert started.status_code == 202
    done = registry.put(started.headers["location"], params={"digest": digest_of(content)}, content=content)
    assert done.status_code == 201


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("500-1499", (500, 1499)), ("500-", (500, 2047)), ("-500", (1548, 2047)), ("2000-5000", (2000, 2047))],
)
def test_a_part_of_a_blob_is_pulled(registry: httpx.Client, image: str, asked: str, expected: tuple[int, int]) -> None:
    content = secrets.token_bytes(2048)
    push_blob(registry, image, content, digest_of(content))
    found = registry.get(f"{image}/blobs/{digest_of(content)}", headers={"Range": f"bytes={asked}"})
    start, end = expected
    assert (found.status_code, found.content) == (206, content[start : end + 1])
    assert found.headers["content-range"] == f"bytes {start}-{end}/2048"
    assert found.headers["content-length"] == str(end + 1 - start)


@pytest.mark.parametrize("asked", ["500-0", "5000-10000"])
def test_a_part_that_a_blob_does_not_have_is_416(registry: httpx.Client, image: str, asked: str) -> None:
    content = secrets.token_bytes(2048)
    push_blob(registry, image, content, digest_of(content))
    found = registry.get(f"{image}/blobs/{digest_of(content)}", headers={"Range": f"bytes={asked}"})
    assert (found.status_code, found.headers["content-range"]) == (416, "bytes */2048")


@EITHER_ALGORITHM
def test_a_manifest_pushed_by_digest_is_put_under_the_tags_that_are_given(
    registry: httpx.Client, image: str, algorithm: str
) -> None:
    contents = Contents(algorithm)
    digest = contents.manifest()["digest"]
    push(registry, image, contents)
    tags = {"tag": ["one", "two"]}
    headers = {"Content-Type": oci.MANIFEST}
    url = f"{image}/manifests/{digest}"
    done = registry.put(url, params=tags, content=contents.manifests[digest], headers=headers)
    assert (done.status_code, done.headers["oci-tag"]) == (201, "one, two")
    for tag in tags["tag"]:
        is_served(registry, f"{image}/manifests/{tag}", contents.manifests[digest], digest, oci.MANIFEST)
    wrong = registry.put(url, params={"tag": "-"}, content=contents.manifests[digest], headers=headers)
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (400, "TAG_INVALID")


def test_a_digest_that_is_none_or_that_nothing_has_is_400_or_404(registry: httpx.Client, image: str) -> None:
    contents = oci.image()
    push(registry, image, contents)
    [content] = contents.manifests.values()
    headers = {"Content-Type": oci.MANIFEST}
    for wrong in ("sha256:baddigeststring", digest_of(b"other")):
        refused = registry.put(f"{image}/manifests/{wrong}", content=content, headers=headers)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")
        assert registry.get(f"{image}/manifests/{wrong}").status_code in {400, 404}
    assert registry.get(f"{image}/manifests/no-such-tag").status_code == 404
    assert registry.get(f"{image}/blobs/{digest_of(b'other')}").status_code == 404


def test_a_manifest_of_a_media_type_of_ones_own_is_kept_as_it_is(registry: httpx.Client, image: str) -> None:
    kind = "application/vnd.example.thing.v3+json"
    content = json.dumps({"mediaType": kind, "whatever": [1, {"layers": "no"}]}).encode()
    done = registry.put(f"{image}/manifests/thing", content=content, headers={"Content-Type": kind})
    assert done.status_code == 201
    is_served(registry, f"{image}/manifests/thing", content, digest_of(content), kind)


def test_an_upload_that_is_cancelled_is_gone(registry: httpx.Client, image: str) -> None:
    location = registry.post(f"{image}/blobs/uploads/").headers["location"]
    assert registry.delete(location, headers={"Content-Length": "0"}).status_code == 204
    assert registry.get(location).status_code == 404


def test_the_registry_says_that_it_is_one(registry: httpx.Client) -> None:
    found = registry.get("")
    assert (found.status_code, found.headers["docker-distribution-api-version"]) == (200, "registry/2.0")


@EITHER_ALGORITHM
def test_a_tag_pushed_with_a_digest_stands_for_that_digest_or_is_refused(
    registry: httpx.Client, image: str, algorithm: str
) -> None:
    contents = Contents(algorithm)
    digest = contents.manifest()["digest"]
    push(registry, image, contents)
    content, headers, url = contents.manifests[digest], {"Content-Type": oci.MANIFEST}, f"{image}/manifests/tagged"
    for lie in (digest_of(b"other", algorithm), "sha256:bad"):
        refused = registry.put(url, params={"digest": lie}, content=content, headers=headers)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")
    assert registry.put(url, params={"digest": digest}, content=content, headers=headers).status_code == 201
    is_served(registry, url, content, digest, oci.MANIFEST)


@pytest.mark.parametrize("annotations", [[1], {"a": 1}, {"a": None, "b": "c"}, {"a": 9.9e99}])
def test_what_is_odd_in_a_referrer_does_not_make_the_list_of_referrers_odd(
    registry: httpx.Client, image: str, annotations: object
) -> None:
    contents = Contents()
    subject = contents.manifest(tag="image")
    contents.manifest(subject=subject, artifactType=5, annotations=annotations)
    for digest, content in contents.blobs.items():
        push_blob(registry, image, content, digest)
    for digest, content in contents.manifests.items():
        done = registry.put(f"{image}/manifests/{digest}", content=content, headers={"Content-Type": oci.MANIFEST})
        assert done.status_code == 201
    odd = contents.manifests.popitem()
    described = {"mediaType": oci.MANIFEST, "digest": odd[0], "size": len(odd[1])}
    assert referrers(registry, image, subject["digest"]) == [described]


@pytest.mark.parametrize("form", ["{}", "bytes {}", "bytes {}/5", "bytes {}/*"])
def test_a_chunks_range_is_understood_as_clients_write_it(registry: httpx.Client, image: str, form: str) -> None:
    location = registry.post(f"{image}/blobs/uploads/").headers["location"]
    sent = registry.patch(location, content=b"chunk", headers={"Content-Range": form.format("0-4")})
    assert (sent.status_code, sent.headers["range"]) == (202, "0-4")


@pytest.mark.parametrize("wrong", ["bytes=0-4", "bytes */5", "0-", "4-0", "-0-4", "0-99999999999999999999", "0-3"])
def test_a_chunks_range_that_makes_no_sense_is_400_and_changes_nothing(
    registry: httpx.Client, image: str, wrong: str
) -> None:
    location = registry.post(f"{image}/blobs/uploads/").headers["location"]
    assert registry.patch(location, content=b"chunk", headers={"Content-Range": wrong}).status_code == 400
    assert registry.patch(location, content=b"chunk", headers={"Content-Range": "0-4"}).status_code == 202


def test_referrers_outlast_their_subject_and_what_was_deleted_is_gone(registry: httpx.Client, image: str) -> None:
    contents = Contents()
    subject = contents.manifest(tag="image")
    contents.artifact(subject=subject)
    push(registry, image, contents)
    [before] = referrers(registry, image, subject["digest"])
    assert registry.delete(f"{image}/manifests/{subject['digest']}").status_code == 202
    for reference in (subject["digest"], "image"):
        gone = registry.get(f"{image}/manifests/{reference}")
        assert (gone.status_code, gone.json()["errors"][0]["code"]) == (404, "MANIFEST_UNKNOWN")
    assert registry.delete(f"{image}/manifests/{subject['digest']}").status_code == 404
    assert referrers(registry, image, subject["digest"]) == [before]
