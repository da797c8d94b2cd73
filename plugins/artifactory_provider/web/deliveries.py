"""What a webhook of Artifactory's says: which tag was pushed, or which property was written on which manifest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.layout import LIST_FILE, MANIFEST_FILE, is_tag_folder, split_folder
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.promotion.tags import select_images
from artifactory_provider.tasks.pushes import (
    PUSHES,
    VERDICTS,
    describe_asset,
    describe_push,
    key_of_push,
    key_of_verdict,
    start_of_verdicts,
)
from artifactory_provider.verification.verdicts import printable
from artifactory_provider.web.airflow_recording import TagEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN = 200
_LONGEST_NAME = 255
_ARTIFACTORYS = ("docker.", "sha256", "artifactory.")
"""Properties that Artifactory itself writes on every manifest: no verdicts."""


class NotForUs(Exception):
    """What a delivery tells of starts nothing."""


def read_delivery(body: bytes) -> TagEvent:
    """Return what a delivery tells.

    :param body: the delivery's body, JSON.
    :raises NotForUs: when it tells of something that starts nothing.
    :raises ValueError: when it is no delivery of Artifactory's.
    """
    told = _read_json(body)
    domain, event = _text(told, "domain"), _text(told, "event_type")
    if (domain, event) == ("docker", "pushed"):
        return _read_push(_data(told))
    if (domain, event) == ("artifact_property", "added"):
        return _read_property(_data(told))
    raise NotForUs(
        f"{printable(f'{domain}/{event}', longest=80)}: only docker/pushed and artifact_property/added start runs."
    )


def _read_push(data: Mapping[str, Any]) -> TagEvent:
    image = _reference(data, _text(data, "image_name"), _text(data, "tag"))
    return TagEvent(asset=describe_asset(PUSHES, image.repository), key=key_of_push(image), extra=describe_push(image))


def _read_property(data: Mapping[str, Any]) -> TagEvent:
    folder, _, file = _text(data, "path").rpartition("/")
    if file not in {MANIFEST_FILE, LIST_FILE}:
        raise NotForUs("The property stands on no manifest.")
    name, values = _text(data, "property_key"), data.get("property_values")
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("data.property_values is a list of texts.")
    if not 0 < len(name) <= _LONGEST_NAME:
        raise ValueError(f"data.property_key has 1 to {_LONGEST_NAME} characters.")
    if name.startswith(_ARTIFACTORYS):
        raise NotForUs("Artifactory writes this property itself: it is no verdict.")
    image = _reference(data, *split_folder(folder))
    shown = {"property": printable(name, longest=_SHOWN), "values": printable(", ".join(values), longest=_SHOWN)}
    return TagEvent(
        asset=describe_asset(VERDICTS, image.repository),
        key=key_of_verdict(image, name, values),
        compared=start_of_verdicts(image, name),
        extra={**describe_push(image), **shown},
    )


def _reference(data: Mapping[str, Any], image: str, tag: str) -> ImageReference:
    """Return the tag that an event is about, if it is that of an image."""
    if not is_tag_folder(tag) or not select_images([tag]):
        raise NotForUs("It is about no tag of an image: about a child, an attachment or a promotion's own tag.")
    hex_digits = _text(data, "sha256").removeprefix("sha256:")
    try:
        return ImageReference(_text(data, "repo_key"), image, tag, f"sha256:{hex_digits}")
    except InvalidReference as error:
        raise ValueError(f"data names no image: {error}") from error


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body.decode())
    except RecursionError:
        raise ValueError("The delivery is nested too deeply.") from None
    except ValueError:
        raise ValueError("The delivery is no JSON in UTF-8.") from None
    if not isinstance(told, dict):
        raise ValueError("The delivery is no JSON object.")
    return told


def _data(told: Mapping[str, Any]) -> Mapping[str, Any]:
    data = told.get("data")
    if not isinstance(data, dict):
        raise ValueError("data is missing, or no JSON object.")
    return data


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is missing, or no text.")
    return value
