"""The board: images and stages as JSON, from one snapshot of the registry for all who look, joined with Airflow."""

from __future__ import annotations
