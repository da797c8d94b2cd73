"""Pipelines: which images climb through which stages, what they have to pass, and what starts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.exports import import_when_used

if TYPE_CHECKING:
    from artifactory_provider.pipelines.folder import PipelineFolder, read_folder
    from artifactory_provider.pipelines.model import Notify, Pipeline, Stage, Starts, TargetTag
    from artifactory_provider.pipelines.places import InvalidPipeline
    from artifactory_provider.pipelines.reading import Defaults, read_defaults, read_pipeline
else:
    __getattr__ = import_when_used(
        __name__,
        {
            "folder": ("PipelineFolder", "read_folder"),
            "model": ("Notify", "Pipeline", "Stage", "Starts", "TargetTag"),
            "places": ("InvalidPipeline",),
            "reading": ("Defaults", "read_defaults", "read_pipeline"),
        },
    )

__all__ = [
    "Defaults",
    "InvalidPipeline",
    "Notify",
    "Pipeline",
    "PipelineFolder",
    "Stage",
    "Starts",
    "TargetTag",
    "read_defaults",
    "read_folder",
    "read_pipeline",
]
