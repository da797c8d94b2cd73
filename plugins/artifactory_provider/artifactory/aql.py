"""Artifactory Query Language: queries built from values, and the items that they find.

Source: JFrog's documentation "Artifactory Query Language". A user who is no administrator has to include repo, path
and name; anonymous users are refused.
"""

from __future__ import annotations

import datetime
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELDS = ("repo", "path", "name", "sha256", "created", "updated")
_ORIGIN = ("created_by", "modified_by", "size")
_ORDER = ("repo", "path", "name")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class DigestUnknown(ValueError):
    """A result that does not say which bytes the file has, as for files older than Artifactory's use of SHA-256."""


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a repository.

    :param repository: the repository key.
    :param folder: the path of its folder, such as ``payments/api/1.4.2``.
    :param name: the file's name.
    :param sha256: 64 hexadecimal digits.
    :param updated: when it was last written, copied or moved here; None where the server does not say.
    :param created: when its bytes were put there, or to where they were copied from; None where the server does not
        say.
    :param properties: name → values; None where they were not asked for, or where the server tells none.
    :param by: who has put its bytes there, or to where they were copied from; nothing where that was not asked for, or
        is not known.
    :param size: bytes; None where that was not asked for.
    """

    repository: str
    folder: str
    name: str
    sha256: str
    updated: datetime.datetime | None
    created: datetime.datetime | None = None
    properties: Mapping[str, tuple[str, ...]] | None = field(default=None, compare=False)
    by: str = field(default="", compare=False)
    size: int | None = field(default=None, compare=False)

    @property
    def digest(self) -> str:
        """The digest of its bytes."""
        return f"sha256:{self.sha256}"

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Item:
        """Read one result.

        :raises KeyError: when a field is missing.
        :raises DigestUnknown: when there is no digest.
        :raises ValueError: when a time is none.
        """
        repository, folder, name = str(document["repo"]), str(document["path"]), str(document["name"])
        sha256 = document.get("sha256")
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise DigestUnknown(f"Queries do not tell the digest of {repository}/{folder}/{name}.")
        moments = _moment(document, "updated"), _moment(document, "created")
        properties = _read_properties(document.get("properties"))
        by, size = document.get("modified_by") or document.get("created_by") or "", document.get("size")
        return cls(repository, folder, name, sha256, *moments, properties, str(by), None if size is None else int(size))


def find_items(criteria: Mapping[str, Any], *, offset: int, limit: int) -> str:
    """Return the query for one page of the files that meet the criteria, in a stable order.

    :param criteria: as AQL has them: field → value, or field → operator → value, ``$and`` and ``$or`` with lists.
    :param offset: how many are passed over.
    :param limit: how many come at most.
    """
    fields = ", ".join(json.dumps(name) for name in _FIELDS)
    order = json.dumps({"$asc": list(_ORDER)})
    return f"items.find({json.dumps(criteria)}).include({fields}).sort({order}).offset({offset}).limit({limit})"


def find_annotated_items(criteria: Mapping[str, Any], *, with_origin: bool = False) -> str:
    """Return the query for all files that meet the criteria, each with its properties.

    It has no pages: Artifactory leaves the properties out of what is sorted or limited (jfrog/jfrog-cli#190).

    :param criteria: as AQL has them; they must bound by themselves what is found.
    :param with_origin: whether it is needed who has put each there, and its size.
    """
    fields = ", ".join(json.dumps(name) for name in (*_FIELDS, *(_ORIGIN if with_origin else ()), "property"))
    return f"items.find({json.dumps(criteria)}).include({fields})"


def halves(criteria: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return criteria that together find what these find, each with some of the longest list of alternatives.

    :param criteria: as AQL has them.
    :return: none where no list of alternatives can be divided.
    """
    choices = criteria.get("$or", [])
    if len(choices) == 1:
        # It is no choice, but there may be one inside it.
        return [_choose(criteria, [half]) for half in halves(choices[0])]
    parts = list(criteria.get("$and", ()))
    divided = {at: some for at, part in enumerate(parts) if (some := halves(part))}
    at = max(divided, key=lambda at: _length(parts[at]), default=None)
    if at is not None and _length(parts[at]) > _length(choices):
        return [{**criteria, "$and": [*parts[:at], some, *parts[at + 1 :]]} for some in divided[at]]
    middle = len(choices) // 2
    return [_choose(criteria, half) for half in (choices[:middle], choices[middle:])] if middle else []


def _choose(criteria: Mapping[str, Any], choices: list[Any]) -> dict[str, Any]:
    """Return the criteria with fewer alternatives; one that is left alone can be divided in turn."""
    others = {field: value for field, value in criteria.items() if field != "$or"}
    return dict(choices[0]) if len(choices) == 1 and not others else {**others, "$or": choices}


def _length(criteria: object) -> int:
    return len(json.dumps(criteria))


def _read_properties(listed: Any) -> dict[str, tuple[str, ...]] | None:
    if listed is None:
        return None
    found: dict[str, tuple[str, ...]] = {}
    for one in listed:
        name, value = str(one["key"]), str(one.get("value", ""))
        found[name] = (*found[name], value) if name in found else (value,)
    return found


def _moment(document: Mapping[str, Any], field: str) -> datetime.datetime | None:
    text = document.get(field)
    moment = datetime.datetime.fromisoformat(text) if text else None
    return moment.replace(tzinfo=datetime.UTC) if moment is not None and moment.tzinfo is None else moment
