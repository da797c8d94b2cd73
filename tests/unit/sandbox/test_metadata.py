"""The database: changes that wait at the same time are committed together, and none depends on another."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING

import pytest

from artifactory_sandbox.aql import parse_query
from artifactory_sandbox.metadata import Database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "metadata.sqlite")
    yield database
    database.close()


def put(name: str, *, fails: bool = False) -> Callable[[sqlite3.Connection], str]:
    def work(tx: sqlite3.Connection) -> str:
        tx.execute("INSERT INTO settings VALUES (?, '')", (name,))
        if fails:
            raise ValueError(name)
        return name

    return work


def names(database: Database) -> set[str]:
    with database.reading() as tx:
        return {name for (name,) in tx.execute("SELECT name FROM settings WHERE value = ''")}


async def write_behind(database: Database, *works: Callable[[sqlite3.Connection], str]) -> list[str | BaseException]:
    """Let all of them wait while another write goes on, then end it."""
    is_free = threading.Event()
    first = asyncio.ensure_future(database.write(lambda tx: is_free.wait(20)))
    tasks = [asyncio.ensure_future(database.write(work)) for work in works]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    is_free.set()
    assert await first
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_one_that_fails_or_is_given_up_undoes_itself_alone(database: Database) -> None:
    works = [put("given up"), put("one"), put("failed", fails=True), put("two"), put("one")]
    answers = asyncio.run(write_behind(database, *works))
    kinds = [type(answer).__name__ for answer in answers]
    assert kinds == ["CancelledError", "str", "ValueError", "str", "IntegrityError"]
    assert names(database) == {"one", "two"}


def test_all_that_wait_together_are_told_when_all_is_undone(database: Database) -> None:
    def end(tx: sqlite3.Connection) -> str:
        tx.execute("ROLLBACK")  # as SQLite does by itself when the disk is full
        raise OSError("full")

    works = [put("given up"), put("three"), end, put("four")]
    answers = asyncio.run(write_behind(database, *works))
    assert [type(answer).__name__ for answer in answers[1:]] == ["OSError", "OSError", "OSError"]
    assert asyncio.run(database.write(put("five"))) == "five"
    assert names(database) == {"five"}


def test_the_connection_that_made_the_database_plans_as_well_as_those_that_came_later(database: Database) -> None:
    query = (
        "EXPLAIN QUERY PLAN SELECT 1 FROM links JOIN items ON digest = parent WHERE child = 'a' AND role = 'manifest' "
        "AND repository = 'b' AND image = 'c' AND kind = 'manifest'"
    )
    with database.writing() as writer, database.reading() as reader:
        [plan, later] = ([step for *_, step in tx.execute(query)] for tx in (writer, reader))
    assert plan == later


def test_each_of_many_patterns_of_paths_is_looked_up_and_not_the_whole_repository(database: Database) -> None:
    patterns = [{"path": {"$match": f"team/app-{number}/pending-*"}} for number in range(100)]
    criteria = {"repo": "docker-dev", "$or": patterns, "name": {"$match": "*manifest.json"}}
    query = parse_query(f"items.find({json.dumps(criteria)})")
    with database.reading() as tx:
        steps = [step for *_, step in tx.execute(f"EXPLAIN QUERY PLAN {query.statement}", query.values)]
    searches = [step for step in steps if step.startswith(("SEARCH", "SCAN"))]
    assert searches == ["SEARCH items USING INDEX manifests_by_path (repository=? AND path>? AND path<?)"] * 100
