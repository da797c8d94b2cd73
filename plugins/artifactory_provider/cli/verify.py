"""The command ``verify``: what the checks say of a tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.cli.folder import find_connection, find_pipeline
from artifactory_provider.cli.output import printed, say, show
from artifactory_provider.cli.running import DONE, FAILED, PENDING, REFUSED, Usage, command, read_tag
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.verification import PropertyCheck, State

if TYPE_CHECKING:
    from argparse import Namespace

    from artifactory_provider.verification import Check

_CODES = {State.PASSED: DONE, State.PENDING: PENDING, State.FAILED: REFUSED}


@command(changes=False)
def verify(args: Namespace) -> int:
    """Ask the checks about what a tag shows, and show their verdicts."""
    tag = read_tag(args.tag)
    is_of_pipeline = args.pipeline or not (args.property or args.to)
    pipeline = find_pipeline(args, tag.image, tag.repository) if is_of_pipeline else None
    hook = ArtifactoryHook(find_connection(args, pipeline))
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


def _read_property(text: str) -> PropertyCheck:
    name, _, value = text.partition("=")
    try:
        return PropertyCheck(name=name, passed=value or "passed")
    except ValueError as error:
        raise Usage(f"{printed(text)!r:.200} asks for no property: {error}") from error
