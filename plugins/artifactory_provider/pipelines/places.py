"""What has been read of a pipeline's file, and where it stands: in the file itself, or in the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.policy.problems import InvalidDocument

if TYPE_CHECKING:
    from artifactory_provider.policy.document import Node
    from artifactory_provider.policy.problems import Problems


class InvalidPipeline(InvalidDocument):
    """The file of a pipeline, or the defaults, cannot be read: there is no such pipeline while it is so."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands.

    :param node: the part of the document.
    :param source: the file with the defaults, if it stands there; empty for the pipeline's own file.
    """

    node: Node
    source: str = ""

    def blame(self, problems: Problems, message: str) -> None:
        """Note what is wrong with it, in the pipeline's own file: with others, what the defaults say may be right.

        :param problems: where to note it.
        :param message: a sentence.
        """
        if self.source:
            problems.add(1, self.node.field, f"{message} (It stands in {self.source}, line {self.node.line}.)")
        else:
            problems.add(self.node.line, self.node.field, message)


@dataclass(frozen=True, slots=True)
class Entry:
    """A field that is given.

    :param value: what it says.
    :param place: where it stands.
    """

    value: Any
    place: Place
