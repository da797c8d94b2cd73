"""`POST …/v2/promote`: JSON in, one line of text out; metadata only, in one transaction, all or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from artifactory_sandbox import items, layout
from artifactory_sandbox.calls import call_of, read_limited
from artifactory_sandbox.config import Action, Switches
from artifactory_sandbox.errors import Forbidden, Refusal
from artifactory_sandbox.names import Place, is_digest, is_image, is_loose_tag, is_tag

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request

    from artifactory_sandbox.items import Stamp

Allows = Callable[[Action, str, str], bool]
_PLAIN = Switches()
_DONE = "Promotion ended successfully"


@dataclass(frozen=True, slots=True)
class Promotion:
    """One request to promote; `tag` is None for all tags of the image."""

    source: Place
    target: Place
    tag: str | None
    target_tag: str | None
    copy: bool


def parse_promotion(repository: str, body: bytes, switches: Switches) -> Promotion:
    """Read the body of a promote request, as tolerant as its many clients need it.

    Absent, null and empty mean the same; booleans may be strings; unknown fields are ignored.

    :param repository: the source repository, from the path.
    :param body: the JSON text.
    :param switches: how strict the Artifactory that is imitated is with target tags.
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
    if target_tag is not None and not (is_tag if switches.strict_target_tags else is_loose_tag)(target_tag):
        raise Refusal(400, f"Invalid target tag '{target_tag[:300]}'.")
    if not is_image(target_image):
        raise Refusal(400, f"Invalid target docker repository '{target_image[:300]}'.")
    promotion = Promotion(
        Place(repository, image), Place(target_repository, target_image), tag, target_tag or tag, _copy(fields)
    )
    if promotion.source == promotion.target and promotion.tag == promotion.target_tag:
        raise Refusal(400, "The source and the target of the promotion are the same.")
    return promotion


def promote(
    tx: sqlite3.Connection,
    promotion: Promotion,
    *,
    allows: Allows,
    stamp: Stamp,
    switches: Switches = _PLAIN,
    read: Callable[[str], bytes] | None = None,
) -> list[str]:
    """Promote, and return the target's tags; checks every permission before it changes anything.

    :param tx: the transaction that takes it all.
    :param promotion: what to promote.
    :param allows: tells whether the user may take an action at a path of a repository.
    :param stamp: who promotes, and when.
    :param switches: what the Artifactory that is imitated does beyond that.
    :param read: gives the bytes of a manifest; children are renamed only with it.
    :raises Refusal: 404 when the image or tag is not there.
    :raises Forbidden: when a permission is missing.
    """
    source = promotion.source
    tags = [promotion.tag] if promotion.tag is not None else layout.tags(tx, source)
    for tag in tags or [""]:
        if not allows(Action.READ, source.repository, source.path(tag)):
            raise Forbidden
    if not tags or is_digest(tags[0]) or layout.find_manifest(tx, source, tags[0]) is None:
        name = source.image if promotion.tag is None else f"{source.image}:{promotion.tag}"
        raise Refusal(404, f"Unable to find '{name}'. Promotion aborted")
    pairs = [(tag, promotion.target_tag or tag) for tag in tags]
    for tag, target_tag in pairs:
        _require_permissions(tx, promotion, tag, target_tag, allows)
    for tag, target_tag in pairs:
        _apply_before(tx, promotion, tag, target_tag, stamp, switches)
        _promote_tag(tx, source, tag, promotion.target, target_tag, stamp)
        if switches.rename_children and read and tag != target_tag:
            _rename_children(tx, promotion.target, target_tag, read, stamp)
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


def _apply_before(
    tx: sqlite3.Connection, promotion: Promotion, tag: str, target_tag: str, stamp: Stamp, switches: Switches
) -> None:
    source, target = promotion.source, promotion.target
    if switches.carry_attachments:
        _carry_attachments(tx, source, tag, target, stamp)
    if switches.delete_shared_layers:
        layout.forget_blobs(tx, target, target_tag, successors=layout.find_manifests(tx, source, tag))


def _rename_children(
    tx: sqlite3.Connection, place: Place, tag: str, read: Callable[[str], bytes], stamp: Stamp
) -> None:
    """Put the children of an index under tags of their own, as Artifactory did before 7.111.0."""
    index = layout.find_manifest(tx, place, tag)
    children = json.loads(read(index.digest or "")).get("manifests", []) if index else []
    for child in children:
        platform = child.get("platform")
        name = f"{tag}-{platform.get('os')}-{platform.get('architecture')}" if isinstance(platform, dict) else ""
        if is_tag(name) and layout.folder_items(tx, place, child["digest"]):
            layout.clear(tx, place, name, stamp=stamp, successors=[child["digest"]])
            layout.copy_folder(tx, place, child["digest"], place, name, stamp=stamp)
            items.remove(tx, layout.folder_items(tx, place, child["digest"]))
            items.prune(tx, place.repository, place.path(child["digest"]))


def _carry_attachments(tx: sqlite3.Connection, source: Place, tag: str, target: Place, stamp: Stamp) -> None:
    """Copy cosign's tags and the referrers of what a tag stands for, and of its children."""
    tops = [item.digest or "" for item in layout.find_manifests(tx, source, tag)]
    for digest in dict.fromkeys(one for top in tops for one in (top, *layout.descendant_digests(tx, top))):
        for suffix in ("sig", "att", "sbom"):
            name = f"{digest.replace(':', '-')}.{suffix}"
            if source != target and layout.find_manifest(tx, source, name) is not None:
                _promote_tag(tx, source, name, target, name, stamp)
        for referrer in layout.referrers(tx, source, digest):
            if layout.find_manifest(tx, target, referrer.digest or "") is None:
                folder = referrer.path.removeprefix(f"{source.image}/")
                layout.copy_children(tx, source, referrer, target, stamp=stamp)
                layout.copy_folder(tx, source, folder, target, referrer.digest or "", stamp=stamp)


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


async def promote_image(request: Request) -> Response:
    """Promote as JFrog's REST documentation describes it ("Promote Docker Image")."""
    call = call_of(request)
    service, user = call.service, call.user
    switches, body = service.config.switches, await read_limited(request)
    promotion = parse_promotion(request.path_params["repository"], body, switches)
    for key in (promotion.source.repository, promotion.target.repository):
        repository = service.config.repositories.get(key)
        if repository and repository.is_docker and not repository.is_writable and switches.silent_promotion:
            return PlainTextResponse(_DONE)
        if repository is None or not repository.is_docker or not repository.is_writable:
            raise Refusal(400, f"Unsupported V2 repository request for '{key[:300]}'")

    def allows(action: Action, repository: str, path: str) -> bool:
        return service.access.allows(user, action, repository, path)

    def work(tx: sqlite3.Connection) -> None:
        source = promotion.source.repository
        read = service.blobs.read
        for tag in promote(tx, promotion, allows=allows, stamp=items.stamp(user.name), switches=switches, read=read):
            service.events.record(tx, "promoted", promotion.target, tag, user=user.name, source=source)

    await service.database.write(work)
    return PlainTextResponse(_DONE)


ROUTES = [Route("/api/docker/{repository}/v2/promote", promote_image, methods=["POST"])]
