"""Sigstore bundles, as cosign 3 attaches them to a digest, one in each OCI referrer.

Sources: sigstore/protobuf-specs, ``sigstore_bundle.proto`` and ``sigstore_common.proto``, and sigstore/cosign,
``specs/BUNDLE_SPEC.md``. What proves a certificate or an entry of a transparency log is not read here: a bundle is
verified with a public key that was given.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from artifactory_provider.verification.signing.documents import Unreadable, read_base64, read_object
from artifactory_provider.verification.signing.dsse import Envelope

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_MEDIA_TYPES = (BUNDLE, "application/vnd.dev.sigstore.bundle+json;version=0.3")


@dataclass(frozen=True, slots=True)
class MessageSignature:
    """A signature of the subject's very bytes, here those of its manifest.

    :param signature: the signature.
    """

    signature: bytes = field(repr=False)


def read_bundle(content: bytes) -> Envelope | MessageSignature:
    """Return what is signed in a bundle.

    :param content: the bundle.
    :raises Unreadable: when it is none, or one of another version than 0.3, the only one that cosign attaches.
    """
    document = read_object(content, "the bundle")
    media_type = document.get("mediaType")
    if media_type not in _MEDIA_TYPES:
        raise Unreadable(f"the bundle calls itself {media_type!r:.120}, not {BUNDLE!r}")
    message, envelope = document.get("messageSignature"), document.get("dsseEnvelope")
    if isinstance(message, dict) and envelope is None:
        return MessageSignature(read_base64(message.get("signature"), "the signature in the bundle"))
    if not isinstance(envelope, dict) or message is not None:
        raise Unreadable("the bundle holds neither one envelope nor one signature of a message")
    found = Envelope.read(envelope)
    if len(found.signatures) != 1:
        raise Unreadable("the envelope in the bundle holds more than one signature, which a bundle must not")
    return found
