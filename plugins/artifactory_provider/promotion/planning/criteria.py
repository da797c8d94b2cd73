"""Which tags of a server are meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.properties import check_property_name
from artifactory_provider.artifactory.references import InvalidReference, check_repository
from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.versions import VersionRange

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

_TIMES = ("created_from", "created_before", "updated_from", "updated_before")


@dataclass(frozen=True)
class TagCriteria:
    """The tags that are meant: those that meet all criteria. Windows hold their beginning, and not their end.

    :param repositories: the keys of the repositories where they are.
    :param images: the patterns of their images' names.
    :param tags: the patterns of the tags.
    :param versions: a range of versions, such as ``>=1.4.0 <2.0.0``; None for all tags.
    :param created_from: the image was created at this moment or later; all moments have a time zone.
    :param created_before: the image was created before this moment.
    :param updated_from: it came to this repository at this moment or later.
    :param updated_before: it came to this repository before this moment.
    :param properties: properties that its manifest has, name → value.
    :raises InvalidPlan: when a criterion makes no sense.
    """

    repositories: tuple[str, ...]
    images: Patterns = field(default_factory=Patterns)
    tags: Patterns = field(default_factory=Patterns)
    versions: str | None = None
    created_from: datetime.datetime | None = None
    created_before: datetime.datetime | None = None
    updated_from: datetime.datetime | None = None
    updated_before: datetime.datetime | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    _range: VersionRange | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_repositories(self.repositories)
        object.__setattr__(self, "repositories", tuple(dict.fromkeys(self.repositories)))
        object.__setattr__(self, "_range", VersionRange(self.versions) if self.versions is not None else None)
        for name in _TIMES:
            _check_moment(name, getattr(self, name))
        for kind in ("created", "updated"):
            _check_window(kind, getattr(self, f"{kind}_from"), getattr(self, f"{kind}_before"))
        _check_properties(self.properties)

    @property
    def has_times(self) -> bool:
        """Whether times are asked for."""
        return any(getattr(self, name) is not None for name in _TIMES)

    @property
    def is_everything(self) -> bool:
        """Whether all tags of the repositories are meant."""
        is_open = self.versions is None and not self.has_times and not self.properties
        return is_open and self.images.is_everything and self.tags.is_everything

    def selects_tag(self, tag: str) -> bool:
        """Tell whether a tag is meant, as far as its name goes."""
        return self.tags.match(tag) and (self._range is None or self._range.includes(tag))

    def selects_name(self, image: str, tag: str) -> bool:
        """Tell whether a tag of an image is meant, as far as names go."""
        return self.images.match(image) and self.selects_tag(tag)

    def selects_times(self, created: datetime.datetime | None, updated: datetime.datetime | None) -> bool:
        """Tell whether an image is meant, as far as times go; one whose time is not known is not.

        :param created: when it was created.
        :param updated: when it came to its repository.
        """
        return _is_within(self.created_from, created, self.created_before) and _is_within(
            self.updated_from, updated, self.updated_before
        )


def _is_within(
    start: datetime.datetime | None, moment: datetime.datetime | None, end: datetime.datetime | None
) -> bool:
    if start is None and end is None:
        return True
    return moment is not None and (start is None or start <= moment) and (end is None or moment < end)


def _check_repositories(keys: Sequence[str]) -> None:
    if isinstance(keys, str) or not keys:
        raise InvalidPlan(f"repositories is a list of repository keys such as 'docker-dev', not {keys!r:.120}.")
    try:
        for key in keys:
            check_repository(key)
    except InvalidReference as error:
        raise InvalidPlan(str(error)) from error


def _check_moment(name: str, moment: datetime.datetime | None) -> None:
    if moment is not None and moment.utcoffset() is None:
        raise InvalidPlan(f"{name} needs a time zone, such as 2026-01-31T00:00:00Z; {moment.isoformat()} has none.")


def _check_window(kind: str, start: datetime.datetime | None, end: datetime.datetime | None) -> None:
    if start is not None and end is not None and start >= end:
        raise InvalidPlan(
            f"Nothing is {kind} both from {start.isoformat()} on and before {end.isoformat()}: the beginning of a "
            "window comes before its end, as in 2026-01-01T00:00:00Z and 2026-02-01T00:00:00Z."
        )


def _check_properties(properties: object) -> None:
    if not isinstance(properties, Mapping):
        raise InvalidPlan(f"properties are names and values, such as test.status: passed, not {properties!r:.120}.")
    for name, value in properties.items():
        if not isinstance(name, str) or not isinstance(value, str) or not value:
            raise InvalidPlan(
                f"The property {name!r:.120} is to have the value {value!r:.120}: both are texts, such as "
                "'test.status' and 'passed'."
            )
        try:
            check_property_name(name)
        except InvalidReference as error:
            raise InvalidPlan(f"{error} A right one is 'test.status'.") from error
