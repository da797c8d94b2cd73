"""Promoting images: metadata only, in one transaction, all or nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from artifactory_sandbox import items, layout
from artifactory_sandbox.config import Action
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.names import is_digest, is_tag

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from artifactory_sandbox.access import User
    from artifactory_sandbox.blobs import BlobStore
    from artifactory_sandbox.items import Stamp
    from artifactory_sandbox.names import Place
    from artifactory_sandbox.service import Service

_DENIED = "User doesn't have permissions to {} '{}:{}'. Needs delete permissions."


@dataclass(frozen=True, slots=True)
class Promotion:
    """One request to promote; `tag` is None for all tags of the image."""

    source: Place
    target: Place
    tag: str | None
    target_tag: str | None
    copy: bool


def promote(tx: sqlite3.Connection, promotion: Promotion, *, service: Service, user: User) -> None:
    """Promote; checks every permission before it changes anything.

    :param tx: the transaction that takes it all.
    :param promotion: what to promote.
    :param service: how the Artifactory that is imitated promotes, and what hears of it.
    :param user: who promotes.
    :raises Refusal: 404 when the image or tag is not there.
    :raises Forbidden: when a permission is missing.
    """
    source, target = promotion.source, promotion.target
    switches, stamp = service.config.switches, items.stamp(user.name)
    pairs = _require_permissions(tx, promotion, partial(service.access.require, user))
    for tag, target_tag in pairs:
        if switches.carry_attachments:
            _carry_attachments(tx, source, tag, target, stamp)
        if switches.delete_shared_layers:
            layout.forget_blobs(tx, target, target_tag, successors=layout.find_manifests(tx, source, tag))
        _promote_tag(tx, source, tag, target, target_tag, stamp)
        if switches.rename_children and tag != target_tag:
            _rename_children(tx, target, target_tag, service.blobs, stamp)
        if not promotion.copy:
            layout.clear(tx, source, tag, stamp=stamp)
    for _, target_tag in pairs:
        service.events.record(tx, "promoted", target, target_tag, user=user.name, source=source.repository)


def _require_permissions(
    tx: sqlite3.Connection, promotion: Promotion, require: Callable[..., None]
) -> list[tuple[str, str]]:
    """Return the tags, each with its name in the target, if the user may promote all of them."""
    source, target = promotion.source, promotion.target
    tags = [promotion.tag] if promotion.tag is not None else layout.tags(tx, source)
    for tag in tags or [""]:
        require(Action.READ, source.repository, source.path(tag))
    if not tags or is_digest(tags[0]) or layout.find_manifest(tx, source, tags[0]) is None:
        name = source.image if promotion.tag is None else f"{source.image}:{promotion.tag}"
        raise Refusal(404, f"Unable to find '{name}'. Promotion aborted")
    pairs = [(tag, promotion.target_tag or tag) for tag in tags]
    for tag, target_tag in pairs:
        old, new = (source.repository, source.path(tag)), (target.repository, target.path(target_tag))
        require(Action.DEPLOY, *new)
        if not promotion.copy:
            require(Action.DELETE, *old, message=_DENIED.format("move", *old))
        if layout.find_manifest(tx, target, target_tag) is not None:
            require(Action.DELETE, *new, message=_DENIED.format("override", *new))
    return pairs


def _promote_tag(tx: sqlite3.Connection, source: Place, tag: str, target: Place, target_tag: str, stamp: Stamp) -> None:
    manifests = layout.find_manifests(tx, source, tag)
    for item in manifests:
        layout.copy_children(tx, source, item, target, stamp=stamp)
    layout.clear(tx, target, target_tag, stamp=stamp, successors=[item.digest for item in manifests])
    layout.copy_folder(tx, source, tag, target, target_tag, stamp=stamp)


def _rename_children(tx: sqlite3.Connection, place: Place, tag: str, blobs: BlobStore, stamp: Stamp) -> None:
    """Put the children of an index under tags of their own, as Artifactory did before 7.111.0."""
    index = layout.find_manifest(tx, place, tag)
    children = json.loads(blobs.read(index.digest)).get("manifests", []) if index else []
    for child in children:
        platform = child.get("platform")
        name = f"{tag}-{platform.get('os')}-{platform.get('architecture')}" if isinstance(platform, dict) else ""
        found = layout.folder_items(tx, place, child["digest"]) if is_tag(name) else []
        if found:
            layout.clear(tx, place, name, stamp=stamp, successors=[child["digest"]])
            layout.copy_folder(tx, place, child["digest"], place, name, stamp=stamp)
            items.remove(tx, found)
            items.prune(tx, place.repository, place.path(child["digest"]))


def _carry_attachments(tx: sqlite3.Connection, source: Place, tag: str, target: Place, stamp: Stamp) -> None:
    """Copy cosign's tags and the referrers of what a tag stands for, and of its children."""
    tops = [item.digest for item in layout.find_manifests(tx, source, tag)]
    for digest in dict.fromkeys(one for top in tops for one in (top, *layout.descendant_digests(tx, top))):
        for suffix in ("sig", "att", "sbom"):
            name = f"{digest.replace(':', '-')}.{suffix}"
            if source != target and layout.find_manifest(tx, source, name) is not None:
                _promote_tag(tx, source, name, target, name, stamp)
        for referrer in layout.referrers(tx, source, digest):
            if layout.find_manifest(tx, target, referrer.digest) is None:
                layout.copy_children(tx, source, referrer, target, stamp=stamp)
                layout.copy_folder(tx, source, referrer.folder, target, referrer.digest, stamp=stamp)
