"""What one task instance waits for, and with which images: as its trigger, its arguments and what it has told say."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.tasks.ladders import LADDER
from artifactory_provider.verification.check import check_from_dict, find_kinds
from artifactory_provider.web.board.airflow_internals import ReportRow, XComPlace
from artifactory_provider.web.board.chunks import PLAN, RETURNED, read_changes, read_chunks
from artifactory_provider.web.board.shipped import BULK
from artifactory_provider.web.board.task_findings import describe_change, describe_task, read_waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from artifactory_provider.board.tasks import Deed, TaskFinding
    from artifactory_provider.pipelines.model import Pipeline
    from artifactory_provider.promotion.rules import Change
    from artifactory_provider.web.board.airflow_internals import TaskDetails
    from artifactory_provider.web.board.chunks import ChunkPlace

    ReadHandedOn = Callable[[Sequence[XComPlace]], Mapping[XComPlace, Any]]

QUESTIONS: Mapping[str, Deed] = {"ArtifactoryApprovalOperator": "approve", "ArtifactoryOverrideOperator": "override"}
PROMOTE, PROMOTE_BATCH = "ArtifactoryPromoteOperator", "ArtifactoryPromoteBatchOperator"
SENSOR = "ArtifactoryVerificationSensor"
"""Names of operators' classes, as Airflow's database has them."""
VERIFICATION, BATCH, CLIMB = (
    f"artifactory_provider.triggers.{name}"
    for name in ("verification.VerificationTrigger", "verification.BatchVerificationTrigger", "ladder.LadderTrigger")
)
MOMENT = "airflow.providers.standard.triggers.temporal.DateTimeTrigger"
_NOT_BEGUN = frozenset({"", "scheduled", "queued"})
_AT_WORK = frozenset({"running", "restarting"})
_AGAIN = {
    "up_for_retry": "Its last try has failed, and another one follows: nothing waits in it meanwhile.",
    "up_for_reschedule": "It looks again later, and says no more than that.",
}
_REFUSED = "A rule refuses it now, as the task's log says."
_REFUSED_SOME = "A rule refuses some of the task's promotions now, as its log says."
_CUT = "Which images these are is too much for Airflow to keep with the task."
_UNREAD = "Which images these are is an XCom of its run, which you may not read."


class Page(NamedTuple):
    """Which of the images are wanted.

    :param start: how many are passed over.
    :param limit: how many at most.
    """

    start: int
    limit: int

    def cut(self, whole: Sequence[Any], before: int = 0) -> Sequence[Any]:
        """Return what of a part of all is wanted.

        :param whole: the part.
        :param before: how many stand before it.
        """
        return whole[max(0, self.start - before) : max(0, self.start + self.limit - before)]


class WaitingSubject(NamedTuple):
    """What a task is at with one image.

    :param finding: what it is at; its reason is what the task itself says.
    :param source: what waits; None where nobody can tell.
    :param target: what it would become; None where nobody can tell.
    """

    finding: TaskFinding
    source: ImageReference | None
    target: ImageReference | None = None


class TaskWait(NamedTuple):
    """What a task instance waits for.

    :param is_waiting: whether it does.
    :param told: for what, or why it does not, in a sentence.
    :param found: with how many images.
    :param subjects: those of the page.
    :param until: when it ends, or the task looks again, where the task itself has said so.
    """

    is_waiting: bool
    told: str
    found: int = 0
    subjects: Sequence[WaitingSubject] = ()
    until: datetime.datetime | None = None


def find_wait(task: TaskDetails, pipeline: Pipeline | None, page: Page, read: ReadHandedOn | None) -> TaskWait:
    """Return what a task instance waits for.

    :param task: the task instance.
    :param pipeline: the ladder, where it is a task of one.
    :param page: which images are wanted.
    :param read: reads what tasks of its DAG have handed on; None where the user may not read that.
    """
    state = task.row.state
    if state == "awaiting_input":
        return _read_question(task, page, read)
    if state == "deferred":
        return _read_deferred(task, pipeline, page, read)
    if state == "running" and task.operator == SENSOR:  # one that is not deferred looks from time to time
        return _wait_for_verdicts(task, pipeline, page, [_read_own_image(task)], "its checks")
    if state in _AGAIN:
        return TaskWait(state == "up_for_reschedule", _AGAIN[state])
    if state in _NOT_BEGUN:
        return TaskWait(False, "It has not begun.")
    return TaskWait(False, "It runs: nothing waits in it." if state in _AT_WORK else f"It has ended: {state}.")


def _read_question(task: TaskDetails, page: Page, read: ReadHandedOn | None) -> TaskWait:
    told = "It waits for an answer."
    if task.row.assignees is not None:
        told = f"It waits for an answer of {', '.join(task.row.assignees) or 'anybody who may answer'}."
    deed = QUESTIONS.get(task.operator)
    if deed is None:
        return TaskWait(True, told)
    return _wait_with_changes(task, deed, told, _find_changes(task, page, read), "")


def _read_deferred(task: TaskDetails, pipeline: Pipeline | None, page: Page, read: ReadHandedOn | None) -> TaskWait:
    arguments = task.arguments
    if task.trigger == VERIFICATION:
        checks = _name_checks(arguments.get("checks"))
        return _wait_for_verdicts(task, pipeline, page, [arguments.get("reference")], checks)
    if task.trigger == BATCH:
        references = arguments.get("references")
        return _wait_for_verdicts(task, pipeline, page, _list(references), _name_checks(arguments.get("checks")))
    if task.trigger == CLIMB:
        return _read_climb(task, pipeline, page, read)
    if task.trigger == MOMENT and task.operator == PROMOTE:
        changes = list(_read_own_change(task))
        return _wait_with_changes(task, "promote", "It waits for a rule to end.", (len(changes), changes, ""), _REFUSED)
    if task.trigger == MOMENT and task.operator == PROMOTE_BATCH:
        changes_of_page = _find_changes(task, page, read)
        return _wait_with_changes(task, "promote", "It waits for rules to end.", changes_of_page, _REFUSED_SOME)
    name = task.trigger.rpartition(".")[2] or "its trigger"
    return TaskWait(True, f"It waits for {name} in the triggerer, which says no more here.")


def _wait_for_verdicts(
    task: TaskDetails, pipeline: Pipeline | None, page: Page, references: Sequence[Any], checks: str
) -> TaskWait:
    reason = f"It waits for {checks}."
    subjects = [
        WaitingSubject(_describe_verification(task, pipeline, one, reason), one)
        for told in page.cut(references)
        for one in _read_reference(told)
    ]
    return TaskWait(True, f"It waits for verdicts: {checks}.", len(references), subjects, _read_until(task))


def _read_climb(task: TaskDetails, pipeline: Pipeline | None, page: Page, read: ReadHandedOn | None) -> TaskWait:
    """Return what a fleet's task has told of each image; without that, what its trigger looks at."""
    place = XComPlace(task.row.run_id, task.row.task_id, LADDER)
    told = read([place]).get(place) if read is not None and pipeline is not None else None
    if told is not None and pipeline is not None:
        report = ReportRow(task.row.dag_id, task.row.run_id, task.row.task_id, True, told)
        found = list(read_waiting(report, pipeline))
        subjects = [
            WaitingSubject(finding, source)
            for finding, repository in page.cut(found)
            for source in _read_reference(f"{repository}/{finding.image}:{finding.tag}")
        ]
        if found:
            return TaskWait(
                True, "It waits for verdicts, or for rules to end.", len(found), subjects, _read_until(task)
            )
    groups = [group for group in _list(task.arguments.get("waits")) if isinstance(group, Mapping)]
    checks = ", ".join(dict.fromkeys(_name_checks(group.get("checks")) for group in groups))
    references = [one for group in groups for one in _list(group.get("references"))]
    if not references:
        return TaskWait(True, "It waits for rules to end, or for verdicts.", until=_read_until(task))
    return _wait_for_verdicts(task, pipeline, page, references, checks)


def _wait_with_changes(
    task: TaskDetails, deed: Deed, told: str, found: tuple[int, Sequence[Change], str], reason: str
) -> TaskWait:
    count, changes, unread = found
    subjects = [
        WaitingSubject(
            replace(describe_change(task.row, deed, change, size=count), reason=reason), change.source, change.target
        )
        for change in changes
    ]
    return TaskWait(True, f"{told} {unread}".strip(), count, subjects, _read_until(task))


def _find_changes(task: TaskDetails, page: Page, read: ReadHandedOn | None) -> tuple[int, Sequence[Change], str]:
    """Return how many promotions a task is about, those of the page, and why these are not there."""
    promotions = task.fields.get("promotions")
    if isinstance(promotions, list):
        return len(promotions), read_changes(page.cut(promotions)), ""
    chunk, chunks = task.fields.get("chunk"), task.fields.get("chunks")
    given = [chunk] if isinstance(chunk, Mapping) else chunks
    is_cut = not isinstance(given, list)
    if is_cut and (given is None or task.row.dag_id != BULK):
        return 0, (), _CUT if given or promotions else ""
    if read is None:
        return 0, (), _UNREAD
    if is_cut:  # its plan has it whole
        place = XComPlace(task.row.run_id, PLAN, RETURNED)
        given = read([place]).get(place)
    found = read_chunks(given, task.row.run_id)
    return sum(chunk.size for chunk in found), _read_page(found, page, read), ""


def _read_page(chunks: Sequence[ChunkPlace], page: Page, read: ReadHandedOn) -> list[Change]:
    """Return the promotions of a page: only the chunks are read that it is in."""
    before, wanted = 0, []
    for chunk in chunks:
        if before + chunk.size > page.start and before < page.start + page.limit:
            wanted.append((chunk, before))
        before += chunk.size
    values = read([chunk.place for chunk, _ in wanted])
    found = []
    for chunk, before in wanted:
        told = values.get(chunk.place)
        if isinstance(told, list) and len(told) == chunk.size:
            found += read_changes(page.cut(told, before))
    return found


def _describe_verification(
    task: TaskDetails, pipeline: Pipeline | None, source: ImageReference, reason: str
) -> TaskFinding:
    """Return what a task is at that waits for the verdicts on an image; where that goes next, its ladder says."""
    stages = pipeline.stages if pipeline is not None else ()
    next_stages = itertools.pairwise(stages)
    target = next((upper.repository for lower, upper in next_stages if lower.repository == source.repository), "")
    finding = describe_task(task.row, "verify", target, source.image, str(source.tag))
    return replace(finding, digest=str(source.digest or "").removeprefix("sha256:"), reason=reason, stand="waits")


def _read_own_image(task: TaskDetails) -> str:
    """Return the image of a sensor's own arguments, as ``repository/image:tag@digest``."""
    repository, image, tag, digest = (task.fields.get(name) for name in ("repository", "image", "tag", "digest"))
    return f"{repository}/{image}:{tag}{f'@{digest}' if digest else ''}"


def _read_own_change(task: TaskDetails) -> Iterator[Change]:
    """Yield the promotion of an operator's own arguments, where they are whole."""
    fields = task.fields
    image, tag, digest = fields.get("image"), fields.get("tag"), fields.get("digest")
    if not isinstance(tag, str):
        return  # all tags of an image
    source = f"{fields.get('source_repository')}/{image}:{tag}{f'@{digest}' if digest else ''}"
    target_image, target_tag = fields.get("target_image") or image, fields.get("target_tag") or tag
    yield from read_changes(
        [{"source": source, "target": f"{fields.get('target_repository')}/{target_image}:{target_tag}"}]
    )


def _read_reference(told: Any) -> Iterator[ImageReference]:
    try:
        reference = ImageReference.parse(told)
    except InvalidReference:
        return
    if reference.tag is not None:
        yield reference


def _read_until(task: TaskDetails) -> datetime.datetime | None:
    """Return when a trigger ends in any case, as Airflow's own and those of this package write it."""
    moment = task.arguments.get("moment")
    data = moment.get("__data__") if isinstance(moment, Mapping) else None
    second = data.get("timestamp") if isinstance(data, Mapping) else None
    told = task.arguments.get("until")
    try:
        if isinstance(second, int | float):
            return datetime.datetime.fromtimestamp(second, datetime.UTC)
        found = datetime.datetime.fromisoformat(told) if isinstance(told, str) else None
    except (OSError, OverflowError, ValueError):
        return None
    return found if found is not None and found.tzinfo is not None else None


def _name_checks(told: Any) -> str:
    """Return what the checks are called that a trigger asks; nothing is imported that is no part of this package."""
    names = [_name_check(one) for one in _list(told)]
    return ", ".join(dict.fromkeys(names)) or "its checks"


def _name_check(told: Any) -> str:
    if not isinstance(told, Mapping):
        return "a check"
    if not _is_own(told):
        return str(told.get("kind")).rpartition(":")[2]
    try:
        return check_from_dict(told).name
    except (ValueError, RecursionError):
        return str(told.get("kind"))


def _is_own(told: Any) -> bool:
    """Tell whether a check as JSON, and all checks in it, are of kinds of this package."""
    if isinstance(told, Mapping):
        return ("kind" not in told or told["kind"] in find_kinds()) and all(map(_is_own, told.values()))
    return all(map(_is_own, told)) if isinstance(told, list) else True


def _list(told: Any) -> Sequence[Any]:
    return told if isinstance(told, list) else ()
