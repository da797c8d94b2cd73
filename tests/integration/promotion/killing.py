"""Killing a process that promotes with SIGKILL, at any of its requests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.promotion import promoting_process

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

KILLED = -9
_SCRIPT = Path(str(promoting_process.__file__))


class Killer:
    """Lets a process promote through the gateway, and kills it once the work of one of its requests is done."""

    def __init__(self, gateway: Gateway, sandbox: RunningSandbox) -> None:
        self._gateway, self._password = gateway, sandbox.password
        self._left = 0
        self._process: subprocess.Popen[str] | None = None
        gateway.rule("*", "", after=self._count)

    def run(self, *promotions: dict[str, Any], until: int, is_verified: bool = False) -> int:
        """Promote until a request's work is done, the first one being 0; return the exit code.

        :param promotions: JSON objects with source and target, and the options.
        :param until: the number of the request; less than 0 lets it end.
        :param is_verified: whether the digests must pass their checks before, and several are promoted as one batch.
        """
        self._left = until
        fields = {"url": self._gateway.url, "password": self._password}
        given = json.dumps({**fields, "promotions": promotions, "is_verified": is_verified})
        with subprocess.Popen([sys.executable, str(_SCRIPT)], stdin=subprocess.PIPE, text=True) as process:
            self._process = process
            process.communicate(given, timeout=60)
        return process.returncode

    def _count(self) -> None:
        if self._left == 0 and self._process is not None:
            self._process.kill()
        self._left -= 1
