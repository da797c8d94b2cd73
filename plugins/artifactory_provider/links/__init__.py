"""Links from the Airflow UI to Artifactory."""

from __future__ import annotations

from artifactory_provider.links.artifactory import ArtifactoryImageLink

__all__ = ["ArtifactoryImageLink"]
