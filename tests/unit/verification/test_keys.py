from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st
from tests.signing import KINDS, signer

from artifactory_provider.verification.signing.keys import PublicKey, find_signer, read_keys

MESSAGE = "what is signed, with ümläuts".encode()


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_verifies_what_its_owner_has_signed_and_nothing_else(kind: str) -> None:
    key, signature = PublicKey.read(signer(kind).pem), signer(kind).sign(MESSAGE)
    assert key.verifies(signature, MESSAGE)
    assert not key.verifies(signature, MESSAGE + b" ")
    assert not key.verifies(signature, b"")
    assert not key.verifies(signer(kind, 1).sign(MESSAGE), MESSAGE)
    assert not key.verifies(signature[:-1], MESSAGE)
    assert not key.verifies(b"", MESSAGE)


@pytest.mark.parametrize("kind", KINDS)
@given(signature=st.binary(max_size=600))
def test_bytes_that_anybody_may_write_are_no_signature_and_no_error(kind: str, signature: bytes) -> None:
    assert not PublicKey.read(signer(kind).pem).verifies(signature, MESSAGE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_one_kind_verifies_nothing_of_another(kind: str) -> None:
    key = PublicKey.read(signer(kind).pem)
    others = [signer(other).sign(MESSAGE) for other in KINDS if other != kind]
    assert find_signer([key], others, MESSAGE) is None


def test_the_fingerprint_is_that_of_the_der_form() -> None:
    pem = signer().pem
    der = load_pem_public_key(pem.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert hashlib.sha256(der).hexdigest().startswith(PublicKey.read(pem).fingerprint)
    assert len(PublicKey.read(pem).fingerprint) == 16


def test_the_key_is_told_that_has_signed() -> None:
    keys = read_keys(signer(number=0).pem, [signer(number=1).pem, signer("RSA").pem])
    assert [key.fingerprint for key in keys] == [PublicKey.read(one.pem).fingerprint for one in _SIGNERS]
    for key, one in zip(keys, _SIGNERS, strict=True):
        assert find_signer(keys, [b"junk", one.sign(MESSAGE)], MESSAGE) == key
    assert find_signer(keys, [], MESSAGE) is None


_SIGNERS = [signer(number=0), signer(number=1), signer("RSA")]


def pem_of(key: Any) -> str:
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(pem_of(ec.generate_private_key(ec.SECP256K1())), id="another curve"),
        pytest.param(
            pem_of(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - refused
            id="a short RSA key",
        ),
        pytest.param(pem_of(dsa.generate_private_key(2048)), id="DSA"),
        pytest.param(pem_of(x25519.X25519PrivateKey.generate()), id="no key for signing"),
    ],
)
def test_keys_of_other_kinds_are_refused_with_those_that_are_taken(pem: str) -> None:
    with pytest.raises(ValueError, match=r"ECDSA .*P-256.*, Ed25519, or RSA with 2048 to 8192 bits"):
        PublicKey.read(pem)


@pytest.mark.parametrize(
    "pem",
    [
        None,
        "",
        b"",
        "cosign.pub",
        signer().pem + signer(number=1).pem,
        signer().pem[:80],
        signer().pem.replace("M", "!"),
        signer().pem + " " * 10_000,
        signer().pem.replace("PUBLIC KEY", "CERTIFICATE"),
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
    ],
    ids=("None", "empty", "bytes", "path", "two keys", "cut off", "no base64", "too long", "certificate", "no content"),
)
def test_what_is_no_text_of_one_public_key_is_refused(pem: Any) -> None:
    with pytest.raises(ValueError, match=r"^(A key is|The text is no public key)"):
        PublicKey.read(pem)


@pytest.mark.parametrize("kind", KINDS)
def test_a_private_key_is_refused_and_never_shown(kind: str) -> None:
    private = signer(kind).private_pem
    for text in (private, private.replace("PRIVATE", "PUBLIC"), private + signer().pem):
        with pytest.raises(ValueError, match=r"^(A key is|The text is no public key)") as refused:
            PublicKey.read(text)
        assert private.splitlines()[1] not in str(refused.value)
        assert refused.value.__cause__ is None


def test_more_keys_than_anybody_can_mean_are_refused() -> None:
    with pytest.raises(ValueError, match="11 keys are too many"):
        read_keys("any", [signer().pem] * 11)
    with pytest.raises(ValueError, match="'keys' is a list"):
        read_keys("any", signer().pem)
