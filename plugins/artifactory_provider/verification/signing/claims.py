"""The payload of cosign's signatures of images, in the format that is called simple signing.

Sources: sigstore/cosign, ``specs/SIGNATURE_SPEC.md``, and sigstore/sigstore, ``pkg/signature/payload``. What it says of
an image's name (``docker-reference``) is not asked: an image that was promoted has another.
"""

from __future__ import annotations

from artifactory_provider.verification.signing.documents import Unreadable, read_object

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
_TYPE = "cosign container image signature"


def read_claim(payload: bytes) -> str:
    """Return the digest that a payload is about.

    :param payload: its bytes.
    :raises Unreadable: when it is of another kind.
    """
    critical = read_object(payload, "its payload").get("critical")
    image = critical.get("image") if isinstance(critical, dict) else None
    if not (isinstance(critical, dict) and isinstance(image, dict)):
        raise Unreadable("its payload names no image")
    if critical.get("type") != _TYPE:
        raise Unreadable(f"its payload is of type {critical.get('type')!r:.120}, not {_TYPE!r}")
    digest = image.get("docker-manifest-digest")
    if not isinstance(digest, str):
        raise Unreadable("its payload names no digest")
    return digest
