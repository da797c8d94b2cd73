"""What a person is told when the demo cannot go on."""

from __future__ import annotations


class DemoError(Exception):
    """One clear sentence, printed without a traceback."""
