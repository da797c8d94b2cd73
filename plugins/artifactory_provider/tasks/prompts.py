"""What people are asked about a plan: the promotions and their verdicts, in words, bound to the digests shown."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.policy.approvals import LONGEST_SUBJECT, MOST_FINGERPRINTS, fingerprint
from artifactory_provider.policy.responses import InvalidResponse
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.rules import Change
from artifactory_provider.tasks.handover import PLAN_SUMMARY, pull_chunk, read_promotions
from artifactory_provider.verification.outcomes import describe_verdict
from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from artifactory_provider.artifactory.references import ImageReference

_SHOWN = 50
_LONGEST_CELL = 400
_LONGEST_PART = 30_000
_PLAIN = str.maketrans({"`": "'", "|": "¦", "\\": "/"})
_MARK = "Answers count for what is shown here, and for nothing else:"


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What is asked of people.

    :param of: the fingerprints of what is shown: of all of it, and of its chunks or parts.
    :param subject: the headline.
    :param body: what is shown, as Markdown.
    :param repositories: the repositories of the targets.
    """

    of: tuple[str, ...]
    subject: str
    body: str
    repositories: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """What tells it from a question about anything else, 64 hexadecimal digits."""
        return hashlib.sha256("\n".join(self.of).encode()).hexdigest()

    @property
    def mark(self) -> str:
        """The last line of what people see: Airflow keeps a question's text, whatever a task asks anew."""
        return f"{_MARK} {as_code(self.code)}."


def read_prompt(
    ti: RuntimeTaskInstanceProtocol,
    *,
    asked: Any,
    in_chunks: bool,
    verdicts: Any,
    subject: str | None,
    body: str | None,
) -> Prompt | None:
    """Return what is to be asked, or None where there is nothing to ask about.

    :param ti: the task instance that asks.
    :param asked: JSON objects with ``source``, which has a digest, and ``target``; or descriptors of chunks.
    :param in_chunks: whether they are descriptors, as ``ArtifactoryPlanOperator`` returns them.
    :param verdicts: verdicts as the sensors hand them on, in lists of whatever depth, or None.
    :param subject: the headline; None for one that says how many go where.
    :param body: words of the DAG, which come first.
    :raises InvalidPromotion: when promotions or chunks are none, or a source has no digest.
    """
    if not in_chunks:
        changes = _read_changes(asked)
        parts = [[change] for change in changes] if 1 < len(changes) < MOST_FINGERPRINTS else []
        groups, shown = [changes, *parts], _render_changes(changes)
    else:
        groups, shown = _read_chunks(ti, asked)
        changes = [change for group in groups for change in group]
        # Tasks of their own may have a chunk each, and one task may have all of them.
        groups = [changes, *groups] if 1 < len(groups) < MOST_FINGERPRINTS else groups
    if not changes:
        return None
    words = [body.strip()] if body and body.strip() else []
    try:
        of = tuple(fingerprint(group) for group in groups)
    except InvalidResponse as error:
        raise InvalidPromotion(f"{error} Nobody was asked.") from None
    return Prompt(
        of=of,
        subject=printable(" ".join((subject or _headline(changes)).split()), longest=LONGEST_SUBJECT),
        body="\n\n".join([*map(_cut, words), shown, *map(_cut, _render_verdicts(verdicts))]),
        repositories=tuple(sorted({change.target.repository for change in changes})),
    )


def as_code(text: str) -> str:
    """Return a text as inline code of Markdown that nothing in it can end.

    :param text: anything that outsiders wrote.
    """
    line = printable(" ".join(text.split()), longest=_LONGEST_CELL).translate(_PLAIN)
    return f"`{line or ' '}`"


def _read_changes(promotions: Any) -> list[Change]:
    return [Change(source, target) for source, target in read_promotions(promotions)]


def _read_chunks(ti: RuntimeTaskInstanceProtocol, chunks: Any) -> tuple[list[list[Change]], str]:
    """Return the changes of each chunk, and what is shown of them.

    That is made of the chunks, which the answers are bound to, before what the plans say of themselves.
    """
    if not isinstance(chunks, Sequence) or isinstance(chunks, str):
        raise InvalidPromotion(
            f"The chunks are {chunks!r:.120}, and no list: nobody was asked. Check that the plan's task ran."
        )
    groups = [_read_changes(pull_chunk(ti, chunk)) for chunk in chunks]
    tasks = dict.fromkeys(str(chunk["task_id"]) for chunk in chunks)
    summaries = [ti.xcom_pull(task_ids=task_id, key=PLAN_SUMMARY) for task_id in tasks]
    changes = [change for group in groups for change in group]
    told = ["The plan's own summary:", *map(str, filter(None, summaries))] if any(summaries) else []
    return groups, "\n\n".join(_cut(part) for part in [_render_changes(changes), *told])


def _headline(changes: Sequence[Change]) -> str:
    targets = ", ".join(sorted({change.target.repository for change in changes}))
    if all(map(_is_deletion, changes)):
        return f"Delete {len(changes):,} {'tag' if len(changes) == 1 else 'tags'} of {targets}?"
    if len(changes) == 1:
        return f"Promote {changes[0].source.unpinned()} to {changes[0].target}?"
    return f"Promote {len(changes):,} tags to {targets}?"


def _render_changes(changes: Sequence[Change]) -> str:
    """Return what would go where, as tables: all of it by image, where there is much, and the first ones by tag."""
    rows = [
        f"| {as_code(str(change.source.unpinned()))} | {as_code(_short(change.source))} | {_show_end(change)} |"
        for change in changes[:_SHOWN]
    ]
    table = "\n".join(["| image | digest | becomes |", "|---|---|---|", *rows, *_more(len(changes))])
    return table if len(changes) <= _SHOWN else f"{_render_images(changes)}\n\n{table}"


def _is_deletion(change: Change) -> bool:
    return change.source.unpinned() == change.target


def _show_end(change: Change) -> str:
    return "*deleted*" if _is_deletion(change) else as_code(str(change.target))


def _render_images(changes: Sequence[Change]) -> str:
    counts = Counter(
        tuple(f"{end.repository}/{end.image}" for end in (change.source, change.target)) for change in changes
    )
    rows = [
        f"| {as_code(source)} | {as_code(target)} | {count:,} |"
        for (source, target), count in counts.most_common(_SHOWN)
    ]
    return "\n".join(["| image | becomes | tags |", "|---|---|---:|", *rows, *_more(len(counts))])


def _short(reference: ImageReference) -> str:
    """Return a digest as people compare it: 12 of its 64 digits."""
    return (reference.digest or "")[:19]


def _render_verdicts(verdicts: Any) -> list[str]:
    found = list(_flatten(verdicts))
    if not found:
        return []
    lines = [f"- {as_code(_describe(verdict))}" for verdict in found[:_SHOWN]]
    return ["\n".join(["Verdicts:", "", *lines, *_more(len(found))])]


def _describe(verdict: Any) -> str:
    if not isinstance(verdict, Mapping):
        return str(verdict)
    reason = verdict.get("reason")
    return f"{describe_verdict(verdict)}: {reason}" if reason else describe_verdict(verdict)


def _flatten(verdicts: Any) -> Iterator[Any]:
    """Give the verdicts of lists of lists, such as what mapped sensors hand on."""
    waiting: list[Iterable[Any]] = [iter([verdicts])]
    while waiting:
        one = next(iter(waiting[-1]), _END)
        if one is _END:
            waiting.pop()
        elif isinstance(one, str | Mapping):
            yield one
        elif one is not None and hasattr(one, "__iter__"):
            waiting.append(iter(one))


_END = object()


def _more(number: int) -> list[str]:
    return ["", f"… and {number - _SHOWN:,} more"] if number > _SHOWN else []


def _cut(part: str) -> str:
    return part if len(part) <= _LONGEST_PART else f"{part[:_LONGEST_PART]}\n\n… and more"
