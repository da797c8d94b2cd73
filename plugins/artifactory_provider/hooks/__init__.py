"""Airflow hooks.

The hook is imported when it is first asked for: Airflow reads the connection form beside it in every process, and an
HTTP client would double what each of them takes to start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.exports import import_when_used

if TYPE_CHECKING:
    from artifactory_provider.hooks.artifactory import ArtifactoryHook
else:
    __getattr__ = import_when_used(
        __name__,
        {
            "artifactory": ("ArtifactoryHook",),
        },
    )

__all__ = ["ArtifactoryHook"]
