"""Check the form of a commit message: a short subject, an empty line, then whatever is to be said."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_SUBJECT = 72
# Git writes these subjects itself.
_OF_GIT = ("Merge ", 'Revert "', "fixup! ", "squash! ", "amend! ")
_SCISSORS = "# ------------------------ >8 ------------------------"


def find_faults(message: str) -> Iterator[str]:
    """Yield what is wrong with a commit message.

    :param message: as Git hands it to a hook, with its comments.
    """
    lines = [line for line in message.partition(_SCISSORS)[0].splitlines() if not line.startswith("#")]
    subject, *rest = "\n".join(lines).strip().splitlines() or [""]
    if subject.startswith(_OF_GIT):
        return
    if len(subject) > LONGEST_SUBJECT:
        yield f"The subject has {len(subject)} characters, and {LONGEST_SUBJECT} at most: the why goes into the body."
    if not subject[:1].isupper():
        yield "The subject starts with a verb and a capital letter: 'Name the tag that …'."
    if subject.endswith("."):
        yield "The subject ends without a full stop."
    if rest and rest[0].strip():
        yield "An empty line comes between subject and body."


def main() -> int:
    """Print what is wrong with the message in the file that is named, and return 1 if anything is."""
    faults = list(find_faults(Path(sys.argv[1]).read_text(encoding="utf-8")))
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
