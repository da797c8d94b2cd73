"""A plan in a file: shown to somebody now, promoted as it stands there later.

The file says its version, and has a checksum: what was edited is no longer what somebody has seen.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.planning.rendering import from_json
from artifactory_provider.promotion.request import check_on_conflict

if TYPE_CHECKING:
    from artifactory_provider.promotion.planning.plan import Plan
    from artifactory_provider.promotion.request import OnConflict

VERSION = 1
LARGEST = 256 * 1024 * 1024
"""The bytes that a file may have: a million promotions have about as many."""

_ADVICE = "Save it anew: airflow artifactory plan … --save FILE"


@dataclass(frozen=True)
class SavedPlan:
    """A plan, and how it is to be made.

    :param plan: the plan.
    :param on_conflict: what it was to do where a target tag shows another digest.
    """

    plan: Plan
    on_conflict: OnConflict


def save_plan(saved: SavedPlan) -> str:
    """Return a plan as ``load_plan`` reads it: a JSON document.

    :param saved: the plan.
    """
    content = {
        "version": VERSION,
        "on_conflict": saved.on_conflict,
        "promotions": [promotion.as_dict() for promotion in saved.plan.promotions],
    }
    return json.dumps({**content, "checksum": _checksum(content)}, indent=1) + "\n"


def load_plan(text: bytes) -> SavedPlan:
    """Return the plan that a file holds.

    :param text: what the file holds.
    :raises InvalidPlan: when it is none, is of another version, or was changed since it was saved.
    """
    if len(text) > LARGEST:
        raise InvalidPlan(f"That is no saved plan: it has more than {LARGEST:,} bytes.")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = "it is empty" if not text.strip() else f"it is no JSON ({error!s:.120})"
        raise InvalidPlan(f"That is no saved plan: {what}. {_ADVICE}") from error
    if not isinstance(document, dict) or "version" not in document:
        raise InvalidPlan(f"That is no saved plan: it does not say its version. {_ADVICE}")
    if document["version"] != VERSION or isinstance(document["version"], bool):
        raise InvalidPlan(
            f"That is a plan of version {document['version']!r:.40}, and version {VERSION} is read here. {_ADVICE}"
        )
    content = {name: value for name, value in document.items() if name != "checksum"}
    if document.get("checksum") != _checksum(content):
        raise InvalidPlan(f"That plan was changed since it was saved, or is not whole. {_ADVICE}")
    policy: Any = check_on_conflict(str(document.get("on_conflict")))
    plan = from_json(json.dumps({"promotions": document.get("promotions")}))
    if loose := [one for one in plan.to_promote() if one.source.digest is None]:
        raise InvalidPlan(f"That is no saved plan: it names no digest of {loose[0].source}. {_ADVICE}")
    if not plan.promotions:
        raise InvalidPlan(f"That saved plan has no promotions. {_ADVICE}")
    return SavedPlan(plan, policy)


def _checksum(content: object) -> str:
    """Return the SHA-256 of a JSON value, however it is laid out."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
