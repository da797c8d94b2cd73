"""What the Airflow UI shows."""

from __future__ import annotations

URL_PREFIX = "/artifactory"
"""Where Airflow's API server has the pages."""
