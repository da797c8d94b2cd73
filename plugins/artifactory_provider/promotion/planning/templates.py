"""What promoted tags and images are called: templates with a few fields, and nothing else that could be evaluated."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field

from artifactory_provider.artifactory.references import InvalidReference, check_image, check_tag
from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.planning.versions import read_tag

_PIECE = re.compile(r"\{(?P<field>[^{}]*)\}|(?P<text>[^{}]+)|(?P<stray>[{}])")
_VERSION_FIELDS = ("version", "version.major", "version.minor", "version.patch")
_DATE = "date:"
_DATE_FORMAT = re.compile(r"(%[YmdHMSyjGVu]|[A-Za-z0-9._-])+")
_LITERAL = re.compile(r"[A-Za-z0-9._-]+")
_LONGEST = 500
_EXAMPLES = "Right ones are '{tag}', '{version.major}.{version.minor}', 'nightly-{date:%Y%m%d}' and 'latest'"


@dataclass(frozen=True)
class TargetTemplate:
    """What a target tag is called: literal text and fields.

    ``{tag}`` is the source tag; ``{version}`` the version that it is, without a leading ``v``; ``{version.major}``,
    ``{version.minor}`` and ``{version.patch}`` are its first three numbers, all as they are written in the tag, so that
    the minor of ``2026.02.0`` is ``02``; ``{date:%Y%m%d}`` is the time, in UTC, when the image was created in the
    source: it is the same in every run. Its format has %Y, %m, %d, %H, %M, %S, %y, %j, %G, %V, %u.

    :param text: the template.
    :raises InvalidPlan: when it is none.
    """

    text: str
    _pieces: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pieces", _tag_pieces(self.text))

    @property
    def needs_date(self) -> bool:
        """Whether it has a field that is a time."""
        return any(kind == "date" for kind, _ in self._pieces)

    def render(self, tag: str, created: datetime.datetime | None) -> str:
        """Return the target tag.

        :param tag: the source tag.
        :param created: when the image was created; None where that is not known.
        :raises InvalidPlan: when a field has no value for this tag, or the result is no tag.
        """
        rendered = "".join(
            text if kind == "text" else self._value(kind, text, tag, created) for kind, text in self._pieces
        )
        try:
            return check_tag(rendered)
        except InvalidReference as error:
            raise InvalidPlan(f"The target template {self.text!r} makes no tag of {tag!r:.200}: {error}") from error

    def _value(self, kind: str, text: str, tag: str, created: datetime.datetime | None) -> str:
        if kind == "tag":
            return tag
        if kind == "date":
            if created is None:
                raise InvalidPlan(
                    f"The target template {self.text!r} needs the time when {tag!r:.200} was created, which is not "
                    "known: leave this tag out, or use a template without a date."
                )
            return created.astimezone(datetime.UTC).strftime(text)
        return self._part_of_version(text, tag)

    def _part_of_version(self, name: str, tag: str) -> str:
        reading = read_tag(tag)
        if not reading.is_version:
            raise InvalidPlan(
                f"The target template {self.text!r} needs a version, which {tag!r:.200} is not: leave this tag out by "
                "a range such as versions='>=0.0.0', or use '{tag}'."
            )
        if name == "version":
            return reading.text
        position = _VERSION_FIELDS.index(name) - 1
        if position >= len(reading.numbers):
            raise InvalidPlan(
                f"The target template {self.text!r} needs {{{name}}}, which {tag!r:.200} has not: its numbers are "
                f"{', '.join(reading.numbers)}. Leave this tag out, or use a template without it."
            )
        return reading.numbers[position]


@dataclass(frozen=True)
class ImageTemplate:
    """What a target image is called: literal text, and ``{image}`` for the source image's name.

    :param text: the template, such as ``mirror/{image}``.
    :raises InvalidPlan: when it is none.
    """

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise self._invalid("it is no text.")
        self.render("image")

    def render(self, image: str) -> str:
        """Return the target image's name.

        :param image: the source image's name.
        :raises InvalidPlan: when the result is no image name.
        """
        rendered = self.text.replace("{image}", image)
        try:
            return check_image(rendered)
        except InvalidReference as error:
            raise self._invalid(str(error)) from error

    def _invalid(self, reason: str) -> InvalidPlan:
        return InvalidPlan(
            f"{self.text!r:.200} is no template of an image: {reason} Right ones are '{{image}}' and "
            "'mirror/{image}'."
        )


def _tag_pieces(text: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST:
        raise _invalid(text, f"it is no text of 1 to {_LONGEST} characters")
    if text[0] in ".-":
        raise _invalid(text, f"no tag begins with {text[0]!r}")
    return tuple(_piece(text, piece) for piece in _PIECE.finditer(text))


def _piece(template: str, piece: re.Match[str]) -> tuple[str, str]:
    if piece["stray"]:
        raise _invalid(template, f"{piece['stray']!r} at character {piece.start() + 1} has no counterpart")
    if piece["text"]:
        if not _LITERAL.fullmatch(piece["text"]):
            raise _invalid(template, f"{piece['text']!r:.80} holds what no tag holds")
        return "text", piece["text"]
    name = piece["field"]
    if name == "tag":
        return "tag", name
    if name in _VERSION_FIELDS:
        return "version", name
    if name.startswith(_DATE) and _DATE_FORMAT.fullmatch(name.removeprefix(_DATE)):
        return "date", name.removeprefix(_DATE)
    raise _invalid(
        template,
        f"there is no field {'{' + name + '}'!r:.80}, only {{tag}}, {{version}}, {{version.major}}, {{version.minor}}, "
        "{version.patch} and {date:…} with a format such as %Y%m%d",
    )


def _invalid(text: object, reason: str) -> InvalidPlan:
    return InvalidPlan(f"{text!r:.200} is no template of a tag: {reason}. {_EXAMPLES}.")
