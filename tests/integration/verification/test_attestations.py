"""A digest passes when one of the keys has attested of it what is asked for, and never else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.gateway import Reply
from tests.integration.promotion.attaching import Document, Pusher
from tests.integration.verification.signed import LARGEST, OTHER, attested, bundled, signature
from tests.signing import (
    BUNDLE,
    ENVELOPE,
    KINDS,
    SIGNATURE,
    VULNERABILITIES,
    base64_of,
    bundle,
    envelope,
    json_of,
    message_signature,
    signer,
    statement,
)

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.verification import AttestationCheck, State, verify, verify_many
from artifactory_provider.verification.signing.keys import PublicKey

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway
    from tests.integration.verification.conftest import Pushed

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

PROVENANCE = "https://slsa.dev/provenance/v1"
CHECK = AttestationCheck(key=signer().pem, predicate_type=VULNERABILITIES)
NO_FINDINGS = AttestationCheck(
    key=signer().pem, predicate_type=VULNERABILITIES, condition="length(findings[?severity == 'CRITICAL']) == `0`"
)
GOOD: dict[str, Any] = {"findings": [{"id": "CVE-1", "severity": "LOW"}]}
BAD: dict[str, Any] = {"findings": [{"id": "CVE-2", "severity": "CRITICAL"}]}


async def test_an_image_of_which_nobody_has_attested_anything_is_waited_for(pushed: Pushed) -> None:
    pushed.pusher.attach(pushed.digest, signature(pushed.digest), suffix=".sig")
    found = await pushed.ask(CHECK)
    assert (found.state, found.reason) == (State.PENDING, f"There is no attestation of type '{VULNERABILITIES}' yet.")
    assert (await pushed.ask(AttestationCheck())).reason == "There is no attestation yet."


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_annotated", [True, False])
async def test_an_attestation_under_cosigns_tag_passes(pushed: Pushed, kind: str, is_annotated: bool) -> None:
    document = attested(pushed.digest, GOOD, signer(kind), is_annotated=is_annotated)
    pushed.pusher.attach(pushed.digest, document, suffix=".att")
    found = await pushed.ask(AttestationCheck(key=signer(kind).pem, predicate_type=VULNERABILITIES))
    fingerprint = PublicKey.read(signer(kind).pem).fingerprint
    assert (found.state, found.author) == (State.PASSED, f"key {fingerprint}")
    assert found.reason == f"Attestation found: its .att tag, made with the key {fingerprint}."


@pytest.mark.parametrize("is_annotated", [True, False])
async def test_an_attestation_in_a_bundle_passes(pushed: Pushed, is_annotated: bool) -> None:
    annotations = {"dev.sigstore.bundle.predicateType": VULNERABILITIES} if is_annotated else None
    document = bundled(pushed.digest, predicate_type=VULNERABILITIES, predicate=GOOD)
    pushed.pusher.attach(pushed.digest, document, artifact_type=BUNDLE, annotations=annotations)
    assert (await pushed.ask(NO_FINDINGS)).state is State.PASSED
    other = AttestationCheck(key=signer(number=1).pem, predicate_type=VULNERABILITIES)
    assert (await pushed.ask(other)).state is State.FAILED
    alone = AttestationCheck(key=signer().pem, predicate_type=VULNERABILITIES, bundles=False)
    assert (await pushed.ask(alone)).state is State.PENDING


async def test_an_envelope_that_is_a_referrer_itself_passes(pushed: Pushed) -> None:
    pushed.pusher.attach(pushed.digest, attested(pushed.digest), artifact_type="application/vnd.in-toto+json")
    assert (await pushed.ask(CHECK)).state is State.PASSED


@pytest.mark.parametrize(
    ("predicate", "state"),
    [
        (GOOD, State.PASSED),
        ({"findings": []}, State.PASSED),
        (BAD, State.FAILED),
        ({}, State.FAILED),
        ({"findings": None}, State.FAILED),
        ({"findings": "CRITICAL"}, State.FAILED),
        (["findings"], State.FAILED),
        ("findings", State.FAILED),
        ({"Findings": []}, State.FAILED),
    ],
)
async def test_what_is_attested_must_meet_the_condition(pushed: Pushed, predicate: Any, state: State) -> None:
    pushed.pusher.attach(pushed.digest, attested(pushed.digest, predicate), suffix=".att")
    found = await pushed.ask(NO_FINDINGS)
    assert found.state is state
    if state is State.FAILED:
        assert found.value == "not met"
        assert found.reason.startswith(
            "No attestation counts: its .att tag: it does not meet \"length(findings[?severity == 'CRITICAL']) == `0`\""
        )


async def test_a_good_predicate_by_another_key_is_none(pushed: Pushed) -> None:
    documents = [attested(pushed.digest, GOOD, signer(number=1)), attested(pushed.digest, BAD)]
    pushed.pusher.attach(pushed.digest, *documents, suffix=".att")
    assert (await pushed.ask(NO_FINDINGS)).state is State.FAILED


async def test_one_attestation_that_passes_is_enough_and_the_others_are_told(pushed: Pushed) -> None:
    documents = [attested(pushed.digest, GOOD), attested(pushed.digest, BAD), attested(OTHER, GOOD)]
    documents += [attested(pushed.digest, GOOD, signer(number=1)), Document(ENVELOPE, b"[]")]
    pushed.pusher.attach(pushed.digest, *documents, suffix=".att")
    found = await pushed.ask(NO_FINDINGS)
    assert found.state is State.PASSED
    assert found.reason.startswith("Attestation found: its .att tag (1 of 5), made with the key ")
    assert "its .att tag (5 of 5): its envelope is no JSON object" in found.reason
    assert "its .att tag (3 of 5): its statement is about other digests than this one" in found.reason


async def test_an_attestation_about_another_digest_fails(pushed: Pushed) -> None:
    pushed.pusher.attach(pushed.digest, attested(OTHER), suffix=".att")
    assert (await pushed.ask(CHECK)).state is State.FAILED


async def test_an_attestation_of_another_type_is_waited_over_and_its_type_is_told(
    pushed: Pushed, gateway: Gateway
) -> None:
    documents = [
        attested(pushed.digest, predicate_type=PROVENANCE),
        attested(pushed.digest, predicate_type=f"{VULNERABILITIES} ", is_annotated=False),
    ]
    pushed.pusher.attach(pushed.digest, *documents, suffix=".att")
    found = await pushed.ask(CHECK)
    assert found.state is State.PENDING
    assert found.reason == (
        f"There is no attestation of type '{VULNERABILITIES}' (there are others: '{VULNERABILITIES} ', "
        f"'{PROVENANCE}') yet."
    )
    assert gateway.count("GET", "/blobs/") == 1


async def test_an_annotation_does_not_make_another_type_of_what_was_signed(pushed: Pushed) -> None:
    document = attested(pushed.digest, predicate_type=PROVENANCE)
    lying = Document(document.media_type, document.content, {"predicateType": VULNERABILITIES})
    pushed.pusher.attach(pushed.digest, lying, suffix=".att")
    assert (await pushed.ask(CHECK)).state is State.PENDING


async def test_a_signature_is_no_attestation(pushed: Pushed) -> None:
    manifest = (await pushed.client.manifest(pushed.reference)).content
    message = Document(BUNDLE, bundle(messageSignature=message_signature(manifest, signer())))
    for document in (bundled(pushed.digest), message):
        pushed.pusher.attach(pushed.digest, document, artifact_type=BUNDLE)
    for check in (CHECK, AttestationCheck(), AttestationCheck(predicate_type=VULNERABILITIES)):
        assert (await pushed.ask(check)).state is State.PENDING
    assert SIGNATURE in (await pushed.ask(CHECK)).reason


def forge(digest: str, **changes: Any) -> Document:
    return Document(ENVELOPE, json_of(envelope(statement(digest, GOOD), signer()) | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"signatures": [{"sig": "MEYCIQD"}]}, "a signature in its envelope is no base64, or cut off"),
        ({"signatures": []}, "its envelope holds no signature"),
        ({"payload": ""}, "the payload of its envelope is missing"),
        ({"payload": base64_of(b"{")}, "its statement is no JSON"),
        ({"payload": base64_of(b'{"a":' * 200 + b"1" + b"}" * 200)}, "its statement has more than 100 levels"),
        ({"payload": base64_of(statement(OTHER)[:-1] + b',"subject":[]}')}, "its statement names one thing twice"),
        ({"payloadType": "application/json"}, "the payload of its envelope is 'application/json', not "),
        ({"payload": base64_of('{"_type": "\ud83d\ude00"}'.encode("utf-16", "surrogatepass"))}, "is no JSON"),
    ],
    ids=("cut", "no signature", "empty", "no JSON", "deep", "twice", "another payload", "UTF-16"),
)
async def test_what_is_no_attestation_fails_with_what_is_wrong_with_it(
    pushed: Pushed, changes: dict[str, Any], said: str
) -> None:
    pushed.pusher.attach(pushed.digest, forge(pushed.digest, **changes), suffix=".att")
    found = await pushed.ask(CHECK)
    assert (found.state, found.value) == (State.FAILED, "not valid")
    assert said in found.reason


async def test_an_attestation_of_ten_megabytes_is_read_and_one_of_more_is_not(pushed: Pushed, gateway: Gateway) -> None:
    small = attested(pushed.digest, GOOD)
    padded = Document(ENVELOPE, small.content[:-1] + b" " * (LARGEST - len(small.content)) + b"}")
    larger = Document(ENVELOPE, small.content[:-1] + b" " * (LARGEST - len(small.content) + 1) + b"}")
    pushed.pusher.attach(pushed.digest, larger, suffix=".att")
    found = await pushed.ask(CHECK)
    assert found.state is State.FAILED
    assert f"its .att tag: it has {LARGEST + 1} bytes, and {LARGEST} are read at most" in found.reason
    assert gateway.count("GET", "/blobs/") == 0
    pushed.pusher.attach(pushed.digest, padded, suffix=".att")
    assert (await pushed.ask(CHECK)).state is State.PASSED


async def test_of_more_bytes_than_anybody_can_mean_the_newest_are_read(pushed: Pushed, gateway: Gateway) -> None:
    large = [Document(ENVELOPE, (b"%d" % number) * 10_000_000) for number in range(4)]
    pushed.pusher.attach(pushed.digest, attested(pushed.digest), *large, suffix=".att")
    found = await pushed.ask(CHECK)
    assert (found.state, gateway.count("GET", "/blobs/")) == (State.FAILED, 3)
    assert (
        "counts: the oldest: not read, as 100 documents and 33554432 bytes are at most; its .att tag (5 of 5)"
        in found.reason
    )
    pushed.pusher.attach(pushed.digest, *large, attested(pushed.digest), suffix=".att")
    assert (await pushed.ask(CHECK)).state is State.PASSED


async def test_a_predicate_that_makes_the_condition_work_too_much_does_not_meet_it(pushed: Pushed) -> None:
    predicate = {"findings": [[0] * 900] * 900}
    condition = "length(findings[][?@ != `1` && @ != `2`]) == `810000`"
    check = AttestationCheck(key=signer().pem, predicate_type=VULNERABILITIES, condition=condition)
    pushed.pusher.attach(pushed.digest, attested(pushed.digest, predicate), suffix=".att")
    found = await pushed.ask(check)
    assert (found.state, "takes too many steps" in found.reason) == (State.FAILED, True)
    few = {"findings": [[0] * 100] * 100}
    pushed.pusher.attach(pushed.digest, attested(pushed.digest, few), suffix=".att")
    assert "as it comes to false" in (await pushed.ask(check)).reason


async def test_an_attestation_that_cannot_be_read_now_is_waited_for(pushed: Pushed, gateway: Gateway) -> None:
    pushed.pusher.attach(pushed.digest, attested(pushed.digest), suffix=".att")
    gateway.rule("GET", "/blobs/", reply=Reply(503), does_work=False)
    assert (await pushed.ask(CHECK)).state is State.PENDING
    gateway.forget_rules()
    gateway.rule("GET", "/blobs/", reply=Reply(403), does_work=False)
    assert (await pushed.ask(CHECK)).state is State.UNREADABLE


async def test_attestations_by_other_keys_are_waited_over_where_that_is_said(pushed: Pushed) -> None:
    check = AttestationCheck(key=signer().pem, predicate_type=VULNERABILITIES, other_keys="wait")
    documents = [attested(pushed.digest, GOOD, signer(number=1))]
    pushed.pusher.attach(pushed.digest, *documents, suffix=".att")
    assert (await pushed.ask(check)).state is State.PENDING
    pushed.pusher.attach(pushed.digest, *documents, attested(OTHER), suffix=".att")
    assert (await pushed.ask(check)).state is State.FAILED


async def test_without_a_key_it_is_said_that_there_is_an_attestation_and_no_more(
    pushed: Pushed, gateway: Gateway
) -> None:
    pushed.pusher.attach(pushed.digest, attested(pushed.digest, BAD, signer(number=1)), suffix=".att")
    found = await pushed.ask(AttestationCheck())
    assert (found.state, found.reason, found.author) == (
        State.PASSED,
        "Attestation found: its .att tag, whose it is was not verified.",
        None,
    )
    assert gateway.count("GET", "/blobs/") == 0
    assert (await pushed.ask(AttestationCheck(predicate_type=VULNERABILITIES))).state is State.PASSED
    assert (await pushed.ask(AttestationCheck(predicate_type=PROVENANCE))).state is State.PENDING
    pushed.pusher.attach(pushed.digest, attested(OTHER), suffix=".att")
    assert (await pushed.ask(AttestationCheck(predicate_type=VULNERABILITIES))).state is State.FAILED


async def test_of_an_index_its_own_attestation_counts(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=("linux/amd64", "linux/arm64"))
    pusher, reference = Pusher(sandbox, f"docker-dev/{image}"), ImageReference("docker-dev", image, "1")
    for child in pusher.children(digest):
        pusher.attach(child, attested(child), suffix=".att")
    assert (await verify(client, reference, [CHECK])).state is State.PENDING
    pusher.attach(digest, attested(digest), suffix=".att")
    assert (await verify(client, reference, [CHECK])).state is State.PASSED


async def test_presence_on_three_hundred_digests_is_one_query(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    pusher = Pusher(sandbox, f"docker-dev/{image}")
    references = []
    for number in range(300):
        digest = sandbox.push_image(f"docker-dev/{image}:{number}")
        pusher.attach(digest, attested(digest), suffix=".att")
        references.append(ImageReference("docker-dev", image, str(number), digest))
    async with Ledger(client) as ledger:
        found = await verify_many(ledger, references, [AttestationCheck()])
    assert {one.state for one in found} == {State.PASSED}
    assert len(gateway.requests) == gateway.count("POST", "/aql") == 3


KEY = {"key": signer().pem}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (KEY, "With a key, name the predicate type"),
        ({"keys": [signer().pem]}, "With a key, name the predicate type"),
        ({"condition": "passed", "predicate_type": "x"}, "A condition needs a key"),
        ({**KEY, "predicate_type": "x", "condition": ""}, "A condition is a JMESPath expression"),
        ({**KEY, "predicate_type": "x", "condition": "a ="}, "is no JMESPath expression"),
        ({**KEY, "predicate_type": "x", "condition": "gone(@)"}, "which JMESPath does not have"),
        ({**KEY, "predicate_type": " x"}, "A predicate type is a URI"),
        ({**KEY, "predicate_type": "x" * 501}, "A predicate type is a URI"),
        ({**KEY, "predicate_type": None}, "None is not a predicate type"),
        ({"key": "cosign.pub", "predicate_type": "x"}, "A key is given as the text of its PEM file"),
        ({"key": None}, "Leave it out where anybody may have signed"),
        ({**KEY, "predicate_type": "x", "condition": None}, "A condition is a JMESPath expression"),
        ({"keys": None}, "'keys' is a list"),
        ({"other_keys": None}, "'other_keys' is one of"),
    ],
    ids=range(14),
)
def test_a_check_that_could_not_work_is_refused_when_the_dag_is_read(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AttestationCheck(**fields)
