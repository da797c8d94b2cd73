"""The check of attestations: signed statements about a digest, such as the result of a scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from artifactory_provider.artifactory.references import check_text
from artifactory_provider.verification.conditions import Condition
from artifactory_provider.verification.signatures import SIGNATURE_TYPE
from artifactory_provider.verification.signing.bundles import BUNDLE
from artifactory_provider.verification.signing.dsse import DSSE, IN_TOTO
from artifactory_provider.verification.signing.signed_check import SignedCheck
from artifactory_provider.verification.verdicts import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_TYPE = 500
_ALWAYS_MET = "`true`"


@dataclass(frozen=True, kw_only=True)
class AttestationCheck(SignedCheck):
    """Whether a signed statement of some type was made about the digest, and what it says.

    Found are DSSE envelopes with in-toto statements under cosign's tags (``sha256-<hex>.att``) and, where they do not
    pass, those in the Sigstore bundles among the OCI referrers. One that passes is enough, whatever others say: an
    older scan without findings counts beside a newer one.

    :param name: what it is called in logs and records.
    :param predicate_type: the type, a URI such as ``https://cosign.sigstore.dev/attestation/vuln/v1``. Needed with a
        key; without one, any type will do.
    :param condition: what the predicate must meet: a JMESPath expression that comes to ``true``, such as
        ``length(scanner.result.findings) == `0` ``. It needs a key: what nobody has signed proves nothing.
    :param key: the text of a PEM file with the public key that must have signed, such as that of ``cosign.pub``.
    :param keys: several of them, any of which may have signed.
    :param bundles: whether OCI referrers count, too: one request more for each digest without a valid tag.
    :param other_keys: ``fail`` where attestations of the type by other keys alone fail at once; ``wait`` where they do
        not end the waiting.
    :raises ValueError: when a key is no public key, the condition is none, or another value cannot be.
    """

    kind: ClassVar[str] = "attestation"
    what: ClassVar[str] = "attestation"
    suffix: ClassVar[str] = ".att"
    media_type: ClassVar[str] = DSSE
    artifact_types: ClassVar[frozenset[str]] = frozenset({BUNDLE, DSSE, IN_TOTO})

    name: str = "attestation"
    predicate_type: str = ""
    condition: str = _ALWAYS_MET

    def __post_init__(self) -> None:
        super().__post_init__()
        predicate_type = check_text(self.predicate_type, "a predicate type")
        if len(predicate_type) > _LONGEST_TYPE or predicate_type != predicate_type.strip():
            raise ValueError(f"A predicate type is a URI of {_LONGEST_TYPE} characters at most, without spaces around.")
        if self.has_keys and not self.predicate_type:
            raise ValueError(
                "With a key, name the predicate type: whoever holds it may attest good and bad of a digest."
            )
        if self.condition != _ALWAYS_MET and not self.has_keys:
            raise ValueError("A condition needs a key: a predicate that nobody has signed proves nothing.")
        self.read_condition()

    @property
    def is_about_presence(self) -> bool:
        """Whether a tag is all that is asked for."""
        return not (self.has_keys or self.predicate_type)

    def is_wanted(self, predicate_type: str) -> bool:
        """Return whether attestations of some type are asked for; one that stands for a signature is none.

        :param predicate_type: the type.
        """
        return predicate_type == self.predicate_type if self.predicate_type else predicate_type != SIGNATURE_TYPE

    def explain_nothing(self, types: Sequence[str]) -> str:
        """Return what is said where nothing was found, without a full stop.

        :param types: the other types of attestations that were found.
        """
        wanted = f" of type {self.predicate_type!r:.120}" if self.predicate_type else ""
        others = f" (there are others: {quoted(list(types))})" if types else ""
        return f"There is no attestation{wanted}{others} yet"

    def read_condition(self) -> Condition:
        """Return the condition that a predicate must meet."""
        return Condition.parse(self.condition)
