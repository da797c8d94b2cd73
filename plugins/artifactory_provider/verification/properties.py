"""The check of a property on the manifest."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from artifactory_provider.artifactory.concurrency import in_turns
from artifactory_provider.artifactory.properties import check_property_name
from artifactory_provider.artifactory.references import InvalidReference, check_text
from artifactory_provider.verification.check import Check, ask_each
from artifactory_provider.verification.moments import NoMoment, age_at, check_seconds, read_moment, show_span
from artifactory_provider.verification.verdicts import State, Verdict, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.verification.evidence import Evidence, Subject

Values: TypeAlias = "str | Sequence[str]"


@dataclass(frozen=True, kw_only=True)
class PropertyCheck(Check):
    """Whether the tag's manifest carries a property with the wanted value.

    Promotion copies properties from stage to stage, so every stage needs a property of its own
    (``test.status`` in dev, ``qa.test.status`` in qa), or the first stage's verdict counts for all.

    A failing value fails however old it is, and whatever other values the property has. A passing one counts when it
    stands alone and, where ``timestamp`` is given, its time is known and no more than ``max_age`` ago; else it waits.

    :param name: the property's name, such as ``test.status``.
    :param passed: the value that passes, or several.
    :param failed: the value that fails at once, or several.
    :param pending: the values that say that somebody is at work still. Where they are given, the reason tells them
        from values that nobody knows; both wait, and so does a property that is not set.
    :param max_age: the seconds that a passing value is good for, counted from ``timestamp``; None for ever.
    :param timestamp: the property that says when the value was written, in ISO 8601 with a time zone.
    :param author: the property that says who has written it, for the record.
    :raises ValueError: when a part is empty, two kinds of values share one, or no property can have that name.
    """

    kind: ClassVar[str] = "property"

    name: str = "test.status"
    passed: Values = "passed"
    failed: Values = "failed"
    pending: Values = ()
    max_age: float | None = None
    timestamp: str | None = None
    author: str | None = None

    def __post_init__(self) -> None:
        for kind in ("passed", "failed", "pending"):
            if isinstance(getattr(self, kind), list):
                object.__setattr__(self, kind, tuple(getattr(self, kind)))
        kinds = [_listed(self.passed), _listed(self.failed), _listed(self.pending)]
        try:
            parts = [check_text(self.name, "a property name")]
            parts += [check_text(value, "a property's value") for values in kinds for value in values]
        except InvalidReference as error:
            raise ValueError(f"A property check has a name and values: {error}") from error
        if not all(parts) or not kinds[0]:
            raise ValueError("A property check needs a name, a value that passes and values that are not empty.")
        for at, values in enumerate(kinds):
            shared = {value for others in kinds[at + 1 :] for value in others} & set(values)
            if shared:
                raise ValueError(f"A property check cannot pass, fail or wait on the same value {min(shared)!r}.")
        for name in [self.name, *(one for one in (self.timestamp, self.author) if one is not None)]:
            check_property_name(name)
        self._check_age()

    def _check_age(self) -> None:
        if self.max_age is not None:
            check_seconds(self.max_age, "max_age of a property check")
            if self.timestamp is None:
                raise ValueError("A property check with max_age needs timestamp: the property that tells the time.")

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        """Read the manifests' properties, once a look for all checks."""

        async def ask(subject: Subject) -> Verdict:
            return self._judge_subject(subject, await evidence.properties(subject), evidence.now)

        if any(subject.properties is None for subject in subjects):
            return await ask_each(subjects, ask)
        # The look has brought them: a task for each would cost more than its verdict.
        return [await ask(subject) async for subject in in_turns(subjects)]

    def _judge_subject(
        self, subject: Subject, properties: Mapping[str, tuple[str, ...]], now: datetime.datetime
    ) -> Verdict:
        described = properties.get("docker.manifest.digest", (subject.digest,))
        if described != (subject.digest,):
            return Verdict(State.SUPERSEDED, f"The properties describe {quoted(described)}.")
        return self._judge(properties, now)

    def _judge(self, properties: Mapping[str, tuple[str, ...]], now: datetime.datetime) -> Verdict:
        values = properties.get(self.name, ())
        shown = f"{self.name} is {quoted(values)}" if values else f"{self.name} is not set"
        state = self._state_of(values)
        flaw, since = self._look_at_time(properties, now)
        if state is State.PENDING:
            shown += self._explain_waiting(values)
        elif state is State.PASSED and flaw:
            state, shown = State.PENDING, f"{shown}, but {flaw}"
        failing = next((value for value in _listed(self.failed) if value in values), None)
        value = failing or (values[0] if values else "not set")
        author = ", ".join(properties.get(self.author, ())) if self.author else None
        return Verdict(state, f"{shown}.", value=value, since=since, author=author or None)

    def _state_of(self, values: tuple[str, ...]) -> State:
        there = set(values)
        if there & set(_listed(self.failed)):
            return State.FAILED
        return State.PASSED if there and there <= set(_listed(self.passed)) else State.PENDING

    def _explain_waiting(self, values: tuple[str, ...]) -> str:
        """Return why values that neither pass nor fail wait, and for what."""
        if not values:
            return ""
        wanted = " or ".join(quoted([value]) for value in _listed(self.passed))
        known = {*_listed(self.passed), *_listed(self.pending)}
        why = ""
        if self.pending:
            strange = [value for value in values if value not in known]
            why = f", and {quoted(strange)} is no known value" if strange else ""
            why = ", which contradict each other" if not strange and len(set(values)) > 1 else why
        return f"{why}; {wanted} is waited for"

    def _look_at_time(
        self, properties: Mapping[str, tuple[str, ...]], now: datetime.datetime
    ) -> tuple[str, datetime.datetime | None]:
        """Return what is wrong with the time of the evidence, if anything is, and the time, if it is one."""
        if self.timestamp is None:
            return "", None
        values = properties.get(self.timestamp, ())
        if len(values) != 1:
            return f"{self.timestamp} {f'has {len(values)} values' if values else 'is not set'}: when is unknown", None
        try:
            moment = read_moment(values[0])
            age = age_at(now, moment)
        except NoMoment as error:
            return f"{self.timestamp} ({quoted(values)}) {error}", None
        if self.max_age is not None and age.total_seconds() > self.max_age:
            most = show_span(datetime.timedelta(seconds=self.max_age))
            return f"is {show_span(age)} old; at most {most}: a newer one is waited for", moment
        return "", moment


def _listed(values: Values) -> tuple[str, ...]:
    return values if isinstance(values, tuple) else (values,)
