"""Properties of items, as JFrog's REST API writes them in URLs and answers ("Item Properties")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from artifactory_provider.artifactory.references import InvalidReference, check_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORBIDDEN_IN_NAMES = frozenset(")(}{][*+^$\\/~`!@#%&<>;=,±§ ")


def check_property_name(name: str) -> str:
    """Return the property's name when Artifactory allows it.

    :param name: such as ``test.status``.
    :raises InvalidReference: when it is empty or holds a character that is not allowed.
    """
    if not check_text(name, "a property name") or not name.isprintable() or _FORBIDDEN_IN_NAMES & set(name):
        raise InvalidReference(f"{name!r} is no property name: Artifactory allows no spaces, slashes and the like.")
    return name


def properties_query(properties: Mapping[str, str]) -> str:
    """Return ``name=value;name=value``, escaped and percent-encoded for the query of a URL.

    :param properties: name → value.
    :raises InvalidReference: when a name is not allowed.
    """
    return ";".join(f"{_escape(check_property_name(name))}={_escape(value)}" for name, value in properties.items())


def read_properties(document: Any) -> dict[str, list[str]] | None:
    """Return the properties that an answer's JSON lists, or None where it is no such list.

    :param document: the JSON value.
    """
    properties = document.get("properties") if isinstance(document, dict) else None
    if not isinstance(properties, dict) or not all(isinstance(values, list) for values in properties.values()):
        return None
    return {name: [str(value) for value in values] for name, values in properties.items()}


def _escape(value: str) -> str:
    for character in "\\,|=;":
        value = value.replace(character, f"\\{character}")
    return quote(value, safe="")
