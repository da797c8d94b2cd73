"""The cells of the fault catalogue: which requests of a promotion there are, and what can befall each of them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict
from tests.integration.gateway import Reply, html

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.integration.gateway import Seen

COUNTS = ("alone", "many")
COLUMNS = (*COUNTS, "transit")
"""The columns of the catalogue: alone, with many, and either of them through a transit repository."""
_SHA256 = re.compile(rb"(?<=sha256:)[0-9a-f]{64}|(?<=\"sha256\" : \")[0-9a-f]{64}|(?<=\"sha256\":\")[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Way:
    """How a promotion is made.

    :param copy: False moves.
    :param phases: 2 goes through a pending tag.
    :param is_transit: whether that stands in a transit repository.
    """

    copy: bool
    phases: int
    is_transit: bool = False

    def __str__(self) -> str:
        deed = "copy" if self.copy else "move"
        return f"{deed}, transit" if self.is_transit else f"{deed}, {self.phases} phase{'s' if self.phases > 1 else ''}"


COPIES = (Way(True, 2), Way(True, 1))
MOVES = (Way(False, 1), Way(False, 2))
ALL_WAYS = (COPIES[0], MOVES[0], COPIES[1], MOVES[1])
TWO_PHASES = (COPIES[0], MOVES[1])
ONE_PHASE = (COPIES[1], MOVES[0])
THROUGH_TRANSIT = tuple(replace(way, is_transit=True) for way in TWO_PHASES)


@dataclass
class Watch:
    """Which of the requests that come by are made for one image, and what they are for: that depends on what was done.

    :param image: the image.
    :param request: the kind of request that is waited for.
    :param way: how it is promoted.
    """

    image: str
    request: str
    way: Way
    met: int = 0
    _done: set[str] = field(default_factory=set)

    def meets(self, seen: Seen) -> bool:
        """Return whether a request is of the kind."""
        kind = self._kind(seen)
        if kind in {"pending", "target", "retag"}:
            self._done |= {"image", kind}
        self.met += kind == self.request
        return kind == self.request

    def _kind(self, seen: Seen) -> str | None:
        if seen.path.endswith("/api/search/aql"):
            return self._kind_of_query(seen.body.decode())
        if seen.path.endswith("/promote"):
            return self._kind_of_promotion(json.loads(seen.body))
        if f"/{self.image}/" not in seen.path:
            return None
        for method, path, kind, is_afterwards in _PATHS:
            if method == seen.method and re.search(path, seen.path) and is_afterwards in {None, bool(self._done)}:
                return kind
        return None

    def _kind_of_promotion(self, body: Mapping[str, Any]) -> str | None:
        if body["dockerRepository"] != self.image:
            return None
        tag = body["targetTag"]
        for prefix, kind in (("pending-", "pending"), ("sha256-", "attachment"), ("moved-", "rename")):
            if tag.startswith(prefix):
                return kind
        return "target" if self.way.phases == 1 else "retag"

    def _kind_of_query(self, query: str) -> str | None:
        if f"{self.image}/" not in query:
            return None
        if self.way.is_transit and "retag" in self._done:
            return "confirm"
        if re.search(rf"{self.image}/(pending-[0-9a-f]|sha256:)", query):
            return "inspect"
        if f"{self.image}/sha256-" in query:
            return "attachment look"
        if not self._done:
            return "look"
        return "confirm" if {"target", "retag"} & self._done else None


_PATHS: tuple[tuple[str, str, str, bool | None], ...] = (
    ("DELETE", r"/docker-(qa|transit)/.*/pending-[^/]*-run0-", "drop", None),
    ("GET", r"/api/storage/docker-(qa|transit)/.*/pending-[^/]*-run0-", "dropped folder", None),
    ("DELETE", r"/docker-(qa|dev|transit)/.*/pending-", "permission", False),
    ("HEAD", r"/docker-qa/.*/manifests/1$", "permission", False),
    ("POST", r"/docker-dev/.*/blobs/uploads/", "upload begun", False),
    ("GET", r"/docker-dev/.*/manifests/sha256:", "manifest", False),
    ("GET", r"/docker-dev/.*/referrers/", "referrers", None),
    ("GET", r"/docker-qa/.*/manifests/1$", "confirm", True),
    ("HEAD", r"/docker-(qa|transit)/.*/blobs/", "blob check", True),
    ("GET", r"/docker-(qa|transit)/.*/manifests/sha256:", "child check", True),
    ("PUT", r"/api/storage/docker-(qa|transit)/", "record", None),
    ("HEAD", r"/docker-dev/.*/manifests/1$", "source HEAD", True),
    ("HEAD", r"/docker-dev/.*/manifests/moved-", "moved HEAD", True),
    ("GET", r"/api/storage/docker-dev/.*/1$", "source folder", False),
    ("GET", r"/api/storage/docker-dev/.*/moved-", "moved folder", True),
    ("DELETE", r"/docker-dev/.*/moved-", "delete moved", None),
    ("PUT", r"/docker-qa/.*/blobs/uploads/", "referrer blob", None),
    ("PUT", r"/docker-qa/.*/manifests/sha256:", "referrer manifest", None),
)

REQUESTS: dict[str, tuple[Way, ...]] = {
    "look": ALL_WAYS,
    "permission": (COPIES[0], *MOVES),
    "upload begun": MOVES,
    "manifest": ALL_WAYS,
    "attachment look": ALL_WAYS,
    "referrers": ALL_WAYS,
    "attachment": ALL_WAYS,
    "referrer blob": ALL_WAYS,
    "referrer manifest": ALL_WAYS,
    "pending": TWO_PHASES,
    "inspect": ALL_WAYS,
    "blob check": ALL_WAYS,
    "child check": ALL_WAYS,
    "record": ALL_WAYS,
    "retag": TWO_PHASES,
    "target": ONE_PHASE,
    "confirm": ALL_WAYS,
    "source HEAD": MOVES,
    "rename": MOVES,
    "moved HEAD": MOVES,
    "delete moved": MOVES,
    "drop": TWO_PHASES,
    "source folder": MOVES,
    "moved folder": MOVES,
    "dropped folder": TWO_PHASES,
}
"""Each kind of request, with the ways of promoting that make it: in the order of a promotion, and at last what lies in
the folder of a tag that is to be moved, and to be deleted."""

WITHOUT_QUERIES = frozenset({"blob check", "child check"})
_WITH_DIGESTS = frozenset(
    {
        "look",
        "attachment look",
        "inspect",
        "manifest",
        "referrers",
        "child check",
        "confirm",
        "source HEAD",
        "moved HEAD",
    }
)


def _refused(status: int) -> Reply:
    body = json.dumps({"errors": [{"status": status, "message": "it is as it is"}]}).encode()
    return Reply(status, body, {"Content-Type": "application/json"})


def use_sha512(reply: Reply) -> Reply:
    """Return an answer that names digests of another algorithm, and else says what it said."""
    body = _SHA256.sub(lambda found: found[0] * 2, reply.body).replace(b"sha256:", b"sha512:")
    headers = CIMultiDict(reply.headers)
    digest = headers.get("Docker-Content-Digest", "")
    if digest:
        headers["Docker-Content-Digest"] = f"sha512:{digest[7:] * 2}"
    return replace(reply, body=body, headers=headers)


SHA512 = "digest by sha512"
TROUBLES: dict[str, dict[str, Any]] = {
    "400": {"reply": _refused(400), "does_work": False},
    "401 once": {"reply": _refused(401), "does_work": False, "times": 1},
    "403": {"reply": _refused(403), "does_work": False},
    "404": {"reply": _refused(404), "does_work": False},
    "405": {"reply": _refused(405), "does_work": False},
    "429 once": {"reply": _refused(429), "does_work": False, "times": 1},
    "429": {"reply": _refused(429), "does_work": False},
    "500 once": {"reply": _refused(500), "does_work": False, "times": 1},
    "500": {"reply": _refused(500), "does_work": False},
    "200 with HTML": {"reply": html(), "does_work": False},
    "200 with null": {"reply": Reply(200, b"null", {"Content-Type": "application/json"}), "does_work": False},
    "200 with nothing": {"reply": Reply(200), "does_work": False},
    "reset before": {"ending": "reset", "does_work": False},
    "reset after": {"ending": "reset"},
    "cut answer": {"ending": "cut"},
    SHA512: {"reply": use_sha512},
    "slow answer": {"pause": 0.3},
}
"""What befalls a request, before or after its work; for good where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One trouble of one kind of request, of one promotion.

    :param request: the kind.
    :param trouble: the trouble.
    :param count: whether the image is promoted alone, or with many.
    :param way: how it is promoted.
    """

    request: str
    trouble: str
    count: str
    way: Way

    def __str__(self) -> str:
        return f"{self.request}: {self.trouble}, {self.count}, {self.way}"


def cells(request: str, column: str) -> Iterator[Cell]:
    """Return the cells of a kind of request in a column: each trouble once, and the ways in turn."""
    first = list(REQUESTS).index(request)
    ways, counts = REQUESTS[request], [column]
    if column == "transit":
        ways, counts = tuple(way for way in THROUGH_TRANSIT if replace(way, is_transit=False) in ways), list(COUNTS)
    else:
        first += COUNTS.index(column)
    if not ways:
        return
    for number, trouble in enumerate(TROUBLES, first):
        if trouble != SHA512 or request in _WITH_DIGESTS:
            count = counts[number // len(ways) % len(counts)]
            yield Cell(request, trouble, count, ways[number % len(ways)])
