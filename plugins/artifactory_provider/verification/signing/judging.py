"""What one document that is attached to a digest is worth: every step of its verification, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.verification.signing.claims import read_claim
from artifactory_provider.verification.signing.documents import read_base64
from artifactory_provider.verification.signing.dsse import Statement
from artifactory_provider.verification.signing.findings import SigningFinding, Standing, flawed
from artifactory_provider.verification.signing.keys import find_signer

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_provider.verification.conditions import Condition
    from artifactory_provider.verification.signing.dsse import Envelope
    from artifactory_provider.verification.signing.keys import PublicKey


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges documents about one digest.

    :param digest: the digest.
    :param keys: the keys, any of which may have signed; none where only presence is asked for.
    :param condition: what the predicate of an attestation must meet.
    """

    digest: str
    keys: tuple[PublicKey, ...]
    condition: Condition | None = None

    def judge_claim(self, place: str, payload: bytes, signature: str | None) -> SigningFinding:
        """Return what a signature of a simple signing payload is worth.

        :param place: where it stands.
        :param payload: the payload's bytes.
        :param signature: the signature, in base64.
        :raises Unreadable: when one of both is not what it should be.
        """
        signed = read_base64(signature, "its signature")
        claimed = read_claim(payload)
        if claimed != self.digest:
            return flawed(place, f"it is of another digest, {claimed:.80}")
        return self._weigh(place, find_signer(self.keys, [signed], payload))

    def judge_message(self, place: str, signature: bytes, manifest: bytes) -> SigningFinding:
        """Return what a signature of the manifest itself is worth.

        :param place: where it stands.
        :param signature: the signature.
        :param manifest: the manifest's bytes, which have the digest.
        """
        return self._weigh(place, find_signer(self.keys, [signature], manifest))

    def judge_envelope(self, place: str, envelope: Envelope, is_wanted: Callable[[str], bool]) -> SigningFinding | None:
        """Return what an attestation is worth; None where it is of another kind.

        :param place: where it stands.
        :param envelope: the envelope.
        :param is_wanted: whether a type of predicate is wanted.
        :raises Unreadable: when there is no statement in it.
        """
        signer = envelope.find_signer(self.keys)
        statement = Statement.read(envelope.payload)
        if not is_wanted(statement.predicate_type):
            return None
        if self.digest not in statement.subjects:
            return flawed(place, "its statement is about other digests than this one")
        finding = self._weigh(place, signer)
        if self.condition is None or finding.standing is not Standing.VALID:
            return finding
        missed = self.condition.explain(statement.predicate)
        if missed is not None:
            return SigningFinding(
                Standing.UNMET, f"{place}: it does not meet {self.condition.text!r:.120}, as {missed}", signer
            )
        return finding

    def _weigh(self, place: str, signer: PublicKey | None) -> SigningFinding:
        if not self.keys:
            return SigningFinding(Standing.VALID, f"{place}, whose it is was not verified")
        if signer is None:
            keys = f"the key {self.keys[0].fingerprint}" if len(self.keys) == 1 else f"any of {len(self.keys)} keys"
            return SigningFinding(Standing.OTHER_KEY, f"{place}: not made with {keys}")
        return SigningFinding(Standing.VALID, f"{place}, made with the key {signer.fingerprint}", signer)
