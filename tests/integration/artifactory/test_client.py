from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.gateway import Reply, html, with_header, without
from tests.integration.raw_server import raw_server

from artifactory_provider.artifactory.authentication import Basic, Bearer
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    AuthenticationFailed,
    ImageNotFound,
    NotFound,
    PermissionDenied,
    RepositoryNotFound,
    RequestRefused,
    ServerFailed,
    TagNotFound,
    UnexpectedAnswer,
    UnsupportedManifest,
    UnsupportedRepository,
)
from artifactory_provider.artifactory.manifests import Descriptor, manifest_path
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.artifactory.rest_api import Repository

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_sandbox.pytest_plugin import RunningSandbox

    MakeSettings = Callable[..., ServerSettings]

PLATFORMS = ("linux/amd64", "linux/arm64")
ABSENT = "sha256:" + "0" * 64


async def test_a_single_manifest_and_an_index_are_described_by_head_alone(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    for tag, platforms, oci in (("single", PLATFORMS[:1], True), ("index", PLATFORMS, False)):
        digest = sandbox.push_image(f"docker-dev/{image}:{tag}", platforms=platforms, oci=oci)
        found = await client.descriptor(ImageReference("docker-dev", image, tag))
        assert found is not None
        assert (found.digest, found.is_index) == (digest, len(platforms) > 1)
    assert gateway.count("GET", "/manifests/") == 0


async def test_there_is_no_descriptor_of_what_is_not_there(client: ArtifactoryClient, image: str) -> None:
    assert await client.descriptor(ImageReference("docker-dev", image, "1")) is None
    assert await client.descriptor(ImageReference("docker-dev", image, digest=ABSENT)) is None


@pytest.mark.parametrize(
    "change",
    [
        without("Docker-Content-Digest"),
        with_header("Docker-Content-Digest", "sha256:nonsense"),
        with_header("Docker-Content-Digest", "sha512:" + "a" * 128),
        without("Content-Type"),
        with_header("Content-Type", "application/octet-stream"),
        with_header("Content-Type", "text/html"),
        lambda reply: replace(reply, status=405),
        lambda reply: replace(reply, status=501),
    ],
)
async def test_a_head_that_says_too_little_is_completed_from_the_bytes(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, change: Any
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    gateway.rule("HEAD", "/manifests/", reply=change)
    found = await client.descriptor(ImageReference("docker-dev", image, "1"))
    assert found is not None
    assert (found.digest, found.is_index) == (digest, True)


async def test_the_digest_of_a_manifest_is_that_of_its_bytes_whatever_the_server_claims(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("GET", "/manifests/", reply=with_header("Docker-Content-Digest", ABSENT))
    assert (await client.manifest(ImageReference("docker-dev", image, "1"))).descriptor.digest == digest


async def test_a_server_that_answers_for_another_digest_is_not_believed(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    wanted, other = (sandbox.push_image(f"docker-dev/{image}:{tag}") for tag in ("1", "2"))
    gateway.rewrite = lambda _host, path: path.replace(wanted, other)
    reference = ImageReference("docker-dev", image, digest=wanted)
    for ask in (client.manifest, client.descriptor):
        with pytest.raises(UnexpectedAnswer, match=f"instead of the manifest {wanted}"):
            await ask(reference)


async def test_the_children_of_an_index_are_listed_and_answer(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    manifest = await client.manifest(ImageReference("docker-dev", image, "1"))
    assert len(manifest.children) == 2
    for child in manifest.children:
        found = await client.descriptor(ImageReference("docker-dev", image, digest=child))
        assert found is not None
        assert found.digest == child


@pytest.mark.parametrize(
    "reply",
    [
        html(),
        Reply(200, b"", {"Content-Type": "application/json"}),
        Reply(200, b"{}", {"Content-Type": "application/json"}),
        Reply(200, b"[" * 100_000, {"Content-Type": "application/json"}),
    ],
)
async def test_a_page_or_nothing_instead_of_json_is_an_unexpected_answer_that_names_the_host_setting(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, reply: Reply
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("GET", "/v2/|/api/(repositories|storage|system)", reply=reply)
    reference = ImageReference("docker-dev", image, "1")
    asked = [
        client.manifest(reference),
        client.repository("docker-dev"),
        client.properties(f"docker-dev/{image}/1/manifest.json"),
        client.created(f"docker-dev/{image}/1/manifest.json"),
        client.version(),
        client.ping(),
    ]
    if reply.body != b"{}":
        asked += [client.tags("docker-dev", image), client.images("docker-dev")]
    for question in asked:
        with pytest.raises(UnexpectedAnswer, match="check that the connection's host is Artifactory's own URL"):
            await question


ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.mark.parametrize(
    ("media_type", "content", "said"),
    [
        (ARTIFACT, b'{"blobs": []}', "It is an OCI artifact manifest"),
        (SCHEMA_1, b'{"schemaVersion": 1, "fsLayers": []}', "It is a Docker image of schema 1"),
        (OCI_MANIFEST, b'{"config": {"digest": "' + ABSENT.encode() + b'"}}', "It has no list of layers"),
    ],
)
async def test_what_is_no_image_is_refused_as_what_it_is_and_nobody_blames_the_host(
    client: ArtifactoryClient, gateway: Gateway, media_type: str, content: bytes, said: str
) -> None:
    gateway.rule("*", "/manifests/", reply=Reply(200, content, {"Content-Type": media_type}), does_work=False)
    reference = ImageReference("docker-dev", "app", "1")
    for ask in (client.manifest, client.descriptor):
        with pytest.raises(UnsupportedManifest, match=f"docker-dev/app:1 is no image.* {said}") as caught:
            await ask(reference)
        assert "host" not in str(caught.value)
    assert all(media_type in seen.headers["Accept"] for seen in gateway.requests)


async def test_referrers_of_an_empty_list_are_none(client: ArtifactoryClient, gateway: Gateway) -> None:
    gateway.rule("GET", "/referrers/", reply=Reply(200, b'{"schemaVersion": 2, "manifests": null}'), does_work=False)
    assert await client.referrers(ImageReference("docker-dev", "app", digest=ABSENT)) == ()


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (
            Reply(200, b'{"manifests": [{"digest": "sha512:' + b"a" * 128 + b'"}]}'),
            UnsupportedManifest,
            f"What refers to docker-dev/app@{ABSENT} cannot be promoted with it. .*'sha512:aaa.* is not a digest",
        ),
        (Reply(200, b"null"), UnexpectedAnswer, f"referrers/{ABSENT} answered 200 .* instead of a JSON object"),
        (Reply(200, b"{}"), UnexpectedAnswer, f"referrers/{ABSENT} answered 200 .* instead of an index of referrers"),
        (html(), UnexpectedAnswer, f"referrers/{ABSENT} answered 200 with an HTML page"),
        (Reply(400, b"no"), RequestRefused, f"referrers/{ABSENT} answered 400: no"),
        (Reply(500, b"no"), ServerFailed, f"referrers/{ABSENT} answered 500: no"),
    ],
)
async def test_referrers_that_cannot_be_read_are_a_typed_error_that_names_the_digest(
    client: ArtifactoryClient, gateway: Gateway, reply: Reply, kind: type[ArtifactoryError], said: str
) -> None:
    gateway.rule("GET", "/referrers/", reply=reply, does_work=False)
    with pytest.raises(kind, match=said):
        await client.referrers(ImageReference("docker-dev", "app", digest=ABSENT))


@pytest.mark.parametrize("status", [400, 405, 406, 501])
async def test_a_blob_is_looked_for_by_get_where_head_is_refused(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, status: int
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    place = ImageReference("docker-dev", image, "1")
    (layer, *_) = (await client.manifest(place)).layers
    gateway.rule("HEAD", "/blobs/", reply=Reply(status), does_work=False)
    assert await client.has_blob(place, layer)
    assert not await client.has_blob(place, ABSENT)
    assert gateway.count("HEAD", "/blobs/") == gateway.count("GET", "/blobs/") == 2


@pytest.mark.parametrize("reply", [Reply(206, b"x"), Reply(416), Reply(307, b"", {"Location": "/elsewhere"})])
async def test_a_blob_of_which_a_byte_comes_or_that_is_empty_or_lies_elsewhere_is_there(
    client: ArtifactoryClient, gateway: Gateway, reply: Reply
) -> None:
    gateway.rule("HEAD", "/blobs/", reply=Reply(405), does_work=False)
    gateway.rule("GET", "/blobs/", reply=reply, does_work=False)
    assert await client.has_blob(ImageReference("docker-dev", "app", "1"), ABSENT)
    assert gateway.requests[-1].headers["Range"] == "bytes=0-0"


async def test_a_blob_is_not_downloaded_to_know_that_it_is_there(settings: MakeSettings) -> None:
    """The server knows no ranges, and never comes to the blob's end."""

    def answer(head: bytes) -> bytes:
        if head.startswith(b"HEAD"):
            return b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"
        return b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n" + b"x" * 100_000

    with raw_server(answer) as url:
        async with ArtifactoryClient(settings(base_url=url, timeout=20, attempts=1)) as client:
            assert await client.has_blob(ImageReference("docker-dev", "app", "1"), ABSENT)


async def test_a_page_instead_of_a_blob_is_no_blob_by_get_either(client: ArtifactoryClient, gateway: Gateway) -> None:
    gateway.rule("HEAD", "/blobs/", reply=Reply(405), does_work=False)
    gateway.rule("GET", "/blobs/", reply=html(), does_work=False)
    with pytest.raises(UnexpectedAnswer, match=f"an HTML page instead of the blob {ABSENT}"):
        await client.has_blob(ImageReference("docker-dev", "app", "1"), ABSENT)


async def test_an_unknown_image_and_an_unknown_tag_are_told_apart(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    with pytest.raises(ImageNotFound, match=f"no image '{image}' in 'docker-dev'"):
        await client.tags("docker-dev", image)
    sandbox.push_image(f"docker-dev/{image}:1")
    with pytest.raises(TagNotFound, match="check image and tag"):
        await client.manifest(ImageReference("docker-dev", image, "2"))


@pytest.mark.parametrize("repository", ["docker-nowhere", "generic-local"])
async def test_a_repository_without_docker_images_is_named_as_such_even_by_head(
    client: ArtifactoryClient, repository: str
) -> None:
    with pytest.raises(UnsupportedRepository, match=f"/api/docker/{repository}/.* check its key"):
        await client.descriptor(ImageReference(repository, "app", "1"))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("docker-dev", Repository("docker-dev", "local", "docker")),
        ("docker-virtual", Repository("docker-virtual", "virtual", "docker")),
        ("docker-remote", Repository("docker-remote", "remote", "docker")),
        ("generic-local", Repository("generic-local", "local", "generic")),
    ],
)
async def test_what_a_repository_is_decides_whether_it_can_promote(
    client: ArtifactoryClient, key: str, expected: Repository
) -> None:
    found = await client.repository(key)
    assert found == expected
    assert found.can_promote is (key == "docker-dev")


async def test_an_unknown_repository_says_what_to_check(client: ArtifactoryClient) -> None:
    with pytest.raises(RepositoryNotFound, match="check the key, and that the user has Read on it"):
        await client.repository("docker-nowhere")


async def test_wrong_credentials_are_an_authentication_error(settings: MakeSettings) -> None:
    for authentication in (Basic("admin", "wrong"), Basic("nobody", "wrong"), Bearer("wrong")):
        async with ArtifactoryClient(settings(authentication=authentication)) as client:
            with pytest.raises(AuthenticationFailed, match="check login and password or token of the connection"):
                await client.version()
            with pytest.raises(AuthenticationFailed):
                await client.descriptor(ImageReference("docker-dev", "app", "1"))


async def test_a_missing_permission_is_named(settings: MakeSettings, sandbox: RunningSandbox, image: str) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    reference = ImageReference("docker-dev", image, "1")
    path = manifest_path(reference, Descriptor(ABSENT, "application/vnd.oci.image.manifest.v1+json"))
    async with ArtifactoryClient(settings(username="stranger")) as client:
        for question in (
            client.descriptor(reference),
            client.manifest(reference),
            client.tags("docker-dev", image),
            client.repository("docker-dev"),
            client.properties(path),
            client.created(path),
        ):
            with pytest.raises(PermissionDenied, match="needs Read on 'docker-dev"):
                await question
    async with ArtifactoryClient(settings(username="reader")) as client:
        with pytest.raises(PermissionDenied, match=r"needs Annotate on 'docker-dev/.*manifest\.json'"):
            await client.set_properties(path, {"a": "b"})


async def test_a_promotion_without_permission_names_those_that_it_needs(
    settings: MakeSettings, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    source, target = ImageReference("docker-dev", image, "1"), ImageReference("docker-qa", image, "1")
    async with ArtifactoryClient(settings(username="reader")) as client:
        with pytest.raises(PermissionDenied, match="Read on 'docker-dev' and Deploy/Cache on 'docker-qa'"):
            await client.promote(source, target)
    async with ArtifactoryClient(settings(username="deployer")) as client:
        with pytest.raises(PermissionDenied, match="Delete/Overwrite on 'docker-dev'") as caught:
            await client.promote(source, target, copy=False)
    assert "Needs delete permissions" in str(caught.value)


async def test_a_promotion_request_names_all_six_fields(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    import json

    sandbox.push_image(f"docker-dev/{image}:1")
    await client.promote(ImageReference("docker-dev", image, "1"), ImageReference("docker-qa", "other", "2"))
    (sent,) = [seen for seen in gateway.requests if seen.method == "POST"]
    assert sent.path == "/artifactory/api/docker/docker-dev/v2/promote"
    assert json.loads(sent.body) == {
        "targetRepo": "docker-qa",
        "dockerRepository": image,
        "targetDockerRepository": "other",
        "tag": "1",
        "targetTag": "2",
        "copy": True,
    }


@pytest.mark.parametrize("reply", [html(), Reply(202, b"later"), Reply(204, b"")])
async def test_a_promotion_that_is_answered_by_something_else_is_no_success(
    client: ArtifactoryClient, gateway: Gateway, reply: Reply
) -> None:
    gateway.rule("POST", "/promote", reply=reply, does_work=False)
    with pytest.raises(UnexpectedAnswer):
        await client.promote(ImageReference("docker-dev", "app", "1"), ImageReference("docker-qa", "app", "1"))


async def test_more_tags_than_fit_on_a_page_are_read_to_the_end(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    """The sandbox counts in `last`, as Artifactory does: it is taken from the Link as it is."""
    gateway.rewrite = lambda _host, path: path.replace("n=1000", "n=3")
    names = sorted(f"1.{number}" for number in range(11))
    for name in names:
        sandbox.push_image(f"docker-dev/{image}:{name}", content="the same for all")
    assert await client.tags("docker-dev", image) == names
    assert gateway.count("GET", "tags/list") == 4
    assert any("last=3" in seen.path for seen in gateway.requests)


@pytest.mark.parametrize(
    "link",
    [
        "</v2/app/tags/list?last=b&n=2>; rel=next",
        '</v2/app/tags/list?n=2>; rel="prev", <https://elsewhere/v2/x?n=2&last=b>; title="a"; REL="next"',
        '<?last=b>; rel="next"',
    ],
)
async def test_only_last_is_taken_from_the_link_to_the_next_page(
    client: ArtifactoryClient, gateway: Gateway, link: str
) -> None:
    gateway.rule("GET", "last=b", reply=Reply(200, b'{"tags": ["c"]}'), does_work=False)
    gateway.rule("GET", "tags/list", reply=Reply(200, b'{"tags": ["a", "b"]}', {"Link": link}), does_work=False)
    assert await client.tags("docker-dev", "app") == ["a", "b", "c"]


@pytest.mark.parametrize(
    "link", ["", "garbage", "</v2?n=2>", '</v2?n=2&last=>; rel="next"', '<; rel="next"', '</v2?last=b>; rel="prev"']
)
async def test_a_link_that_leads_to_no_next_page_ends_the_list(
    client: ArtifactoryClient, gateway: Gateway, link: str
) -> None:
    gateway.rule("GET", "tags/list", reply=Reply(200, b'{"tags": ["a", "b"]}', {"Link": link}), does_work=False)
    assert await client.tags("docker-dev", "app") == ["a", "b"]
    assert gateway.count("GET", "tags/list") == 1


async def test_a_server_that_sends_the_same_page_for_ever_is_not_asked_for_ever_nor_believed(
    client: ArtifactoryClient, gateway: Gateway
) -> None:
    """A list that was cut off would make an old version the newest one."""
    link = {"Link": '</v2/app/tags/list?last=2&n=2>; rel="next"'}
    gateway.rule("GET", "tags/list", reply=Reply(200, b'{"tags": ["a", "b"]}', link), does_work=False)
    with pytest.raises(UnexpectedAnswer, match="entries that it had sent before"):
        await client.tags("docker-dev", "app")
    assert gateway.count("GET", "tags/list") == 2


@pytest.mark.parametrize("body", [b'{"tags": "abc"}', b'{"tags": {"a": 1}}', b"[]", b'"abc"', b"null"])
async def test_a_list_that_is_none_is_an_unexpected_answer(
    client: ArtifactoryClient, gateway: Gateway, body: bytes
) -> None:
    gateway.rule("GET", "tags/list", reply=Reply(200, body), does_work=False)
    with pytest.raises(UnexpectedAnswer):
        await client.tags("docker-dev", "app")


@pytest.mark.parametrize(
    "body",
    [b'{"properties": []}', b'{"properties": {"test.status": "passed"}}', b'{"properties": null}', b"[]", b"{}"],
)
async def test_properties_that_cannot_be_read_are_no_properties(
    client: ArtifactoryClient, gateway: Gateway, body: bytes
) -> None:
    gateway.rule("GET", "properties", reply=Reply(200, body), does_work=False)
    with pytest.raises(UnexpectedAnswer, match="instead of properties"):
        await client.properties("docker-dev/app/1/manifest.json")


async def test_an_item_without_properties_and_no_item_are_told_apart(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    assert await client.properties(f"docker-dev/{image}/1") == {}
    with pytest.raises(NotFound, match="There is no item"):
        await client.properties(f"docker-dev/{image}/2/manifest.json")


@pytest.mark.parametrize("path", ["", "docker-dev//app", "docker-dev/../x", "/docker-dev/app", "docker-dev/app/."])
async def test_a_path_that_climbs_is_refused_before_anything_is_sent(
    client: ArtifactoryClient, gateway: Gateway, path: str
) -> None:
    with pytest.raises(InvalidReference):
        await client.properties(path)
    assert gateway.requests == []


property_names = st.from_regex(r"[A-Za-z0-9._:|?'\"-]{1,20}", fullmatch=True)
property_values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30) | st.sampled_from(
    ["a,b", "a|b", "a\\b", "\\", "a;b=c", "ü€😀", " spaces ", "a&b?c#d%20+", "\n\t", "a\\,b"]
)


@given(st.dictionaries(property_names, property_values, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_properties_come_back_as_they_were_set(
    settings: MakeSettings, sandbox: RunningSandbox, image: str, properties: dict[str, str]
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    path = f"docker-dev/{image}/1/manifest.json"

    async def round_trip() -> dict[str, list[str]]:
        async with ArtifactoryClient(settings()) as client:
            await client.set_properties(path, properties)
            return await client.properties(path)

    found = asyncio.run(round_trip())
    assert {name: found[name] for name in properties} == {name: [value] for name, value in properties.items()}


@pytest.mark.parametrize("created", ["2026-01-01T00:00:00", "2026-01-01T00:00:00.000Z", "2026-01-01T01:00:00+0100"])
async def test_a_creation_time_is_a_moment_even_without_a_time_zone(
    client: ArtifactoryClient, gateway: Gateway, created: str
) -> None:
    gateway.rule("GET", "/api/storage", reply=Reply(200, f'{{"created": "{created}"}}'.encode()), does_work=False)
    assert (await client.created("docker-dev/app/1/manifest.json")).timestamp() == 1767225600


@pytest.mark.parametrize("created", ["null", "7", '"soon"', '""'])
async def test_a_creation_time_that_is_none_is_an_unexpected_answer(
    client: ArtifactoryClient, gateway: Gateway, created: str
) -> None:
    gateway.rule("GET", "/api/storage", reply=Reply(200, f'{{"created": {created}}}'.encode()), does_work=False)
    with pytest.raises(UnexpectedAnswer, match="creation time"):
        await client.created("docker-dev/app/1/manifest.json")


async def test_an_answer_that_never_ends_is_cut_off(client: ArtifactoryClient, gateway: Gateway) -> None:
    gateway.rule("GET", "/version", reply=Reply(200, b"x" * (33 * 1024 * 1024)), does_work=False)
    with pytest.raises(UnexpectedAnswer, match="answered with more than 33554432 bytes"):
        await client.version()
