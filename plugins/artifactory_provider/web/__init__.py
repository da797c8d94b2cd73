"""What the Airflow UI shows."""

from __future__ import annotations

URL_PREFIX = "/artifactory"
"""Where all pages are."""
