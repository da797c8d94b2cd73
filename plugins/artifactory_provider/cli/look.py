"""The commands ``status`` and ``diff``, which only look."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import check_image
from artifactory_provider.cli.folder import find_connection, find_pipeline
from artifactory_provider.cli.output import is_for_programs, say, show, show_digest
from artifactory_provider.cli.running import DONE, Usage, command
from artifactory_provider.hooks.server import ask_server
from artifactory_provider.promotion.planning.criteria import TagCriteria
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.sources import list_standing_tags
from artifactory_provider.verification.moments import show_span

if TYPE_CHECKING:
    from argparse import Namespace

    from artifactory_provider.promotion.planning.sources import ListedTag

_OLDEST = datetime.datetime.min.replace(tzinfo=datetime.UTC)


@command(changes=False)
def status(args: Namespace) -> int:
    """Show which tags of an image stand in each stage: the newest first."""
    name, _, tag = args.image.partition(":")
    image = check_image(name)
    pipeline = None if args.repository else find_pipeline(args, image)
    stages = (
        [(one.name, one.repository) for one in pipeline.stages] if pipeline else [(key, key) for key in args.repository]
    )
    criteria = TagCriteria(
        tuple(repository for _, repository in stages), Patterns((image,)), Patterns((tag,) if tag else ("*",))
    )
    listed = ask_server(
        find_connection(args, pipeline), lambda client: list_standing_tags(client, criteria, with_times=True)
    )
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
def diff(args: Namespace) -> int:
    """Show the tags that only one of two repositories has, or that show different digests in them."""
    if args.source == args.target:
        raise Usage("Both are one repository: name two.")
    images = Patterns(tuple(args.image or ("*",)))
    criteria = TagCriteria((args.source, args.target), images)
    listed = ask_server(args.conn_id, lambda client: list_standing_tags(client, criteria))
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
