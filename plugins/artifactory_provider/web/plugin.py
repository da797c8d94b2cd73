"""The plugin that registers what Airflow's UI shows."""

from __future__ import annotations

from airflow.sdk.plugins_manager import AirflowPlugin


class ArtifactoryPlugin(AirflowPlugin):
    """Docker promotion through Artifactory."""

    name = "artifactory"
