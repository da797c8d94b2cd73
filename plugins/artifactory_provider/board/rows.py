"""How images stand on ladders: what one look has found, asked with the very functions that promotions ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.board.changes import find_last_change
from artifactory_provider.board.choices import choose_tags
from artifactory_provider.board.findings import CellFinding, GateFinding, RowFinding
from artifactory_provider.board.states import CellState, GateState
from artifactory_provider.promotion.errors import InvalidPromotion, TargetConflict
from artifactory_provider.promotion.guards import check_conflict
from artifactory_provider.promotion.request import Promotion, PromotionOptions
from artifactory_provider.promotion.rules import Change, find_marks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.audit import StandingTag
    from artifactory_provider.board.choices import Chosen
    from artifactory_provider.board.stock import Stock
    from artifactory_provider.pipelines.model import Pipeline
    from artifactory_provider.promotion.request import OnConflict

_KEEPS_TAG = "{tag}"
_NOTHING = GateFinding(state=GateState.NOTHING)
_WORST_FIRST = (GateState.REJECTED, GateState.HELD, GateState.CONFLICT, GateState.READY, GateState.NOTHING)
_SHOWN = 3
_UNREMARKABLE = {CellState.CURRENT, CellState.BEHIND, CellState.EMPTY}


def find_rows(pipeline: Pipeline, stock: Stock) -> Iterator[RowFinding]:
    """Yield how each image of a ladder stands, as far as what stands in its stages tells it.

    :param pipeline: the ladder.
    :param stock: what its repositories hold.
    """
    names = set(pipeline.images.exact)
    for stage in pipeline.stages:
        names.update(stock.find_images(stage.repository, pipeline.images))
    for image in sorted(names):
        yield _find_row(pipeline, image, stock)


def judge_tag(stock: Stock, tag: StandingTag, *, is_first: bool) -> tuple[CellState, str]:
    """Return what people and records say of a tag: ``current`` where they say nothing against it.

    :param stock: what else stands there.
    :param tag: the tag.
    :param is_first: whether it stands in the first stage of its ladder, to which no promotion brings images.
    """
    if mark := stock.rejects(tag.digest):
        return CellState.REJECTED, f"It is rejected: {mark}."
    if not is_first and tag.record is None:  # most have one, and to tell what it says takes a while
        explanation = stock.explain(tag)
        if not explanation.is_explained:
            return CellState.DRIFT, explanation.words
    if hold := tag.hold:
        return CellState.HELD, f"The tag is held: {hold}."
    return CellState.CURRENT, ""


def _find_row(pipeline: Pipeline, image: str, stock: Stock) -> RowFinding:
    stages = [stock.tags(stage.repository, image) for stage in pipeline.stages]
    chosen = choose_tags(pipeline, stages)
    cells = tuple(_find_cell(pipeline, level, tags, chosen, stock) for level, tags in enumerate(stages))
    gates = tuple(
        _find_gate(pipeline, level, chosen[level], stages[level + 1], stock) for level in range(len(stages) - 1)
    )
    changed = find_last_change(tag for tags in stages for tag in tags.values())
    return RowFinding(pipeline=pipeline, image=image, cells=cells, gates=gates, changed=changed)


def _find_cell(
    pipeline: Pipeline, level: int, tags: Mapping[str, StandingTag], every: list[Chosen], stock: Stock
) -> CellFinding:
    repository, (shown, behind, doubt) = pipeline.stages[level].repository, every[level]
    if not stock.knows(repository):
        return CellFinding(shown=None, state=CellState.UNKNOWN, reason=f"{repository} could not be looked at.")
    state, reason = (CellState.EMPTY, "") if shown is None else judge_tag(stock, shown, is_first=level == 0)
    below = every[level - 1].shown if level else None
    has_moved = bool(below and shown and below.name == shown.name and below.digest != shown.digest)
    if state is CellState.CURRENT and doubt:
        state, reason = CellState.UNKNOWN, doubt
    elif state is CellState.CURRENT and (behind or has_moved):
        state = CellState.BEHIND
    others = [tag for tag in tags.values() if tag is not shown] if level and state in _UNREMARKABLE else []
    drift = _find_drift(stock, others)
    if drift:
        state, reason = CellState.DRIFT, drift
    return CellFinding(shown=shown, state=state, reason=reason, behind=behind, tags=len(tags))


def _find_drift(stock: Stock, tags: Sequence[StandingTag]) -> str:
    """Return what is said of those of a cell's other tags that no promotion explains; nothing where there are none."""
    judged = ((tag.name, judge_tag(stock, tag, is_first=False)) for tag in tags)
    drifted = [(name, reason) for name, (state, reason) in judged if state is CellState.DRIFT]
    if not drifted:
        return ""
    name, reason = drifted[0]
    others = f" Nor does one explain {', '.join(other for other, _ in drifted[1:_SHOWN])}" if drifted[1:] else ""
    more = f" and {len(drifted) - _SHOWN} more" if len(drifted) > _SHOWN else ""
    return f"{name} stands there, too. {reason}{others}{more}{'.' if others else ''}"


def _find_gate(
    pipeline: Pipeline, level: int, chosen: Chosen, above: Mapping[str, StandingTag], stock: Stock
) -> GateFinding:
    """Return what stands between a stage and the next, as far as what stands on the images tells it."""
    lower, upper = pipeline.stages[level], pipeline.stages[level + 1]
    if not stock.knows(lower.repository) or not stock.knows(upper.repository):
        return GateFinding(state=GateState.UNKNOWN, reason="One of the two stages could not be looked at.")
    shown = chosen.shown
    if shown is None:
        return _NOTHING
    source = shown.place
    if len(upper.tags) == 1 and upper.tags[0].template.text == _KEEPS_TAG:
        # Most do, and to make the target's name takes a while.
        same = above.get(shown.name)
        if same is not None and same.digest == shown.digest:
            return _NOTHING
    try:
        policies = upper.find_policies(source, created=shown.created)
    except (InvalidPromotion, InvalidReference) as error:
        return GateFinding(state=GateState.FAILED, reason=str(error), source=source)
    found = [
        (state, reason, target)
        for target, policy in policies.items()
        for state, reason in [find_obstacle(stock, source, target, policy, copy=upper.copy)]
    ]
    state, reason, target = min(found, key=lambda one: _WORST_FIRST.index(one[0]))
    if state is GateState.NOTHING:
        return _NOTHING
    if state is GateState.READY and chosen.doubt:
        state, reason = GateState.UNKNOWN, chosen.doubt  # a run takes none then
    left = tuple(dict.fromkeys(other for what, _, other in found if what is not GateState.NOTHING and other != target))
    return GateFinding(state=state, reason=reason, source=source, target=target, further=left)


def find_obstacle(
    stock: Stock, source: ImageReference, target: ImageReference, on_conflict: OnConflict, *, copy: bool
) -> tuple[GateState, str]:
    """Return what stands in the way of one target tag, as far as what stands on the images tells it.

    :param stock: what the repositories hold.
    :param source: repository, image and tag, pinned.
    :param target: repository, image and tag.
    :param on_conflict: what it means where it shows another digest, as ``policy_for`` has it.
    :param copy: whether the source tag stays.
    """
    before = stock.shows(target)
    if before is not None and before.digest == source.digest:
        return GateState.NOTHING, ""
    [refusal] = find_marks([Change(source, target)], stock, copy=copy)
    if refusal is not None:
        is_rejected = stock.rejects(str(source.digest)) is not None
        return GateState.REJECTED if is_rejected else GateState.HELD, str(refusal)
    if before is None:
        return GateState.READY, ""
    options = PromotionOptions(on_conflict=on_conflict, copy=copy)
    promotion = Promotion(source=source, target=target, options=options)
    try:
        check_conflict(stock, promotion, stock.shows(source), before, str(source.digest))
    except TargetConflict as error:
        return GateState.CONFLICT, str(error)
    return GateState.READY, ""
