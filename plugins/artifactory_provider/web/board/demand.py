"""What a promotion on demand would do, and what the rules say of it for the user who asks: before it is started.

It is planned by what the run's own plan is made by, over the newest look: no request to Artifactory is made. The policy
and the stops are read anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, NamedTuple

from fastapi import APIRouter, HTTPException, Query

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import ImageReference, InvalidReference, split_image
from artifactory_provider.board.demand import Demand, ToldChecks, find_demands
from artifactory_provider.board.states import WORDS, GateState
from artifactory_provider.board.stock import Stock
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.hooks.connections import DEFAULT_CONNECTION
from artifactory_provider.pipelines import InvalidPipeline, read_folder
from artifactory_provider.policy import ContradictoryRules, InvalidPolicy
from artifactory_provider.policy.approvals import describe_rule
from artifactory_provider.policy.overrides import describe_override_rule
from artifactory_provider.promotion.errors import RulesUnreadable
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.request import OnConflict  # noqa: TC001 - FastAPI reads annotations
from artifactory_provider.tasks.changes import ask_rules
from artifactory_provider.tasks.rules import Starter
from artifactory_provider.tasks.variables import read_variable
from artifactory_provider.verification.evidence import Evidence
from artifactory_provider.verification.verdicts import State
from artifactory_provider.web.airflow_internals import UserDep  # noqa: TC001 - FastAPI reads annotations
from artifactory_provider.web.board import access
from artifactory_provider.web.board.access import Name, RightsDep, view_board
from artifactory_provider.web.board.demand_models import DemandPlan, PlannedImage
from artifactory_provider.web.board.shipped import ON_DEMAND

if TYPE_CHECKING:
    from pathlib import Path

    from artifactory_provider.audit import StandingTag
    from artifactory_provider.pipelines.model import Pipeline, Stage
    from artifactory_provider.promotion.planning.plan import PlannedPromotion
    from artifactory_provider.tasks.changes import PlannedChange
    from artifactory_provider.tasks.rules import VariableRules
    from artifactory_provider.web.board.demand_models import TagChange
    from artifactory_provider.web.board.views import View

log = logging.getLogger(__name__)

MOST = 50
Images = Annotated[Sequence[Annotated[str, Query(max_length=400)]], Query(min_length=1, max_length=MOST)]

router = APIRouter()


class _Wanted(NamedTuple):
    image: str
    tag: str | None


@dataclass(frozen=True)
class _Step:
    """From which stage of which ladder to which."""

    pipeline: Pipeline
    lower: Stage
    upper: Stage


@router.get("/board/plan.json")
def show_plan(
    user: UserDep,
    rights: RightsDep,
    ladder: Annotated[str, Query(min_length=1, max_length=250)],
    image: Images,
    source: Annotated[Name, Query(alias="from", min_length=1)],
    to: Annotated[Name, Query(min_length=1)],
    on_conflict: OnConflict | None = None,
) -> DemandPlan:
    """Return what runs of ``promote_on_demand`` that the user starts would do, and what the rules say of each.

    :param ladder: the ladder's name.
    :param image: ``image`` for what stands for it in the stage, or ``image:tag``; several.
    :param source: the name of the stage that is promoted from.
    :param to: the name of a stage after it.
    :param on_conflict: what a target tag that shows another digest means; without it, what the stage says of each.
    """
    wanted = [_read_wanted(one) for one in dict.fromkeys(image)]
    view, is_refreshing = view_board(rights)
    step = _find_step(view, ladder, source, to)
    images, trouble = ([], None) if step is None else asyncio.run(_plan_all(view, step, wanted, on_conflict, user))
    return DemandPlan(
        as_of=view.snapshot.times.get(step.pipeline.connection) if step else None,
        is_refreshing=is_refreshing,
        trouble=trouble,
        ladder=ladder,
        from_stage=source,
        to=to,
        on_conflict=on_conflict,
        images=images,
    )


def _read_wanted(text: str) -> _Wanted:
    try:
        image, tag, digest = split_image(text)
    except InvalidReference as error:
        raise HTTPException(422, f"An image is asked for as image or image:tag. {error}") from error
    if digest is not None:
        raise HTTPException(
            422, "An image is asked for as image or image:tag: the answer says which digest that shows."
        )
    return _Wanted(image, tag)


def _find_step(view: View, ladder: str, source: str, to: str) -> _Step | None:
    """Return the step that is meant; None as long as nothing is known.

    :raises HTTPException: when there is no such ladder which the user may see, or it has no such step.
    """
    pipeline = next((one for one in view.pipelines if one.name == ladder), None)
    if pipeline is None:
        if view.snapshot.pipelines:
            raise HTTPException(404, "There is no such ladder whose DAG you may read.")
        return None
    names = [stage.name for stage in pipeline.stages]
    if source not in names or to not in names[names.index(source) + 1 :]:
        raise HTTPException(404, f"{ladder} has no such step: its stages are {', '.join(names)}.")
    return _Step(pipeline, *(pipeline.stages[names.index(name)] for name in (source, to)))


async def _plan_all(
    view: View, step: _Step, wanted: Sequence[_Wanted], on_conflict: OnConflict | None, user: UserDep
) -> tuple[list[PlannedImage], str | None]:
    """Return what would become of each image under each target tag, and why it is not known what the rules say."""
    stock = view.snapshot.stocks.get(step.pipeline.connection) or Stock({})
    shown = {row.finding.image: row.finding for row in view.rows if row.finding.pipeline.name == step.pipeline.name}
    level = step.pipeline.stages.index(step.lower)

    def find_source(one: _Wanted) -> StandingTag | None:
        if not step.pipeline.images.match(one.image):
            return None
        if one.tag is not None:
            return stock.find(ImageReference(step.lower.repository, one.image, one.tag))
        return shown[one.image].cells[level].shown if one.image in shown else None

    demands = [
        (one, demand)
        for one in wanted
        for demand in find_demands(stock, step.lower, step.upper, find_source(one), on_conflict=on_conflict)
    ]
    try:
        judge: _Judge | str = await asyncio.to_thread(_read_rules, step.pipeline, str(user.get_name()))
    except (ArtifactoryError, InvalidPipeline, InvalidPolicy, RulesUnreadable) as error:
        judge = f"What the rules say cannot be told: {error}"
    except Exception as error:
        log.warning("The rules of %s cannot be asked.", step.pipeline.name, exc_info=error)
        judge = f"What the rules say cannot be told ({type(error).__name__})."
    images = [await _judge(one, demand, judge) for one, demand in demands]
    return images, judge if isinstance(judge, str) else None


@dataclass(frozen=True)
class _Judge:
    """Who is asked what the rules say: what a run asks, and checks over what the look has brought."""

    rules: VariableRules
    evidence: Evidence


def _read_rules(pipeline: Pipeline, user: str) -> _Judge:
    if pipeline.connection != DEFAULT_CONNECTION:
        raise RulesUnreadable(
            f"{ON_DEMAND} promotes over the connection {DEFAULT_CONNECTION}, and {pipeline.name} has its stages on "
            f"that of {pipeline.connection}."
        )
    hook = ArtifactoryHook(pipeline.connection)
    folder: Path = access.snapshots.folder()
    # The run asks what the stages of all pipelines ask of their images; one read of a Variable is for all of them.
    rules = hook.rules(read=cache(read_variable)).with_rules(read_folder(folder).rules())
    starter = Starter("person", user, ON_DEMAND)
    # The client is never opened: what the look has brought is all that is read.
    return _Judge(rules.started_by(starter), Evidence(Ledger(ArtifactoryClient(hook.settings()))))


async def _judge(wanted: _Wanted, demand: Demand, judge: _Judge | str) -> PlannedImage:
    """Return what becomes of one image under one target tag."""
    if demand.plan is None or demand.source is None or demand.state is not GateState.READY:
        is_refused = demand.state not in {GateState.NOTHING, GateState.UNKNOWN}
        return _show(wanted, demand, demand.state, demand.reason, is_refused=is_refused)
    if isinstance(judge, str):
        return _show(wanted, demand, GateState.UNKNOWN, judge)
    checks = ToldChecks(demand.source, judge.evidence)
    try:
        made = await ask_rules(demand.plan, judge.rules, verify=checks)
    except RulesUnreadable as error:
        return _show(wanted, demand, GateState.UNKNOWN, f"What the rules say cannot be told: {error}")
    except ContradictoryRules as error:
        return _show(wanted, demand, GateState.REFUSED, str(error), is_refused=True)
    return _show_judged(wanted, demand, made, checks)


def _show_judged(wanted: _Wanted, demand: Demand, made: PlannedChange, checks: ToldChecks) -> PlannedImage:
    if made.refusal is not None or made.planned.action == "promote":
        return _show(
            wanted,
            demand,
            GateState.REFUSED if made.refusal else GateState.READY,
            made.planned.reason if made.refusal else "",
            made=made,
            left=checks.left,
            is_refused=not made.may_be_made,
        )
    state = GateState.VERIFYING if checks.state is State.PENDING else GateState.FAILED
    return _show(wanted, demand, state, made.planned.reason, is_refused=True)


def _show(
    wanted: _Wanted,
    demand: Demand,
    state: GateState,
    reason: str,
    *,
    made: PlannedChange | None = None,
    left: Sequence[str] = (),
    is_refused: bool = False,
) -> PlannedImage:
    planned = demand.plan.planned if demand.plan else None
    refusal, override, approvals = (made.refusal, made.override, made.approvals) if made else (None, None, None)
    return PlannedImage(
        image=wanted.image,
        tag=demand.source.name if demand.source else wanted.tag,
        digest=demand.source.digest if demand.source else None,
        target_tag=planned.target.tag if planned else None,
        replaces=planned.current if planned else None,
        change=_change_of(planned),
        on_conflict=demand.on_conflict,
        state=state,
        word=WORDS[state],
        reason=reason,
        until=refusal.until if refusal else None,
        is_refused=is_refused,
        override=f"{describe_override_rule(override)}." if override else "",
        approvals=f"{describe_rule(approvals)}." if approvals else "",
        left=list(left),
    )


def _change_of(planned: PlannedPromotion | None) -> TagChange:
    """Return what becomes of a target tag."""
    if planned is None:
        return "none"
    if planned.current is None:
        return "new"
    return "unchanged" if planned.current == planned.source.digest else "replaces"
