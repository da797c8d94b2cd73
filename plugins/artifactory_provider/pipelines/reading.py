"""Reading the file of a pipeline, and the defaults that many share: all that is wrong at once, with its lines.

pipeline = read_pipeline(path.read_bytes(), name="payments", source="payments.yaml")
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from artifactory_provider.pipelines.check_sets import read_check_sets
from artifactory_provider.pipelines.coherence import check_coherence
from artifactory_provider.pipelines.model import Pipeline, Starts
from artifactory_provider.pipelines.notices import check_connection, read_notify
from artifactory_provider.pipelines.places import Entry, InvalidPipeline, Place
from artifactory_provider.pipelines.selections import IMAGE_FIELDS, check_tag_choice, read_images
from artifactory_provider.pipelines.stages import ReadStage, change_stages, read_stages
from artifactory_provider.pipelines.starts import read_starts
from artifactory_provider.pipelines.texts import read_markdown, read_name, read_span, read_text_with_fields
from artifactory_provider.policy.document import read_document
from artifactory_provider.policy.fields import Fields
from artifactory_provider.policy.problems import Problem, Problems
from artifactory_provider.promotion.selection import NEWEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_provider.pipelines.check_sets import CheckSets
    from artifactory_provider.pipelines.model import Mode
    from artifactory_provider.policy.document import Node
    from artifactory_provider.promotion.planning.patterns import Patterns

SHARED_FIELDS = (
    "tag",
    "stages",
    "mode",
    "start",
    "title",
    "description",
    "owner",
    "labels",
    "pool",
    "connection",
    "look_every",
    "supersede",
    "notify",
)
"""What a pipeline's file and the defaults may both have."""
PIPELINE_FIELDS = (*IMAGE_FIELDS, *SHARED_FIELDS, "change")
DEFAULTS_FIELDS = (*SHARED_FIELDS, "checks")
DEFAULTS_FILE = "_defaults.yaml"
MODES = ("chain", "fleet")
MOST_IN_A_CHAIN = 50
LONGEST_LOOK = datetime.timedelta(days=1)
LONGEST_LABEL = 100
LONGEST_POOL = 256
MOST_LABELS = 50
PIPELINE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,250}")
_NEEDED = "image or images, and stages"
_STAY_OUT = {
    **dict.fromkeys(IMAGE_FIELDS, "Each pipeline says by itself which images it is for: move it to their files."),
    "change": "It changes stages that stand in the defaults: write the stages here as they are to be.",
    "name": "A pipeline is called as its file is: leave it out.",
}
_STAY_OUT_OF_PIPELINES = {
    "checks": f"Checks stand in a stage; sets of them that have a name, in {DEFAULTS_FILE}.",
    "name": "The pipeline is called as its file is: leave it out, or give a title.",
}


@dataclass(frozen=True)
class Defaults:
    """What holds for the pipelines that do not say it themselves.

    :param entries: the fields that are given.
    :param checks: the named sets of checks.
    :param source: the file.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    checks: CheckSets = field(default_factory=dict)
    source: str = DEFAULTS_FILE


@dataclass(frozen=True)
class ReadPipeline:
    """A pipeline, and where its images stand.

    :param pipeline: the pipeline.
    :param images: where its images stand.
    """

    pipeline: Pipeline
    images: Place


def read_pipeline(text: str | bytes, *, name: str, source: str = "", defaults: Defaults | None = None) -> Pipeline:
    """Read a pipeline.

    :param text: the file, as YAML or JSON; bytes are UTF-8.
    :param name: what it is called: the DAG's id.
    :param source: the file that it stands in, for messages.
    :param defaults: what holds where the file says nothing.
    :raises InvalidPipeline: when anything in it is wrong, with all that is.
    """
    return read_file(text, name=name, source=source, defaults=defaults).pipeline


def read_file(text: str | bytes, *, name: str, source: str = "", defaults: Defaults | None = None) -> ReadPipeline:
    """Read a pipeline, and tell where its images stand.

    :param text: the file, as YAML or JSON; bytes are UTF-8.
    :param name: what it is called: the DAG's id.
    :param source: the file that it stands in, for messages.
    :param defaults: what holds where the file says nothing.
    :raises InvalidPipeline: when anything in it is wrong, with all that is.
    """
    problems, defaults = Problems(), defaults or Defaults()
    _check_name(name, problems)
    root = read_document(text, problems, needed=_NEEDED)
    read = None if root is None else _read_root(root, problems, name, source, defaults)
    problems.raise_any(source or name, error=InvalidPipeline)
    if read is None:  # It has no problem, and yet is none: nothing is made of it.
        raise InvalidPipeline(source or name, [Problem(1, "", "It cannot be read.")])
    return read


def read_defaults(text: str | bytes, *, source: str = DEFAULTS_FILE) -> Defaults:
    """Read what holds for the pipelines that do not say it themselves.

    :param text: the file, as YAML or JSON; bytes are UTF-8.
    :param source: what the file is called.
    :raises InvalidPipeline: when anything in it is wrong, with all that is.
    """
    problems = Problems()
    root = read_document(text, problems, needed="stages, for instance")
    entries: dict[str, Entry] = {}
    checks: CheckSets = {}
    if root is not None:
        fields = _Reading(root, problems, DEFAULTS_FIELDS, _STAY_OUT)
        node = fields.get("checks")
        checks = read_check_sets(node, problems) if node is not None else {}
        entries = fields.read_shared(checks)
        if {"start", "tag"} <= entries.keys():
            check_coherence(entries, problems)
        else:  # A pipeline may give what makes these fit.
            check_coherence({name: entries[name] for name in entries if name == "stages"}, problems)
    problems.raise_any(source, error=InvalidPipeline)
    placed = {name: _place(entry, source) for name, entry in entries.items()}
    return Defaults(placed, checks, source)


class _Reading(Fields):
    """The fields of a file.

    :param node: the document.
    :param problems: where to note what is wrong.
    :param known: the fields that it may have.
    :param strangers: those that stand elsewhere, and where.
    """

    def __init__(self, node: Node, problems: Problems, known: tuple[str, ...], strangers: Mapping[str, str]) -> None:
        given = node.value if isinstance(node.value, Mapping) else {}
        misplaced = {name: given[name] for name in strangers if name in given}
        super().__init__(node, problems, (*known, *misplaced))
        for name, part in misplaced.items():
            self.add(part, strangers[name])

    def read_shared(self, checks: CheckSets) -> dict[str, Entry]:
        """Return the fields that a pipeline's file and the defaults may both have, those that can be read."""
        readers: dict[str, Callable[[Node], Any]] = {
            "tag": lambda node: read_text_with_fields(node, self, check_tag_choice),
            "stages": lambda node: read_stages(node, self, checks),
            "mode": lambda node: self.read_choice(node, MODES),
            "start": lambda node: read_starts(node, self.problems),
            "title": lambda node: read_name(node, self),
            "description": lambda node: read_markdown(node, self),
            "owner": lambda node: read_name(node, self),
            "labels": self._read_labels,
            "pool": lambda node: read_name(node, self, longest=LONGEST_POOL),
            "connection": lambda node: self.read(node, check_connection),
            "look_every": lambda _: read_span(self, "look_every", LONGEST_LOOK),
            "supersede": self.read_switch,
            "notify": lambda node: read_notify(node, self.problems),
        }
        entries = {}
        for name, read in readers.items():
            node = self.get(name)
            value = None if node is None else read(node)
            if node is not None and value is not None:
                entries[name] = Entry(value, Place(node))
        return entries

    def _read_labels(self, node: Node) -> tuple[str, ...]:
        parts = self.read_list(node)
        if len(parts) > MOST_LABELS:
            self.add(node, f"There are {len(parts):,} labels: at most {MOST_LABELS} are read.")
            return ()
        labels = [read_name(part, self, longest=LONGEST_LABEL) for part in parts]
        return tuple(dict.fromkeys(label for label in labels if label is not None))


def _read_root(root: Node, problems: Problems, name: str, source: str, defaults: Defaults) -> ReadPipeline | None:
    fields = _Reading(root, problems, PIPELINE_FIELDS, _STAY_OUT_OF_PIPELINES)
    images = read_images(fields)
    own = fields.read_shared(defaults.checks)
    entries = {**defaults.entries, **own}
    _change(fields, own, entries, defaults)
    if "stages" not in entries and not fields.is_given("stages"):
        fields.require("stages", f"Give at least two, from the first to the last, here or in {DEFAULTS_FILE}.")
    place = Place(fields.get("images") or fields.get("image") or root)
    check_coherence(entries, problems)
    if images is None or problems.found:
        return None
    return ReadPipeline(_make(entries, images, name, source), place)


def _change(fields: Fields, own: Mapping[str, Entry], entries: dict[str, Entry], defaults: Defaults) -> None:
    node = fields.get("change")
    if node is None:
        return
    if fields.is_given("stages"):
        fields.add(node, "It changes the stages of the defaults, and this file has its own: change them there.")
    elif "stages" not in defaults.entries:
        fields.add(node, f"{DEFAULTS_FILE} has no stages that could be changed: give stages.")
    else:
        stages = change_stages(node, defaults.entries["stages"].value, fields.problems, defaults.checks)
        entries["stages"] = Entry(stages, Place(node))


def _make(entries: Mapping[str, Entry], images: Patterns, name: str, source: str) -> Pipeline:
    given = {name: entry.value for name, entry in entries.items()}
    is_short = not images.has_wildcards and len(images.exact) <= MOST_IN_A_CHAIN
    default_mode: Mode = "chain" if is_short else "fleet"
    return Pipeline(
        name=name,
        images=images,
        stages=tuple(one.stage for one in given["stages"]),
        tag=given.get("tag", NEWEST),
        mode=given.get("mode", default_mode),
        starts=given.get("start", Starts()),
        title=given.get("title", ""),
        description=given.get("description", ""),
        owner=given.get("owner", Pipeline.owner),
        labels=given.get("labels", ()),
        pool=given.get("pool"),
        connection=given.get("connection", Pipeline.connection),
        poke_interval=given.get("look_every", Pipeline.poke_interval),
        supersedes=given.get("supersede", True),
        notify=given.get("notify"),
        source=source,
    )


def _place(entry: Entry, source: str) -> Entry:
    """Return an entry that knows that it stands in the defaults, each of its stages, too."""
    place = Place(entry.place.node, source)
    if isinstance(entry.value, tuple) and all(isinstance(one, ReadStage) for one in entry.value):
        return Entry(tuple(ReadStage(one.stage, Place(one.place.node, source)) for one in entry.value), place)
    return Entry(entry.value, place)


def _check_name(name: str, problems: Problems) -> None:
    if not PIPELINE_NAME.fullmatch(name):
        problems.add(
            1,
            "",
            f"{name!r:.80} is no id of a DAG: letters, digits, '_', '-' and '.' make one, at most 250.",
        )
