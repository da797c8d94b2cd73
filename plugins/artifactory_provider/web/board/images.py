"""The page of one image: its tags in each stage, what they are made of, and what happened to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, HTTPException, Query

from artifactory_provider.board.rows import judge_tag
from artifactory_provider.board.states import WORDS, CellState
from artifactory_provider.promotion.tags import is_backup, select_images
from artifactory_provider.web.airflow_internals import (
    REQUIRES_ASSET_ACCESS,
    EventFilterDep,
    SessionDep,
)
from artifactory_provider.web.board.access import RightsDep, Start, view_board
from artifactory_provider.web.board.image_details import Details, ImageDetails
from artifactory_provider.web.board.image_history import tell_history
from artifactory_provider.web.board.image_models import (
    Image,
    ImageStage,
    ImageTag,
    Platform,
    ShownAttachment,
)
from artifactory_provider.web.board.joining import Servers
from artifactory_provider.web.board.looking import StagePlace
from artifactory_provider.web.board.showing import show_by, show_row, show_url
from artifactory_provider.web.board.views import sort_by_age

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.audit import StandingTag
    from artifactory_provider.board.details import AttachedPart, Contents
    from artifactory_provider.pipelines.model import Pipeline, Stage
    from artifactory_provider.web.board.views import View

_DETAILED = 5
"""Tags of each stage whose contents are read."""

details = ImageDetails()
router = APIRouter(dependencies=[REQUIRES_ASSET_ACCESS])


@dataclass(frozen=True, kw_only=True)
class WantedImage:
    """Which image is asked for.

    :param image: its name.
    :param ladder: the ladder; empty for the first that has it.
    :param start: how many tags of each stage are passed over.
    :param limit: how many tags of each stage at most.
    :param refresh: whether the registry is to be looked at anew.
    """

    image: Annotated[str, Query(max_length=400)]
    ladder: Annotated[str, Query(max_length=250)] = ""
    start: Start = 0
    limit: Annotated[int, Query(ge=1, le=100)] = 20
    refresh: bool = False


WantedDep = Annotated[WantedImage, Depends()]


@router.get("/board/image.json")
def show_image(wanted: WantedDep, rights: RightsDep, session: SessionDep, event_filter: EventFilterDep) -> Image:
    """Return the page of an image; what it is made of comes within a second or two, or with the next answer."""
    view, is_refreshing = view_board(rights, refresh=wanted.refresh)
    pipeline = _find_ladder(view, wanted)
    if pipeline is None:
        if view.snapshot.as_of is None and is_refreshing:
            return _not_yet(wanted)
        raise HTTPException(404, "There is no such image on a ladder whose DAG you may read.")
    tags = {stage.repository: _list_tags(view, pipeline, stage, wanted.image) for stage in pipeline.stages}
    shown = {key: listed[wanted.start : wanted.start + wanted.limit] for key, listed in tags.items()}
    places = tuple(tag.place for listed in shown.values() for tag in listed[:_DETAILED])
    found = details.find(pipeline.connection, places) if places else Details()
    row = next((one for one in view.rows if _is_row(one.finding.image, one.finding.pipeline, wanted, pipeline)), None)
    known = found or Details()
    return Image(
        image=wanted.image,
        ladder=pipeline.name,
        owner=pipeline.owner,
        as_of=view.snapshot.as_of,
        is_refreshing=is_refreshing or found is None,
        trouble=" ".join(filter(None, (view.snapshot.trouble, known.trouble))) or None,
        row=show_row(row, view.snapshot) if row else None,
        stages=[
            ImageStage(
                stage=stage.name,
                repository=stage.repository,
                found=len(tags[stage.repository]),
                tags=[_show_tag(view, pipeline, level, tag, known) for tag in shown[stage.repository]],
            )
            for level, stage in enumerate(pipeline.stages)
        ],
        history=tell_history(
            session,
            event_filter,
            rights,
            image=wanted.image,
            connection=pipeline.connection,
            servers=Servers(view.snapshot.pipelines),
            stages={stage.repository: stage.name for stage in pipeline.stages},
            tags=[
                tag
                for stage in pipeline.stages
                for tag in _survey(view, StagePlace(pipeline.connection, stage.repository), wanted.image)
            ],
        ),
    )


def _find_ladder(view: View, wanted: WantedImage) -> Pipeline | None:
    meant = (one for one in view.pipelines if wanted.ladder in {"", one.name} and one.images.match(wanted.image))
    return next(meant, None)


def _is_row(image: str, pipeline: Pipeline, wanted: WantedImage, meant: Pipeline) -> bool:
    return image == wanted.image and pipeline.name == meant.name


def _not_yet(wanted: WantedImage) -> Image:
    return Image(
        image=wanted.image,
        ladder=wanted.ladder,
        owner="",
        as_of=None,
        is_refreshing=True,
        trouble=None,
        row=None,
        stages=[],
        history=[],
    )


def _list_tags(view: View, pipeline: Pipeline, stage: Stage, image: str) -> list[StandingTag]:
    """Return an image's tags in a stage, backups among them, the newest first."""
    standing = _survey(view, StagePlace(pipeline.connection, stage.repository), image)
    own = [tag for tag in standing if is_backup(tag.name) or select_images([tag.name])]
    return sort_by_age(own)


def _survey(view: View, place: StagePlace, image: str) -> Sequence[StandingTag]:
    stock = view.snapshot.find_stock(place)
    survey = stock.survey(place.repository) if stock else None
    return tuple(survey.tags_of((place.repository, image)).values()) if survey else ()


def _show_tag(view: View, pipeline: Pipeline, level: int, tag: StandingTag, known: Details) -> ImageTag:
    stock = view.snapshot.find_stock(StagePlace(pipeline.connection, tag.place.repository))
    state, reason = judge_tag(stock, tag, is_first=level == 0) if stock else (CellState.UNKNOWN, "")
    contents = known.contents.get(tag.digest)
    attached = known.attached.get((tag.place.repository, tag.digest))
    return ImageTag(
        tag=tag.name,
        digest=tag.digest,
        updated=tag.updated,
        created=tag.created,
        state=state,
        word=WORDS[state],
        reason=reason,
        by=show_by(view.find_promotion_of(pipeline.connection, tag)) if level else None,
        pushed_by=tag.by or None,
        is_backup=is_backup(tag.name),
        platforms=_show_platforms(contents) if contents else [],
        size=contents.size if contents else None,
        attachments=None if attached is None else [_show_attached(one) for one in attached],
        labels=dict(contents.labels) if contents else {},
        url=show_url(view.snapshot, pipeline.connection, tag),
    )


def _show_platforms(contents: Contents) -> list[Platform]:
    return [Platform(name=one.name, digest=one.digest, size=one.size) for one in contents.platforms]


def _show_attached(one: AttachedPart) -> ShownAttachment:
    return ShownAttachment(kind=one.kind, tag=one.tag, digest=one.digest, media_type=one.media_type)
