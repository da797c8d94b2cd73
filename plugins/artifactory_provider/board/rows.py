"""How images stand on ladders: what one look has found, asked with the very functions that promotions ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.board.choices import choose_tags
from artifactory_provider.board.findings import CellFinding, GateFinding, RowFinding
from artifactory_provider.board.states import CellState, GateState
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.marks import hold_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from artifactory_provider.board.choices import Chosen
    from artifactory_provider.board.stock import Stock, StoredTag
    from artifactory_provider.pipelines.model import Pipeline

_NO_STAGE = GateFinding(state=GateState.NOTHING)


def find_rows(pipeline: Pipeline, stocks: Mapping[str, Stock]) -> Iterator[RowFinding]:
    """Yield how each image of a ladder stands, as far as the registry tells it.

    :param pipeline: the ladder.
    :param stocks: repository → what it holds; one that is missing could not be looked at.
    """
    names: dict[str, None] = dict.fromkeys(pipeline.images.exact)
    for stage in pipeline.stages:
        stock = stocks.get(stage.repository)
        found = stock.images(stage.repository) if stock else []
        names.update(dict.fromkeys(image for image in found if pipeline.images.match(image)))
    for image in sorted(names):
        yield _find_row(pipeline, image, stocks)


def _find_row(pipeline: Pipeline, image: str, stocks: Mapping[str, Stock]) -> RowFinding:
    repositories = [stage.repository for stage in pipeline.stages]
    stages = [stocks[key].of(key, image) if key in stocks else {} for key in repositories]
    chosen = choose_tags(pipeline, stages)
    cells = tuple(
        _find_cell(ImageReference(key, image), stocks.get(key), tags, one, chosen[level - 1].shown if level else None)
        for level, (key, tags, one) in enumerate(zip(repositories, stages, chosen, strict=True))
    )
    gates = tuple(
        _find_gate(pipeline, level, image, cells[level].shown, stocks) for level in range(len(repositories) - 1)
    )
    return RowFinding(pipeline=pipeline, image=image, cells=cells, gates=gates)


def _find_cell(
    place: ImageReference, stock: Stock | None, tags: Mapping[str, StoredTag], chosen: Chosen, below: StoredTag | None
) -> CellFinding:
    shown, behind = chosen.shown, chosen.behind
    if stock is None:
        return CellFinding(shown=None, state=CellState.UNKNOWN, reason=f"{place.repository} could not be looked at.")
    if shown is None:
        return CellFinding(shown=None, state=CellState.EMPTY, behind=behind, tags=len(tags))
    state, reason = CellState.CURRENT, ""
    reference = ImageReference(place.repository, place.image, shown.tag, shown.digest)
    if mark := stock.rejected.get(shown.digest):
        state, reason = CellState.REJECTED, f"It is rejected: {mark}."
    elif hold := hold_of(shown.properties, reference):
        state, reason = CellState.HELD, f"The tag is held: {hold}."
    elif chosen.doubtful:
        state, reason = CellState.UNKNOWN, f"{', '.join(chosen.doubtful[:3])} may be newer: say which tags are meant."
    elif behind or (below is not None and below.tag == shown.tag and below.digest != shown.digest):
        state = CellState.BEHIND
    return CellFinding(shown=shown, state=state, reason=reason, behind=behind, tags=len(tags))


def _find_gate(
    pipeline: Pipeline, level: int, image: str, shown: StoredTag | None, stocks: Mapping[str, Stock]
) -> GateFinding:
    """Return what stands between a stage and the next, as far as what stands on the images tells it."""
    stage, following = pipeline.stages[level], pipeline.stages[level + 1]
    if stage.repository not in stocks or following.repository not in stocks:
        return GateFinding(state=GateState.UNKNOWN, reason="A stage could not be looked at.")
    if shown is None:
        return _NO_STAGE
    source = ImageReference(stage.repository, image, shown.tag, shown.digest)
    try:
        target = following.targets(source, created=shown.created)[0]
    except (InvalidPromotion, InvalidReference) as error:
        return GateFinding(state=GateState.FAILED, reason=str(error), source=source)
    stock = stocks[following.repository]
    there = stock.of(following.repository, image).get(str(target.tag))
    if there is not None and there.digest == shown.digest:
        return _NO_STAGE
    state, reason = GateState.READY, ""
    rejected = next((mark for one in _at(pipeline, stocks) if (mark := one.rejected.get(shown.digest))), None)
    if rejected is not None:
        state, reason = GateState.REJECTED, f"The digest is rejected, so it is not promoted anywhere: {rejected}."
    elif there is not None and (hold := hold_of(there.properties, target)):
        state, reason = GateState.HELD, f"{target} is held: {hold}."
    elif there is not None and following.tags[0].on_conflict == "fail":
        state, reason = GateState.CONFLICT, f"{target} shows {there.digest} already, and is not overwritten."
    return GateFinding(state=state, reason=reason, source=source, target=target)


def _at(pipeline: Pipeline, stocks: Mapping[str, Stock]) -> Sequence[Stock]:
    return [stocks[stage.repository] for stage in pipeline.stages if stage.repository in stocks]
