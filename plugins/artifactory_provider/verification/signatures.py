"""The check of signatures, as cosign and others make them of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from artifactory_provider.verification.signing.bundles import BUNDLE
from artifactory_provider.verification.signing.claims import SIMPLE_SIGNING
from artifactory_provider.verification.signing.signed_check import SignedCheck

if TYPE_CHECKING:
    from collections.abc import Sequence

SIGNATURE_TYPE = "https://sigstore.dev/cosign/sign/v1"
"""What cosign 3 calls the attestation that stands for a signature (sigstore/cosign, ``pkg/types/predicate.go``)."""


@dataclass(frozen=True, kw_only=True)
class SignatureCheck(SignedCheck):
    """Whether the digest was signed: with one of some public keys, or, where none is given, by anybody at all.

    Found are cosign's tags (``sha256-<hex>.sig``) and, where they do not pass, the Sigstore bundles and signatures
    among the OCI referrers. Of an index, its own signature counts, not those of its children.

    Without a key, nothing is verified: that something stands where signatures stand is all that is said. Signatures
    without keys of one's own, by certificates of an identity ("keyless"), are not verified.

    :param name: what it is called in logs and records.
    :param key: the text of a PEM file with the public key that must have signed, such as that of ``cosign.pub``.
    :param keys: several of them, any of which may have signed.
    :param bundles: whether OCI referrers count, too: one request more for each digest without a valid tag.
    :param other_keys: ``fail`` where signatures by other keys alone fail at once; ``wait`` where they do not end the
        waiting, as where the signatures of earlier stages come along with an image.
    :raises ValueError: when a key is no public key, or another value cannot be.
    """

    kind: ClassVar[str] = "signature"
    what: ClassVar[str] = "signature"
    suffix: ClassVar[str] = ".sig"
    media_type: ClassVar[str] = SIMPLE_SIGNING
    artifact_types: ClassVar[frozenset[str]] = frozenset({BUNDLE, "application/vnd.dev.cosign.artifact.sig.v1+json"})

    name: str = "signature"

    @property
    def is_about_presence(self) -> bool:
        """Whether a tag is all that is asked for."""
        return not self.has_keys

    def is_wanted(self, predicate_type: str) -> bool:
        """Return whether an attestation stands for a signature; any other says something else of the digest.

        :param predicate_type: its type.
        """
        return predicate_type == SIGNATURE_TYPE

    def explain_nothing(self, types: Sequence[str]) -> str:
        """Return what is said where nothing was found, without a full stop.

        :param types: the other types of attestations that were found.
        """
        return "There is no signature yet"
