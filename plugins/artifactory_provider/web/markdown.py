"""Markdown that tasks have handed on, as HTML: none of it becomes markup of its own, and none of it takes long."""

from __future__ import annotations

import html

from markdown_it import MarkdownIt
from markupsafe import Markup

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


def render(text: str) -> Markup:
    """Return a text as HTML: headings, lists, tables, emphasis and code; no links, images and HTML.

    A text that would take long to read as Markdown (a plan takes milliseconds) is shown as it is.

    :param text: Markdown.
    """
    if _work(text) > _MOST_WORK:
        cut = text[:_LONGEST] + ("\n…" if len(text) > _LONGEST else "")
        return Markup(f"<pre>{html.escape(cut)}</pre>")  # noqa: S704 - escaped
    tokens = _markdown.parse(text)
    for token in tokens:
        if token.attrs.get("style") == "text-align:right":  # the pages allow no style but their own
            token.attrs = {"class": "number"}
    # Safe, since the renderer escapes all HTML that it finds.
    return Markup(_markdown.renderer.render(tokens, _markdown.options, {}))  # noqa: S704


def _work(text: str) -> int:
    """Return a measure of what reading a text as Markdown takes, at most about 30 microseconds each."""
    lines = text.splitlines()
    # Each row of a table gets as many cells as its widest one.
    columns = max((line.count("|") for line in lines), default=0)
    return len(text) // 20 + sum(map(text.count, _MARKS)) + len(lines) * (1 + columns)
