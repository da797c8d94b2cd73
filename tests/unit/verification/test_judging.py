"""What one document is worth, among them ones that cosign and others have made, not these tests."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from tests.signing import VULNERABILITIES, base64_of, bundle, claim, envelope, json_of, signer, statement

from artifactory_provider.verification.conditions import Condition
from artifactory_provider.verification.signing.bundles import MessageSignature, read_bundle
from artifactory_provider.verification.signing.documents import Unreadable
from artifactory_provider.verification.signing.dsse import Envelope, Statement, pre_authentication_encoding
from artifactory_provider.verification.signing.findings import Standing
from artifactory_provider.verification.signing.judging import Judge
from artifactory_provider.verification.signing.keys import PublicKey

DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
KEY = PublicKey.read(signer().pem)
JUDGE = Judge(DIGEST, (KEY,))

# Made by cosign: github.com/containers/image, signature/fixtures/cosign.pub and dir-img-cosign-valid (Apache-2.0).
COSIGN_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEFNLqFhf4fiN6o/glAuYnq2jYUeL0
vRuLu/z39pmbVwS9ff5AYnlwaP9sxREajdLY9ynM6G1sy6AAmb7Z63TsLg==
-----END PUBLIC KEY-----
"""
COSIGN_DIGEST = "sha256:634a8f35b5f16dcf4aaa0822adc0b1964bb786fca12f6831de8ddc45e5986a00"
COSIGN_PAYLOAD = (
    b'{"critical":{"identity":{"docker-reference":"192.168.64.2:5000/cosign-signed-single-sample"},"image":'
    b'{"docker-manifest-digest":"sha256:634a8f35b5f16dcf4aaa0822adc0b1964bb786fca12f6831de8ddc45e5986a00"},'
    b'"type":"cosign container image signature"},"optional":null}'
)
COSIGN_SIGNATURE = "MEYCIQDmtamqYPjMg81nqeBhptrPls44aA/r7PwLmspINJY4MwIhANKRpqe2E9UCBtGFdPoz/8jAbaQm4uP4h+IpwKTE6ClR"

# Made by npm for sigstore 1.3.0: github.com/sigstore/sigstore-go, examples/publish_key.pub and bundle-publish.json.
NPM_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1Olb3zMAFFxXKHiIkQO5cJ3Yhl5i6UPp+IhuteBJbuHcA5UogKo0EWtlWwW6KSaKoTNEYL7JlCQiVnkhBktUgg==
-----END PUBLIC KEY-----
"""
NPM_ENVELOPE = {
    "payload": "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjAuMSIsInN1YmplY3QiOlt7Im5hbWUiOiJwa2c6bnBtL3NpZ3N"
    "0b3JlQDEuMy4wIiwiZGlnZXN0Ijp7InNoYTUxMiI6Ijc2MTc2ZmZhMzM4MDhiNTQ2MDJjN2MzNWRlNWM2ZTlhNGRlYjk2MDY2ZGJhNjUzM2Y1MG"
    "FjMjM0ZjRmMWY0YzZiMzUyNzUxNWRjMTdjMDZmYmUyODYwMDMwZjQxMGVlZTY5ZWEyMDA3OWJkM2EyYzZmM2RjZjNiMzI5YjEwNzUxIn19XSwic"
    "HJlZGljYXRlVHlwZSI6Imh0dHBzOi8vZ2l0aHViLmNvbS9ucG0vYXR0ZXN0YXRpb24vdHJlZS9tYWluL3NwZWNzL3B1Ymxpc2gvdjAuMSIsInBy"
    "ZWRpY2F0ZSI6eyJuYW1lIjoic2lnc3RvcmUiLCJ2ZXJzaW9uIjoiMS4zLjAiLCJyZWdpc3RyeSI6Imh0dHBzOi8vcmVnaXN0cnkubnBtanMub3J"
    "nIn19",
    "payloadType": "application/vnd.in-toto+json",
    "signatures": [
        {
            "sig": "MEUCIBnkgYZPKzUrd8ClQYUH3c7AbNe65TAu0U/KcDfRAiSrAiEAusNy2Y5EJ77Kqqym1+PmZQ2wHP8xl467wiBfP4902lE=",
            "keyid": "SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA",
        }
    ],
}


def test_a_signature_that_cosign_has_made_is_verified() -> None:
    judge = Judge(COSIGN_DIGEST, (PublicKey.read(COSIGN_KEY),))
    found = judge.judge_claim("it", COSIGN_PAYLOAD, COSIGN_SIGNATURE)
    assert found.standing is Standing.VALID
    assert found.reason == f"it, made with the key {PublicKey.read(COSIGN_KEY).fingerprint}"


def test_a_signature_that_cosign_has_made_is_no_other_digests_and_no_other_keys() -> None:
    judge = Judge(COSIGN_DIGEST, (PublicKey.read(COSIGN_KEY),))
    foreign = Judge(DIGEST, judge.keys).judge_claim("it", COSIGN_PAYLOAD, COSIGN_SIGNATURE)
    assert (foreign.standing, "of another digest" in foreign.reason) == (Standing.FLAWED, True)
    assert Judge(COSIGN_DIGEST, (KEY,)).judge_claim("it", COSIGN_PAYLOAD, COSIGN_SIGNATURE).standing is (
        Standing.OTHER_KEY
    )
    changed = COSIGN_PAYLOAD.replace(b'"optional":null', b'"optional":{}')
    assert judge.judge_claim("it", changed, COSIGN_SIGNATURE).standing is Standing.OTHER_KEY


def test_an_attestation_that_npm_has_made_is_verified() -> None:
    read = Envelope.read(NPM_ENVELOPE)
    assert read.find_signer([PublicKey.read(NPM_KEY)]) == PublicKey.read(NPM_KEY)
    assert read.find_signer([KEY]) is None
    said = Statement.read(read.payload)
    assert said.predicate_type == "https://github.com/npm/attestation/tree/main/specs/publish/v0.1"
    assert said.predicate == {"name": "sigstore", "version": "1.3.0", "registry": "https://registry.npmjs.org"}
    assert said.subjects == frozenset()


def test_what_is_signed_of_an_envelope_is_as_in_the_protocols_own_example() -> None:
    """github.com/secure-systems-lab/dsse, protocol.md, "Test Vectors"."""
    signed = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert signed == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    numbers = EllipticCurvePublicNumbers(
        46950820868899156662930047687818585632848591499744589407958293238635476079160,
        5640078356564379163099075877009565129882514886557779369047442380624545832820,
        SECP256R1(),
    )
    pem = numbers.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    raw = base64.b64decode("A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==")
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    assert PublicKey.read(pem).verifies(der, signed)
    assert not PublicKey.read(pem).verifies(der, b"hello world")


def test_what_the_encoding_counts_are_bytes() -> None:
    assert pre_authentication_encoding("ä", "ü".encode()) == "DSSEv1 2 ä 2 ü".encode()


def test_the_name_that_a_signature_gives_the_image_is_not_asked() -> None:
    payload = claim(DIGEST, identity={"docker-reference": "somewhere.else/evil:1"})
    assert JUDGE.judge_claim("it", payload, base64_of(signer().sign(payload))).standing is Standing.VALID


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (claim(DIGEST, type="atomic container signature"), "is of type 'atomic container signature'"),
        (claim(DIGEST, type=None), "is of type None"),
        (claim(DIGEST, image=None), "names no image"),
        (claim(DIGEST, image={"docker-manifest-digest": [DIGEST]}), "names no digest"),
        (claim(DIGEST, image={"Docker-manifest-digest": DIGEST}), "names no digest"),
        (json_of({"critical": [DIGEST]}), "names no image"),
        (json_of({}), "names no image"),
        (claim(DIGEST).replace(b'"image":', b'"image":{},"image":'), "names one thing twice"),
        (DIGEST.encode(), "is no JSON"),
        (b"", "is no JSON"),
    ],
)
def test_a_signature_of_anything_but_a_claim_about_an_image_is_none(payload: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        JUDGE.judge_claim("it", payload, base64_of(signer().sign(payload)))


@pytest.mark.parametrize("signature", [None, "", "MEYC!", COSIGN_SIGNATURE[:-3]])
def test_a_signature_that_is_cut_off_is_none(signature: str | None) -> None:
    with pytest.raises(Unreadable, match=r"its signature is (missing|no base64, or cut off)"):
        JUDGE.judge_claim("it", claim(DIGEST), signature)


def is_wanted(predicate_type: str) -> bool:
    return predicate_type == VULNERABILITIES


def judge_envelope(document: dict[str, Any], judge: Judge = JUDGE) -> Any:
    return judge.judge_envelope("it", Envelope.read(document), is_wanted)


def test_an_attestation_by_the_key_about_the_digest_is_verified_with_either_version_of_statements() -> None:
    for kind in ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"):
        found = judge_envelope(envelope(statement(DIGEST, _type=kind), signer()))
        assert (found.standing, found.signer) == (Standing.VALID, KEY)


def test_one_of_several_signatures_of_an_envelope_is_enough() -> None:
    document = envelope(statement(DIGEST), signer(number=1), signer(number=0), signer("RSA"))
    assert judge_envelope(document).standing is Standing.VALID


def test_one_of_several_subjects_is_enough() -> None:
    subjects = [{"digest": {"sha1": "0"}}, {"digest": {"sha256": "b" * 64}}, {"digest": {"sha256": "a" * 64}}]
    assert judge_envelope(envelope(statement(DIGEST, subject=subjects), signer())).standing is Standing.VALID


def test_an_attestation_by_another_key_is_not_ours() -> None:
    assert judge_envelope(envelope(statement(DIGEST), signer(number=1))).standing is Standing.OTHER_KEY


def test_a_signature_of_the_bare_payload_is_none_of_the_envelope() -> None:
    document = envelope(statement(DIGEST), signer())
    document["signatures"] = [{"sig": base64_of(signer().sign(statement(DIGEST)))}]
    assert judge_envelope(document).standing is Standing.OTHER_KEY


def test_an_attestation_whose_payload_was_changed_is_not_ours() -> None:
    document = envelope(statement(DIGEST, {"findings": [1]}), signer())
    document["payload"] = base64_of(statement(DIGEST, {"findings": []}))
    assert judge_envelope(document).standing is Standing.OTHER_KEY


@pytest.mark.parametrize(
    "subject",
    [
        [],
        [{"digest": {"sha256": "b" * 64}}],
        [{"digest": {"sha512": "a" * 64}}],
        [{"digest": {"sha256": "A" * 64}}],
        [{"digest": {"sha256": ["a" * 64]}}],
        [{"digest": {}, "name": DIGEST}],
    ],
)
def test_an_attestation_about_other_digests_is_none_about_this_one(subject: Any) -> None:
    found = judge_envelope(envelope(statement(DIGEST, subject=subject), signer()))
    assert (found.standing, found.reason) == (
        Standing.FLAWED,
        "it: its statement is about other digests than this one",
    )


def test_an_attestation_of_another_type_is_passed_over_whoever_has_made_it() -> None:
    for one in (signer(), signer(number=1)):
        assert judge_envelope(envelope(statement(DIGEST, predicate_type="https://slsa.dev/provenance/v1"), one)) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"_type": "https://in-toto.io/Statement/v2"}, "none of in-toto's"),
        ({"_type": None}, "none of in-toto's"),
        ({"predicateType": None}, "names no predicateType"),
        ({"predicateType": ["x"]}, "names no predicateType"),
        ({"subject": None}, "no list of subjects"),
        ({"subject": [None]}, "no list of subjects"),
        ({"subject": [{"name": "app"}]}, "has no digest"),
    ],
)
def test_a_statement_that_is_none_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        judge_envelope(envelope(statement(DIGEST, **changes), signer()))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"payloadType": "text/plain"}, "is 'text/plain', not 'application/vnd.in-toto"),
        ({"payloadType": None}, "is None"),
        ({"payload": None}, "payload of its envelope is missing"),
        ({"payload": "e30"}, "payload of its envelope is no base64"),
        ({"payload": base64_of(b"nothing")}, "its statement is no JSON"),
        ({"signatures": []}, "holds no signature"),
        ({"signatures": None}, "holds no signature"),
        ({"signatures": ["MEYC"]}, "holds no signature"),
        ({"signatures": [{}]}, "a signature in its envelope is missing"),
        ({"signatures": [{"sig": "MEYC"}] * 9}, "more than 8 signatures"),
    ],
)
def test_an_envelope_that_is_none_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        judge_envelope(envelope(statement(DIGEST), signer()) | changes)


@pytest.mark.parametrize(("predicate", "is_met"), [({"findings": []}, True), ({"findings": [1]}, False), ({}, False)])
def test_a_condition_is_asked_of_what_was_signed(predicate: Any, is_met: bool) -> None:
    judge = Judge(DIGEST, (KEY,), Condition.parse("length(findings) == `0`"))
    found = judge_envelope(envelope(statement(DIGEST, predicate), signer()), judge)
    assert found.standing is (Standing.VALID if is_met else Standing.UNMET)
    forged = judge_envelope(envelope(statement(DIGEST, predicate), signer(number=1)), judge)
    assert forged.standing is Standing.OTHER_KEY


def test_a_predicate_that_is_not_set_is_empty() -> None:
    payload = statement(DIGEST).replace(b',"predicate":{}', b"")
    assert Statement.read(payload).predicate == {}
    assert Statement.read(statement(DIGEST, predicate=None)).predicate == {}


def test_a_bundle_holds_an_envelope_or_a_signature() -> None:
    read = read_bundle(bundle(dsseEnvelope=envelope(statement(DIGEST), signer())))
    assert isinstance(read, Envelope)
    assert read.find_signer([KEY]) == KEY
    assert read_bundle(bundle(messageSignature={"signature": base64_of(b"signed")})) == MessageSignature(b"signed")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "neither one envelope nor one signature"),
        ({"messageSignature": {"signature": "aGk="}, "dsseEnvelope": {}}, "neither one envelope nor one signature"),
        ({"dsseEnvelope": []}, "neither one envelope nor one signature"),
        ({"messageSignature": {}}, "the signature in the bundle is missing"),
        ({"messageSignature": {"signature": "aGk"}}, "the signature in the bundle is no base64"),
        ({"mediaType": "application/vnd.dev.sigstore.bundle.v0.4+json"}, "calls itself"),
        ({"mediaType": None}, "calls itself None"),
        (
            {"dsseEnvelope": envelope(statement(DIGEST), signer(), signer(number=1))},
            "more than one signature, which a bundle must not",
        ),
    ],
)
def test_a_bundle_that_is_none_is_refused(content: dict[str, Any], said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read_bundle(bundle(**content))


@given(st.binary())
def test_bytes_that_anybody_may_write_are_no_bundle_and_no_other_error(content: bytes) -> None:
    with pytest.raises(Unreadable):
        read_bundle(content)


def test_the_manifest_itself_may_be_signed() -> None:
    assert JUDGE.judge_message("it", signer().sign(b"manifest"), b"manifest").standing is Standing.VALID
    assert JUDGE.judge_message("it", signer().sign(b"manifest"), b"manifest ").standing is Standing.OTHER_KEY
    assert JUDGE.judge_message("it", signer(number=1).sign(b"manifest"), b"manifest").standing is Standing.OTHER_KEY


def test_without_a_key_nothing_is_said_of_who_has_made_it() -> None:
    judge = Judge(DIGEST, ())
    payload = claim(DIGEST)
    found = judge.judge_claim("it", payload, base64_of(b"anything"))
    assert (found.standing, found.signer) == (Standing.VALID, None)
    assert found.reason == "it, whose it is was not verified"
    assert judge.judge_claim("it", claim(OTHER), base64_of(b"anything")).standing is Standing.FLAWED
