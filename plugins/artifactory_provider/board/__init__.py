"""What the registry shows of all images in all stages, and what becomes of each next. Knows no Airflow."""

from __future__ import annotations
