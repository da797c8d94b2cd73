"""When the target tag shows another digest already."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from artifactory_provider.promotion.errors import TargetConflict

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.observation import Observation
    from artifactory_provider.promotion.promotion import Promotion

log = logging.getLogger(__name__)

_KEEPS_SHARED_LAYERS = (7, 117, 1)
"""From this version on, overwriting a tag keeps the layers that other tags share (JFrog, "Docker Repositories")."""


def check_conflict(client: ArtifactoryClient, promotion: Promotion, seen: Observation, digest: str) -> None:
    """Refuse what the conflict policy does not allow, and what known defects of servers would spoil.

    :param client: a client that has asked the server something.
    :param promotion: what is promoted, and the policy.
    :param seen: what both tags show.
    :param digest: what is to be promoted.
    :raises TargetConflict: when the target tag may not be overwritten.
    """
    before = seen.target
    if before is None:
        return
    if promotion.on_conflict == "fail":
        raise TargetConflict(
            f"{promotion.target} shows {before.digest} already, and {digest} was to be promoted: nothing was "
            "changed. Promote to another target tag, or set on_conflict='backup' or 'overwrite'."
        )
    if before.is_index and seen.source is not None and not seen.source.is_index:
        raise TargetConflict(
            f"{promotion.target} shows a multi-platform image, and {digest} has one platform: Artifactory keeps both "
            "under one tag then, and pulls would still get the old one. Nothing was changed: delete the tag first, or "
            "promote to another one."
        )
    if promotion.on_conflict == "overwrite" and may_delete_layers(client):
        number = ".".join(map(str, client.server_version or ()))
        raise TargetConflict(
            f"{promotion.target} shows {before.digest} already, and Artifactory {number} may delete layers that other "
            "tags need when it is overwritten (fixed in 7.117.1). Nothing was changed: set on_conflict='backup', or "
            "promote to another target tag."
        )
    log.info("%s shows %s and will be overwritten.", promotion.target, before.digest)


def may_delete_layers(client: ArtifactoryClient) -> bool:
    """Tell whether the server may delete layers that other tags need when a tag is overwritten.

    :param client: a client that has asked the server something.
    """
    version = client.server_version
    return version is not None and version < _KEEPS_SHARED_LAYERS
