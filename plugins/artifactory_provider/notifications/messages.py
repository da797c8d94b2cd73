"""What is told to people: a headline, some lines, and links; each receiver shows it in a form of its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from artifactory_provider.pipelines.model import Event as PipelineEvent
from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Event = PipelineEvent | Literal["retry", "skipped", "done"]

LONGEST_TITLE = 150
LONGEST_LINE = 400
MOST_LINES = 12


@dataclass(frozen=True, kw_only=True)
class Link:
    """Where people read on.

    :param text: what it is called.
    :param url: the address.
    """

    text: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is told to people; all texts are plain, as they came.

    :param event: what has happened.
    :param title: the headline.
    :param lines: what there is to know.
    :param links: where people read on.
    :param facts: what programs read: dag_id, run_id and the like.
    :param note: a last line that is never left out.
    """

    event: Event
    title: str
    lines: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    note: str | None = None

    def short(self) -> Message:
        """Return it as receivers get it: bounded, each text in one line of printable characters."""
        lines = [clean(line, longest=LONGEST_LINE) for line in self.lines[:MOST_LINES] if line.strip()]
        if len(self.lines) > MOST_LINES:
            lines.append(f"… and {len(self.lines) - MOST_LINES:,} more lines: see the log.")
        if self.note:
            lines.append(self.note)
        return replace(self, title=clean(self.title, longest=LONGEST_TITLE), lines=tuple(lines), note=None)

    def map(self, change: Callable[[str], str]) -> Message:
        """Return it with each text of title and lines changed.

        :param change: returns the text to take instead.
        """
        return replace(self, title=change(self.title), lines=tuple(map(change, self.lines)))

    def as_text(self) -> str:
        """Return it as plain text: title, lines, and a line for each link."""
        return "\n".join([self.title, *self.lines, *(f"{link.text}: {link.url}" for link in self.links)])

    def as_dict(self) -> dict[str, Any]:
        """Return it as a JSON object for programs; its keys are stable."""
        return {
            "event": self.event,
            "title": self.title,
            "lines": list(self.lines),
            "links": {link.text: link.url for link in self.links},
            **self.facts,
        }


def clean(text: str, *, longest: int) -> str:
    """Return a text in one line of printable characters, shortened.

    :param text: anything that outsiders wrote.
    :param longest: how many characters are kept.
    """
    return printable(" ".join(text.split()), longest=longest)
