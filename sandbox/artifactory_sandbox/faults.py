"""What goes wrong on request: faults, which requests meet them, and what those get to see."""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
import math
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from artifactory_sandbox import layout
from artifactory_sandbox.errors import Refusal, Unauthenticated
from artifactory_sandbox.items import stamp
from artifactory_sandbox.names import parse_reference

if TYPE_CHECKING:
    import sqlite3

    from artifactory_sandbox.metadata import Database, Snapshot


class Fault(BaseModel, extra="forbid", frozen=True):
    """One thing that goes wrong, and which requests meet it.

    :param effect: what happens; `random` draws one of the usual troubles anew at each request that it meets.
    :param method: the methods that meet it; all if empty.
    :param path: pattern of the path, `*` spans slashes; the path as the client wrote it, or in the one form
        `/api/docker/<repository>/v2/…` that all addressing comes to.
    :param skip: how many matching requests pass first.
    :param count: how many meet it then; None for all.
    :param probability: the part of those that meets it; drawn from `seed`, so the same requests meet it again.
    :param when: before the work is done, or after it was done and committed.
    :param seconds: of `latency`; or how long a `lag` lasts after the write.
    :param reads: how many reads a `lag` lasts after the write.
    :param status: of the answer.
    :param retry_after: seconds in its `Retry-After`, which is left out if None.
    :param html: a proxy's page instead of Artifactory's error.
    :param size: bytes of the body that come through a `truncate`; half of it if None.
    :param tag: reference of the tag that is moved, `repository/image:tag`.
    :param to: tag or digest of the same image that it is moved to; None deletes it.
    """

    effect: Literal["latency", "status", "reset", "truncate", "move_tag", "lag", "stale", "expire_token", "random"]
    method: Annotated[tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)] = ()
    path: str = "*"
    skip: int = Field(default=0, ge=0)
    count: int | None = Field(default=None, ge=1)
    probability: float = Field(default=1.0, ge=0, le=1)
    seed: int = 0
    when: Literal["before", "after"] = "before"
    seconds: float = Field(default=0.0, ge=0, le=3600)
    reads: int | None = Field(default=None, ge=1)
    status: int = Field(default=503, ge=200, le=599)
    retry_after: int | None = Field(default=None, ge=0)
    html: bool = False
    size: int | None = Field(default=None, ge=0)
    tag: str | None = None
    to: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Fault:
        if self.effect == "lag" and not self.seconds and self.reads is None:
            raise ValueError("a lag needs 'seconds' or 'reads': how long after the write it lasts")
        if self.effect == "move_tag":
            parse_reference(self.tag or "")
        return self

    def move(self, tx: sqlite3.Connection) -> None:
        """Move the tag of a `move_tag`, or delete it.

        :raises Refusal: 500 when there is nothing that it could be moved to.
        """
        place, tag = parse_reference(self.tag or "")
        if self.to is None:
            layout.clear(tx, place, tag, stamp=stamp("fault"))
            return
        item, standing = layout.find_manifest(tx, place, self.to), layout.find_manifest(tx, place, tag)
        if item is None:
            raise Refusal(500, f"The fault cannot move {self.tag}: there is no {self.to}.")
        if standing is None or standing.digest != item.digest:
            layout.retag(tx, place, item, tag, stamp=stamp("fault"))


# What the random mode draws from: the common troubles of a server behind proxies.
_TROUBLES = (
    Fault(effect="latency", seconds=0.05),
    Fault(effect="status", status=429, retry_after=0),
    Fault(effect="status", status=429),
    Fault(effect="status", status=500),
    Fault(effect="status", status=502, html=True),
    Fault(effect="status", status=503),
    Fault(effect="status", status=504, when="after", html=True),
    Fault(effect="reset"),
    Fault(effect="reset", when="after"),
    Fault(effect="truncate"),
)


class _Armed:
    """A fault with what it has seen so far."""

    def __init__(self, fault: Fault, past: Snapshot | None) -> None:
        self._fault = fault
        self.past = past
        self._seen = self._hits = 0
        self._random = random.Random(fault.seed)  # noqa: S311

    def match(self, method: str, paths: tuple[str, str], *, has_token: bool) -> Fault | None:
        """Count a request, and return what it meets."""
        fault = self._fault
        if (fault.method and method not in fault.method) or (fault.effect == "expire_token" and not has_token):
            return None
        if not any(fnmatch.fnmatchcase(path, fault.path) for path in paths):
            return None
        self._seen += 1
        is_due = self._seen > fault.skip and (fault.count is None or self._hits < fault.count)
        if not is_due or self._random.random() >= fault.probability:
            return None
        self._hits += 1
        return self._random.choice(_TROUBLES) if fault.effect == "random" else fault

    def describe(self) -> dict[str, object]:
        """Return the fault as the admin API shows it."""
        fields = self._fault.model_dump(mode="json", exclude_defaults=True)
        return {**fields, "seen": self._seen, "hits": self._hits}


@dataclass(slots=True)
class _Lag:
    """The past that readers see after a write: for so many reads, and until so many seconds of the monotonic clock."""

    past: Snapshot
    reads: float
    end: float


class Encounter(NamedTuple):
    """What a request meets.

    :param faults: what happens to it and its answer, the innermost first.
    :param past: what it reads instead of the present; None for the present.
    """

    faults: tuple[Fault, ...]
    past: Snapshot | None


class Faults:
    """The faults that are set; false when there is none, so that a request loses no time over them.

    :param database: where tags are moved and the past is read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers = itertools.count(1)
        self._armed: dict[int, _Armed] = {}
        self._lags: list[_Lag] = []
        self._expired: set[bytes] = set()

    def __bool__(self) -> bool:
        return bool(self._armed or self._lags or self._expired)

    def add(self, fault: Fault) -> int:
        """Set a fault and return its number."""
        number = next(self._numbers)
        self._armed[number] = _Armed(fault, self._database.snapshot() if fault.effect == "stale" else None)
        return number

    def remove(self, number: int) -> bool:
        """Take one fault back; return whether it was set."""
        armed = self._armed.pop(number, None)
        if armed and armed.past:
            armed.past.close()
        return armed is not None

    def clear(self) -> None:
        """Take all faults back, with what they have left behind."""
        for number in self._armed.copy():
            self.remove(number)
        for lag in self._lags:
            lag.past.close()
        self._lags, self._expired = [], set()

    def describe(self) -> list[dict[str, object]]:
        """Return the faults that are set, with how many requests each has seen and hit."""
        return [{"id": number, **armed.describe()} for number, armed in self._armed.copy().items()]

    def meet(self, method: str, paths: tuple[str, str], token: str, *, is_read: bool) -> Encounter:
        """Count a request, and return what it meets.

        :param method: of the request.
        :param paths: its path, in the one form and as the client wrote it.
        :param token: the Bearer token that it comes with; empty where it has none.
        :param is_read: whether it only reads.
        :raises Unauthenticated: when a fault has expired the token.
        """
        faults: list[Fault] = []
        past, digest = None, hashlib.sha256(token.encode()).digest()
        for armed in reversed(self._armed.copy().values()):
            fault = armed.match(method, paths, has_token=bool(token))
            if fault is None:
                continue
            if fault.effect == "expire_token":
                self._expired.add(digest)
            elif fault.effect == "lag":
                end = time.monotonic() + (fault.seconds or math.inf)
                self._lags.append(_Lag(self._database.snapshot(), fault.reads or math.inf, end))
            elif fault.effect == "stale":
                past = past or armed.past
            else:
                faults.append(fault)
        if digest in self._expired:
            raise Unauthenticated("Token failed verification: expired")
        lagging = self._count_read() if is_read else None
        return Encounter(tuple(faults), past or lagging)

    def _count_read(self) -> Snapshot | None:
        """Count a read, and return the past that it sees, if it lags."""
        for lag in self._lags.copy():
            lag.reads -= 1
            if lag.reads < 0 or time.monotonic() >= lag.end:
                self._lags.remove(lag)
                lag.past.close()
        return self._lags[0].past if self._lags else None
