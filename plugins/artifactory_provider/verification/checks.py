"""The checks: each asks one question about one digest. Frozen, serialisable, read-only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.artifactory.properties import check_property_name
from artifactory_provider.artifactory.references import InvalidReference, check_text
from artifactory_provider.verification.verdicts import State, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Descriptor
    from artifactory_provider.artifactory.references import ImageReference


_LONGEST = 200


class Check(Protocol):
    """One question about the digest that a tag shows."""

    async def verdict(self, client: ArtifactoryClient, reference: ImageReference, descriptor: Descriptor) -> Verdict:
        """Ask it.

        :param client: an open client.
        :param reference: repository, image and tag, pinned to the digest.
        :param descriptor: what the tag shows.
        """


@dataclass(frozen=True, kw_only=True)
class PropertyCheck:
    """Whether the tag's manifest carries a property with the wanted value.

    Promotion copies properties from stage to stage, so every stage needs a property of its own
    (``test.status`` in dev, ``qa.test.status`` in qa), or the first stage's verdict counts for all.

    :param name: the property's name, such as ``test.status``.
    :param passed: the value that passes.
    :param failed: the value that fails at once; any other value, and none, waits.
    :raises ValueError: when a part is empty, both values are the same, or no property can have that name.
    """

    name: str = "test.status"
    passed: str = "passed"
    failed: str = "failed"

    def __post_init__(self) -> None:
        try:
            parts = [check_text(self.name, "a property name")]
            parts += [check_text(value, "a property's value") for value in (self.passed, self.failed)]
        except InvalidReference as error:
            raise ValueError(f"A property check has a name and two values: {error}") from error
        if not all(parts):
            raise ValueError("A property check needs a name, a value that passes and a value that fails.")
        if self.passed == self.failed:
            raise ValueError(f"A property check cannot pass and fail on the same value {self.passed!r}.")
        check_property_name(self.name)

    async def verdict(self, client: ArtifactoryClient, reference: ImageReference, descriptor: Descriptor) -> Verdict:
        """Read the manifest's properties once."""
        properties = await client.properties(manifest_path(reference, descriptor))
        described = properties.get("docker.manifest.digest", [descriptor.digest])
        if described != [descriptor.digest]:
            return Verdict(State.SUPERSEDED, f"The properties describe {_quoted(described)}.")
        values = properties.get(self.name, [])
        shown = f"{self.name} is {_quoted(values)}" if values else f"{self.name} is not set"
        if self.failed in values:
            return Verdict(State.FAILED, f"{shown}.")
        if values == [self.passed]:
            return Verdict(State.PASSED, f"{shown}.")
        return Verdict(State.PENDING, f"{shown}; {_quoted([self.passed])} is waited for." if values else f"{shown}.")


def _quoted(values: Sequence[str]) -> str:
    """Return values as they are, each in quotes, in one short line.

    Whoever may annotate the image may write anything there, and the reason goes into logs and Airflow's database.
    """
    shown = ", ".join(repr(value[:_LONGEST]) for value in values[:_LONGEST])
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


_KINDS: Mapping[str, type[PropertyCheck]] = {"property": PropertyCheck}


def check_to_dict(check: PropertyCheck) -> dict[str, Any]:
    """Return a check as a JSON object that ``check_from_dict`` reads.

    :raises ValueError: when it is no check that can be written.
    """
    kind = next((kind for kind, cls in _KINDS.items() if type(check) is cls), None)
    if kind is None:
        raise ValueError(f"{check!r} is no check: give a PropertyCheck.")
    return {"kind": kind, **asdict(check)}


def check_from_dict(document: Mapping[str, Any]) -> PropertyCheck:
    """Return the check that a JSON object describes.

    :raises ValueError: when it describes none.
    """
    fields = dict(document)
    kind = fields.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"There is no check of kind {kind!r}: the kinds are {', '.join(_KINDS)}.")
    try:
        return _KINDS[kind](**fields)
    except TypeError as error:
        raise ValueError(f"A check of kind {kind!r} has other fields ({error}).") from error
