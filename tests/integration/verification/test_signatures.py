"""A digest passes when one of the keys has signed it, and never else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.gateway import Reply
from tests.integration.promotion.attaching import Document, Pusher
from tests.integration.verification.signed import LARGEST, OTHER, bundled, signature
from tests.signing import (
    BUNDLE,
    KINDS,
    SIGNATURE,
    SIGNATURE_ANNOTATION,
    SIMPLE_SIGNING,
    VULNERABILITIES,
    bundle,
    message_signature,
    signer,
)

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.verification import SignatureCheck, State, verify
from artifactory_provider.verification.signing.keys import PublicKey

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway
    from tests.integration.verification.conftest import Pushed

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

CHECK = SignatureCheck(key=signer().pem)
THERE = SignatureCheck()
BY_BUNDLE = {"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": SIGNATURE}


async def test_an_image_that_nobody_has_signed_is_waited_for(pushed: Pushed) -> None:
    for check in (CHECK, THERE, SignatureCheck(bundles=False), SignatureCheck(key=signer().pem, bundles=False)):
        found = await pushed.ask(check)
        assert (found.state, found.reason, found.value) == (State.PENDING, "There is no signature yet.", "none")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_signature_under_cosigns_tag_passes(pushed: Pushed, kind: str) -> None:
    pushed.pusher.attach(pushed.digest, signature(pushed.digest, signer(kind)), suffix=".sig")
    found = await pushed.ask(SignatureCheck(key=signer(kind).pem))
    fingerprint = PublicKey.read(signer(kind).pem).fingerprint
    assert (found.state, found.value, found.author) == (State.PASSED, "verified", f"key {fingerprint}")
    assert found.reason == f"Signature found: its .sig tag, made with the key {fingerprint}."


@pytest.mark.parametrize("kind", KINDS)
async def test_a_bundle_that_refers_to_the_digest_passes(pushed: Pushed, kind: str) -> None:
    pushed.pusher.attach(
        pushed.digest, bundled(pushed.digest, signer(kind)), artifact_type=BUNDLE, annotations=BY_BUNDLE
    )
    assert (await pushed.ask(SignatureCheck(key=signer(kind).pem))).state is State.PASSED
    assert (await pushed.ask(SignatureCheck(key=signer(number=1).pem))).state is State.FAILED
    assert (await pushed.ask(SignatureCheck(key=signer(kind).pem, bundles=False))).state is State.PENDING


@pytest.mark.parametrize("kind", KINDS)
async def test_a_bundle_with_a_signature_of_the_manifest_itself_passes(pushed: Pushed, kind: str) -> None:
    manifest = (await pushed.client.manifest(pushed.reference)).content
    signed = Document(BUNDLE, bundle(messageSignature=message_signature(manifest, signer(kind))))
    pushed.pusher.attach(pushed.digest, signed, artifact_type=BUNDLE)
    assert (await pushed.ask(SignatureCheck(key=signer(kind).pem))).state is State.PASSED
    assert (await pushed.ask(SignatureCheck(key=signer(number=1).pem))).state is State.FAILED


async def test_a_bundle_with_a_signature_of_something_else_does_not_pass(pushed: Pushed) -> None:
    signed = Document(BUNDLE, bundle(messageSignature=message_signature(b"something else", signer())))
    pushed.pusher.attach(pushed.digest, signed, artifact_type=BUNDLE)
    assert (await pushed.ask(CHECK)).state is State.FAILED


async def test_a_signature_that_cosign_has_put_into_a_referrer_passes(pushed: Pushed) -> None:
    pushed.pusher.attach(
        pushed.digest, signature(pushed.digest), artifact_type="application/vnd.dev.cosign.artifact.sig.v1+json"
    )
    assert (await pushed.ask(CHECK)).state is State.PASSED


async def test_bundles_are_found_by_the_fallback_tag_where_the_server_lists_no_referrers(
    pushed: Pushed, gateway: Gateway
) -> None:
    referrer = pushed.pusher.attach(pushed.digest, bundled(pushed.digest), artifact_type=BUNDLE)
    gateway.rule("GET", "/referrers/", reply=Reply(404), does_work=False)
    assert (await pushed.ask(CHECK)).state is State.PENDING
    pushed.pusher.list_referrers(pushed.digest, referrer, artifact_type=BUNDLE)
    assert (await pushed.ask(CHECK)).state is State.PASSED


async def test_any_of_several_keys_is_enough(pushed: Pushed) -> None:
    pushed.pusher.attach(pushed.digest, signature(pushed.digest, signer("RSA")), suffix=".sig")
    keys = [signer(number=1).pem, signer("RSA").pem, signer("Ed25519").pem]
    assert (await pushed.ask(SignatureCheck(keys=keys))).state is State.PASSED
    assert (await pushed.ask(SignatureCheck(key=signer("RSA").pem, keys=keys[:1]))).state is State.PASSED
    found = await pushed.ask(SignatureCheck(keys=[keys[0], keys[2]]))
    assert (found.state, found.reason) == (
        State.FAILED,
        "No signature counts: its .sig tag: not made with any of 2 keys.",
    )


async def test_a_signature_by_another_key_fails(pushed: Pushed) -> None:
    pushed.pusher.attach(pushed.digest, signature(pushed.digest, signer(number=1)), suffix=".sig")
    found = await pushed.ask(CHECK)
    fingerprint = PublicKey.read(signer().pem).fingerprint
    assert (found.state, found.value) == (State.FAILED, "another key")
    assert found.reason == f"No signature counts: its .sig tag: not made with the key {fingerprint}."


async def test_signatures_of_earlier_stages_are_waited_over_where_that_is_said(pushed: Pushed) -> None:
    check = SignatureCheck(key=signer().pem, other_keys="wait")
    pushed.pusher.attach(pushed.digest, signature(pushed.digest, signer(number=1)), suffix=".sig")
    found = await pushed.ask(check)
    assert found.state is State.PENDING
    assert found.reason.startswith("No signature counts yet: its .sig tag: not made with the key ")
    both = [signature(pushed.digest, signer(number=1)), signature(pushed.digest)]
    pushed.pusher.attach(pushed.digest, *both, suffix=".sig")
    assert (await pushed.ask(check)).state is State.PASSED
    broken = [both[0], signature(OTHER)]
    pushed.pusher.attach(pushed.digest, *broken, suffix=".sig")
    assert (await pushed.ask(check)).state is State.FAILED


async def test_one_good_signature_is_enough_and_the_others_are_told(pushed: Pushed) -> None:
    documents = [
        signature(pushed.digest, signer(number=1)),
        signature(pushed.digest),
        signature(OTHER),
        Document("text/plain", "ü".encode()),
        Document(SIMPLE_SIGNING, b"{", {SIGNATURE_ANNOTATION: "MEYC"}),
        Document(SIMPLE_SIGNING, b"{}", size=LARGEST + 1),
    ]
    pushed.pusher.attach(pushed.digest, *documents, suffix=".sig")
    found = await pushed.ask(CHECK)
    assert found.state is State.PASSED
    assert found.reason.startswith("Signature found: its .sig tag (2 of 6), made with the key ")
    assert "Not counted: its .sig tag (6 of 6): it has 10485761 bytes" in found.reason
    assert found.reason.endswith("; and 2 more.")


async def test_several_keys_signatures_of_one_payload_cost_one_blob(pushed: Pushed, gateway: Gateway) -> None:
    documents = [signature(pushed.digest, signer(number=number)) for number in range(4)]
    pushed.pusher.attach(pushed.digest, *documents, suffix=".sig")
    assert (await pushed.ask(CHECK)).state is State.PASSED
    assert gateway.count("GET", "/blobs/") == 1


async def test_an_attestation_is_no_signature_although_the_key_has_made_it(pushed: Pushed, gateway: Gateway) -> None:
    """It may say that the image must not be used."""
    document = bundled(pushed.digest, predicate_type=VULNERABILITIES)
    pushed.pusher.attach(pushed.digest, document, artifact_type=BUNDLE)
    assert (await pushed.ask(CHECK)).state is State.PENDING
    annotations = {"dev.sigstore.bundle.predicateType": VULNERABILITIES}
    pushed.pusher.attach(pushed.digest, document, artifact_type=BUNDLE, annotations=annotations)
    gateway.requests.clear()
    assert (await pushed.ask(CHECK)).state is State.PENDING
    assert gateway.count("GET", "/blobs/") == 1


async def test_an_annotation_makes_no_signature_of_what_is_none(pushed: Pushed) -> None:
    pushed.pusher.attach(
        pushed.digest,
        bundled(pushed.digest, predicate_type=VULNERABILITIES),
        artifact_type=BUNDLE,
        annotations=BY_BUNDLE,
    )
    for check in (CHECK, THERE):
        assert (await pushed.ask(check)).state is State.PENDING


async def test_other_referrers_are_neither_signatures_nor_read(pushed: Pushed, gateway: Gateway) -> None:
    pushed.pusher.attach(pushed.digest, Document("text/plain", b"SBOM"), artifact_type="application/spdx+json")
    assert (await pushed.ask(CHECK)).state is State.PENDING
    assert gateway.count("GET", "/blobs/") == 0


async def test_of_an_index_its_own_signature_counts_and_not_those_of_its_children(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=("linux/amd64", "linux/arm64"))
    pusher, reference = Pusher(sandbox, f"docker-dev/{image}"), ImageReference("docker-dev", image, "1")
    for child in pusher.children(digest):
        pusher.attach(child, signature(child), suffix=".sig")
    assert (await verify(client, reference, [CHECK])).state is State.PENDING
    pusher.attach(digest, signature(digest), suffix=".sig")
    assert (await verify(client, reference, [CHECK])).state is State.PASSED


async def test_without_a_key_it_is_said_that_there_is_a_signature_and_no_more(pushed: Pushed, gateway: Gateway) -> None:
    pushed.pusher.attach(pushed.digest, signature(OTHER, signer(number=1)), suffix=".sig")
    found = await pushed.ask(THERE)
    assert (found.state, found.value, found.author) == (State.PASSED, "there", None)
    assert found.reason == "Signature found: its .sig tag, whose it is was not verified."
    assert gateway.count("GET", "/manifests/sha256:") == 0


async def test_without_a_key_a_bundle_about_the_digest_is_there_and_one_about_another_is_not(pushed: Pushed) -> None:
    pushed.pusher.attach(pushed.digest, bundled(OTHER), artifact_type=BUNDLE)
    assert (await pushed.ask(THERE)).state is State.FAILED
    pushed.pusher.attach(pushed.digest, bundled(pushed.digest, signer(number=1)), artifact_type=BUNDLE)
    found = await pushed.ask(THERE)
    assert (found.state, "whose it is was not verified" in found.reason) == (State.PASSED, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"key": "cosign.pub"},
        {"key": 1},
        {"key": None},
        {"key": ""},
        {"keys": None},
        {"keys": [""]},
        {"keys": signer().pem},
        {"keys": [None]},
        {"keys": [signer().pem] * 11},
        {"name": ""},
        {"name": None},
        {"bundles": "no"},
        {"other_keys": "ignore"},
    ],
    ids=range(13),
)
def test_a_check_that_could_not_work_is_refused_when_the_dag_is_read(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"key|name|bundles"):
        SignatureCheck(**fields)
