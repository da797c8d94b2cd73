"""`python -m benchmarks [NAME…]`: run the benchmarks, print a table, write `benchmarks/results.json`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import (
    audits,
    backfill_dags,
    backfills,
    board_api,
    board_pages,
    clients,
    commands,
    fleets,
    parsing,
    policies,
    promotions,
    pushes,
    retention,
    sandbox_promotions,
    sandbox_transfers,
    waits,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.result import Result

# Each gives its rows as soon as it has them.
BENCHMARKS: dict[str, Callable[[], Iterator[Result]]] = {
    "clients": clients.measure,
    "commands": commands.measure,
    "promotions": promotions.measure,
    "waits": waits.measure,
    "policies": policies.measure,
    "audits": audits.measure,
    "backfills": backfills.measure,
    "backfill-dags": backfill_dags.measure,
    "fleets": fleets.measure,
    "board-api": board_api.measure,
    "board-pages": board_pages.measure,
    "parsing": parsing.measure,
    "pushes": pushes.measure,
    "retention": retention.measure,
    "sandbox-promotions": sandbox_promotions.measure,
    "sandbox-transfers": sandbox_transfers.measure,
}
RESULTS = Path(__file__).with_name("results.json")


def main() -> int:
    """Run what was asked for and return 1 where a promise does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what is promised.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run; all if none: {', '.join(BENCHMARKS)}")
    names = parser.parse_args().names or list(BENCHMARKS)
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"there is no benchmark {min(unknown)}")
    results: list[Result] = []
    begun = time.monotonic()
    print(f"{'':44} {'value':>10}  {'bound':>10}  {'holds':5}  unit")
    for name in names:
        for result in BENCHMARKS[name]():
            results.append(result)
            value = "-" if result.value is None else f"{result.value:,.3f}"
            verdict = "yes" if result.holds else "NO"
            print(f"{result.name:44} {value:>10}  {result.bound or '':>10}  {verdict:5}  {result.unit}", flush=True)
    _write(results)
    print(f"\nIn {(time.monotonic() - begun) / 60:.1f} minutes; rows in {RESULTS.name}: {len(results)}.")
    return 0 if all(result.holds for result in results) else 1


def _write(results: list[Result]) -> None:
    """Put the new rows into the file; rows of benchmarks that were not run stay."""
    rows = {row["name"]: row for row in json.loads(RESULTS.read_text())} if RESULTS.exists() else {}
    rows |= {result.name: asdict(result) for result in results}
    RESULTS.write_text(json.dumps(list(rows.values()), indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
