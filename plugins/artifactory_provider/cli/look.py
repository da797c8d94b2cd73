"""The commands ``status``, ``verify`` and ``diff``, which only look."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import ImageReference, check_image
from artifactory_provider.cli.folder import find_folder
from artifactory_provider.cli.output import is_for_programs, printed, say, show, show_digest
from artifactory_provider.cli.running import DONE, FAILED, PENDING, REFUSED, Usage, command, read_tag
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.pipelines import read_folder
from artifactory_provider.promotion.planning.criteria import TagCriteria
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.verification import PropertyCheck, State
from artifactory_provider.verification.moments import show_span

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from artifactory_provider.pipelines import Pipeline
    from artifactory_provider.promotion.planning.sources import ListedTag
    from artifactory_provider.verification import Check

_OLDEST = datetime.datetime.min.replace(tzinfo=datetime.UTC)
_CODES = {State.PASSED: DONE, State.PENDING: PENDING, State.FAILED: REFUSED}


@command(changes=False)
def status(args: Namespace) -> int:
    """Show which tags of an image stand in each stage: the newest first."""
    name, _, tag = args.image.partition(":")
    image = check_image(name)
    pipeline = None if args.repository else _find_pipeline(args, image)
    stages = (
        [(one.name, one.repository) for one in pipeline.stages] if pipeline else [(key, key) for key in args.repository]
    )
    criteria = TagCriteria(
        tuple(repository for _, repository in stages), Patterns((image,)), Patterns((tag,) if tag else ("*",))
    )
    listed = _connect(args, pipeline).list_tags(criteria, with_times=True)
    now, rows, left = datetime.datetime.now(datetime.UTC), [], 0
    for stage, repository in stages:
        tags = sorted(
            (one for one in listed if one.reference.repository == repository),
            key=lambda one: (one.created or _OLDEST, str(one.reference.tag)),
            reverse=True,
        )
        shown: list[ListedTag | None] = [*tags[: args.limit or None]]
        left += len(tags) - len(shown)
        rows += [_standing(stage, repository, one, now, args.output) for one in shown or [None]]
    show(rows, args.output)
    if left:
        say(f"{left:,} older tags are not shown: --limit 0 shows all.")
    return DONE


@command(changes=False)
def verify(args: Namespace) -> int:
    """Ask the checks about what a tag shows, and show their verdicts."""
    tag = read_tag(args.tag)
    is_of_pipeline = args.pipeline or not (args.property or args.to)
    pipeline = _find_pipeline(args, tag.image, tag.repository) if is_of_pipeline else None
    hook = _connect(args, pipeline)
    checks: list[Check] = [_read_property(text) for text in args.property or ()]
    if args.to:
        target = ImageReference.parse(args.to if "/" in args.to else f"{args.to}/{tag.image}:{tag.tag}")
        checks += hook.rules().required_checks(target)
    if pipeline:
        checks += pipeline.stages[pipeline.level(tag.repository)].checks
    checks = list(dict.fromkeys(checks))
    if not checks:
        raise Usage(f"Nothing is asked of {tag}: name a --property, or a target or pipeline whose rules have checks.")
    found = hook.verify(tag, checks)
    rows = [
        {
            "check": name,
            "state": verdict.state.value,
            "reason": verdict.reason,
            "since": verdict.since.isoformat(timespec="seconds") if verdict.since else None,
        }
        for name, verdict in found.verdicts
    ]
    show(rows or [{"check": None, "state": found.state.value, "reason": found.reason, "since": None}], args.output)
    say(f"{found.reference.unpinned()} ({found.reference.digest or 'no digest'}): {found.state.value}.")
    return _CODES.get(found.state, FAILED)


@command(changes=False)
def diff(args: Namespace) -> int:
    """Show the tags that only one of two repositories has, or that show different digests in them."""
    if args.source == args.target:
        raise Usage("Both are one repository: name two.")
    images = Patterns(tuple(args.image or ("*",)))
    listed = ArtifactoryHook(args.conn_id).list_tags(TagCriteria((args.source, args.target), images))
    shown: dict[tuple[str, str], dict[str, str | None]] = {}
    for one in listed:
        place = (one.reference.image, str(one.reference.tag))
        shown.setdefault(place, {})[one.reference.repository] = one.reference.digest
    rows = []
    for (image, tag), digests in sorted(shown.items()):
        here, there = digests.get(args.source), digests.get(args.target)
        if here != there:
            where = "differs" if here and there else f"only in {args.source if here else args.target}"
            rows.append(
                {
                    "image": image,
                    "tag": tag,
                    args.source: show_digest(here, args.output),
                    args.target: show_digest(there, args.output),
                    "difference": where,
                }
            )
    show(rows, args.output)
    say(f"{len(rows):,} of {len(shown):,} tags differ.")
    return DONE


def _connect(args: Namespace, pipeline: Pipeline | None) -> ArtifactoryHook:
    """Return the hook of the connection that is named, or else of the pipeline's."""
    default = pipeline.connection if pipeline else ArtifactoryHook.default_conn_name
    return ArtifactoryHook(args.conn_id or default)


def _standing(
    stage: str, repository: str, one: ListedTag | None, now: datetime.datetime, output: str
) -> dict[str, Any]:
    created = one.created if one else None
    age = max(now - created, datetime.timedelta()) if created else None
    return {
        "stage": stage,
        "repository": repository,
        "tag": one.reference.tag if one else None,
        "digest": show_digest(one.reference.digest, output) if one else None,
        **(
            {"created": created.isoformat() if created else None}
            if is_for_programs(output)
            else {"age": show_span(age) if age is not None else None}
        ),
    }


def _find_pipeline(args: Namespace, image: str, repository: str | None = None) -> Pipeline:
    """Return the pipeline that is named, or the one that means an image.

    :param args: the command's arguments: ``folder`` and ``pipeline``.
    :param image: the image.
    :param repository: the repository of one of its stages.
    """
    folder = find_folder(args.folder)
    found = read_folder(folder)
    if args.pipeline:
        if args.pipeline not in found.pipelines:
            broken = "".join(f" {printed(str(error))}" for error in found.errors.values())
            raise Usage(f"There is no pipeline {args.pipeline!r:.120} in {folder}.{broken}")
        pipelines = [found.pipelines[args.pipeline]]
    else:
        pipelines = [one for one in found.pipelines.values() if one.images.match(image)]
    meant = [one for one in pipelines if repository is None or repository in _repositories(one)]
    if len(meant) == 1:
        return meant[0]
    what = f"{image} in {repository}" if repository else image
    names = ", ".join(one.name for one in meant)
    raise Usage(
        f"{names} are for {what}: name one of them, with --pipeline."
        if meant
        else f"No pipeline in {folder} is for {what}: name a --pipeline, or its repositories."
    )


def _repositories(pipeline: Pipeline) -> Sequence[str]:
    return [stage.repository for stage in pipeline.stages]


def _read_property(text: str) -> PropertyCheck:
    name, _, value = text.partition("=")
    try:
        return PropertyCheck(name=name, passed=value or "passed")
    except ValueError as error:
        raise Usage(f"{printed(text)!r:.200} asks for no property: {error}") from error
