"""Airflow hooks.

The hook is imported when it is first asked for: Airflow reads the connection form beside it in every process, and an
HTTP client would double what each of them takes to start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artifactory_provider.hooks.artifactory import ArtifactoryHook
else:

    def __getattr__(name: str) -> object:
        """Import the hook."""
        if name != "ArtifactoryHook":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from artifactory_provider.hooks.artifactory import ArtifactoryHook

        return ArtifactoryHook


__all__ = ["ArtifactoryHook"]
