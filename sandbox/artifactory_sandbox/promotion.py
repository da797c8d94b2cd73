"""What promoting does to a repository: metadata only, in one transaction, all or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_sandbox import layout
from artifactory_sandbox.config import Action
from artifactory_sandbox.errors import Forbidden, Refusal
from artifactory_sandbox.names import Place, is_image, is_tag

if TYPE_CHECKING:
    import sqlite3

    from artifactory_sandbox.items import Stamp

Allows = Callable[[Action, str, str], bool]


@dataclass(frozen=True, slots=True)
class Promotion:
    """One request to promote; `tag` is None for all tags of the image."""

    source: Place
    target: Place
    tag: str | None
    target_tag: str | None
    copy: bool


def parse_promotion(repository: str, body: bytes) -> Promotion:
    """Read the body of a promote request, as tolerant as its many clients need it.

    Absent, null and empty mean the same; booleans may be strings; unknown fields are ignored.

    :param repository: the source repository, from the path.
    :param body: the JSON text.
    :raises Refusal: 400, saying which field is wrong.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"The request body is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise Refusal(400, "The request body is not a JSON object.")
    target_repository, image = _text(fields, "targetRepo"), _text(fields, "dockerRepository")
    if target_repository is None or image is None:
        missing = "targetRepo" if target_repository is None else "dockerRepository"
        raise Refusal(400, f"The field '{missing}' is mandatory for a promotion.")
    target_image = _text(fields, "targetDockerRepository") or image
    tag, target_tag = _text(fields, "tag"), _text(fields, "targetTag")
    if target_tag is not None and tag is None:
        raise Refusal(400, "The field 'targetTag' needs the field 'tag'.")
    if target_tag is not None and not is_tag(target_tag):
        raise Refusal(400, f"Invalid target tag '{target_tag[:300]}'.")
    if not is_image(target_image):
        raise Refusal(400, f"Invalid target docker repository '{target_image[:300]}'.")
    promotion = Promotion(
        Place(repository, image), Place(target_repository, target_image), tag, target_tag or tag, _copy(fields)
    )
    if promotion.source == promotion.target and promotion.tag == promotion.target_tag:
        raise Refusal(400, "The source and the target of the promotion are the same.")
    return promotion


def promote(tx: sqlite3.Connection, promotion: Promotion, *, allows: Allows, stamp: Stamp) -> list[str]:
    """Promote, and return the target's tags; checks every permission before it changes anything.

    :param tx: the transaction that takes it all.
    :param promotion: what to promote.
    :param allows: tells whether the user may take an action at a path of a repository.
    :param stamp: who promotes, and when.
    :raises Refusal: 404 when the image or tag is not there.
    :raises Forbidden: when a permission is missing.
    """
    source, target = promotion.source, promotion.target
    tags = [promotion.tag] if promotion.tag is not None else layout.tags(tx, source)
    for tag in tags or [""]:
        if not allows(Action.READ, source.repository, source.path(tag)):
            raise Forbidden
    if not tags or layout.find_manifest(tx, source, tags[0]) is None:
        name = source.image if promotion.tag is None else f"{source.image}:{promotion.tag}"
        raise Refusal(404, f"Unable to find '{name}'. Promotion aborted")
    pairs = [(tag, promotion.target_tag or tag) for tag in tags]
    for tag, target_tag in pairs:
        _require_permissions(tx, promotion, tag, target_tag, allows)
    for tag, target_tag in pairs:
        _promote_tag(tx, source, tag, target, target_tag, stamp)
        if not promotion.copy:
            layout.clear(tx, source, tag, stamp=stamp)
    return [target_tag for _, target_tag in pairs]


def _require_permissions(
    tx: sqlite3.Connection, promotion: Promotion, tag: str, target_tag: str, allows: Allows
) -> None:
    source, target = promotion.source, promotion.target
    if not allows(Action.DEPLOY, target.repository, target.path(target_tag)):
        raise Forbidden
    denied = "User doesn't have permissions to {} '{}:{}'. Needs delete permissions."
    if not promotion.copy and not allows(Action.DELETE, source.repository, source.path(tag)):
        raise Forbidden(denied.format("move", source.repository, source.path(tag)))
    exists = layout.find_manifest(tx, target, target_tag) is not None
    if exists and not allows(Action.DELETE, target.repository, target.path(target_tag)):
        raise Forbidden(denied.format("override", target.repository, target.path(target_tag)))


def _promote_tag(tx: sqlite3.Connection, source: Place, tag: str, target: Place, target_tag: str, stamp: Stamp) -> None:
    manifests = [item for item in layout.folder_items(tx, source, tag) if item.kind == "manifest"]
    for item in manifests:
        layout.copy_children(tx, source, item, target, stamp=stamp)
    layout.clear(tx, target, target_tag, stamp=stamp, successors=[item.digest or "" for item in manifests])
    layout.copy_folder(tx, source, tag, target, target_tag, stamp=stamp)


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise Refusal(400, f"The field '{name}' is not a text.")
    return value or None


def _copy(fields: Mapping[str, object]) -> bool:
    value = fields.get("copy")
    if isinstance(value, str):
        value = {"true": True, "false": False, "": False}.get(value.lower())
        if value is None:
            raise Refusal(400, "The field 'copy' is neither true nor false.")
    if value is not None and not isinstance(value, bool):
        raise Refusal(400, "The field 'copy' is neither true nor false.")
    return bool(value)
