"""Signatures, attestations, SBOMs: they travel before the tag, all of them, or the tag does not appear."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.promotion.attaching import Pusher, cosign_tag
from tests.integration.promotion.dev_to_qa import PLATFORMS, promotion
from tests.integration.promotion.history import History

from artifactory_provider.promotion.errors import AttachmentLost
from artifactory_provider.promotion.promote import promote

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox


class Signed:
    """An index of two children in dev, with pushers for both sides."""

    def __init__(self, sandbox: RunningSandbox, image: str) -> None:
        self.sandbox, self.image = sandbox, image
        self.digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
        self.dev, self.qa = (Pusher(sandbox, f"{repository}/{image}") for repository in ("docker-dev", "docker-qa"))
        self.digests = [self.digest, *self.dev.children(self.digest)]

    def in_target(self, tag: str) -> str | None:
        return self.sandbox.digest(f"docker-qa/{self.image}:{tag}")


@pytest.fixture
def signed(faulty: RunningSandbox, image: str) -> Signed:
    return Signed(faulty, image)


@pytest.mark.usefixtures("queries")
async def test_cosign_tags_and_referrers_of_an_index_and_its_children_arrive_complete(
    direct: ArtifactoryClient, signed: Signed
) -> None:
    tagged = {
        cosign_tag(digest, suffix): signed.dev.sign(digest, f"{suffix} of {digest}", suffix=suffix)
        for digest in signed.digests
        for suffix in (".sig", ".att", ".sbom")
    }
    referring = [signed.dev.refer(digest, f"provenance of {digest}") for digest in signed.digests]
    record = await promote(direct, promotion(signed.image))
    assert {one.tag: one.digest for one in record.attachments if one.tag} == tagged
    assert {one.digest for one in record.attachments if one.tag is None} == set(referring)
    for tag, digest in tagged.items():
        assert signed.in_target(tag) == digest
    assert all(signed.qa.answers(digest) for digest in (*tagged.values(), *referring, *signed.digests))
    properties = signed.sandbox.properties(f"docker-qa/{signed.image}:1")
    assert properties["promotion.attachments"] == [str(len(tagged) + len(referring))]


async def test_what_belongs_to_an_attachment_arrives_three_levels_deep(
    direct: ArtifactoryClient, signed: Signed
) -> None:
    sbom = signed.dev.refer(signed.digest, "sbom")
    signature = signed.dev.refer(sbom, "signature of the sbom")
    proof = signed.dev.refer(signature, "proof of the signature")
    tagged = signed.dev.sign(sbom, "cosign signature of the sbom")
    record = await promote(direct, promotion(signed.image))
    assert {one.digest for one in record.attachments} == {sbom, signature, proof, tagged}
    assert all(signed.qa.answers(digest) for digest in (sbom, signature, proof, tagged))


async def test_on_a_server_without_the_referrers_endpoint_the_fallback_tag_brings_them(
    direct: ArtifactoryClient, signed: Signed
) -> None:
    referrers = [signed.dev.refer(signed.digest, text) for text in ("sbom", "provenance")]
    fallback = signed.dev.list_referrers(signed.digest, *referrers)
    signed.sandbox.add_fault("status", path="*/referrers/*", status=404)
    record = await promote(direct, promotion(signed.image))
    assert [(one.tag, one.digest) for one in record.attachments] == [(cosign_tag(signed.digest, ""), fallback)]
    assert signed.in_target(cosign_tag(signed.digest, "")) == fallback
    assert all(signed.qa.answers(digest) for digest in (fallback, *referrers))


@pytest.mark.parametrize("attachments", ["tags", "all"])
async def test_a_move_that_is_repeated_finds_its_index_in_the_target(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, attachments: str
) -> None:
    child = sandbox.push_image(f"docker-dev/{image}:single", content="1", platforms=PLATFORMS[:1])
    digest = sandbox.push_image(f"docker-dev/{image}:1", content="1", platforms=PLATFORMS)
    pusher = Pusher(sandbox, f"docker-dev/{image}")
    pusher.sign(child, "child")
    pusher.sign(digest, "index")
    pusher.sign(f"sha256:{'0' * 64}", "belongs to nothing that a tag shows")
    move = promotion(image, copy=False, attachments=attachments, digest=digest)
    first, second = await promote(direct, move), await promote(direct, move)
    assert (first.outcome, second.outcome) == ("promoted", "unchanged")
    assert {one.tag for one in second.attachments} >= {cosign_tag(child, ".sig"), cosign_tag(digest, ".sig")}


async def test_a_signature_that_only_the_target_has_stays(direct: ArtifactoryClient, signed: Signed) -> None:
    signed.sandbox.push_image(f"docker-qa/{signed.image}:old", content="old")
    own = signed.qa.sign(signed.digest, "made in qa")
    await promote(direct, promotion(signed.image))
    assert signed.in_target(cosign_tag(signed.digest, ".sig")) == own
    assert signed.in_target("1") == signed.digest


async def test_signatures_of_both_sides_are_never_taken_back(direct: ArtifactoryClient, signed: Signed) -> None:
    """A tag that holds more signatures replaces one that holds fewer, in no case the other way round."""
    tag = cosign_tag(signed.digest, ".sig")
    signed.qa.sign(signed.digest, "by ci")
    more = signed.dev.sign(signed.digest, "by ci", "by the release team")
    await promote(direct, promotion(signed.image))
    assert signed.in_target(tag) == more
    signed.dev.sign(signed.digest, "by ci")
    await promote(direct, promotion(signed.image))
    assert signed.in_target(tag) == more


async def test_signatures_that_each_side_has_alone_are_not_lost_but_reported(
    direct: ArtifactoryClient, signed: Signed
) -> None:
    theirs = signed.qa.sign(signed.digest, "by qa")
    signed.dev.sign(signed.digest, "by ci")
    with pytest.raises(AttachmentLost, match=r"the other way round: bring them together under one tag first"):
        await promote(direct, promotion(signed.image))
    assert signed.in_target(cosign_tag(signed.digest, ".sig")) == theirs
    assert signed.in_target("1") is None


@pytest.mark.parametrize("two_phase", [True, False])
@pytest.mark.parametrize("kind", ["signature", "referrer", "blob", "list of referrers"])
async def test_with_one_attachment_unreadable_the_target_tag_never_appears(
    direct: ArtifactoryClient, signed: Signed, kind: str, two_phase: bool
) -> None:
    child = signed.digests[1]
    signature, referrer = signed.dev.sign(child, "signature"), signed.dev.refer(child, "sbom")
    path = {
        "signature": f"*docker-dev/*/manifests/{signature}",
        "referrer": f"*docker-dev/*/manifests/{referrer}",
        "blob": f"*docker-dev/*/blobs/{signed.dev.blobs(referrer)[1]}",
        "list of referrers": f"*docker-dev/*/referrers/{child}",
    }[kind]
    signed.sandbox.add_fault("status", path=path, status=500)
    history = History(signed.sandbox)
    with pytest.raises(Exception, match=r"could not be brought|answered 500"):
        await promote(direct, promotion(signed.image, two_phase=two_phase))
    assert history.shown(f"docker-qa/{signed.image}:1") == []
    signed.sandbox.clear_faults()
    await promote(direct, promotion(signed.image, two_phase=two_phase))
    assert all(signed.qa.answers(digest) for digest in (signature, referrer, signed.digest))


async def test_blobs_of_an_attachment_that_the_target_lacks_are_brought_even_where_its_manifest_is_there(
    direct: ArtifactoryClient, signed: Signed
) -> None:
    referrer = signed.dev.refer(signed.digest, "sbom")
    await promote(direct, promotion(signed.image))
    folder = f"{signed.image}/{referrer}"
    with signed.sandbox.service.database.writing() as tx:
        tx.execute("DELETE FROM items WHERE repository = 'docker-qa' AND path = ? AND kind = 'file'", (folder,))
    assert not signed.qa.answers(referrer)
    await promote(direct, promotion(signed.image))
    assert signed.qa.answers(referrer)


async def test_what_was_attached_after_the_promotion_is_brought_by_the_next_run(
    direct: ArtifactoryClient, signed: Signed
) -> None:
    await promote(direct, promotion(signed.image))
    late = signed.dev.sign(signed.digest, "late")
    record = await promote(direct, promotion(signed.image))
    assert record.outcome == "unchanged"
    assert signed.in_target(cosign_tag(signed.digest, ".sig")) == late


async def test_attachments_are_left_where_they_are_when_nobody_asks_for_them(
    direct: ArtifactoryClient, signed: Signed
) -> None:
    signed.dev.sign(signed.digest, "signature")
    record = await promote(direct, promotion(signed.image, attachments="none"))
    assert record.attachments == ()
    assert signed.sandbox.tags("docker-qa", signed.image) == ["1"]
