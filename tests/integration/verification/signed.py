"""Signatures and attestations as documents that can be attached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.integration.promotion.attaching import Document
from tests.signing import (
    BUNDLE,
    ENVELOPE,
    SIGNATURE,
    SIGNATURE_ANNOTATION,
    SIMPLE_SIGNING,
    VULNERABILITIES,
    base64_of,
    bundle,
    claim,
    envelope,
    json_of,
    signer,
    statement,
)

if TYPE_CHECKING:
    from tests.signing import Signer

OTHER = f"sha256:{'b' * 64}"
LARGEST = 10 * 1024 * 1024


def signature(digest: str, by: Signer | None = None, **critical: Any) -> Document:
    """Return a signature as cosign puts it under its tag."""
    payload = claim(digest, **critical)
    signed = base64_of((by or signer()).sign(payload))
    return Document(SIMPLE_SIGNING, payload, {SIGNATURE_ANNOTATION: signed})


def bundled(digest: str, *by: Signer, predicate_type: str = SIGNATURE, predicate: Any = None) -> Document:
    """Return a bundle with a signature, or another attestation, as cosign 3 puts it into a referrer."""
    signed = envelope(statement(digest, predicate, predicate_type=predicate_type), *(by or [signer()]))
    return Document(BUNDLE, bundle(dsseEnvelope=signed))


def attested(
    digest: str,
    predicate: Any = None,
    *by: Signer,
    predicate_type: str = VULNERABILITIES,
    is_annotated: bool = True,
    **changes: Any,
) -> Document:
    """Return an attestation as cosign puts it under its tag."""
    payload = statement(digest, predicate, predicate_type=predicate_type, **changes)
    annotations = {"predicateType": predicate_type} if is_annotated else {}
    return Document(ENVELOPE, json_of(envelope(payload, *(by or [signer()]))), annotations)
