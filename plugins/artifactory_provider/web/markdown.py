"""Markdown that tasks have handed on, as blocks of text: none of it becomes markup, and none of it takes long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from markdown_it import MarkdownIt
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markdown_it.token import Token

_RULES = (
    "backticks",
    "balance_pairs",
    "emphasis",
    "entity",
    "escape",
    "fragments_join",
    "heading",
    "list",
    "newline",
    "table",
    "text_join",
)
_MARKS = "*_`\\&"
_MOST_WORK = 20_000
_LONGEST = 1_000_000
_markdown = MarkdownIt("zero").enable(list(_RULES))


class TextSpan(BaseModel):
    """A piece of text.

    :param text: the text; pages show it as it is.
    :param style: how it is shown; where it is emphasised in both ways, ``strong``.
    """

    text: str
    style: Literal["", "strong", "em", "code"] = ""


Line = list[TextSpan]


class Block(BaseModel):
    """A part of a text.

    :param kind: what it is; ``plain`` has text that was not read as Markdown.
    :param lines: its text: one line; of a list, one for each item.
    :param rows: of a table, its rows of cells, the first of them its head.
    :param numbers: of a table, which columns have numbers.
    """

    kind: Literal["heading", "paragraph", "list", "table", "plain"]
    lines: list[Line] = []
    rows: list[list[Line]] = []
    numbers: list[int] = []


def read_blocks(text: str) -> list[Block]:
    """Return a text as blocks: headings, lists, tables, emphasis and code; links, images and HTML stay text.

    A text that would take long to read as Markdown (a plan takes milliseconds) is returned as it is.

    :param text: Markdown.
    """
    if _work(text) > _MOST_WORK:
        cut = text[:_LONGEST] + ("\n…" if len(text) > _LONGEST else "")
        return [Block(kind="plain", lines=[[TextSpan(text=cut)]])]
    return list(_read(_markdown.parse(text)))


def _read(tokens: Sequence[Token]) -> Iterator[Block]:
    place = 0
    while place < len(tokens):
        token = tokens[place]
        end = place + 1
        if token.nesting == 1:
            end = next(
                at for at in range(place + 1, len(tokens)) if tokens[at].nesting < 0 and tokens[at].level == token.level
            )
        yield _read_block(token, tokens[place + 1 : end])
        place = end + (token.nesting == 1)


def _read_block(token: Token, inside: Sequence[Token]) -> Block:
    kind = token.type.removesuffix("_open")
    if kind in {"bullet_list", "ordered_list"}:
        return Block(kind="list", lines=list(_read_items(inside)))
    if kind == "table":
        return _read_table(inside)
    line = [span for one in inside for span in _read_spans(one)]
    if kind == "heading":
        return Block(kind="heading", lines=[line])
    return Block(kind="paragraph", lines=[line or [TextSpan(text=token.content)]])


def _read_items(inside: Sequence[Token]) -> Iterator[Line]:
    """Give the items of a list, those of lists in it among them; numbered ones keep their number."""
    line: Line = []
    for token in inside:
        if token.type == "list_item_open":
            if line:
                yield line
            line = [TextSpan(text=f"{token.info}{token.markup} ")] if token.info else []
        line += _read_spans(token)
    if line:
        yield line


def _read_table(inside: Sequence[Token]) -> Block:
    rows: list[list[Line]] = []
    numbers = set()
    for token in inside:
        if token.type == "tr_open":
            rows.append([])
        elif token.type in {"th_open", "td_open"}:
            if token.attrs.get("style") == "text-align:right":
                numbers.add(len(rows[-1]))
            rows[-1].append([])
        elif token.type == "inline":
            rows[-1][-1] += _read_spans(token)
    return Block(kind="table", rows=rows, numbers=sorted(numbers))


def _read_spans(token: Token) -> Iterator[TextSpan]:
    strong = em = 0
    for child in token.children or ():
        if child.type in {"strong_open", "strong_close"}:
            strong += child.nesting
        elif child.type in {"em_open", "em_close"}:
            em += child.nesting
        elif child.type in {"softbreak", "hardbreak"}:
            yield TextSpan(text=" " if child.type == "softbreak" else "\n")
        elif child.content:
            style: Literal["", "strong", "em", "code"] = "strong" if strong else "em" if em else ""
            yield TextSpan(text=child.content, style="code" if child.type == "code_inline" else style)


def _work(text: str) -> int:
    """Return a measure of what reading a text as Markdown takes, at most about 30 microseconds each."""
    lines = text.splitlines()
    # Each row of a table gets as many cells as its widest one.
    columns = max((line.count("|") for line in lines), default=0)
    return len(text) // 20 + sum(map(text.count, _MARKS)) + len(lines) * (1 + columns)
