"""Runs the command line as `python -m artifactory_sandbox`."""

from __future__ import annotations

import sys

from artifactory_sandbox.cli import main

if __name__ == "__main__":
    sys.exit(main())
