"""The command ``plan``, and plans as ``promote`` takes them: by the same patterns, or saved in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from artifactory_provider.cli.folder import read_rules
from artifactory_provider.cli.output import printed, say, show, show_digest
from artifactory_provider.cli.running import DONE, command
from artifactory_provider.cli.validate import read_input
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.promotion.planning.rendering import headline
from artifactory_provider.promotion.planning.saved import SavedPlan, load_plan, save_plan
from artifactory_provider.tasks.forms import read_criteria

if TYPE_CHECKING:
    from argparse import Namespace

PATTERNS = (
    "image",
    "exclude_image",
    "tag",
    "exclude_tag",
    "versions",
    "property",
    "created_from",
    "created_before",
    "target_image",
    "target_tag",
    "largest",
)
"""The arguments by which a plan chooses tags, and names them."""


@command(changes=False)
def plan(args: Namespace) -> int:
    """Show the promotions that a run would make, and change nothing."""
    hook = ArtifactoryHook(args.conn_id, rules=read_rules(args.folder))
    made = make_plan(args, hook, source=args.repository, target=args.target)
    rows = [
        {
            "action": one.action,
            "source": one.source.unpinned(),
            "target": one.target,
            "digest": show_digest(one.source.digest, args.output),
            "current": show_digest(one.current, args.output),
            "reason": one.reason,
        }
        for one in made.plan.promotions
    ]
    if args.save:
        Path(args.save).write_text(save_plan(made), encoding="utf-8")
    show(rows, args.output)
    say(f"{headline(made.plan)}.")
    if args.save:
        say(f"They are in {printed(args.save)}: airflow artifactory promote --plan makes them as they stand there.")
    return DONE


def make_plan(args: Namespace, hook: ArtifactoryHook, *, source: str, target: str) -> SavedPlan:
    """Return the promotions that patterns mean.

    :param args: the command's arguments: those of ``PATTERNS``, and ``on_conflict``.
    :param hook: who is asked.
    :param source: the repository that is promoted from.
    :param target: the repository that is promoted to.
    """
    criteria = read_criteria(
        {
            "repositories": [source],
            "images": args.image,
            "exclude_images": args.exclude_image,
            "tags": args.tag,
            "exclude_tags": args.exclude_tag,
            "versions": args.versions,
            "created_from": args.created_from,
            "created_before": args.created_before,
            "properties": "\n".join(args.property or ()),
        }
    )
    made = hook.plan(
        criteria,
        target_repository=target,
        target_image=args.target_image or "{image}",
        target_tags=args.target_tag or ("{tag}",),
        on_conflict=args.on_conflict,
        largest=args.largest,
    )
    return SavedPlan(made, args.on_conflict)


def read_plan(file: str) -> SavedPlan:
    """Return the plan that a file holds.

    :param file: its path; ``-`` for standard input.
    :raises InvalidPlan: when it holds none, or was changed since it was saved.
    """
    text, _ = read_input(file)
    return load_plan(text)
