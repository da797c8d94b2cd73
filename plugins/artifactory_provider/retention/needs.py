"""What still needs a tag whose time has come: what is needed stays, and what cannot be known counts as needed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.layout import subject_of
from artifactory_provider.audit import Explainer
from artifactory_provider.promotion.planning.newest import TagVersions
from artifactory_provider.promotion.tags import PendingTag, backed_up_tag, step_of
from artifactory_provider.retention.due import age_of, is_own

if TYPE_CHECKING:
    import datetime
    from collections.abc import Collection, Iterator, Mapping

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.audit import StandingTag, Survey
    from artifactory_provider.promotion.listing import Image
    from artifactory_provider.retention.due import Due
    from artifactory_provider.retention.rules import RetentionRules

_HEX = slice(7, 19)


class Needs:
    """Tells what needs a tag.

    :param seen: what stands in all repositories of the rules.
    :param rules: the rules, which name the stages.
    :param now: the current moment.
    """

    def __init__(self, seen: Survey, rules: RetentionRules, *, now: datetime.datetime) -> None:
        self._seen, self._rules = seen, rules
        self._explainer = Explainer(seen)
        self._own: dict[str, list[StandingTag]] = defaultdict(list)
        self._kept: dict[str, list[StandingTag]] = defaultdict(list)
        self._pending: dict[str, list[StandingTag]] = defaultdict(list)
        self._newest: dict[Image, frozenset[str]] = {}
        self._replaced: dict[Image, dict[str, StandingTag]] = {}
        self._folders = {f"{key}/{part}" for key, image in seen.folders for part in _parents(image)}
        # What lies in the attic stands nowhere, and waits for nothing.
        for tag in (tag for tag in seen if tag.place.repository != rules.attic):
            pending = PendingTag.read(tag.image, tag.name, tag.digest, tag.updated)
            life = rules.for_leftovers(*tag.image)
            # By the rules, what is older is of a run that has ended: two of these would keep each other for ever.
            if pending is not None and (life is None or age_of(tag, now) <= life):
                self._pending[pending.hex].append(tag)
            if is_own(tag):
                self._own[tag.digest].append(tag)
            if step_of(tag.name, tag.digest) is None:
                self._kept[tag.digest].append(tag)

    def explain(self, due: Due) -> str | None:
        """Return what needs a tag, in words; None where nothing does.

        :param due: the tag whose time has come.
        """
        return next(self._find(due), None)

    def find_pending(self, digest: str, *, but: StandingTag | None = None) -> StandingTag | None:
        """Return a tag under which a digest waits to be promoted, or None.

        :param digest: the digest.
        :param but: a tag that does not count.
        """
        return next((tag for tag in self._pending.get(digest[_HEX], ()) if tag is not but), None)

    def keep_last_copies(self, going: Mapping[ImageReference, StandingTag]) -> dict[ImageReference, str]:
        """Return the leftovers that stay as all other tags with their digest are to go, with the reason.

        :param going: the tags that would go otherwise.
        """
        leftovers = [tag for tag in going.values() if step_of(tag.name, tag.digest)]
        alone = [tag for tag in leftovers if not self._is_shown_elsewhere(tag, without=going)]
        return {tag.place: "no other tag that stays shows its digest" for tag in alone}

    def _find(self, due: Due) -> Iterator[str]:
        tag = due.tag
        yield from self._find_marks(tag)
        if f"{tag.place.repository}/{tag.place.image}/{tag.name}" in self._folders:
            yield "another image lies in its folder, which goes as a whole"
        if due.kind == "attic":
            return
        subject = subject_of(tag.name)
        waiting = self.find_pending(subject or tag.digest, but=tag)
        if waiting is not None:
            yield f"{waiting.place.unpinned()} waits with its digest: a promotion is under way, or was left behind"
        if due.kind == "tag":
            yield from self._find_for_tag(due)
        elif due.kind == "backup":
            yield from self._find_for_backup(tag)
        elif due.kind == "leftover" and not self._is_shown_elsewhere(tag):
            yield "no other tag shows its digest"
        if due.kind != "attachment":
            yield from self._find_explanation(due)

    def _find_marks(self, tag: StandingTag) -> Iterator[str]:
        if tag.updated is None:
            yield "the server does not say when it came"
        if hold := tag.hold:
            yield f"it is held: {hold}"
        for digest in self._seen.digests_in(tag):
            if rejected := self._seen.rejects(digest):
                what = "its digest" if digest == tag.digest else f"{digest} in its folder"
                yield f"{what} is rejected, and this shows that: {rejected}"
        if tag.is_index and (child := self._seen.find_rejected_child(tag.image)):
            yield f"{child} is rejected, and may be a part of it: {self._seen.rejects(child)}"

    def _find_for_tag(self, due: Due) -> Iterator[str]:
        tag, later = due.tag, self._rules.later_than(due.tag.place.repository)
        if tag.name in self._find_newest(tag.image):
            yield "it is the newest release of its image here, which runs choose"
        above = [one.place for one in self._own[tag.digest] if one.place.repository in later]
        arrived = {place.image for place in above if place.repository == self._rules.last}
        climbing = next((place.repository for place in above if place.image not in arrived), None)
        if due.is_old and climbing:
            yield f"{climbing} shows its digest, and {self._rules.last} does not yet: it may climb"

    def _find_for_backup(self, tag: StandingTag) -> Iterator[str]:
        before = self._seen.tags_of(tag.image).get(backed_up_tag(tag.name, tag.digest) or "")
        if before is not None and before.digest == tag.digest:
            yield f"{before.name} shows its digest still: a promotion that is to replace it may be under way"
        if tag.image not in self._replaced:
            found: dict[str, StandingTag] = {}
            for other in filter(is_own, self._seen.tags_of(tag.image).values()):
                found |= {record.replaced: other for record in other.records}
                for name, values in other.properties.items():
                    found |= dict.fromkeys(values, other) if name.endswith(".replaced") else {}
            self._replaced[tag.image] = found
        if user := self._replaced[tag.image].get(tag.digest):
            yield f"a rollback of {user.place.unpinned()} goes back to it"

    def _is_shown_elsewhere(self, tag: StandingTag, *, without: Collection[ImageReference] = ()) -> bool:
        """Tell whether a leftover is a copy: a pending tag of whatever image, a renamed source of its own."""
        others = [other for other in self._kept.get(tag.digest, ()) if other.place not in without]
        is_copy = step_of(tag.name, tag.digest) == "pending"
        return any(is_copy or other.place.image == tag.place.image for other in others)

    def _find_explanation(self, due: Due) -> Iterator[str]:
        if due.kind == "tag" and due.tag.place.repository == self._rules.stages[0]:
            return  # What is pushed to the first stage is explained by that.
        explanation = self._explainer.explain(due.tag)
        if not explanation.is_explained:
            yield f"nothing explains it: {explanation.words}"

    def _find_newest(self, image: Image) -> frozenset[str]:
        if image not in self._newest:
            names = [tag.name for tag in self._seen.tags_of(image).values() if is_own(tag)]
            choice = TagVersions(names).choose()
            self._newest[image] = frozenset((*choice.newest, *choice.doubtful) if choice else ())
        return self._newest[image]


def _parents(image: str) -> Iterator[str]:
    """Yield the folders that an image's own lies in, and that one."""
    parts = image.split("/")
    yield from ("/".join(parts[:number]) for number in range(1, len(parts) + 1))
