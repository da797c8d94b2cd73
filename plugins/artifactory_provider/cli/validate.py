"""The command ``validate``: what is wrong with pipeline files and a policy document, without a database or a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artifactory_provider.cli.folder import find_folder
from artifactory_provider.cli.output import count, is_for_programs, printed, say, show
from artifactory_provider.cli.running import DONE, FAILED, Usage, command
from artifactory_provider.pipelines import read_folder
from artifactory_provider.policy import InvalidPolicy, read_policy

if TYPE_CHECKING:
    from argparse import Namespace

    from artifactory_provider.policy.problems import InvalidDocument

_NO_PIPELINE = "No pipeline file is in this folder: name one with *.yaml or *.yml that do not begin with _ or a dot."


@command(changes=False)
def validate(args: Namespace) -> int:
    """Check pipeline files and a policy, and show all errors."""
    folder, checked, problems = find_folder(args.folder), [], []
    if args.folder or not args.policy or folder.exists():
        found = read_folder(folder)
        checked.append(count(len(found.pipelines), "pipeline"))
        for error in found.errors.values():
            problems += problem_rows(error, str(folder / error.name))
        if not (found.pipelines or found.errors):
            problems.append({"file": str(folder), "line": None, "field": "", "error": _NO_PIPELINE})
    if args.policy:
        try:
            policy = read_policy(read_file(args.policy), name=args.policy)
            checked.append(f"a policy of {count(len(policy.rules), 'rule')}")
        except InvalidPolicy as error:
            problems += problem_rows(error, args.policy)
    if problems or is_for_programs(args.output):
        show(problems, args.output)
    if problems:
        say(f"{count(len(problems), 'error')}. Without any: {' and '.join(checked) or 'nothing'}.")
        return FAILED
    say(f"Without errors: {' and '.join(checked)}.")
    return DONE


def read_file(file: str) -> bytes:
    """Return what a file holds.

    :param file: its path.
    :raises OSError: when it cannot be read.
    :raises Usage: when that is no path.
    """
    try:
        return Path(file).read_bytes()
    except ValueError as error:  # as for a null character
        raise Usage(f"{printed(file)!r:.200} is no path of a file: {error}.") from error


def read_input(file: str) -> tuple[bytes, str]:
    """Return what a file or standard input holds, and what it is called in messages.

    :param file: its path; ``-`` for standard input.
    :raises OSError: when it cannot be read.
    :raises Usage: when that is no path.
    """
    if file == "-":
        return sys.stdin.buffer.read(), "standard input"
    return read_file(file), file


def problem_rows(error: InvalidDocument, file: str) -> list[dict[str, Any]]:
    """Return all that is wrong with a document as rows.

    :param error: what is wrong.
    :param file: the file.
    """
    return [
        {"file": file, "line": problem.line, "field": problem.field, "error": problem.message}
        for problem in error.problems
    ]
