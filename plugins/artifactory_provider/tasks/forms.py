"""What people type into a form, which arrives as text out of a template: lists, moments, numbers, pairs, selections."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypedDict

from artifactory_provider.artifactory.references import explain_no_text
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.planning.criteria import TagCriteria
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.verification.outcomes import describe_verdict
from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from airflow.sdk import Context


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


_EMPTY = frozenset({"", "None"})
_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})
_NUMBER = re.compile(r"([0-9]{1,9})(\.0+)?")
_MOMENTS = ("created_from", "created_before", "updated_from", "updated_before")
_ENTRIES = {
    "repositories": "a repository key",
    "images": "an image name",
    "exclude_images": "an image name",
    "tags": "a tag",
    "exclude_tags": "a tag",
    "target_tags": "a tag",
    "properties": "a property",
}


def check_conf(context: Context) -> None:
    """Refuse what a run was triggered with and no parameter of its DAG takes: the parameter's default would count.

    Airflow checks the values of parameters, and hands unknown ones on to tasks that do not ask for them.

    :param context: a task's context.
    :raises InvalidPromotion: naming the first unknown key, and the parameter that it is likely to mean.
    """
    known = list(context["dag"].params)
    unknown = sorted(str(key) for key in (context["dag_run"].conf or {}) if key not in known)
    if unknown:
        meant = "".join(f" Did you mean {close!r}?" for close in get_close_matches(unknown[0], known, n=1))
        raise InvalidPromotion(
            f"This DAG has no parameter {unknown[0]!r:.200}.{meant} Nothing was promoted. Its parameters are "
            f"{', '.join(known)}."
        )


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
    for name in ("images", "tags"):
        if isinstance(selection.get(name), list | tuple) and selection[name] and not lists[name]:
            raise InvalidPromotion(f"{name} has nothing but blank lines: give * for all {name}, or leave it empty.")
    return TagCriteria(
        repositories=lists["repositories"],
        images=Patterns(lists["images"] or ("*",), lists["exclude_images"]),
        tags=Patterns(lists["tags"] or ("*",), lists["exclude_tags"]),
        versions=as_text(selection.get("versions"), name="versions", wanted="a range of versions"),
        properties=as_pairs(selection.get("properties"), name="properties"),
        **{name: as_moment(selection.get(name), name=name) for name in _MOMENTS},
    )


def as_list(value: Any, *, name: str) -> tuple[str, ...]:
    """Return a list of texts, without the spaces around them and without empty ones.

    :param value: a list, or a text with one entry a line; None is empty.
    :param name: the argument's name, for the message.
    :raises InvalidPromotion: when it is neither, or an entry is no text: YAML has made a number of it then.
    """
    wanted = _ENTRIES.get(name, "a text")
    if value is None:
        return ()
    entries = value.splitlines() if isinstance(value, str) else value
    if not isinstance(entries, Iterable) or isinstance(entries, Mapping | bytes):
        raise InvalidPromotion(f"{name} is a list, or a text with one entry a line. {explain_no_text(value, wanted)}")
    return tuple(text for entry in entries if (text := _text(entry, name=name, wanted=wanted).strip()))


def as_text(value: Any, *, name: str, wanted: str = "a text") -> str | None:
    """Return a text without the spaces around it, or None where the field was left empty.

    :param value: a text or None.
    :param name: the argument's name, for the message.
    :param wanted: what it should be, for the message.
    :raises InvalidPromotion: when it is no text: YAML or a native template has made a number of it then.
    """
    text = "" if value is None else _text(value, name=name, wanted=wanted).strip()
    return None if text in _EMPTY else text


def as_moment(value: Any, *, name: str) -> datetime.datetime | None:
    """Return a moment, or None where the field was left empty.

    :param value: a datetime or a date, or ISO 8601 text such as ``2026-11-01`` or ``2026-11-01T02:00:00+01:00``;
        without an offset it is UTC.
    :param name: the argument's name, for the message.
    :raises InvalidPromotion: when it is no such moment.
    """
    text = "" if value is None else str(value).strip()
    if text in _EMPTY:
        return None
    try:
        if not isinstance(value, str | datetime.date):
            raise ValueError("no moment")
        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment.astimezone(datetime.UTC)  # the first day of all may be one before it elsewhere
    except (OverflowError, ValueError):
        raise InvalidPromotion(
            f"{name} is a moment such as '2026-11-01' or '2026-11-01T02:00:00+01:00', not {value!r:.200}."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def as_number(value: Any, *, name: str) -> int | None:
    """Return a whole number, or None where the field was left empty.

    :param value: a whole number, ``1000.0`` included, or its digits.
    :param name: the argument's name, for the message.
    :raises InvalidPromotion: when it is no whole number.
    """
    text = "" if value is None else str(value).strip()
    if text in _EMPTY:
        return None
    if number := _NUMBER.fullmatch(text):
        return int(number[1])
    raise InvalidPromotion(f"{name} is a whole number, not {value!r:.200}.")


def as_pairs(value: Any, *, name: str) -> dict[str, str]:
    """Return names and values.

    :param value: a mapping, or a list or lines of ``name=value``.
    :param name: the argument's name, for the message.
    :raises InvalidPromotion: when an entry has no ``=``, a name comes twice, or a name or value is no text.
    """
    if isinstance(value, Mapping):
        return {
            _text(key, name=name, wanted="a property name"): _text(entry, name=name, wanted="a property's value")
            for key, entry in value.items()
        }
    pairs: dict[str, str] = {}
    for entry in as_list(value, name=name):
        key, equals, text = entry.partition("=")
        if not equals or not key.strip() or key.strip() in pairs:
            raise InvalidPromotion(f"{name} has one 'name=value' a line, each name once, not {entry!r:.200}.")
        pairs[key.strip()] = text.strip()
    return pairs


def as_verdicts(value: Any) -> tuple[str, ...]:
    """Return verdicts as lines for a record.

    :param value: the objects that a sensor has handed on, lines, or what a template has made of them; None for none.
    """
    if not value:
        return ()
    listed = value if isinstance(value, list | tuple) else [value]
    return tuple(describe_verdict(one) if isinstance(one, Mapping) else printable(str(one)) for one in listed)


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


def _text(value: Any, *, name: str, wanted: str) -> str:
    if isinstance(value, str):
        return value
    raise InvalidPromotion(f"{name}: {explain_no_text(value, wanted)}")
