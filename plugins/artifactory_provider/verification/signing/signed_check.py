"""What the checks of signatures and of attestations have in common."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import check_text
from artifactory_provider.verification.check import Check, ask_each
from artifactory_provider.verification.signing.attached import Attached, find_tags
from artifactory_provider.verification.signing.bundles import BUNDLE, MessageSignature, read_bundle
from artifactory_provider.verification.signing.claims import SIGNATURE_ANNOTATION, SIMPLE_SIGNING
from artifactory_provider.verification.signing.documents import read_object
from artifactory_provider.verification.signing.dsse import Envelope
from artifactory_provider.verification.signing.findings import decide, flawed, has_valid
from artifactory_provider.verification.signing.judging import Judge
from artifactory_provider.verification.signing.keys import ANY_KEY, read_keys
from artifactory_provider.verification.verdicts import State, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from artifactory_provider.verification.conditions import Condition
    from artifactory_provider.verification.evidence import Evidence, Subject
    from artifactory_provider.verification.signing.findings import SigningFinding
    from artifactory_provider.verification.signing.layers import Layer

_TYPE_ANNOTATIONS = ("predicateType", "dev.sigstore.bundle.predicateType")
"""Where cosign writes what an attestation is of: at a layer under the ``.att`` tag, and at a bundle's manifest
(sigstore/cosign, ``cmd/cosign/cli/attest/attest.go`` and ``pkg/oci/remote/write.go``)."""
_OTHER_KEYS = ("fail", "wait")
_LARGE_AT_ONCE = 2

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class SignedCheck(Check):
    """A check of documents that are attached to a digest and signed.

    :param name: what it is called in logs and records.
    :param key: the text of a PEM file with the public key that must have signed, such as that of ``cosign.pub``; where
        neither this is given nor ``keys``, anybody may have signed.
    :param keys: several of them, any of which may have signed.
    :param bundles: whether OCI referrers count, too, where no tag has what is asked for: one request more a digest.
    :param other_keys: ``fail`` where what is there by other keys alone fails at once; ``wait`` where it does not end
        the waiting, as where the signatures of earlier stages come along with an image.
    :raises ValueError: when a key is no public key, or another value cannot be.
    """

    name: str
    key: str = ANY_KEY
    keys: Sequence[str] = ()
    bundles: bool = True
    other_keys: str = "fail"

    what: ClassVar[str]
    suffix: ClassVar[str]
    media_type: ClassVar[str]
    artifact_types: ClassVar[frozenset[str]]

    def __post_init__(self) -> None:
        read_keys(self.key, self.keys)
        object.__setattr__(self, "keys", tuple(self.keys))
        if not check_text(self.name, "a check's name") or type(self.bundles) is not bool:
            raise ValueError(f"A check of {self.what}s has a name, and 'bundles' is True or False.")
        if self.other_keys not in _OTHER_KEYS:
            raise ValueError(
                f"'other_keys' is one of {', '.join(map(repr, _OTHER_KEYS))}, not {self.other_keys!r:.60}."
            )

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        """Find the tags of all digests together; read and verify what they show, and what refers to the others."""
        keys, condition, readings = read_keys(self.key, self.keys), self.read_condition(), _Readings()
        tags = await find_tags(evidence, subjects)

        async def ask(subject: Subject) -> Verdict:
            found = tags[subject.reference.by_digest()]
            if isinstance(found, ArtifactoryError):
                raise found
            attached = Attached(evidence, subject.reference, found, readings.large)
            return await _Look(self, attached, Judge(subject.digest, keys, condition), readings).find_verdict()

        return await ask_each(subjects, ask)

    @property
    def has_keys(self) -> bool:
        """Whether it matters who has signed."""
        return self.key != ANY_KEY or bool(self.keys)

    @property
    @abstractmethod
    def is_about_presence(self) -> bool:
        """Whether a tag is all that is asked for."""

    @abstractmethod
    def is_wanted(self, predicate_type: str) -> bool:
        """Return whether an attestation of some type is looked for.

        :param predicate_type: the type.
        """

    @abstractmethod
    def explain_nothing(self, types: Sequence[str]) -> str:
        """Return what is said where nothing was found, without a full stop.

        :param types: the other types of attestations that were found.
        """

    def read_condition(self) -> Condition | None:
        """Return the condition that a predicate must meet, if there is one."""
        return None


class _Readings:
    """What all looks of a check share: large documents are held and parsed few at a time."""

    def __init__(self) -> None:
        self.large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._parsing = asyncio.Semaphore(1)

    async def parse(self, function: Callable[..., T], *arguments: Any) -> T:
        """Read or verify a document while other work goes on: a large one may take a second."""
        async with self._parsing:
            return await asyncio.to_thread(function, *arguments)


class _Look:
    """One look of a check at what is attached to one digest."""

    def __init__(self, check: SignedCheck, attached: Attached, judge: Judge, readings: _Readings) -> None:
        self._check = check
        self._attached = attached
        self._judge = judge
        self._readings = readings
        self._other_types: set[str] = set()

    async def find_verdict(self) -> Verdict:
        check = self._check
        sources = self._attached.find_tagged(check.suffix)
        if sources and check.is_about_presence:
            reason = f"{check.what.capitalize()} found: {sources[0].place}, whose it is was not verified."
            return Verdict(State.PASSED, reason, value="there")
        findings = await self._attached.examine(sources, self)
        if check.bundles and not has_valid(findings):
            findings += await self._attached.examine_referrers(check.artifact_types, self)
        if not has_valid(findings):
            findings = self._attached.list_unread() + findings
        nothing = check.explain_nothing(sorted(self._other_types))
        return decide(findings, what=check.what, nothing=nothing, waits=check.other_keys == "wait")

    def is_worth_reading(self, annotations: Mapping[str, str]) -> bool:
        return all(self._is_wanted(annotations[name]) for name in _TYPE_ANNOTATIONS if name in annotations)

    async def judge(self, layer: Layer, content: bytes) -> SigningFinding | None:
        place, parse = layer.place, self._readings.parse
        if layer.media_type == BUNDLE:
            return await self._judge_bundle(place, await parse(read_bundle, content))
        if layer.media_type != self._check.media_type:
            return flawed(place, f"its media type is {layer.media_type!r:.80}, not {self._check.media_type!r}")
        if layer.media_type == SIMPLE_SIGNING:
            return await parse(self._judge.judge_claim, place, content, layer.annotations.get(SIGNATURE_ANNOTATION))
        return await parse(self._judge_envelope, place, content)

    async def _judge_bundle(self, place: str, bundle: Envelope | MessageSignature) -> SigningFinding | None:
        if isinstance(bundle, Envelope):
            return await self._readings.parse(self._judge.judge_envelope, place, bundle, self._is_wanted)
        if self._check.media_type != SIMPLE_SIGNING:
            return None
        manifest = await self._attached.read_subject()
        return await self._readings.parse(self._judge.judge_message, place, bundle.signature, manifest)

    def _judge_envelope(self, place: str, content: bytes) -> SigningFinding | None:
        envelope = Envelope.read(read_object(content, "its envelope"))
        return self._judge.judge_envelope(place, envelope, self._is_wanted)

    def _is_wanted(self, predicate_type: str) -> bool:
        is_wanted = self._check.is_wanted(predicate_type)
        if not is_wanted:
            self._other_types.add(predicate_type)
        return is_wanted
