"""Registers the plugin where the package is not installed and only this folder is Airflow's plugins folder."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    version("airflow-provider-artifactory")
except PackageNotFoundError:
    from artifactory_provider.web.plugin import ArtifactoryPlugin  # noqa: F401 - found by Airflow's loader
