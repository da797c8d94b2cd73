"""How each command runs: where it finds connections and Variables, and what its end says to scripts."""

from __future__ import annotations

import functools
import io
import os
import re
import sys
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowNotFoundException

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.cli.airflow_internals import use_database, without_logs, write_to_audit_log
from artifactory_provider.cli.output import printed, say, silence
from artifactory_provider.policy.problems import InvalidDocument
from artifactory_provider.promotion.errors import InvalidPromotion, NotVerified, NotVerifiedYet, PromotionError
from artifactory_provider.promotion.rules import Refused

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable

DONE, FAILED, USAGE, REFUSED, PENDING, INTERRUPTED = 0, 1, 2, 3, 4, 130

_LONGEST_NAME = 80
_NAME = re.compile(r"[\w.@+-]+(?: [\w.@+-]+)*")

EXPECTED = (AirflowNotFoundException, ArtifactoryError, InvalidReference, OSError, PromotionError)
"""What a command may fail with, in words for people."""


class Usage(Exception):
    """What was asked for makes no sense."""


def command(*, changes: bool) -> Callable[[Callable[[Namespace], int]], Callable[[Namespace], None]]:
    """Make a command of what does its work and returns its exit code.

    :param changes: whether it changes anything: then Airflow's audit log tells who has run it, and how.
    """

    def make(work: Callable[[Namespace], int]) -> Callable[[Namespace], None]:
        @functools.wraps(work)
        def run(args: Namespace) -> None:
            use_database()
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, io.TextIOWrapper):
                    stream.reconfigure(errors="backslashreplace")
            if code := _end(work, args, changes=changes):
                raise SystemExit(code)

        quiet = without_logs(run)
        return write_to_audit_log(quiet) if changes else quiet

    return make


def _end(work: Callable[[Namespace], int], args: Namespace, *, changes: bool) -> int:
    try:
        return work(args)
    except KeyboardInterrupt:
        say(f"Interrupted.{' Run the same command again: it does what is left.' if changes else ''}")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever reads has enough.
        silence(sys.stdout)
        return FAILED
    except Usage as error:
        say(str(error))
        return USAGE
    except AirflowNotFoundException as error:
        from artifactory_provider.cli.stored_secrets import explain_no_connection

        say(f"{printed(str(error))}. {explain_no_connection()}")
        return FAILED
    except EXPECTED as error:
        say(printed(str(error)))
        return code_of(error)


def code_of(error: Exception) -> int:
    """Return the exit code that an error stands for.

    :param error: why something was not done.
    """
    if isinstance(error, InvalidDocument):
        return FAILED
    if isinstance(error, InvalidPromotion | InvalidReference):
        return USAGE
    if isinstance(error, NotVerifiedYet):
        return PENDING
    return REFUSED if isinstance(error, Refused | NotVerified) else FAILED


def worst(codes: Iterable[int]) -> int:
    """Return what several ends come to: what has failed comes first, then what is refused, then what is pending.

    That what was asked for makes no sense, and nothing was changed, is said of all of them alone.

    :param codes: their exit codes.
    """
    there = set(codes)
    if there == {USAGE}:
        return USAGE
    there = {FAILED if code == USAGE else code for code in there}
    return next((code for code in (FAILED, REFUSED, PENDING) if code in there), DONE)


def read_tag(text: str) -> ImageReference:
    """Return the image reference of an argument that names a tag.

    :param text: ``repository/image:tag[@digest]``.
    :raises InvalidReference: when it is no image reference.
    :raises Usage: when it names no tag.
    """
    tag = ImageReference.parse(text)
    if tag.tag is None:
        raise Usage(f"{tag} names no tag: give repository/image:tag.")
    return tag


def author(args: Namespace) -> str:
    """Return who runs the command, as records and decisions name them: the user of the operating system.

    A name that is given stands beside it. It is a remark: no rule asks for it, and nobody gets a right by it.

    :param args: the command's arguments: ``on_behalf_of``.
    :raises Usage: when what is given is no name.
    """
    import pwd

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # as in containers that run as any number
        name = f"user {os.getuid()}"
    user = f"{printed(name)} from the command line"
    if args.on_behalf_of is None:
        return user
    if not (len(args.on_behalf_of) <= _LONGEST_NAME and _NAME.fullmatch(args.on_behalf_of)):
        raise Usage(
            f"{printed(args.on_behalf_of)!r:.120} is no name of whom this is done for: give up to {_LONGEST_NAME} "
            "letters, digits and . _ @ + -, with single spaces between them."
        )
    return f"{user}, for {args.on_behalf_of}"
