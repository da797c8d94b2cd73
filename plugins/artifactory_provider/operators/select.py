"""The operator that finds out which tags of many images a pipeline's run takes, and pins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.errors import NotFound
from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.operators.base import ArtifactoryOperator
from artifactory_provider.pipelines.model import TRIGGERING
from artifactory_provider.promotion.bulk_selection import Selected
from artifactory_provider.promotion.errors import InvalidPromotion, SourceMoved
from artifactory_provider.promotion.selection import read_candidates
from artifactory_provider.tasks.forms import as_list, check_conf
from artifactory_provider.tasks.ladders import UNSELECTED, push_next
from artifactory_provider.tasks.pushes import find_pushed

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from airflow.sdk import Context

    from artifactory_provider.hooks.artifactory import ArtifactoryHook
    from artifactory_provider.pipelines.model import Pipeline

_LOGGED = 20
_LONGEST_REASON = 500


class ArtifactorySelectOperator(ArtifactoryOperator):
    """Find out which tag of each of a pipeline's images is meant, pinned to its digest, by few requests for all.

    ``ArtifactoryLadderOperator`` goes on from there. It returns descriptors of chunks, as
    ``ArtifactoryApprovalOperator`` takes them; what nobody can tell of one image harms no other, and is the XCom
    ``unselected``. A run for a past night finds what that night would have found.

    :param pipeline: the pipeline.
    :param images: what this run is about instead of all of the pipeline's images: image names, for which the pipeline
        says which tag is meant, or ``image:tag`` and the like, as ``Candidate`` reads them. (templated)
    :param pushed: whether it is about the tag whose push or verdict has started the run, and nothing else.
    :param kwargs: what every operator takes.
    """

    template_fields: Sequence[str] = ("images", "artifactory_conn_id")
    ui_color = "#e3ecf7"

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        images: Sequence[str] | str | None = None,
        pushed: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("artifactory_conn_id", pipeline.connection)
        super().__init__(rules=pipeline.rules(), **kwargs)
        self.pipeline = pipeline
        self.images = images
        self.pushed = pushed

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Select, and return the descriptors of the chunks."""
        check_conf(context)
        if self.pushed:
            return self._take_pushed(context)
        night = find_night(context)
        hook = self._hook()
        images = list_images(hook, self.pipeline, as_list(self.images, name="images"))
        candidates, refused = self._complete(images, night or context["dag_run"].run_after)
        selected = hook.select_many(
            self.pipeline.stages[0].repository,
            candidates,
            created_before=night,
            with_times=any(stage.needs_date for stage in self.pipeline.stages),
        )
        selected += refused
        self._tell(selected)
        failed = [one for one in selected if one.error is not None]
        ti = context["ti"]
        ti.xcom_push(key=UNSELECTED, value=[[one.candidate, f"{one.error}"[:_LONGEST_REASON]] for one in failed])
        sources = dict.fromkeys((one.reference, one.created) for one in selected if one.reference is not None)
        if failed and not sources:
            raise InvalidPromotion(f"Nothing was selected: {failed[0].candidate}: {failed[0].error}")
        return push_next(ti, self.pipeline, list(sources), rules=hook.rules())

    def _take_pushed(self, context: Context) -> list[dict[str, Any]]:
        """Take the tag that has started the run, where it still shows the digest that was told of."""
        first = self.pipeline.stages[0].repository
        told = find_pushed(context, repository=first)
        if told is None:
            raise InvalidPromotion(
                f"Pushes start this DAG, each for its tag: to promote by hand, trigger {self.pipeline.name}."
            )
        level, hook, ti = self.pipeline.level(told.repository), self._hook(), context["ti"]
        is_meant = self.pipeline.means(told.image, str(told.tag)) if level == 0 else True
        [one] = hook.select_many(
            told.repository,
            [f"{told.image}:{told.tag}@{told.digest}"],
            with_times=any(stage.needs_date for stage in self.pipeline.stages),
        )
        ti.xcom_push(key=UNSELECTED, value=[])
        if isinstance(one.error, SourceMoved | NotFound):
            self.log.info("Nothing is left to do: %s A push of its own starts a run of its own.", one.error)
        elif one.error is not None:
            raise one.error
        elif not is_meant or level + 1 >= len(self.pipeline.stages):
            self.log.info("%s is no tag that the pipeline takes further.", told)
        else:
            self.log.info("Told of %s.", told)
            return push_next(ti, self.pipeline, [(told, one.created)], rules=hook.rules())
        return push_next(ti, self.pipeline, [], rules=hook.rules())

    def _complete(self, images: Sequence[str], moment: datetime.datetime) -> tuple[list[str], list[Selected]]:
        """Return which tag of each image is meant, and what no tag can be told of."""
        candidates, refused = [], []
        for line in images:
            try:
                candidates.append(self.pipeline.complete(line, moment=moment))
            except (InvalidPromotion, InvalidReference) as error:
                refused.append(Selected(line, error=error))
        return candidates, refused

    def _tell(self, selected: Sequence[Selected]) -> None:
        """Log what was selected: a line each of the first ones, and of all that was not."""
        found = [one for one in selected if one.reference is not None]
        absent = [one.candidate for one in selected if one.reference is None and one.error is None]
        for one in found[:_LOGGED]:
            self.log.info("%s: %s", one.candidate, one.reference)
        for one in selected:
            if one.error is not None:
                self.log.warning("%s was not selected: %s", one.candidate, one.error)
        if absent:
            self.log.info("There was no release by that night of %s images, such as %s.", len(absent), absent[0])
        self.log.info("%s of %s images are selected.", f"{len(found):,}", f"{len(selected):,}")


def list_images(hook: ArtifactoryHook, pipeline: Pipeline, wanted: Sequence[str]) -> list[str]:
    """Return the images of a run, each once, as ``Pipeline.complete`` takes them.

    :param hook: the connection.
    :param pipeline: the pipeline.
    :param wanted: the lines of the form; none for all images of the pipeline.
    :raises InvalidReference: when a line is none.
    :raises InvalidPromotion: when nothing is meant.
    """
    if wanted:
        return read_candidates(wanted)
    if pipeline.tag == TRIGGERING:
        raise InvalidPromotion(
            f"The pipeline {pipeline.name} takes the tag that starts its run: give images, as image:tag."
        )
    names = hook.list_images(pipeline.stages[0].repository, pipeline.images)
    if not names:
        raise InvalidPromotion(
            f"{pipeline.stages[0].repository} has no image that the pipeline means "
            f"({', '.join(pipeline.images.include[:5])}): nothing was selected."
        )
    return names


def find_night(context: Context) -> datetime.datetime | None:
    """Return the moment that a scheduled run is for: what was created later is passed over. None for other runs.

    :param context: a task's context.
    """
    if context["dag_run"].run_type not in {"scheduled", "backfill"}:
        return None
    return context["data_interval_end"]
