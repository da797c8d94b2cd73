"""Signed attestations: DSSE envelopes, and the in-toto statements in them.

Sources: the DSSE protocol and envelope 1.0 (secure-systems-lab/dsse, ``protocol.md`` and ``envelope.md``) and the
in-toto attestation framework (in-toto/attestation, ``spec/v1/statement.md``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from artifactory_provider.verification.signing.documents import Unreadable, read_base64, read_object
from artifactory_provider.verification.signing.keys import find_signer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from artifactory_provider.verification.signing.keys import PublicKey

DSSE = "application/vnd.dsse.envelope.v1+json"
IN_TOTO = "application/vnd.in-toto+json"
_STATEMENTS = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
_MOST_SIGNATURES = 8


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a signature in an envelope is made of.

    :param payload_type: what the payload is.
    :param payload: the payload's bytes.
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload and signatures of it. Whatever it says is nobody's word until one of them is verified.

    :param payload_type: what the payload is.
    :param payload: its bytes: those that are verified, and those that are read.
    :param signatures: the signatures, each by a key that only who verifies it knows.
    """

    payload_type: str
    payload: bytes = field(repr=False)
    signatures: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def read(cls, document: dict[str, Any]) -> Envelope:
        """Read an envelope's JSON object.

        :raises Unreadable: when it is none.
        """
        payload_type, listed = document.get("payloadType"), document.get("signatures")
        if payload_type != IN_TOTO:
            raise Unreadable(f"the payload of its envelope is {payload_type!r:.120}, not {IN_TOTO!r}")
        if not (isinstance(listed, list) and listed and all(isinstance(one, dict) for one in listed)):
            raise Unreadable("its envelope holds no signature")
        if len(listed) > _MOST_SIGNATURES:
            raise Unreadable(f"its envelope holds more than {_MOST_SIGNATURES} signatures")
        payload = read_base64(document.get("payload"), "the payload of its envelope")
        return cls(
            IN_TOTO, payload, tuple(read_base64(one.get("sig"), "a signature in its envelope") for one in listed)
        )

    def find_signer(self, keys: Iterable[PublicKey]) -> PublicKey | None:
        """Return the first of some keys that has signed the payload.

        :param keys: the keys; what the envelope says of keys is not asked.
        """
        return find_signer(keys, self.signatures, pre_authentication_encoding(self.payload_type, self.payload))


@dataclass(frozen=True, slots=True)
class Statement:
    """What an attestation says.

    :param predicate_type: of which kind it is, a URI.
    :param subjects: the digests that it is said of, as far as they are SHA-256.
    :param predicate: what is said; empty where nothing is.
    """

    predicate_type: str
    subjects: frozenset[str]
    predicate: Any = field(repr=False)

    @classmethod
    def read(cls, payload: bytes) -> Statement:
        """Read an in-toto statement.

        :param payload: its bytes.
        :raises Unreadable: when it is none.
        """
        document = read_object(payload, "its statement")
        kind, predicate_type, listed = (document.get(name) for name in ("_type", "predicateType", "subject"))
        if kind not in _STATEMENTS:
            raise Unreadable(f"its statement is of type {kind!r:.120}, which is none of in-toto's")
        if not (isinstance(predicate_type, str) and predicate_type):
            raise Unreadable("its statement names no predicateType")
        if not (isinstance(listed, list) and all(isinstance(one, dict) for one in listed)):
            raise Unreadable("its statement has no list of subjects")
        digests = [one.get("digest") for one in listed]
        if not all(isinstance(digest, dict) for digest in digests):
            raise Unreadable("a subject of its statement has no digest")
        found = frozenset(f"sha256:{digest['sha256']}" for digest in digests if isinstance(digest.get("sha256"), str))
        predicate = document.get("predicate")
        # What is not set counts as empty ("Fields", predicate).
        return cls(predicate_type, found, {} if predicate is None else predicate)
