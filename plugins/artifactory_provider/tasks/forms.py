"""What people type into a form, which arrives as text out of a template: lists, moments, numbers, pairs, selections."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.planning.criteria import TagCriteria
from artifactory_provider.promotion.planning.patterns import Patterns


class TagSelection(TypedDict, total=False):
    """Which tags are meant: ``TagCriteria`` as a form gives it, where what is empty is not given.

    ``repositories``, ``images``, ``exclude_images``, ``tags``, ``exclude_tags``: lists, or text with one entry a line;
    no images or tags means all. ``versions``: a range such as ``>=1.4.0 <2.0.0``. ``created_from``, ``created_before``,
    ``updated_from``, ``updated_before``: ISO 8601, UTC unless they say otherwise. ``properties``: a mapping, or
    ``name=value`` lines.
    """

    repositories: str | list[str]
    images: str | list[str]
    exclude_images: str | list[str]
    tags: str | list[str]
    exclude_tags: str | list[str]
    versions: str | None
    created_from: str | datetime.datetime | None
    created_before: str | datetime.datetime | None
    updated_from: str | datetime.datetime | None
    updated_before: str | datetime.datetime | None
    properties: str | list[str] | dict[str, str]


_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})
_MOMENTS = ("created_from", "created_before", "updated_from", "updated_before")


def read_criteria(selection: Mapping[str, Any]) -> TagCriteria:
    """Return the criteria that a form's fields stand for.

    :param selection: the fields, as ``TagSelection`` names them.
    :raises InvalidPromotion: when a field is unknown, or its value is none of its kind.
    """
    if unknown := sorted(selection.keys() - TagSelection.__annotations__.keys()):
        raise InvalidPromotion(
            f"A selection has no field {unknown[0]!r}: its fields are {', '.join(TagSelection.__annotations__)}."
        )
    lists = {
        name: as_list(selection.get(name), name=name)
        for name in ("repositories", "images", "exclude_images", "tags", "exclude_tags")
    }
    return TagCriteria(
        repositories=lists["repositories"],
        images=Patterns(lists["images"] or ("*",), lists["exclude_images"]),
        tags=Patterns(lists["tags"] or ("*",), lists["exclude_tags"]),
        versions=as_text(selection.get("versions")),
        properties=as_pairs(selection.get("properties"), name="properties"),
        **{name: as_moment(selection.get(name), name=name) for name in _MOMENTS},
    )


def as_list(value: Any, *, name: str) -> tuple[str, ...]:
    """Return a list of texts, without empty ones.

    :param value: a list, or a text with one entry a line; None is empty.
    :param name: the argument's name, for the message.
    :raises InvalidPromotion: when it is neither.
    """
    if value is None:
        return ()
    if isinstance(value, str):
        value = value.splitlines()
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes):
        return tuple(text for entry in value if (text := str(entry).strip()))
    raise InvalidPromotion(f"{name} is a list, or a text with one entry a line, not {value!r}.")


def as_text(value: Any) -> str | None:
    """Return a text, or None where the field was left empty.

    :param value: a text or None.
    """
    text = "" if value is None else str(value).strip()
    return None if text in {"", "None"} else text


def as_moment(value: Any, *, name: str) -> datetime.datetime | None:
    """Return a moment, or None where the field was left empty.

    :param value: a datetime, or ISO 8601 text such as ``2026-11-01`` or ``2026-11-01T02:00:00+01:00``; without an
        offset it is UTC.
    :param name: the argument's name, for the message.
    :raises InvalidPromotion: when it is no such moment.
    """
    if isinstance(value, datetime.datetime):
        moment = value
    elif (text := as_text(value)) is None:
        return None
    else:
        try:
            moment = datetime.datetime.fromisoformat(text)
        except ValueError:
            raise InvalidPromotion(
                f"{name} is a moment such as '2026-11-01' or '2026-11-01T02:00:00+01:00', not {text!r}."
            ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def as_number(value: Any, *, name: str) -> int | None:
    """Return a whole number, or None where the field was left empty.

    :param value: an int, or its digits.
    :param name: the argument's name, for the message.
    :raises InvalidPromotion: when it is no whole number.
    """
    text = as_text(value)
    if text is None:
        return None
    if text.isdecimal() and text.isascii() and len(text) < 10:
        return int(text)
    raise InvalidPromotion(f"{name} is a whole number, not {value!r}.")


def as_pairs(value: Any, *, name: str) -> dict[str, str]:
    """Return names and values.

    :param value: a mapping, or a list or lines of ``name=value``.
    :param name: the argument's name, for the message.
    :raises InvalidPromotion: when an entry has no ``=``, or a name comes twice.
    """
    if isinstance(value, Mapping):
        return {str(key): str(entry) for key, entry in value.items()}
    pairs: dict[str, str] = {}
    for entry in as_list(value, name=name):
        key, equals, text = entry.partition("=")
        if not equals or not key.strip() or key.strip() in pairs:
            raise InvalidPromotion(f"{name} has one 'name=value' a line, each name once, not {entry!r}.")
        pairs[key.strip()] = text.strip()
    return pairs


def as_bool(value: Any, *, name: str = "copy") -> bool:
    """Return the truth value of an argument that may have come out of a template as text.

    :param value: a bool, or ``true``/``false``, ``yes``/``no``, ``1``/``0`` in any case.
    :param name: the argument's name, for the message.
    :raises InvalidPromotion: when it is neither.
    """
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise InvalidPromotion(f"{name} is true or false, not {value!r}.")
