"""An audit of 50,000 tags: its time beside that of the listings that it needs, and its memory."""

from __future__ import annotations

import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import ImageReference
from artifactory_sandbox.items import COLUMNS
from benchmarks.audit_process import REPOSITORY
from benchmarks.registries import sandbox
from benchmarks.result import at_most, told
from benchmarks.sandbox_promotions import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from sqlite3 import Connection

    from benchmarks.result import Result

_TAGS, _IMAGES = 50_000, 500
_BY_HAND = 50
_ROUNDS = 3
_INDEX, _MANIFEST = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
_PLATFORMS = ("amd64", "arm64")
_TIME = "2026-11-01T12:00:00.000Z"


def measure() -> Iterator[Result]:
    """Audit and list in turns, each in a process of its own, and give the median of the turns."""
    with tempfile.TemporaryDirectory() as root:
        data, queries = Path(root, "sandbox"), Path(root, "queries.json")
        with opened(data) as service, service.database.writing() as tx:
            _fill(tx)
        with sandbox(data, REPOSITORY) as server:
            url = f"http://127.0.0.1:{server.port}/artifactory"
            runs: dict[str, list[dict[str, Any]]] = {"audit": [], "list": [], "send": []}
            for _ in range(_ROUNDS):
                for way, found in runs.items():
                    found.append(_run(url, queries, way))
    audits = runs["audit"]
    if any(run["findings"] != _BY_HAND for run in audits):
        raise RuntimeError(f"there are {_BY_HAND} tags that no promotion explains, and others were found: {audits}")
    ratio, of_bytes = (
        statistics.median(one["seconds"] / other["seconds"] for one, other in zip(audits, runs[way], strict=True))
        for way in ("list", "send")
    )
    yield at_most("audit_50000", ratio, 1.2)
    yield told("audit_50000_vs_bytes", of_bytes, "ratio, over the answers read as JSON")
    yield at_most("audit_50000_memory", max(run["peak"] for run in audits), 400, "MiB, the peak of the process")
    yield told("audit_50000_seconds", min(run["seconds"] for run in audits), "s")
    yield told("audit_50000_requests", audits[0]["queries"], "queries")


def _run(url: str, queries: Path, way: str) -> dict[str, Any]:
    line = [sys.executable, "-m", "benchmarks.audit_process", url, str(queries), way]
    done = subprocess.run(line, check=True, capture_output=True, text=True, timeout=600)  # noqa: S603
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _fill(tx: Connection) -> None:
    """Make indexes of two platforms, promoted all but a few, as far as queries show them: no bytes are behind them."""
    for number in range(_TAGS):
        tag = ImageReference(REPOSITORY, f"team-{number % 20}/service-{number % _IMAGES}", f"1.{number}")
        children = [_digest(f"{tag} {platform}") for platform in _PLATFORMS]
        record = None if number % (_TAGS // _BY_HAND) == 0 else _record(tag, children)
        _add(tx, tag, str(tag.tag), _digest(str(tag)), record)
        for child in children:
            _add(tx, tag, child, child, None)


def _add(tx: Connection, tag: ImageReference, folder: str, digest: str, record: dict[str, str] | None) -> None:
    is_index = record is not None
    name, kind = ("list.manifest.json", _INDEX) if is_index else ("manifest.json", _MANIFEST)
    values = (REPOSITORY, f"{tag.image}/{folder}", name, "manifest", tag.image, digest, 700, kind)
    marks = ", ".join("?" * 13)
    query = f"INSERT INTO items ({COLUMNS}) VALUES (NULL, {marks})"  # noqa: S608
    item = tx.execute(query, (*values, _TIME, "ci", _TIME, "ci", _TIME)).lastrowid
    properties = {
        "docker.manifest": folder,
        "docker.manifest.digest": digest,
        "docker.manifest.type": kind,
        "docker.repoName": tag.image,
        "sha256": digest.removeprefix("sha256:"),
        **(record or {}),
    }
    rows = [(item, key, value) for key, value in properties.items()]
    tx.executemany("INSERT INTO properties (item, key, value) VALUES (?, ?, ?)", rows)


def _record(tag: ImageReference, children: list[str]) -> dict[str, str]:
    return {
        "promotion.digest": _digest(str(tag)),
        "promotion.source": f"docker-staging/{tag.image}:{tag.tag}",
        "promotion.target": str(tag),
        "promotion.copy": "true",
        "promotion.time": "2026-11-01T12:00:00+00:00",
        "promotion.run": hashlib.sha256(tag.image.encode()).hexdigest()[:12],
        "promotion.replaced": "none",
        "promotion.attachments": "0",
        "promotion.attachments.names": "none",
        "promotion.children": " ".join(children),
        "promotion.pipeline": "promote_nightly",
    }


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
