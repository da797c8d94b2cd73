"""Why a tag stands where it stands: what records, names and people say of it, or that nothing does."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from artifactory_provider.artifactory.answers import readable
from artifactory_provider.artifactory.layout import subject_of
from artifactory_provider.promotion.tags import backed_up_tag, step_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from artifactory_provider.audit.survey import StandingTag, Survey
    from artifactory_provider.promotion.listing import Image
    from artifactory_provider.promotion.record import StandingRecord

_CHILD = re.compile(r"(?P<tag>.+)-[a-z0-9]+-[a-z0-9_]+")

Kind = Literal[
    "promoted", "known", "attachment", "orphan", "pending", "moved", "backup", "child", "held", "unexplained"
]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a tag stands where it stands.

    :param kind: ``promoted``, as its record says; ``known``, as somebody else knows; ``attachment`` of a digest that
        stands in its image; ``orphan``, an attachment of one that does not; ``pending`` or ``moved``, a step of a
        promotion under way, or left behind; ``backup`` of what a promotion has replaced; ``child``, the name that old
        servers give to the child of an index; ``held`` by a person; ``unexplained``.
    :param said: a sentence; nothing where the record says it.
    :param record: the record that explains it; for what is not explained, the one that it carries of another tag.
    """

    kind: Kind
    said: str
    record: StandingRecord | None = None

    @property
    def words(self) -> str:
        """One or two sentences; those of thousands of records are put together when somebody reads them."""
        return self.said or (_describe(self.record) if self.record else "")

    @property
    def is_explained(self) -> bool:
        """Whether anything says why it stands there."""
        return self.kind != "unexplained"


class Explainer:
    """Explains tags out of all that stands in their repositories.

    :param survey: what stands there.
    :param known: (repository, image, tag) → digests that were promoted there as others know, such as Airflow's asset
        events; for promotions without a record.
    :param shown: (repository, image, tag) → digests that it has shown at any time, as they know.
    :param children: digest of an index → the digests of its children, to which servers before 7.111.0 give tags.
    """

    def __init__(
        self,
        survey: Survey,
        *,
        known: Mapping[tuple[str, str, str], Collection[str]] | None = None,
        shown: Mapping[tuple[str, str, str], Collection[str]] | None = None,
        children: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._survey = survey
        self._known = known or {}
        self._shown = shown or {}
        self._children = children or {}
        self._replaced: dict[Image, dict[str, set[str]]] = {}

    def explain(self, tag: StandingTag) -> Explanation:
        """Return why a tag stands where it stands.

        :param tag: what stands there.
        """
        if subject := subject_of(tag.name):
            return self._explain_attachment(tag, subject)
        if record := tag.record:
            return Explanation("promoted", "", record)
        return next(self._explain_otherwise(tag), None) or _unexplained(tag)

    def _explain_attachment(self, tag: StandingTag, subject: str) -> Explanation:
        if self._survey.has_manifest(tag.image, subject):
            return Explanation("attachment", f"It belongs to {subject}, which stands in this image.")
        return Explanation("orphan", f"It belongs to {subject}, which does not stand in this image any more.")

    def _explain_otherwise(self, tag: StandingTag) -> Iterator[Explanation]:
        place = tag.place
        if tag.digest in self._known.get((place.repository, place.image, tag.name), ()):
            yield Explanation("known", "Airflow's asset events tell of its promotion.")
        if step := step_of(tag.name, tag.digest):
            state = "waits for its target tag" if step == "pending" else "is the source of a move, before it goes"
            yield Explanation("pending" if step == "pending" else "moved", f"It {state}.")
        if (before := backed_up_tag(tag.name, tag.digest)) is not None and self._was_replaced(tag, before):
            yield Explanation("backup", f"It is what {before} showed before a promotion replaced it.")
        if self._is_renamed_child(tag):
            yield Explanation("child", "It is a child of an index, under the name that servers before 7.111.0 give it.")
        if hold := tag.hold:
            yield Explanation("held", f"It is held: {hold}.")

    def _is_renamed_child(self, tag: StandingTag) -> bool:
        """Return whether a tag is called ``<tag of an index>-<os>-<architecture>``, and shows a child of that index."""
        name = _CHILD.fullmatch(tag.name)
        index = self._survey.tags_of(tag.image).get(name["tag"]) if name else None
        return index is not None and tag.digest in self._children.get(index.digest, ())

    def _was_replaced(self, tag: StandingTag, before: str) -> bool:
        """Return whether a tag has shown this digest, as a record says, its own or a later one, or as others know."""
        if tag.digest in self._shown.get((*tag.image, before), ()):
            return True
        if tag.image not in self._replaced:
            self._replaced[tag.image] = self._read_shown(tag.image)
        return tag.digest in self._replaced[tag.image].get(before, ())

    def _read_shown(self, image: Image) -> dict[str, set[str]]:
        """Return what tags of an image have shown, as records say that stand on the tags and on their backups."""
        shown: dict[str, set[str]] = {}
        for tag in self._survey.tags_of(image).values():
            before = backed_up_tag(tag.name, tag.digest)
            name = tag.name if before is None else before
            target = str(tag.place.unpinned()) if before is None else f"{image[0]}/{image[1]}:{name}"
            for record in tag.records:
                if record.digest == tag.digest and record.target == target:
                    shown.setdefault(name, set()).update({record.digest, record.replaced})
        return shown


def describe_origin(tag: StandingTag) -> str:
    """Return who has pushed what a tag shows, and when it came there.

    :param tag: what stands there.
    """
    by = readable(tag.by) or "somebody whom the server does not name"
    pushed = f" at {_minute(tag.created)}" if tag.created else ""
    came = f", and stands there since {_minute(tag.updated)}" if tag.updated else ""
    return f"It was pushed by {by}{pushed}{came}."


def _unexplained(tag: StandingTag) -> Explanation:
    if not tag.records:
        return Explanation("unexplained", f"No promotion explains it. {describe_origin(tag)}")
    record = tag.records[0]
    if record.target == str(tag.place.unpinned()):
        said = f"Its record says that {readable(record.digest)} was promoted there"
    else:
        said = f"It is a copy: its record is that of {readable(record.target)}"
    return Explanation("unexplained", f"No promotion explains it. {said}. {describe_origin(tag)}", record)


def _describe(record: StandingRecord) -> str:
    source, time, run = (readable(text) for text in (record.source, record.time, record.run))
    return f"It was promoted from {source} at {time} by the run {run}."


def _minute(moment: datetime.datetime) -> str:
    return f"{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M UTC}"
