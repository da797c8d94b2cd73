"""Airflow hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from artifactory_provider.hooks.artifactory import ArtifactoryHook

__all__ = ["ArtifactoryHook"]


def __getattr__(name: str) -> Any:
    """Import the hook when it is first used: with it come HTTP libraries that DAG files do without."""
    if name == "ArtifactoryHook":
        from artifactory_provider.hooks.artifactory import ArtifactoryHook

        return ArtifactoryHook
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
