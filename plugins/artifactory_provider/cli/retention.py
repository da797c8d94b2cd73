"""The command ``retention``: what may go by a document of rules, and its deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifactory_provider.cli.output import progress, say, show, show_digest
from artifactory_provider.cli.running import DONE, FAILED, INTERRUPTED, REFUSED, Usage, command, worst
from artifactory_provider.cli.validate import read_input
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.promotion.batch import Progress
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.retention import plan_headline, read_retention, report_headline

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.retention import PlannedDeletion, RetentionReport

_CODES = {"failed": FAILED, "refused": REFUSED}


@command(changes=True)
def retention(args: Namespace) -> int:
    """Show what may go, or delete it and show what became of each tag."""
    text, name = read_input(args.file)
    rules = read_retention(text, name=name)
    hook = ArtifactoryHook(args.conn_id)
    repositories = Patterns(tuple(args.repository)) if args.repository else None
    images = Patterns(tuple(args.image)) if args.image else None
    if args.undo:
        if rules.attic is None or args.delete:
            raise Usage("--undo brings back what lies in the attic of the rules: they have one then, and no --delete.")
        return _show_report(hook.restore(rules.attic, repositories=repositories, images=images), [], args.output)
    made = hook.plan_retention(rules, repositories=repositories, images=images, largest=args.largest)
    if not args.delete:
        show([_row(one.action, one.tag, one.kind, one.reason, args.output) for one in made.deletions], args.output)
        say(f"{plan_headline(made)}.{' With --delete, they go.' if made.to_delete() else ''}")
        return DONE
    last = Progress(0, len(made.to_delete()), 0)

    def note(made: Progress) -> None:
        nonlocal last
        last = made
        move(made)

    try:
        with progress("Deleting", quiet=args.verbose) as move:
            report = hook.delete_planned(rules, made.to_delete(), at_once=args.at_once, on_progress=note)
    except KeyboardInterrupt:
        say(
            f"Interrupted: at least {last.done:,} of {last.total:,} deletions had ended. Run the same command again: "
            "it does what is left."
        )
        return INTERRUPTED
    return _show_report(report, [one for one in made.deletions if one.action != "delete"], args.output)


def _show_report(report: RetentionReport, kept: Sequence[PlannedDeletion], output: str) -> int:
    rows = [_row(one.outcome, one.tag, one.kind, one.reason, output) for one in report.results]
    show([*rows, *(_row(one.action, one.tag, one.kind, one.reason, output) for one in kept)], output)
    say(f"{report_headline(report)}.".capitalize())
    ends: list[str] = [*(one.action for one in kept), *(one.outcome for one in report.results)]
    return worst(_CODES.get(end, DONE) for end in ends)


def _row(action: str, tag: ImageReference, kind: str, reason: str, output: str) -> dict[str, Any]:
    return {
        "action": action,
        "tag": tag.unpinned(),
        "digest": show_digest(tag.digest, output),
        "kind": kind,
        "reason": reason,
    }
