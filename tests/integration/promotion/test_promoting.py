from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.integration.gateway import Reply, html, without

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    ImageNotFound,
    PermissionDenied,
    RateLimited,
    RepositoryNotFound,
    RequestNotSent,
    ServerFailed,
    TagNotFound,
    UnsupportedRepository,
)
from artifactory_provider.artifactory.manifests import OCI_INDEX, OCI_MANIFEST
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import SourceMoved, SourceRemains, TargetConflict, TargetUnverified
from artifactory_provider.promotion.promotion import Promotion, pin, promote

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

    MakeSettings = Callable[..., Any]

PLATFORMS = ("linux/amd64", "linux/arm64")
ABSENT = "sha256:" + "0" * 64
PROMOTE = "/promote$"


def promotion(image: str, *, tag: str = "1", digest: str | None = None, **changes: Any) -> Promotion:
    """Make dev → qa of one image; patience is short, as nothing in the sandbox needs time."""
    fields: dict[str, Any] = {
        "source": ImageReference("docker-dev", image, tag, digest),
        "target": ImageReference("docker-qa", image, tag),
        "confirmation_timeout": 0,
    }
    return Promotion(**{**fields, **changes})


async def test_a_copied_image_stands_in_both_repositories_under_one_digest(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    record = await promote(client, promotion(image))
    assert (record.outcome, record.replaced, record.copy, record.children) == ("promoted", None, True, ())
    assert record.source.digest == record.target.digest == digest
    assert sandbox.digest(f"docker-qa/{image}:1") == sandbox.digest(f"docker-dev/{image}:1") == digest


async def test_a_moved_image_stands_in_the_target_alone(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    record = await promote(client, promotion(image, copy=False))
    assert (record.outcome, record.copy) == ("promoted", False)
    assert sandbox.digest(f"docker-qa/{image}:1") == digest
    assert sandbox.digest(f"docker-dev/{image}:1") is None


@pytest.mark.parametrize("copy", [True, False])
async def test_a_tag_is_given_another_name_in_its_own_repository(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, copy: bool
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    await promote(client, promotion(image, target=ImageReference("docker-dev", image, "stable"), copy=copy))
    assert sandbox.digest(f"docker-dev/{image}:stable") == digest
    assert sandbox.tags("docker-dev", image) == (["1", "stable"] if copy else ["stable"])


async def test_an_image_may_have_another_name_in_the_target(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    record = await promote(client, promotion(image, target=ImageReference("docker-qa", f"{image}/release", "v1")))
    assert sandbox.digest(f"docker-qa/{image}/release:v1") == digest
    assert str(record.target) == f"docker-qa/{image}/release:v1@{digest}"


@pytest.mark.parametrize("oci", [True, False])
async def test_an_index_arrives_with_all_its_children_and_each_of_them_is_asked_for(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, oci: bool
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS, oci=oci)
    record = await promote(client, promotion(image))
    assert record.target.digest == digest
    assert len(record.children) == 2
    for child in record.children:
        assert sandbox.digest(f"docker-qa/{image}@{child}") == child
        assert gateway.count("HEAD", f"docker-qa/v2/.*{child}") == 1


async def test_a_second_run_changes_nothing_and_says_so(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    await promote(client, promotion(image))
    record = await promote(client, promotion(image))
    assert (record.outcome, record.replaced) == ("unchanged", None)
    assert gateway.count("POST", PROMOTE) == 1


async def test_a_second_run_is_done_even_when_the_source_tag_has_gone_on_since(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    """A run that was killed after its work must not fail because CI has pushed the next build to the tag."""
    digest = sandbox.push_image(f"docker-dev/{image}:1", content="first")
    await promote(client, promotion(image, digest=digest))
    sandbox.push_image(f"docker-dev/{image}:1", content="second")
    for copy in (True, False):
        assert (await promote(client, promotion(image, digest=digest, copy=copy))).outcome == "unchanged"
    assert sandbox.digest(f"docker-qa/{image}:1") == digest
    assert sandbox.digest(f"docker-dev/{image}:1") is not None
    assert gateway.count("POST", PROMOTE) == 1


async def test_a_repeated_move_whose_source_is_gone_has_happened(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    await promote(client, promotion(image, copy=False))
    record = await promote(client, promotion(image, copy=False, digest=digest))
    assert record.outcome == "unchanged"
    assert gateway.count("POST", PROMOTE) == 1
    with pytest.raises(ImageNotFound):
        await promote(client, promotion(image, copy=False))


async def test_a_move_that_stopped_halfway_is_finished(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    await promote(client, promotion(image))
    record = await promote(client, promotion(image, copy=False))
    assert record.outcome == "unchanged"
    assert sandbox.digest(f"docker-qa/{image}:1") == digest
    assert sandbox.digest(f"docker-dev/{image}:1") is None


async def test_another_digest_under_the_target_tag_is_a_conflict_and_stays(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    new = sandbox.push_image(f"docker-dev/{image}:1", content="new")
    old = sandbox.push_image(f"docker-qa/{image}:1", content="old")
    with pytest.raises(TargetConflict, match=f"{old} already, and {new}.*nothing was changed.*on_conflict='overwrite'"):
        await promote(client, promotion(image))
    assert sandbox.digest(f"docker-qa/{image}:1") == old
    assert gateway.count("POST", PROMOTE) == 0


async def test_overwriting_is_done_when_asked_for_and_the_old_digest_is_recorded(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    new = sandbox.push_image(f"docker-dev/{image}:1", content="new", platforms=PLATFORMS)
    old = sandbox.push_image(f"docker-qa/{image}:1", content="old")
    record = await promote(client, promotion(image, on_conflict="overwrite"))
    assert (record.outcome, record.replaced) == ("promoted", old)
    assert sandbox.digest(f"docker-qa/{image}:1") == new


async def test_a_digest_that_the_source_tag_no_longer_shows_is_not_promoted(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    verified = sandbox.push_image(f"docker-dev/{image}:1", content="verified")
    now = sandbox.push_image(f"docker-dev/{image}:1", content="pushed since")
    for copy in (True, False):
        with pytest.raises(SourceMoved, match=f"shows {now}, but {verified} was to be promoted: the tag was moved"):
            await promote(client, promotion(image, digest=verified, copy=copy))
    assert sandbox.digest(f"docker-qa/{image}:1") is None
    assert gateway.count("POST", PROMOTE) == 0


async def test_a_source_tag_that_is_moved_after_the_pin_is_found_out_with_both_digests(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    verified = sandbox.push_image(f"docker-dev/{image}:1", content="verified")
    pushed: list[str] = []
    gateway.rule(
        "POST",
        PROMOTE,
        before=lambda: pushed.append(sandbox.push_image(f"docker-dev/{image}:1", content="pushed meanwhile")),
    )
    with pytest.raises(SourceMoved) as caught:
        await promote(client, promotion(image, digest=verified))
    assert verified in str(caught.value)
    assert pushed[0] in str(caught.value)


async def test_a_source_tag_that_is_moved_during_a_move_is_found_out_too(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    verified = sandbox.push_image(f"docker-dev/{image}:1", content="verified")
    gateway.rule("POST", PROMOTE, before=lambda: sandbox.push_image(f"docker-dev/{image}:1", content="other"))
    with pytest.raises(TargetUnverified, match=f"although {verified} was promoted to it: .* moved meanwhile"):
        await promote(client, promotion(image, digest=verified, copy=False))


async def test_a_target_tag_that_someone_else_writes_meanwhile_is_found_out(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", PROMOTE, after=lambda: sandbox.push_image(f"docker-qa/{image}:1", content="someone else's"))
    with pytest.raises(TargetUnverified, match="Find out who writes these tags"):
        await promote(client, promotion(image))


@pytest.mark.parametrize(
    ("reply", "ending"),
    [(None, "reset"), (None, "cut"), (html(504, "Gateway Timeout"), "whole"), (Reply(500), "whole")],
)
@pytest.mark.parametrize("copy", [True, False])
async def test_work_that_was_done_before_the_end_went_wrong_counts_as_done(
    client: ArtifactoryClient,
    sandbox: RunningSandbox,
    gateway: Gateway,
    image: str,
    reply: Any,
    ending: Any,
    copy: bool,
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    gateway.rule("POST", PROMOTE, reply=reply, ending=ending)
    record = await promote(client, promotion(image, copy=copy))
    assert record.outcome == "promoted"
    assert sandbox.digest(f"docker-qa/{image}:1") == digest
    assert gateway.count("POST", PROMOTE) == 1


async def test_work_that_was_done_behind_a_timeout_counts_as_done(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", PROMOTE, ending="never")
    async with ArtifactoryClient(settings(promote_timeout=0.5)) as client:
        await promote(client, promotion(image))
    assert sandbox.digest(f"docker-qa/{image}:1") == digest


@pytest.mark.parametrize(
    ("reply", "ending", "kind"),
    [
        (None, "reset", ConnectionFailed),
        (html(503, "Maintenance"), "whole", ServerFailed),
        (Reply(504), "whole", ServerFailed),
        (Reply(429), "whole", RateLimited),
    ],
)
async def test_work_that_was_not_done_is_reported_as_what_went_wrong_and_may_be_run_again(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, reply: Any, ending: Any, kind: Any
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", PROMOTE, times=1, reply=reply, ending=ending, does_work=False)
    with pytest.raises(kind):
        await promote(client, promotion(image, digest=digest))
    assert sandbox.digest(f"docker-qa/{image}:1") is None
    assert (await promote(client, promotion(image, digest=digest))).outcome == "promoted"


async def test_a_server_that_refused_is_not_looked_at_for_as_long_as_one_that_may_be_at_work(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an hour of patience for the target, a 503 is reported after the short look."""
    from artifactory_provider.promotion import promotion as module

    monkeypatch.setattr(module, "_SHORT_LOOK", 0.1)
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", PROMOTE, reply=Reply(503), does_work=False)
    with pytest.raises(ServerFailed):
        await promote(client, promotion(image, confirmation_timeout=3600))


async def test_a_request_that_was_never_sent_is_not_looked_for(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    urls = {"docker-dev": "http://artifactory.invalid/v2"}
    gateway.rule("GET", "/api/docker/docker-qa", reply=Reply(500))
    async with ArtifactoryClient(settings(docker_urls=urls)) as client:
        with pytest.raises(RequestNotSent, match=r"was not sent: there is no server at http://artifactory.invalid"):
            await promote(client, promotion(image))


async def test_work_that_a_server_finishes_after_a_gateway_gave_up_is_waited_for(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", content="late")
    gateway.rule("POST", PROMOTE, reply=Reply(504), does_work=False)
    looks = f"docker-qa/v2/{image}/manifests/1$"
    gateway.rule("GET", looks, times=1)
    gateway.rule("GET", looks, times=1, before=lambda: sandbox.push_image(f"docker-qa/{image}:1", content="late"))
    record = await promote(client, promotion(image, confirmation_timeout=30))
    assert record.target.digest == digest


@pytest.mark.parametrize("status", [200, 404])
async def test_a_target_that_shows_its_image_with_a_delay_is_waited_for(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, status: int
) -> None:
    new = sandbox.push_image(f"docker-dev/{image}:1", content="new", platforms=PLATFORMS)
    stale = Reply(404)
    if status == 200:
        sandbox.push_image(f"docker-qa/{image}:1", content="old")
        url = f"{sandbox.url}/api/docker/docker-qa/v2/{image}/manifests/1"
        async with httpx.AsyncClient(auth=(sandbox.username, sandbox.password)) as http:
            old = await http.get(url)
        stale = Reply(200, old.content, dict(old.headers))
    gateway.rule("GET", f"docker-qa/v2/{image}/manifests/1$", times=2, reply=stale)
    record = await promote(client, promotion(image, on_conflict="overwrite", confirmation_timeout=30))
    assert record.target.digest == new


async def test_a_promotion_that_is_answered_200_and_does_nothing_is_found_out(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", PROMOTE, reply=Reply(200, b"Promotion ended successfully"), does_work=False)
    with pytest.raises(TargetUnverified, match=r"does not exist although .* local or federated"):
        await promote(client, promotion(image))


async def test_a_repository_for_which_the_server_does_nothing_in_silence_is_named(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", PROMOTE, reply=Reply(200, b"Promotion ended successfully"), does_work=False)
    with pytest.raises(UnsupportedRepository, match="'docker-virtual' is a virtual docker repository"):
        await promote(client, promotion(image, target=ImageReference("docker-virtual", image, "1")))


async def test_a_move_that_is_answered_200_and_leaves_the_source_is_found_out(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    await promote(client, promotion(image))
    gateway.rule("POST", PROMOTE, reply=Reply(200, b"Promotion ended successfully"), does_work=False)
    with pytest.raises(SourceRemains, match="was to be moved and still is there, too"):
        await promote(client, promotion(image, copy=False))


async def test_a_child_that_did_not_arrive_is_named(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    child = (await client.manifest(ImageReference("docker-dev", image, "1"))).children[1]
    gateway.rule("HEAD", f"docker-qa/v2/.*{child}", reply=Reply(404), does_work=False)
    with pytest.raises(TargetUnverified, match=f"1 of the manifests .* are missing in 'docker-qa': {child}"):
        await promote(client, promotion(image))


async def test_a_manifest_that_is_not_what_its_digest_says_is_found_out(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    """The header claims the digest that was promoted; the bytes have another one."""
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    config = {"digest": ABSENT, "size": 1}
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}).encode()
    headers = {"Docker-Content-Digest": digest, "Content-Type": OCI_MANIFEST}
    gateway.rule("GET", f"docker-qa/v2/{image}/manifests/1", reply=Reply(200, body, headers))
    with pytest.raises(TargetUnverified, match=f"sha256:{hashlib.sha256(body).hexdigest()} although {digest}"):
        await promote(client, promotion(image))


async def test_a_server_without_digest_headers_is_promoted_on_by_the_bytes(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    gateway.rule("*", "/manifests/", reply=without("Docker-Content-Digest", "ETag"))
    assert (await promote(client, promotion(image))).target.digest == digest
    assert (await promote(client, promotion(image))).outcome == "unchanged"


class Nest:
    """Indexes in indexes, pushed over the registry API.

    :param depth: how many indexes stand above the one manifest.
    """

    def __init__(self, sandbox: RunningSandbox, image: str, depth: int) -> None:
        self._sandbox = sandbox
        self._image = image
        self.digests = [sandbox.push_image(f"docker-dev/{image}:leaf")]
        kind = OCI_MANIFEST
        for level in range(depth):
            child = {"mediaType": kind, "digest": self.digests[-1], "size": 1}
            body = json.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": OCI_INDEX,
                    "manifests": [child, child],
                    "annotations": {"n": str(level)},
                }
            ).encode()
            self.digests.append(f"sha256:{hashlib.sha256(body).hexdigest()}")
            kind = OCI_INDEX
            self._put(self.digests[-1], body)
        self._put("1", body)

    def _put(self, reference: str, body: bytes) -> None:
        url = f"{self._sandbox.url}/api/docker/docker-dev/v2/{self._image}/manifests/{reference}"
        credentials = httpx.BasicAuth(self._sandbox.username, self._sandbox.password)
        httpx.put(url, content=body, headers={"Content-Type": OCI_INDEX}, auth=credentials).raise_for_status()


async def test_indexes_in_an_index_are_verified_at_every_level_and_each_digest_once(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    nest = Nest(sandbox, image, 3)
    record = await promote(client, promotion(image))
    assert record.target.digest == nest.digests[-1]
    for digest in nest.digests[:-1]:
        assert gateway.count("HEAD", f"docker-qa/v2/.*{digest}") == 1


async def test_what_is_missing_deep_in_an_index_is_found_out(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    leaf = Nest(sandbox, image, 3).digests[0]
    gateway.rule("*", f"docker-qa/v2/.*{leaf}", reply=Reply(404), does_work=False)
    with pytest.raises(TargetUnverified, match=leaf):
        await promote(client, promotion(image))


async def test_indexes_in_indexes_end_somewhere(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    Nest(sandbox, image, 7)
    with pytest.raises(TargetUnverified, match="that is no image, and was not verified"):
        await promote(client, promotion(image))


@pytest.mark.parametrize(
    ("source", "target", "kind", "words"),
    [
        ("docker-nowhere", "docker-qa", RepositoryNotFound, "no repository 'docker-nowhere'"),
        ("docker-dev", "docker-nowhere", RepositoryNotFound, "no repository 'docker-nowhere'"),
        ("generic-local", "docker-qa", UnsupportedRepository, "'generic-local' is a local generic repository"),
        ("docker-dev", "generic-local", UnsupportedRepository, "'generic-local' is a local generic repository"),
        ("docker-virtual", "docker-qa", UnsupportedRepository, "'docker-virtual' is a virtual docker repository"),
        ("docker-dev", "docker-virtual", UnsupportedRepository, "name the local one behind it"),
        ("docker-dev", "docker-remote", UnsupportedRepository, "'docker-remote' is a remote docker repository"),
    ],
)
async def test_a_repository_that_cannot_promote_is_named_with_its_kind(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, source: str, target: str, kind: Any, words: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    with pytest.raises(kind, match=words):
        await promote(
            client,
            promotion(image, source=ImageReference(source, image, "1"), target=ImageReference(target, image, "1")),
        )


async def test_an_unknown_image_says_how_image_names_are_given(client: ArtifactoryClient, image: str) -> None:
    with pytest.raises(ImageNotFound, match=f"no image '{image}' in 'docker-dev'.*without host and repository key"):
        await promote(client, promotion(image))


async def test_an_image_name_that_repeats_the_repository_key_is_put_right(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    with pytest.raises(ImageNotFound, match=f"repeats the repository key: give the image as '{image}'"):
        await promote(client, promotion(f"docker-dev/{image}"))


async def test_an_unknown_tag_shows_some_that_there_are(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for tag in ("1.0", "1.1"):
        sandbox.push_image(f"docker-dev/{image}:{tag}")
    with pytest.raises(TagNotFound, match=r"the image has 2 tags, among them 1\.1, 1\.0\. Check the tag"):
        await promote(client, promotion(image, tag="2.0"))


async def test_a_tag_that_vanishes_between_pin_and_promotion_is_reported_as_missing(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    for tag in ("1", "2"):
        sandbox.push_image(f"docker-dev/{image}:{tag}")
    gateway.rule("POST", PROMOTE, before=lambda: sandbox.delete(f"docker-dev/{image}:1"))
    with pytest.raises(TagNotFound, match="among them 2"):
        await promote(client, promotion(image))


async def test_a_promote_endpoint_that_is_not_there_is_not_mistaken_for_a_missing_image(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", PROMOTE, reply=html(404, "Not Found"), does_work=False)
    with pytest.raises(Exception, match=r"POST .*/promote answered 404 \(an HTML page\)"):
        await promote(client, promotion(image))


async def test_wrong_credentials_and_missing_permissions_are_told_apart(
    settings: MakeSettings, sandbox: RunningSandbox, image: str
) -> None:
    from artifactory_provider.artifactory.authentication import Basic

    sandbox.push_image(f"docker-dev/{image}:1")
    for changes, kind, words in (
        ({"authentication": Basic("admin", "wrong")}, AuthenticationFailed, "credentials"),
        ({"username": "stranger"}, PermissionDenied, "needs Read on 'docker-qa'"),
        ({"username": "blind-deployer"}, PermissionDenied, "needs Read on 'docker-qa'"),
        ({"username": "reader"}, PermissionDenied, "Deploy/Cache on 'docker-qa'"),
    ):
        async with ArtifactoryClient(settings(**changes)) as client:
            with pytest.raises(kind, match=words):
                await promote(client, promotion(image))


async def test_no_more_permissions_are_needed_than_those_of_the_promotion(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    """Read and Deploy are enough, and a missing tag is explained even to whom repositories are not described."""
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("GET", "/api/repositories/", reply=Reply(403), does_work=False)
    async with ArtifactoryClient(settings(username="deployer")) as client:
        assert (await promote(client, promotion(image))).outcome == "promoted"
        with pytest.raises(TagNotFound, match="among them 1"):
            await promote(client, promotion(image, tag="2"))


async def test_overwriting_needs_delete_on_the_target_and_the_server_says_so(
    settings: MakeSettings, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", content="new")
    sandbox.push_image(f"docker-qa/{image}:1", content="old")
    async with ArtifactoryClient(settings(username="deployer")) as client:
        with pytest.raises(PermissionDenied, match=r"override .*and there Delete/Overwrite too where the tag exists"):
            await promote(client, promotion(image, on_conflict="overwrite"))


async def test_a_pin_without_a_digest_is_what_the_tag_shows(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    assert (await pin(client, ImageReference("docker-dev", image, "1"))).digest == digest
    with pytest.raises(SourceMoved):
        await pin(client, ImageReference("docker-dev", image, "1", ABSENT))
