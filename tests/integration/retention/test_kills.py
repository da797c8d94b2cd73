"""A worker that is killed with SIGKILL at each request of a retention, and the run after it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.promotion.attaching import Pusher, cosign_tag
from tests.integration.promotion.contents import is_whole
from tests.integration.retention import retaining_process
from tests.integration.retention.stages import DEV, RULES, clean, grow_old, push

from artifactory_provider.retention import read_retention

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

KILLED = -9


def retain(sandbox: RunningSandbox, gateway: Gateway, rules: str, *, until: int) -> int:
    """Plan and delete in a process of its own; kill it when a request is done, of those from the first deletion on."""
    given = json.dumps({"url": gateway.url, "password": sandbox.password, "rules": rules})
    begun = len(gateway.requests)

    def kill() -> None:
        methods = [seen.method for seen in gateway.requests[begun:]]
        if "DELETE" in methods and len(methods) - methods.index("DELETE") > until:
            process.kill()

    script = str(Path(str(retaining_process.__file__)))
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, text=True) as process:
        take_back = gateway.rule("*", "", after=kill)
        process.communicate(given, timeout=60)
        take_back()
    return process.returncode


async def test_killed_at_any_request_the_next_run_deletes_the_rest_and_nothing_else(
    sandbox: RunningSandbox, gateway: Gateway, direct: ArtifactoryClient, image: str
) -> None:
    ended, number = KILLED, 0
    while ended == KILLED:
        name = f"{image}/at-{number}"
        rules = RULES.format(image=name, tags="older_than: 30d, keep_newest: 1", backups=1)
        signed = {}
        for tag in ("build-1", "build-2", "build-3"):
            signed[tag] = push(sandbox, f"{DEV}/{name}:{tag}", days=50 - int(tag[-1]))
            Pusher(sandbox, f"{DEV}/{name}").sign(signed[tag], f"{name} {tag}")
            grow_old(sandbox, f"{DEV}/{name}:{cosign_tag(signed[tag], '.sig')}", days=40)
        ended = await asyncio.to_thread(retain, sandbox, gateway, rules, until=number)
        for tag in set(sandbox.tags(DEV, name)) & signed.keys():
            assert cosign_tag(signed[tag], ".sig") in sandbox.tags(DEV, name), "no tag is left without its signature"
            assert is_whole(sandbox, f"{DEV}/{name}", signed[tag])
        await clean(direct, read_retention(rules))
        assert sandbox.tags(DEV, name) == ["build-3", cosign_tag(signed["build-3"], ".sig")]
        number += 1
    assert ended == 0
    assert number > 6, "two tags, a look, and their signatures"
