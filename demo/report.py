"""What the demo prints: progress while it runs, and the table at its end."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.artifactory.references import ImageReference
    from demo.airflow_api import Task
    from demo.scenario import Places
    from demo.starts import Start

LADDER = ("select", "verify_dev", "promote_to_qa", "verify_qa", "approve_prod", "promote_to_prod")
_SECONDS_BETWEEN_LINES = 4
_OVER = {"success", "failed", "upstream_failed", "skipped"}
_FINISHED_BADLY = {"failed": "failed", "upstream_failed": "held back"}


class Progress:
    """Prints a line every few seconds in which something has changed, with the time since the start."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._start = time.monotonic()
        self._last, self._shown = "", float("-inf")

    def say(self, text: str) -> None:
        """Print one line."""
        seconds = time.monotonic() - self._start
        self._console.print(Text(f"{int(seconds // 60):02d}:{int(seconds % 60):02d}  {text}"), soft_wrap=True)

    def show(self, tasks: Sequence[Task]) -> None:
        """Print how far every step of the ladder has come, if that has changed."""
        steps = []
        for step in LADDER:
            states = Counter(task.state for task in tasks if task.name == step)
            if not states.total():
                continue
            extra = [f"{count} {word}" for state, word in _FINISHED_BADLY.items() if (count := states[state])]
            if states["deferred"]:
                extra.append(f"{states['deferred']} waiting in the triggerer")
            steps.append(f"{step} {states['success']}/{states.total()}" + (f" ({', '.join(extra)})" if extra else ""))
        line = " · ".join(steps)
        is_over = bool(tasks) and all(task.state in _OVER for task in tasks)
        if line and line != self._last and (is_over or time.monotonic() - self._shown > _SECONDS_BETWEEN_LINES):
            self._last, self._shown = line, time.monotonic()
            self.say(line)

    def table(
        self,
        chosen: Mapping[str, ImageReference],
        found: Sequence[Places],
        tasks: Sequence[Task],
        gates: Mapping[tuple[str, str], str],
    ) -> None:
        """Print where each candidate of the night stands in the end, and why it is not in prod.

        :param gates: (gate, image) → what its check says, where that does not pass.
        """
        table = Table(title="What the night promoted", title_justify="left")
        for column in ("image", "tag", "digest", "dev", "qa", "prod", "why not"):
            table.add_column(column, no_wrap=column != "why not")
        older = 0
        for place in found:
            candidate = chosen[place.image]
            if place.tag != candidate.tag:
                older += 1
                continue
            marks = [_mark(digest, candidate.digest) for digest in (place.dev, place.qa, place.prod)]
            reason = "" if place.prod == candidate.digest else _reason(place, tasks, gates)
            table.add_row(place.image, place.tag, (candidate.digest or "")[:19], *marks, reason)
        console = Console(highlight=False, width=max(self._console.width, 125))
        console.print(table)
        console.print(f"{older} older tags of these images stay in docker-dev: a night takes the newest version.\n")

    def list_starts(self, starts: Sequence[Start]) -> None:
        """Print what else has started promotions, and what came of each."""
        table = Table(title="What else started promotions", title_justify="left")
        for column in ("start", "DAG", "run", "brought"):
            table.add_column(column, no_wrap=column != "brought")
        for start in starts:
            brought = ", ".join(str(reference.unpinned()) for reference in start.promotes[:2])
            more = len(start.promotes) - 2
            table.add_row(start.what, start.dag_id, start.state, f"{brought} and {more} more" if more > 0 else brought)
        console = Console(highlight=False, width=max(self._console.width, 125))
        console.print(table)
        console.print()


def _mark(digest: str | None, wanted: str | None) -> str:
    if digest is None:
        return "-"
    return "yes" if digest == wanted else "other!"


def _reason(place: Places, tasks: Sequence[Task], gates: Mapping[tuple[str, str], str]) -> str:
    mine = {task.name: task.state for task in tasks if task.image == f"{place.image}:{place.tag}"}
    stuck = next((step for step in LADDER if mine.get(step) not in {"success", None}), None)
    if stuck is None:
        return "it never started"
    return gates.get((stuck, place.image), f"{stuck} is {mine[stuck]}")
