"""Pipelines: which images climb through which stages, what they have to pass, and what starts it."""

from __future__ import annotations

from artifactory_provider.pipelines.model import Pipeline, Stage, Starts, TargetTag

__all__ = ["Pipeline", "Stage", "Starts", "TargetTag"]
