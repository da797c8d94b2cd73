"""Reading texts and spans of time of a pipeline's file: what a policy's fields do not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable

    from artifactory_provider.policy.document import Node
    from artifactory_provider.policy.fields import Fields

LONGEST_TITLE = 200
LONGEST_MARKDOWN = 10_000

T = TypeVar("T")


def read_text_with_fields(node: Node | None, fields: Fields, read: Callable[[str], T]) -> T | None:
    """Return what a text says that may hold fields in braces, which YAML takes for an object where they begin it.

    :param node: where the text should be.
    :param fields: the fields that it is one of.
    :param read: reads it; a ValueError says what is wrong.
    """
    unquoted = find_unquoted(node)
    if node is not None and unquoted is not None:
        fields.add(node, f'This is an object to YAML: quote it, as in "{unquoted:.80}".')
        return None
    return fields.read(node, read)


def find_unquoted(node: Node | None) -> str | None:
    """Return the text that is meant where braces are not quoted: ``{tag}`` is an object to YAML.

    :param node: any part of a document.
    """
    if node is None or not isinstance(node.value, Mapping) or len(node.value) != 1:
        return None
    [(key, value)] = node.value.items()
    return f"{{{key}}}" if value.kind == "null" else None


def read_name(node: Node | None, fields: Fields, *, longest: int = LONGEST_TITLE) -> str | None:
    """Return a line of text that is not too long, without blanks around it.

    :param node: where the text should be.
    :param fields: the fields that it is one of.
    :param longest: how many characters it may have.
    """

    def check(text: str) -> str:
        if len(text) > longest:
            raise ValueError(f"It has {len(text):,} characters: at most {longest:,} are read.")
        return text.strip()

    return fields.read(node, check)


def read_markdown(node: Node | None, fields: Fields) -> str | None:
    """Return a text of several lines.

    :param node: where the text should be.
    :param fields: the fields that it is one of.
    """
    if node is None or not isinstance(node.value, str) or node.kind != "str":
        return fields.read_text(node)
    if len(node.value) > LONGEST_MARKDOWN:
        fields.add(node, f"It has {len(node.value):,} characters: at most {LONGEST_MARKDOWN:,} are read.")
        return None
    for number, line in enumerate(node.value.split("\n")):
        if not line.replace("\t", "").isprintable():
            fields.add(node, f"Its line {number + 1} holds a character that cannot be printed: leave it out.")
            return None
    return node.value.strip() or fields.read_text(node)


def read_span(fields: Fields, name: str, longest: datetime.timedelta) -> datetime.timedelta | None:
    """Read a span of time that is not too long.

    :param fields: the fields.
    :param name: which of them.
    :param longest: how long it may be.
    """
    node = fields.get(name)
    duration = fields.read_duration(node)
    if node is None or duration is None:
        return None
    if duration.span > longest:
        fields.add(node, f"{node.value:.60} is too long: at most {longest.days}d are read.")
        return None
    return duration.span
