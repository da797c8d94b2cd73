"""Reading a folder of pipeline files: what is wrong with one breaks that one, and the others stand.

folder = read_folder(Path(__file__).parent / "pipelines")
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from artifactory_provider.pipelines.claims import Claims
from artifactory_provider.pipelines.files import Files, name_reason, refuse, show_name
from artifactory_provider.pipelines.places import InvalidPipeline
from artifactory_provider.pipelines.reading import DEFAULTS_FILE, Defaults, read_defaults, read_file
from artifactory_provider.policy.origins import DEFAULT_ORIGINS
from artifactory_provider.policy.problems import Problems
from artifactory_provider.policy.rules import Rule
from artifactory_provider.policy.targets import TargetPatterns
from artifactory_provider.promotion.planning.patterns import Patterns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from artifactory_provider.pipelines.claims import Twin
    from artifactory_provider.pipelines.files import Reading
    from artifactory_provider.pipelines.model import Pipeline
    from artifactory_provider.pipelines.reading import ReadPipeline

_ENDINGS = {".yaml", ".yml"}
_OTHER_DEFAULTS = "_defaults.yml"
_MOST_FOLDERS = 20

_known: dict[Path, Mapping[str, Reading]] = {}
"""What was made of the files of each folder, in this process."""


@dataclass(frozen=True)
class PipelineFolder:
    """The pipelines of a folder.

    :param path: the folder.
    :param pipelines: the pipelines by their names, in the order of their files.
    :param errors: what is wrong with the other files, by their names; with that of the defaults, if that is so.
    """

    path: Path
    pipelines: Mapping[str, Pipeline]
    errors: Mapping[str, InvalidPipeline]

    @property
    def repositories(self) -> list[str]:
        """The repositories of all stages, each once, in the order of the pipelines and of their stages."""
        return list(dict.fromkeys(stage.repository for one in self.pipelines.values() for stage in one.stages))

    @property
    def images(self) -> list[str]:
        """The images that the pipelines name, each once."""
        return list(dict.fromkeys(image for one in self.pipelines.values() for image in one.images.exact))

    def find_targets(self, connection: str) -> tuple[str, ...]:
        """Return the repositories into which the pipelines over a connection promote: of all stages but the first.

        :param connection: the Airflow connection.
        :raises InvalidPipeline: when a file cannot be read, and nobody knows what it names; or there are none.
        """
        for error in self.errors.values():
            raise error
        pipelines = [one for one in self.pipelines.values() if one.connection == connection]
        found = tuple(dict.fromkeys(stage.repository for one in pipelines for stage in one.stages[1:]))
        if not found:
            raise refuse(str(self.path), f"No pipeline there has stages over the connection {connection!r:.120}.")
        return found

    def rules(self) -> tuple[Rule, ...]:
        """Return what the stages ask of the pipelines' own images, whoever promotes them: windows, approvals, checks.

        An image that may come to a stage has passed the checks of the one before.

        :raises InvalidPipeline: when a file cannot be read, and nobody knows what it asks.
        """
        for error in self.errors.values():
            raise error
        return tuple(rule for pipeline in self.pipelines.values() for rule in _own_rules(pipeline))


def read_folder(path: Path | str) -> PipelineFolder:
    """Read the pipelines of a folder: each ``*.yaml`` and ``*.yml`` that does not begin with ``_`` or ``.`` is one.

    A file that has not changed since the last time in this process is not read again.

    :param path: the folder.
    :raises InvalidPipeline: when there is no such folder, or it cannot be read.
    """
    folder = Path(path)
    try:
        root = folder.resolve(strict=True)
        names = sorted(file.name for file in root.iterdir())
    except (OSError, RuntimeError, ValueError) as error:
        raise refuse(str(folder), f"The folder cannot be read: {name_reason(error)}.") from error
    visit = _Visit(Files(root, _known.get(root, {})))
    visit.read_defaults(names)
    for name in names:
        if name[0] not in "_." and Path(name).suffix.lower() in _ENDINGS:
            visit.read_pipeline(name)
    if root not in _known and len(_known) >= _MOST_FOLDERS:
        _known.clear()
    _known[root] = visit.files.readings
    return PipelineFolder(folder, visit.pipelines, visit.errors)


def _own_rules(pipeline: Pipeline) -> list[Rule]:
    steps = zip(pipeline.stages, pipeline.stages[1:], strict=False)
    ways = [
        Rule(
            name=f"the checks of stage {lower.name} of {pipeline.name}",
            line=lower.line,
            target=TargetPatterns(repositories=Patterns((upper.repository,))),
            applies_to=DEFAULT_ORIGINS,
            require=lower.checks,
            comes_from=lower.repository,
        )
        for lower, upper in steps
    ]
    return [replace(rule, target=replace(rule.target, images=pipeline.images)) for rule in (*pipeline.rules(), *ways)]


class _Visit:
    """One look at a folder.

    :param files: its files.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self.pipelines: dict[str, Pipeline] = {}
        self.errors: dict[str, InvalidPipeline] = {}
        self._defaults: Defaults | None = None
        self._broken_defaults: InvalidPipeline | None = None
        self._claims = Claims()

    def read_defaults(self, names: list[str]) -> None:
        """Read what the pipelines share, if there is a file with it.

        :param names: the names of all files.
        """
        try:
            if _OTHER_DEFAULTS in names:
                raise refuse(_OTHER_DEFAULTS, f"Call it {DEFAULTS_FILE}: under this name it is not read.")
            if DEFAULTS_FILE in names:
                self._defaults = self.files.read(DEFAULTS_FILE, read_defaults)
        except InvalidPipeline as error:
            self._broken_defaults = self._note(error.name, error)

    def read_pipeline(self, name: str) -> None:
        """Read the file of a pipeline, and note it or what is wrong with it.

        :param name: the file's name.
        """
        defaults, source = self._defaults, show_name(name)
        stem = Path(source).stem
        try:
            if self._broken_defaults is not None:
                raise refuse(name, _explain_defaults(self._broken_defaults))
            read = self.files.read(
                name, lambda text: read_file(text, name=stem, source=source, defaults=defaults), context=defaults
            )
            if read is not None:
                self._take(read)
        except InvalidPipeline as error:
            self._note(source, error)

    def _take(self, read: ReadPipeline) -> None:
        """Note a pipeline, unless an earlier one has its name, or promotes to its tags."""
        pipeline, problems = read.pipeline, Problems()
        if (other := self.pipelines.get(pipeline.name)) is not None:
            problems.add(1, "", f"{other.source} is the pipeline {pipeline.name} already: rename one of the files.")
        elif (twin := self._claims.find_twin(pipeline)) is not None:
            read.images.blame(problems, _explain_twin(twin))
        problems.raise_any(pipeline.source, error=InvalidPipeline)
        self.pipelines[pipeline.name] = pipeline
        self._claims.add(pipeline)

    def _note(self, source: str, error: InvalidPipeline) -> InvalidPipeline:
        # What was read on the way to the error is let go.
        self.errors[source] = error.with_traceback(None)
        return error


def _explain_defaults(error: InvalidPipeline) -> str:
    first = error.problems[0]
    return (
        f"{error.name} may hold for this pipeline, too, and cannot be used: mend it. "
        f"Its {'only' if len(error.problems) == 1 else 'first'} error is in {first}"
    )


def _explain_twin(twin: Twin) -> str:
    return (
        f"{twin.image:.120} is promoted to {twin.claim.repository} as {twin.claim.template!r:.120} by "
        f"{twin.pipeline.source}, too: one pipeline alone has a target tag. Exclude the image in one of them, or give "
        "the tags other names."
    )
