"""Pushes and verdicts as Airflow's events: the assets that they update, and the keys that tell them apart.

A push updates ``pushes:<repository>``, a verdict ``verdicts:<repository>``; what stands there is named by the event's
partition key, so that each starts a run of its own. The key of a push is ``image:tag@digest``; that of a verdict ends
with ``#<8 hex of the property>.<8 hex of its values>``. One that would be longer than Airflow takes is cut, and ends
with a hash of the whole instead; the event's extra has the whole reference in any case.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.sdk import Asset

from artifactory_provider.artifactory.references import ImageReference, InvalidReference, check_repository

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow.sdk import Context

PUSHES, VERDICTS, CHANGES = "pushes", "verdicts", "changes"
LONGEST_KEY = 250
"""Airflow's own limit."""
_CUT = "~"
_HEX = 8
_REFERENCE, _REPOSITORY, _CUT_KEYS = "image", "repository", "images"


class Key(NamedTuple):
    """What a partition key says.

    :param image: the image name; None where it was cut.
    :param tag: the tag; None where it was cut.
    :param verdict: ``<hash of the property>.<hash of its values>``; empty for a push.
    """

    image: str | None
    tag: str | None
    verdict: str


def pushes_asset(repository: str) -> Asset:
    """Return the asset that each push of a tag to a repository updates.

    :param repository: the repository key.
    :raises InvalidReference: when it is malformed.
    """
    return _asset(PUSHES, repository)


def verdicts_asset(repository: str) -> Asset:
    """Return the asset that each property which is written on a manifest of a repository updates.

    :param repository: the repository key.
    :raises InvalidReference: when it is malformed.
    """
    return _asset(VERDICTS, repository)


def describe_asset(kind: str, repository: str) -> tuple[str, str]:
    """Return the name and the URI of such an asset.

    :param kind: ``pushes``, ``verdicts`` or ``changes``.
    :param repository: the repository key.
    :raises InvalidReference: when it is malformed.
    """
    key = check_repository(repository)
    return f"{kind}:{key}", f"x-artifactory-{kind}://{key}"


def _asset(kind: str, repository: str) -> Asset:
    name, uri = describe_asset(kind, repository)
    return Asset(name=name, uri=uri)


def key_of_push(image: ImageReference) -> str:
    """Return the partition key of a push: the same for the same image, tag and digest.

    :param image: image, tag and digest.
    """
    return _fit(f"{image.image}:{image.tag}@{image.digest}")


def key_of_verdict(image: ImageReference, name: str, values: Iterable[str]) -> str:
    """Return the partition key of a verdict: the same for the same property and values on the same tag and digest.

    :param image: image, tag and digest.
    :param name: the property.
    :param values: its values, in any order.
    """
    return f"{start_of_verdicts(image, name)}{hash_of(chr(0).join(sorted(values)))}"


def start_of_verdicts(image: ImageReference, name: str) -> str:
    """Return how the partition keys of all values of a property on a tag and digest begin.

    :param image: image, tag and digest.
    :param name: the property.
    """
    end = f"#{hash_of(name)}."
    return _fit(f"{image.image}:{image.tag}@{image.digest}", LONGEST_KEY - len(end) - _HEX) + end


def read_key(key: str) -> Key:
    """Return what a partition key says.

    :param key: the key.
    """
    whole, _, verdict = key.partition("#")
    name, at, _ = whole.partition("@")
    image, colon, tag = name.rpartition(":")
    return Key(image, tag, verdict) if at and colon else Key(None, None, verdict)


def describe_push(image: ImageReference) -> dict[str, str]:
    """Return the extra of an event on a tag.

    :param image: repository, image, tag and digest.
    """
    return {_REFERENCE: str(image)}


def describe_pushes(images: Iterable[ImageReference]) -> dict[str, Any]:
    """Return the extra that events on some tags of a repository share: what their keys do not say.

    :param images: repository, image, tag and digest of each.
    """
    listed = list(images)
    keys = {key_of_push(image): str(image) for image in listed}
    cut = {key: image for key, image in keys.items() if _CUT in key}
    return {_REPOSITORY: listed[0].repository if listed else "", _CUT_KEYS: cut}


def find_pushed(context: Context, *, repository: str | None = None) -> ImageReference | None:
    """Return the tag whose push or verdict has started a run: repository, image, tag and digest; None for other runs.

    :param context: the context of a task.
    :param repository: where the tag stands if a person has started the run with a partition key: no event says it.
    :raises InvalidReference: when an event or the key says what is none.
    """
    key = getattr(context.get("dag_run"), "partition_key", None)
    if not key:
        return None
    told: Mapping[Any, Sequence[Any]] = context.get("triggering_asset_events") or {}
    for events in told.values():
        for event in reversed(list(events)):
            found = _read_event(event.extra, key)
            if found is not None:
                return found
    return None if repository is None else _read_whole(key, repository)


def _read_event(extra: Any, key: str) -> ImageReference | None:
    """Return the tag that an event names, where it is the one of the run's key."""
    if not isinstance(extra, dict) or not {_REFERENCE, _REPOSITORY} & extra.keys():
        return None
    reference = extra.get(_REFERENCE, extra.get(_CUT_KEYS, {}).get(key))
    if reference is None:
        return _read_whole(key, extra[_REPOSITORY])
    image = ImageReference.parse(reference)
    if image.tag is None or image.digest is None:
        raise InvalidReference(f"{reference!r:.200} has no tag or no digest: an event on a tag names both.")
    said = read_key(key)
    if said.image is not None and (said.image, said.tag) != (image.image, image.tag):
        raise InvalidReference(f"The event is on {image}, but the run's partition key is {key!r:.300}.")
    return image


def _read_whole(key: str, repository: str) -> ImageReference | None:
    """Return the tag that a key names, unless it was cut."""
    whole = key.partition("#")[0]
    return None if _CUT in whole else ImageReference.parse(f"{check_repository(repository)}/{whole}")


def _fit(key: str, longest: int = LONGEST_KEY) -> str:
    if len(key) <= longest:
        return key
    return f"{key[: longest - 2 * _HEX - 1]}{_CUT}{hashlib.sha256(key.encode()).hexdigest()[: 2 * _HEX]}"


def hash_of(text: str) -> str:
    """Return what stands for a property or its values in a key.

    :param text: the property's name, or its values.
    """
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_HEX]
