"""Every trouble at every kind of request, for real: it ends as the catalogue beside this file says.

A failure that is certain takes no longer than the requests that show it, whatever patience is allowed; of many
promotions, only the afflicted one fails, and says why; and the next run without the trouble promotes all.

With ``WRITE_FAULT_CATALOGUE=1`` in the environment, the catalogue is written anew: read what has changed in it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.artifactory.authentication.tokens import granted
from tests.integration.gateway import Gateway, Reply
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.contents import is_whole
from tests.integration.promotion.dev_to_qa import PLATFORMS, REPOSITORIES, TRANSIT
from tests.integration.promotion.fault_cells import (
    ALL_WAYS,
    COLUMNS,
    COUNTS,
    REQUESTS,
    THROUGH_TRANSIT,
    TROUBLES,
    WITHOUT_QUERIES,
    Cell,
    Watch,
    Way,
    cells,
)

from artifactory_provider.artifactory.authentication import Basic, RefreshableToken
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.promotion import batch, ledger, moves
from artifactory_provider.promotion.batch import promote_many
from artifactory_provider.promotion.errors import AttachmentLost, PromotionError
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.request import PromotionOptions, make_promotions
from artifactory_provider.promotion.tags import name_pending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from artifactory_provider.promotion.request import Promotion
    from artifactory_sandbox.pytest_plugin import RunningSandbox

CATALOGUE = Path(__file__).with_name("fault_catalogue.txt")
IS_WRITING = bool(os.environ.get("WRITE_FAULT_CATALOGUE"))
PATIENCE, SHORT_PATIENCE = 20.0, 3.0
"""Seconds that a target may take: where nothing is waited for, and where something is."""
A_WAIT = 0.2
"""Seconds that have been slept, from which on something was waited for: pauses between attempts are far shorter."""
CELLS_AT_ONCE = 8
ALL_CELLS = [cell for pair in itertools.product(REQUESTS, COLUMNS) for cell in cells(*pair)]
_NUMBERS = itertools.count(1)
_SLEEPS: ContextVar[list[float] | None] = ContextVar("sleeps", default=None)
WAITS, PROMOTED = "waits, then ", "promoted"
_ADVICE = re.compile(
    r"\b([Cc]heck|[Aa]sk|[Tt]ry|[Rr]un|[Ss]ee|[Ss]et|[Pp]romote|[Pp]ush|[Dd]elete|[Ff]ind out|[Gg]ive)\b"
)


@dataclass
class Ending:
    """What became of the cell's images at the first run: an error, or None for each that was promoted.

    :param errors: image → error.
    :param waited: the seconds that were slept for it, in all: that tells of no other load on the machine.
    """

    errors: dict[str, Exception | None]
    waited: float


@dataclass
class Scene:
    """An afflicted image, signed, with a referrer and two platforms; and with many, two others that nothing befalls."""

    sandbox: RunningSandbox
    cell: Cell
    name: str
    digests: dict[str, str] = field(default_factory=dict)
    belonging: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._push(self.afflicted, PLATFORMS)
        pusher = Pusher(self.sandbox, f"docker-dev/{self.afflicted}")
        digest = self.digests[self.afflicted]
        self.belonging = (pusher.sign(digest, f"signature {self.name}"), pusher.refer(digest, f"SBOM {self.name}"))
        for image in self.healthy:
            self._push(image, PLATFORMS[:1])
        if self.cell.request in {"drop", "dropped folder"}:
            target = ImageReference("docker-qa", self.afflicted, "1", digest)
            left = name_pending(target, "run0", self.transit)
            self.sandbox.push_image(f"{left.repository}/{left.image}:{left.tag}")

    @property
    def transit(self) -> str | None:
        return TRANSIT if self.cell.way.is_transit else None

    @property
    def afflicted(self) -> str:
        return f"cells/{self.name}-afflicted"

    @property
    def healthy(self) -> tuple[str, ...]:
        return tuple(f"cells/{self.name}-healthy-{number}" for number in (1, 2)) if self.cell.count == "many" else ()

    def promotions(self, *, patience: float) -> tuple[Promotion, ...]:
        """Return what is promoted, the afflicted image first: so it asks what is asked once for all."""
        options = PromotionOptions(
            copy=self.cell.way.copy,
            two_phase=self.cell.way.phases == 2,
            pending_repository=self.transit,
            confirmation_timeout=patience,
            run="run1",
            pending_timeout=0 if self.cell.request in {"drop", "dropped folder"} else 3600,
        )
        places = [
            (self._source(image, digest), ImageReference("docker-qa", image, "1"))
            for image, digest in self.digests.items()
        ]
        return make_promotions(places, options)

    def check_promoted(self, image: str) -> None:
        assert self.sandbox.digest(f"docker-qa/{image}:1") == self.digests[image], image
        assert is_whole(self.sandbox, f"docker-qa/{image}", self.digests[image]), image

    def companions(self) -> dict[str, bool]:
        """Return whether what goes with the afflicted image is in the target, too."""
        image = f"docker-qa/{self.afflicted}"
        signature, referrer = (is_whole(self.sandbox, image, digest) for digest in self.belonging)
        record = "promotion.digest" in self.sandbox.properties(f"{image}:1")
        return {"signature": signature, "referrer": referrer, "record": record}

    def check_clean(self, image: str) -> None:
        """Make sure that nothing of a promotion's own is left, and a moved source neither."""
        assert self.leftovers(image) == [], image

    def leftovers(self, image: str = "") -> list[str]:
        """Return what an image still has that should be gone, the afflicted one if none is named."""
        image = image or self.afflicted
        source, *others = (self.sandbox.tags(repository, image) for repository in REPOSITORIES)
        tags = itertools.chain(source, *others)
        own = {tag.partition("-")[0] for tag in tags if tag.startswith(("pending-", "moved-"))}
        left = [f"a {kind} tag left" for kind in sorted(own)]
        return [*left, "the source tag left"] if "1" in source and not self.cell.way.copy else left

    def check_unspoilt(self) -> None:
        """Make sure that a target tag shows what was asked for, or nothing."""
        assert self.sandbox.digest(f"docker-qa/{self.afflicted}:1") in {None, self.digests[self.afflicted]}

    def _source(self, image: str, digest: str) -> ImageReference:
        """Return the source, pinned for a move: without its tag, only the digest tells that it was promoted already."""
        return ImageReference("docker-dev", image, "1", None if self.cell.way.copy else digest)

    def _push(self, image: str, platforms: tuple[str, ...]) -> None:
        self.digests[image] = self.sandbox.push_image(f"docker-dev/{image}:1", platforms=platforms)


async def promote_all(client: ArtifactoryClient, scene: Scene, *, patience: float) -> Ending:
    sleeps: list[float] = []
    _SLEEPS.set(sleeps)
    promotions = scene.promotions(patience=patience)
    errors: dict[str, Exception | None] = dict.fromkeys(scene.digests)
    try:
        if scene.cell.count == "alone":
            await promote(client, promotions[0])
        else:
            report = await promote_many(client, promotions)
            errors = {result.target.image: result.error for result in report.results}
    except (ArtifactoryError, PromotionError) as error:
        errors = dict.fromkeys(scene.digests, error)
    return Ending(errors, sum(sleeps))


def described(error: Exception | None, scene: Scene) -> str:
    """Return what the end of the first run is called in the catalogue."""
    if error is None:
        lacks = [what for what, is_there in scene.companions().items() if not is_there]
        return ", ".join([PROMOTED, *(f"without its {what}" for what in lacks), *scene.leftovers()])
    cause = f" ({type(error.__cause__).__name__})" if isinstance(error, AttachmentLost) else ""
    return f"{type(error).__name__}{cause}"


class Catalogue:
    """The ends that are listed: one line for each trouble of each kind of request."""

    def __init__(self) -> None:
        lines = CATALOGUE.read_text().splitlines() if CATALOGUE.exists() else []
        self.ends: dict[str, str] = {}
        for line in lines:
            request, trouble, *ends = (part.strip() for part in line.split("|"))
            for column, end in zip(COLUMNS, ends, strict=False):
                way, _, what = end.partition(": ")
                if what:
                    self.ends[f"{request}: {trouble}, {way if column == 'transit' else f'{column}, {way}'}"] = what

    def write(self) -> None:
        rows: dict[tuple[str, str], list[str]] = {}
        for request, column in itertools.product(REQUESTS, COLUMNS):
            for cell in cells(request, column):
                way = str(cell.way) if column in COUNTS else f"{cell.count}, {cell.way}"
                row = rows.setdefault((request, cell.trouble), [request, cell.trouble])
                row.append(f"{way}: {self.ends.get(str(cell), '?')}")
        widths = [max(map(len, texts)) for texts in itertools.zip_longest(*rows.values(), fillvalue="")]
        CATALOGUE.write_text("".join(f"{' | '.join(map(str.ljust, row, widths)).rstrip()}\n" for row in rows.values()))


@dataclass
class Stage:
    """Where cells are played: a gateway before the sandbox, with a base URL for each, so that each has its own pace."""

    sandbox: RunningSandbox
    gateway: Gateway
    numbers: Iterator[int]

    async def play(self, cell: Cell, listed: str | None) -> str:
        """Play a cell and return how it ended; all that holds in every cell is made sure of.

        :param listed: the end that is expected, if one is: what waits is given little patience.
        """
        is_waiting = listed is not None and listed.startswith(WAITS)
        scene = Scene(self.sandbox, cell, str(next(self.numbers)))
        forget, watch = self._afflict(scene)
        async with ArtifactoryClient(self._settings(scene)) as client:
            first = await promote_all(client, scene, patience=SHORT_PATIENCE if is_waiting else PATIENCE)
            forget()
            end = described(first.errors[scene.afflicted], scene)
            assert watch.met, f"{cell}: no such request was made"
            self._check_first(scene, first)
            second = await promote_all(client, scene, patience=PATIENCE)
        errors = {image: error for image, error in second.errors.items() if error}
        assert not errors, f"{cell}, run again: {errors}"
        for image in scene.digests:
            scene.check_promoted(image)
            scene.check_clean(image)
        lost = {what for what, is_there in scene.companions().items() if not is_there}
        assert lost <= ({"record"} if cell.request == "record" else set()), f"{cell}, run again: no {lost}"
        return f"{WAITS}{end}" if first.waited >= A_WAIT else end

    def _afflict(self, scene: Scene) -> tuple[Callable[[], None], Watch]:
        """Let the trouble befall the requests that are made for the afflicted image; return what ends it."""
        cell = scene.cell
        watch = Watch(scene.afflicted, cell.request, cell.way)
        endings = [self.gateway.rule("*", "", fits=watch.meets, **TROUBLES[cell.trouble])]
        if cell.request in WITHOUT_QUERIES:
            refused = Reply(403, b"{}", {"Content-Type": "application/json"})
            endings.append(self.gateway.rule("POST", f"^/{scene.name}/.*/aql$", reply=refused, does_work=False))

        def forget() -> None:
            for end in endings:
                end()

        return forget, watch

    def _settings(self, scene: Scene) -> ServerSettings:
        """Return settings whose base URL is the scene's own; where a token is refused, another one can be had."""
        authentication: Basic | RefreshableToken = Basic("admin", self.sandbox.password)
        if scene.cell.trouble.startswith("401"):
            given = granted(self.sandbox, refreshable=True)
            authentication = RefreshableToken(access_token=given["access_token"], refresh_token=given["refresh_token"])
        return ServerSettings(
            base_url=f"{self.gateway.origin}/{scene.name}/artifactory",
            authentication=authentication,
            attempts=3,
            longest_pause=0.01,
        )

    def _check_first(self, scene: Scene, first: Ending) -> None:
        error = first.errors[scene.afflicted]
        if error is None:
            scene.check_promoted(scene.afflicted)
        else:
            scene.check_unspoilt()
            text = str(error)
            assert "/" in text, f"{scene.cell}: what was tried? {text}"
            assert _ADVICE.search(text), f"{scene.cell}: what is to be done? {text}"
            assert text.endswith((".", ")")), f"{scene.cell}: {text}"
        for image in scene.healthy:
            assert first.errors[image] is None, f"{scene.cell} stopped {image}: {first.errors[image]!r}"
            scene.check_promoted(image)
            scene.check_clean(image)


@pytest.fixture
def stage(sandbox: RunningSandbox, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage on which the tries of batches follow each other at once."""
    monkeypatch.setattr(batch, "_choose_pause", lambda _attempt, _error: 0.0)
    monkeypatch.setattr(batch, "_TRIES", 2)
    monkeypatch.setattr(ledger, "_JOIN_WITHIN", 0.02)
    sleep = asyncio.sleep

    async def sleep_and_tell(seconds: float, *values: Any) -> Any:
        if (sleeps := _SLEEPS.get()) is not None:
            sleeps.append(seconds)
        return await sleep(seconds, *values)

    monkeypatch.setattr(asyncio, "sleep", sleep_and_tell)
    gateway.is_quick = True
    gateway.rewrite = lambda _host, path: re.sub(r"^/[0-9]+/", "/", path)
    return Stage(sandbox, gateway, _NUMBERS)


async def play_all(stage: Stage, played: Sequence[Cell], listed: Mapping[str, str]) -> dict[str, str | Exception]:
    async def play(cell: Cell) -> str | Exception:
        try:
            return await stage.play(cell, listed.get(str(cell)))
        except AssertionError as error:
            return error

    return dict(zip(map(str, played), await concurrently(play, played, at_once=CELLS_AT_ONCE), strict=True))


@pytest.mark.parametrize(
    ("request_kind", "column"), [pair for pair in itertools.product(REQUESTS, COLUMNS) if any(cells(*pair))]
)
async def test_every_trouble_ends_as_it_is_listed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, request_kind: str, column: str
) -> None:
    catalogue = Catalogue()
    played = list(cells(request_kind, column))
    waiting = [cell for cell in played if catalogue.ends.get(str(cell), "").startswith(WAITS) and not IS_WRITING]
    listed = {} if IS_WRITING else catalogue.ends
    ends = await play_all(stage, [cell for cell in played if cell not in waiting], listed)
    monkeypatch.setattr(moves, "_SECONDS_TO_SHOW", SHORT_PATIENCE)
    ends |= await play_all(stage, waiting, listed)
    if IS_WRITING:
        catalogue.ends |= {cell: end for cell, end in ends.items() if isinstance(end, str)}
        catalogue.write()
    wrong = [
        f"{end}" if isinstance(end, Exception) else f"{cell}: {end}, not {catalogue.ends.get(cell, 'listed')}"
        for cell, end in ends.items()
        if end not in _ends_of(cell, catalogue.ends.get(cell))
    ]
    assert not wrong, "\n".join(wrong)


def _ends_of(cell: str, listed: str | None) -> set[str | None]:
    """Return the ends that a cell may have: which of two looks at attachments is spoilt, many decide by chance.

    A look that was joined with others' is asked again by itself, tag by tag; then it is the look before bringing them
    that fails, and the failure is told as what could not be brought.
    """
    if ", many, " in cell and cell.startswith("attachment look:") and listed is not None:
        return {listed, f"AttachmentLost ({listed})"}
    return {listed}


def test_the_catalogue_lists_all_cells_and_no_others() -> None:
    assert set(Catalogue().ends) == set(map(str, ALL_CELLS))


def test_each_way_of_promoting_meets_each_kind_of_request_and_each_trouble_alone_and_with_many() -> None:
    ways = {request: {*ways, *_through_transit(ways)} for request, ways in REQUESTS.items()}
    met = {(cell.request, cell.count, cell.way) for cell in ALL_CELLS}
    assert met == {(request, count, way) for request in REQUESTS for count in COUNTS for way in ways[request]}
    met_by = {(cell.trouble, cell.count, cell.way) for cell in ALL_CELLS}
    assert met_by == set(itertools.product(TROUBLES, COUNTS, (*ALL_WAYS, *THROUGH_TRANSIT)))


def _through_transit(ways: Sequence[Way]) -> set[Way]:
    return {replace(way, is_transit=True) for way in ways if way.phases == 2}
