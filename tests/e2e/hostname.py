"""What Airflow takes for the name of a part's machine: on this one, each part is a machine of its own."""

from __future__ import annotations

import os

VARIABLE = "NAME_OF_THE_PART"


def name() -> str:
    """Return the name that the part was started with."""
    return os.environ[VARIABLE]
