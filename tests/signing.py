"""Signing as cosign and in-toto do, with keys of the tests' own."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ("P-256", "P-384", "P-384 with SHA-256", "P-521", "Ed25519", "RSA")
SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
VULNERABILITIES = "https://cosign.sigstore.dev/attestation/vuln/v1"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"

_CURVES: dict[str, tuple[Any, Any]] = {
    "P-256": (ec.SECP256R1(), SHA256()),
    "P-384": (ec.SECP384R1(), SHA384()),
    "P-384 with SHA-256": (ec.SECP384R1(), SHA256()),
    "P-521": (ec.SECP521R1(), SHA512()),
}


class Signer:
    """Who has a private key."""

    def __init__(self, key: Any, sign: Callable[[bytes], bytes]) -> None:
        self.sign = sign
        self.pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self.private_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def signer(kind: str = "P-256", number: int = 0) -> Signer:
    """Return a signer; each number has a key of its own, made once."""
    return _make_signer(kind, number)


@cache
def _make_signer(kind: str, _number: int) -> Signer:
    key: Any
    if kind == "Ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
        return Signer(key, key.sign)
    if kind == "RSA":
        key = rsa.generate_private_key(65537, 2048)
        return Signer(key, lambda message: key.sign(message, padding.PKCS1v15(), SHA256()))
    curve, by = _CURVES[kind]
    key = ec.generate_private_key(curve)
    return Signer(key, lambda message: key.sign(message, ec.ECDSA(by)))


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def json_of(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def claim(digest: str, **critical: Any) -> bytes:
    """Return cosign's payload of a signature."""
    parts = {
        "identity": {"docker-reference": "registry.example/another/name"},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    }
    return json_of({"critical": parts | critical, "optional": None})


def statement(digest: str, predicate: Any = None, *, predicate_type: str = VULNERABILITIES, **changes: Any) -> bytes:
    """Return an in-toto statement."""
    subject = [{"name": "app", "digest": {"sha256": digest.removeprefix("sha256:")}}]
    document = {"_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": predicate_type}
    return json_of(document | {"predicate": predicate if predicate is not None else {}} | changes)


def encode(payload: bytes, payload_type: str = "application/vnd.in-toto+json") -> bytes:
    """Return what a signature in an envelope is made of."""
    return f"DSSEv1 {len(payload_type)} {payload_type} {len(payload)} ".encode() + payload


def envelope(payload: bytes, *signers: Signer, payload_type: str = "application/vnd.in-toto+json") -> dict[str, Any]:
    """Return a DSSE envelope."""
    signatures = [{"keyid": "", "sig": base64_of(one.sign(encode(payload, payload_type)))} for one in signers]
    return {"payloadType": payload_type, "payload": base64_of(payload), "signatures": signatures}


def bundle(**content: Any) -> bytes:
    """Return a Sigstore bundle as cosign 3 writes it with a key of one's own."""
    material = {"publicKey": {"hint": "IpekKjxVkmTfB4YqY8q5sGEAeVtF9x3m7jHdhAxpgjQ="}, "tlogEntries": []}
    return json_of({"mediaType": BUNDLE, "verificationMaterial": material, **content})


def message_signature(message: bytes, by: Signer) -> dict[str, Any]:
    """Return the signature in a bundle that is not of an envelope."""
    return {"messageDigest": {"algorithm": "SHA2_256"}, "signature": base64_of(by.sign(message))}
