"""What is there but no good signature never passes, and is told as what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Reply, html
from tests.integration.promotion.attaching import Document
from tests.integration.verification.signed import LARGEST, OTHER, bundled, signature
from tests.signing import BUNDLE, SIGNATURE_ANNOTATION, SIMPLE_SIGNING, base64_of, claim, signer

from artifactory_provider.artifactory.errors import ServerFailed
from artifactory_provider.verification import SignatureCheck, State, verify

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway
    from tests.integration.verification.conftest import Pushed

CHECK = SignatureCheck(key=signer().pem)


async def test_a_payload_that_was_changed_after_it_was_signed_fails(pushed: Pushed) -> None:
    """The signature is of another digest's claim, the payload beside it of this one's."""
    signed = base64_of(signer().sign(claim(OTHER)))
    forged = Document(SIMPLE_SIGNING, claim(pushed.digest), {SIGNATURE_ANNOTATION: signed})
    pushed.pusher.attach(pushed.digest, forged, suffix=".sig")
    assert (await pushed.ask(CHECK)).state is State.FAILED


async def test_a_true_signature_of_another_digest_fails(pushed: Pushed) -> None:
    pushed.pusher.attach(pushed.digest, signature(OTHER), suffix=".sig")
    found = await pushed.ask(CHECK)
    assert (found.state, found.value) == (State.FAILED, "not valid")
    assert found.reason == f"No signature counts: its .sig tag: it is of another digest, {OTHER}."
    pushed.pusher.attach(pushed.digest, bundled(OTHER), artifact_type=BUNDLE)
    assert (await pushed.ask(CHECK)).state is State.FAILED


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (Document(SIMPLE_SIGNING, b"{}"), "its signature is missing"),
        (Document(SIMPLE_SIGNING, b"{}", {SIGNATURE_ANNOTATION: "MEYCIQD"}), "its signature is no base64, or cut off"),
        (Document(SIMPLE_SIGNING, b"", {SIGNATURE_ANNOTATION: "MEYC"}), "its payload is no JSON"),
        (Document(SIMPLE_SIGNING, b"{" * 50_000, {SIGNATURE_ANNOTATION: "MEYC"}), "its payload is no JSON"),
        (Document(SIMPLE_SIGNING, b"\xff\xfe", {SIGNATURE_ANNOTATION: "MEYC"}), "its payload is no JSON"),
        (Document(SIMPLE_SIGNING, b'{"a":1,"a":1}', {SIGNATURE_ANNOTATION: "MEYC"}), "names one thing twice"),
        (Document(SIMPLE_SIGNING, b"{}", {SIGNATURE_ANNOTATION: "MEYC"}), "its payload names no image"),
        (Document("text/plain", b"{}"), "its media type is 'text/plain', not "),
        (
            Document(SIMPLE_SIGNING, b"{}", size=LARGEST + 1),
            f"it has {LARGEST + 1} bytes, and {LARGEST} are read at most",
        ),
        (Document(SIMPLE_SIGNING, b"{}", size=1), "sent other bytes than the 1 of that digest"),
    ],
    ids=("no signature", "cut", "empty", "deep", "binary", "twice", "no claim", "text", "too large", "wrong size"),
)
async def test_what_is_no_signature_fails_with_what_is_wrong_with_it(
    pushed: Pushed, gateway: Gateway, document: Document, said: str
) -> None:
    pushed.pusher.attach(pushed.digest, document, suffix=".sig")
    found = await pushed.ask(CHECK)
    assert (found.state, found.value) == (State.FAILED, "not valid")
    assert said in found.reason
    assert gateway.count("GET", "/blobs/") == (0 if document.size == LARGEST + 1 else 1)


async def test_a_tag_that_holds_nothing_or_an_index_fails(pushed: Pushed) -> None:
    pushed.pusher.attach(pushed.digest, suffix=".sig")
    assert "its manifest holds no document" in (await pushed.ask(CHECK)).reason
    pushed.pusher.list_referrers(pushed.digest, suffix=".sig")
    found = await pushed.ask(CHECK)
    assert (found.state, "an index is there" in found.reason) == (State.FAILED, True)


async def test_of_more_signatures_than_anybody_can_mean_some_are_read_the_newest_first(
    pushed: Pushed, gateway: Gateway
) -> None:
    junk = [Document(SIMPLE_SIGNING, str(number).encode(), {SIGNATURE_ANNOTATION: "MEYC"}) for number in range(150)]
    pushed.pusher.attach(pushed.digest, *junk, signature(pushed.digest), suffix=".sig")
    assert (await pushed.ask(CHECK)).state is State.PASSED
    assert gateway.count("GET", "/blobs/") == 9
    gateway.requests.clear()
    pushed.pusher.attach(pushed.digest, signature(pushed.digest), *junk, suffix=".sig")
    assert (await pushed.ask(CHECK)).state is State.FAILED
    assert gateway.count("GET", "/blobs/") == 99


@pytest.mark.parametrize(
    ("status", "state"),
    [(404, State.FAILED), (403, State.UNREADABLE), (401, State.UNREADABLE), (503, State.PENDING), (429, State.PENDING)],
)
@pytest.mark.parametrize("path", ["/blobs/", "/manifests/sha256:"])
async def test_a_signature_that_cannot_be_read_is_no_pass(
    pushed: Pushed, gateway: Gateway, path: str, status: int, state: State
) -> None:
    pushed.pusher.attach(pushed.digest, signature(pushed.digest), suffix=".sig")
    gateway.rule("GET", path, reply=Reply(status), does_work=False)
    found = await pushed.ask(CHECK)
    assert found.state is state
    gateway.forget_rules()
    gateway.rule("GET", path, reply=html(), does_work=False)
    assert (await pushed.ask(CHECK)).state is State.UNREADABLE
    gateway.forget_rules()
    gateway.rule("GET", path, ending="cut")
    assert (await pushed.ask(CHECK)).state is State.PENDING


async def test_bytes_that_do_not_have_their_digest_fail_although_they_are_signed(
    pushed: Pushed, gateway: Gateway
) -> None:
    """The registry answers with a good payload where another one is asked for."""
    good = signature(pushed.digest)
    other = Document(SIMPLE_SIGNING, claim(pushed.digest, type="x" * 32), good.annotations)
    assert len(good.content) == len(other.content)
    pushed.pusher.attach(pushed.digest, other, suffix=".sig")
    gateway.rule("GET", "/blobs/", reply=Reply(200, good.content), does_work=False)
    found = await pushed.ask(CHECK)
    assert (found.state, "sent other bytes" in found.reason) == (State.FAILED, True)


async def test_the_manifest_of_another_tag_is_not_taken_for_that_of_the_signature(
    pushed: Pushed, gateway: Gateway
) -> None:
    pushed.pusher.attach(pushed.digest, signature(OTHER), suffix=".sig")
    good = pushed.pusher.attach(pushed.digest, signature(pushed.digest), suffix=".good")
    swapped = (await pushed.client.manifest(pushed.reference.pinned(good).by_digest())).content
    gateway.rule("GET", "/manifests/sha256:", reply=Reply(200, swapped), does_work=False)
    assert (await pushed.ask(CHECK)).state is not State.PASSED


async def test_referrers_that_cannot_be_listed_are_no_pass_and_spoil_no_tag(pushed: Pushed, gateway: Gateway) -> None:
    gateway.rule("GET", "/referrers/", reply=Reply(503), does_work=False)
    with pytest.raises(ServerFailed):
        await verify(pushed.client, pushed.reference, [CHECK])
    gateway.forget_rules()
    gateway.rule("GET", "/referrers/", reply=Reply(200, b'{"manifests": [{"digest": "md5:1"}]}'), does_work=False)
    found = await pushed.ask(CHECK)
    assert (found.state, "its list of referrers: " in found.reason) == (State.FAILED, True)
    pushed.pusher.attach(pushed.digest, signature(pushed.digest), suffix=".sig")
    assert (await pushed.ask(CHECK)).state is State.PASSED
