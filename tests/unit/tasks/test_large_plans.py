from __future__ import annotations

import json
import subprocess
import sys

# What the task `plan` does with a plan of 50,000 tags, apart from asking the server, in a process of its own.
HAND_ON = """
import json, pathlib
from types import SimpleNamespace
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.tasks.handover import push_plan
from artifactory_provider.promotion.planning.chunks import split
from artifactory_provider.promotion.planning.plan import Plan, PlannedPromotion
from artifactory_provider.promotion.planning.rendering import as_csv, render_plan, as_table

def planned(number):
    image, tag = f"team-{number // 5000}/service-{number // 50:04}", f"1.{number % 50}.0"
    return PlannedPromotion(
        source=ImageReference("docker-dev", image, tag, f"sha256:{number:064x}"),
        target=ImageReference("docker-qa", image, tag),
        action="promote",
    )

plan = Plan(tuple(planned(number) for number in range(50_000)))
sizes = {}
ti = SimpleNamespace(xcom_push=lambda key, value: sizes.update({key: len(json.dumps(value))}))
chunks = split(plan, size=250)
as_table(plan, limit=100), as_csv(plan)
push_plan(ti, plan, summary=render_plan(plan), chunks=chunks, approvals={})
ti.xcom_push(key="return_value", value=[chunk.descriptor("plan") for chunk in chunks])
# Not ru_maxrss: that of a process that was started by a larger one is at least the larger one's.
[peak] = [line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(json.dumps({"sizes": sizes, "chunks": len(chunks), "memory": int(peak.split()[1]) * 1024}))
"""


def test_fifty_thousand_tags_are_handed_on_in_small_xcoms_and_little_memory() -> None:
    done = subprocess.run([sys.executable, "-c", HAND_ON], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["chunks"] == 200
    assert max(told["sizes"].values()) < 64 * 1024
    assert sum(key.startswith("chunk_") for key in told["sizes"]) == 200
    assert told["memory"] < 2**30
    print({"largest XCom": max(told["sizes"].values()), "MiB": told["memory"] >> 20})
