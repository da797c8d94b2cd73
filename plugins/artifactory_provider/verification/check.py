"""What a check is: one question about digests, frozen, written as JSON, read-only. And how many are asked at a time."""

from __future__ import annotations

import dataclasses
import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import TRANSIENT, ArtifactoryError
from artifactory_provider.verification.verdicts import State, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from artifactory_provider.verification.evidence import Evidence, Subject

_AT_ONCE = 16


class Check(ABC):
    """One question about digests. A subclass is a frozen dataclass whose fields are JSON values, tuples and checks.

    It only reads. It fails closed: what is missing, stale or unreadable is no pass.
    """

    kind: ClassVar[str] = ""
    """What its JSON object is called; a class outside this package leaves it empty, and is found by its import path."""
    time_limit: ClassVar[float | None] = 120
    """Seconds for one look, and a tenth of one more for each digest; then its verdict is to wait. None: no limit."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called in logs and records: short, and stable."""

    @abstractmethod
    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        """Answer for many digests at once; one is a list of one.

        :param evidence: what may be read, shared by all checks of the look.
        :param subjects: the digests.
        :return: one verdict for each, in their order.
        :raises ArtifactoryError: when nothing is known of any of them.
        """


async def ask_each(
    subjects: Sequence[Subject], ask: Callable[[Subject], Awaitable[Verdict]], *, at_once: int = _AT_ONCE
) -> list[Verdict]:
    """Ask about each subject by itself; a failure to ask about one is that one's verdict.

    :param subjects: the digests.
    :param ask: returns the verdict on one.
    :param at_once: how many are asked about at a time.
    """

    async def answer(subject: Subject) -> Verdict:
        try:
            return await ask(subject)
        except ArtifactoryError as error:
            return unknown(error)

    return await concurrently(answer, subjects, at_once=at_once)


def unknown(error: ArtifactoryError) -> Verdict:
    """Return the verdict where the server could not be asked: one that waits if it may pass, never a pass.

    :param error: what came instead of the evidence.
    """
    state = State.PENDING if isinstance(error, TRANSIENT) else State.UNREADABLE
    return Verdict(state, str(error), value="unreadable", error=error)


def check_to_dict(check: object) -> dict[str, Any]:
    """Return a check as a JSON object that ``check_from_dict`` reads.

    :raises ValueError: when it is no check that can be written.
    """
    if not (isinstance(check, Check) and dataclasses.is_dataclass(check)):
        raise ValueError(f"{check!r} is no check: give a PropertyCheck, or another one.")
    cls = type(check)
    kind = f"{cls.__module__}:{cls.__qualname__}"
    if "<locals>" in kind:
        raise ValueError(f"{cls.__qualname__} cannot be imported: define the check at the top level of a module.")
    kind = cls.kind if _KINDS.get(cls.kind) == kind else kind
    return {"kind": kind, **{field.name: _write(getattr(check, field.name)) for field in dataclasses.fields(check)}}


def check_from_dict(document: Mapping[str, Any]) -> Check:
    """Return the check that a JSON object describes.

    :raises ValueError: when it describes none.
    """
    fields = dict(document)
    cls = _find_class(fields.pop("kind", None))
    try:
        return cls(**{name: _read(value) for name, value in fields.items()})
    except TypeError as error:
        raise ValueError(f"A check of kind {document['kind']!r} has other fields ({error}).") from error


_ROOM = "artifactory_provider.verification"
_KINDS = {
    "all_of": f"{_ROOM}.combinations:AllOf",
    "any_of": f"{_ROOM}.combinations:AnyOf",
    "at_least": f"{_ROOM}.combinations:AtLeast",
    "attestation": f"{_ROOM}.attestations:AttestationCheck",
    "http": f"{_ROOM}.http.check:HttpCheck",
    "property": f"{_ROOM}.properties:PropertyCheck",
    "signature": f"{_ROOM}.signatures:SignatureCheck",
    "soak": f"{_ROOM}.soak:SoakCheck",
    "xray": f"{_ROOM}.xray.check:XrayCheck",
}
"""The checks of this package, and where each is found when it is first asked for."""


def find_kinds() -> tuple[str, ...]:
    """Return the short kinds that there are, by name."""
    return tuple(sorted(_KINDS))


def _find_class(kind: object) -> type[Check]:
    if not isinstance(kind, str) or not (kind in _KINDS or ":" in kind):
        raise ValueError(
            f"There is no check of kind {kind!r}: the kinds are {', '.join(sorted(_KINDS))}, and 'module:Class' for "
            "one of your own."
        )
    module, _, name = _KINDS.get(kind, kind).partition(":")
    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"There is no check {kind!r} here ({error}): its module must be importable.") from error
    if not (isinstance(cls, type) and issubclass(cls, Check) and dataclasses.is_dataclass(cls)):
        raise ValueError(f"{kind!r} is no check: a check is a frozen dataclass that is a subclass of Check.")
    return cls


def _write(value: Any) -> Any:
    if isinstance(value, Check):
        return check_to_dict(value)
    if isinstance(value, Mapping):
        return {name: _write(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_write(each) for each in value]
    return value


def _read(value: Any) -> Any:
    if isinstance(value, Mapping):
        return check_from_dict(value) if "kind" in value else {name: _read(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_read(each) for each in value)
    return value
