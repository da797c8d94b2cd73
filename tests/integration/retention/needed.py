"""What is needed of an image, told by a few lines over the sandbox's own tables, and not by what is tested."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, NamedTuple

from tests.integration.retention.stages import DEV, PROD, QA, TRANSIT

from artifactory_sandbox import layout
from artifactory_sandbox.names import Place

if TYPE_CHECKING:
    from artifactory_sandbox.pytest_plugin import RunningSandbox

STAGES = (DEV, QA, PROD)
MADE = re.compile(r"pending-.*|moved-.*|sha256-.*|.*-previous-[0-9a-f]{12}")
Name = tuple[str, str]
"""Repository and tag."""


class Needed(NamedTuple):
    """What has to be there afterwards.

    :param tags: what has to go on showing its digest.
    :param attachments: what has to stand as long as a tag of its repository shows its digest: place → digest.
    :param digests: the digests of which a tag has to be left.
    """

    tags: dict[Name, str]
    attachments: dict[Name, str]
    digests: set[str]


class Registry:
    """One image in all repositories, as the sandbox keeps it."""

    def __init__(self, sandbox: RunningSandbox, image: str) -> None:
        self._sandbox, self._image = sandbox, image

    def tags(self) -> dict[Name, str]:
        """Return repository and tag → digest."""
        return {
            (key, tag): self.digest(key, tag)
            for key in (*STAGES, TRANSIT)
            for tag in self._sandbox.tags(key, self._image)
        }

    def digest(self, repository: str, tag: str) -> str:
        return str(self._sandbox.digest(f"{repository}/{self._image}:{tag}"))

    def find_needed(self, *, tags: str, backups: int) -> Needed:
        """Return what must not go by the rules of ``rules_for`` with these arguments."""
        shown = self.tags()
        made = {name for name in shown if MADE.fullmatch(name[1])}
        own = {name: digest for name, digest in shown.items() if name not in made}
        needed = {name for name in own if name[0] == PROD}
        needed |= {name for name in shown if self._is_held(name) or shown[name] in self._rejected()}
        # The rules take what is older than a day for left behind.
        waiting = [name[1][8:20] for name in made if name[1].startswith("pending-") and self._age(name) <= 1]
        needed |= {name for name, digest in own.items() if digest[7:19] in waiting}
        needed |= {name for name in own if self._age(name) < 1}
        for key in (DEV, QA):
            of_stage = sorted((name for name in own if name[0] == key), key=lambda name: (self._age(name), name))
            needed |= set(of_stage[: 1 if "keep_newest: 1" in tags else 0])
            needed |= {name for name in of_stage if "base-*" in tags and name[1].startswith("base-")}
            needed |= {
                name
                for name in of_stage
                if name[1] == max((tag for _, tag in of_stage if re.fullmatch(r"1\.\d", tag)), default=None)
            }
        in_prod = {digest for name, digest in own.items() if name[0] == PROD}
        in_qa = {digest for name, digest in own.items() if name[0] == QA}
        needed |= {name for name, digest in own.items() if name[0] == DEV and digest in in_qa - in_prod}
        if "older_than" not in tags:
            needed |= {name for name, digest in own.items() if digest not in in_prod}
        replaced = {value for name in own for value in self._properties(name).get("promotion.replaced", [])}
        needed |= {name for name in made if "-previous-" in name[1] and shown[name] in replaced}
        attachments = {name: f"sha256:{name[1][7:71]}" for name in made if name[1].startswith("sha256-")}
        left = {shown[name] for name in made if name[1].startswith("moved-")}
        others = {digest for name, digest in shown.items() if not name[1].startswith(("pending-", "moved-"))}
        return Needed({name: shown[name] for name in needed}, attachments, left - others)

    def check(self, needed: Needed) -> None:
        """Make sure that all that was needed is there."""
        shown = self.tags()
        lost = {name: digest for name, digest in needed.tags.items() if shown.get(name) != digest}
        assert lost == {}
        by_repository = {(key, digest) for (key, tag), digest in shown.items() if not tag.startswith("sha256-")}
        alone = {
            name
            for name, subject in needed.attachments.items()
            if name not in shown and (name[0], subject) in by_repository
        }
        assert alone == set()
        assert needed.digests <= set(shown.values())

    def _properties(self, name: Name) -> dict[str, list[str]]:
        return self._sandbox.properties(f"{name[0]}/{self._image}:{name[1]}")

    def _is_held(self, name: Name) -> bool:
        properties = self._properties(name)
        named = properties.get("promotion.hold.tag", [])
        return "promotion.hold" in properties and named in ([], [f"{name[0]}/{self._image}:{name[1]}"])

    def _rejected(self) -> set[str]:
        with self._sandbox.service.database.reading() as tx:
            query = "SELECT digest FROM items JOIN properties ON item = id WHERE key = 'promotion.rejected'"
            return {digest for (digest,) in tx.execute(query)}

    def _age(self, name: Name) -> float:
        """Return how many days ago a tag came."""
        with self._sandbox.service.database.reading() as tx:
            item = layout.find_manifest(tx, Place(name[0], self._image), name[1])
        assert item is not None
        moment = datetime.datetime.fromisoformat(item.updated)
        return (datetime.datetime.now(datetime.UTC) - moment).total_seconds() / 86400
