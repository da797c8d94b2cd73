"""The check of a property on the manifest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from artifactory_provider.artifactory.concurrency import in_turns
from artifactory_provider.artifactory.properties import check_property_name
from artifactory_provider.artifactory.references import InvalidReference, check_text
from artifactory_provider.verification.check import Check, ask_each, register
from artifactory_provider.verification.verdicts import State, Verdict, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.verification.evidence import Evidence, Subject


@register
@dataclass(frozen=True, kw_only=True)
class PropertyCheck(Check):
    """Whether the tag's manifest carries a property with the wanted value.

    Promotion copies properties from stage to stage, so every stage needs a property of its own
    (``test.status`` in dev, ``qa.test.status`` in qa), or the first stage's verdict counts for all.

    :param name: the property's name, such as ``test.status``.
    :param passed: the value that passes.
    :param failed: the value that fails at once; any other value, and none, waits.
    :raises ValueError: when a part is empty, both values are the same, or no property can have that name.
    """

    kind: ClassVar[str] = "property"

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

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        """Read the manifests' properties, once a look for all checks."""

        async def ask(subject: Subject) -> Verdict:
            return self._judge_properties(subject, await evidence.properties(subject))

        if any(subject.properties is None for subject in subjects):
            return await ask_each(subjects, ask)
        # The look has brought them: a task for each would cost more than its verdict.
        return [await ask(subject) async for subject in in_turns(subjects)]

    def _judge_properties(self, subject: Subject, properties: Mapping[str, tuple[str, ...]]) -> Verdict:
        described = properties.get("docker.manifest.digest", (subject.digest,))
        if described != (subject.digest,):
            return Verdict(State.SUPERSEDED, f"The properties describe {quoted(described)}.")
        return self._judge(properties.get(self.name, ()))

    def _judge(self, values: tuple[str, ...]) -> Verdict:
        shown = f"{self.name} is {quoted(values)}" if values else f"{self.name} is not set"
        value = values[0] if values else "not set"
        if self.failed in values:
            return Verdict(State.FAILED, f"{shown}.", value=self.failed)
        if values == (self.passed,):
            return Verdict(State.PASSED, f"{shown}.", value=value)
        waits = f"{shown}; {quoted([self.passed])} is waited for." if values else f"{shown}."
        return Verdict(State.PENDING, waits, value=value)
