"""The command ``trail``: who promoted what into a stage, from records on images and from Airflow's events."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, TextIO

from sqlalchemy.exc import SQLAlchemyError

from artifactory_provider.artifactory.references import check_repository
from artifactory_provider.audit.trail import COLUMNS, Period, make_trail
from artifactory_provider.cli.output import count, is_for_programs, say, show, show_digest
from artifactory_provider.cli.running import DONE, Usage, command
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.promotion.csv_text import write_csv
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.tasks.files import prepare_folder, write_file
from artifactory_provider.tasks.forms import as_moment
from artifactory_provider.web.board.airflow_internals import open_session
from artifactory_provider.web.trail.airflow_internals import (
    AnybodysEvents,
    TooManyEvents,
    find_makers,
    read_promotions,
)

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from artifactory_provider.audit import Survey
    from artifactory_provider.audit.trail import TrailRow


@command(changes=False)
def trail(args: Namespace) -> int:
    """Show the promotions into a repository, the oldest first."""
    repository, images = check_repository(args.repository), Patterns(tuple(args.image or ("*",)))
    period = Period(as_moment(vars(args)["from"], name="--from"), as_moment(args.before, name="--before"))
    if period.start and period.end and period.start >= period.end:
        raise Usage(f"No moment is from {args.__dict__['from']} on and before {args.before}: mend one of them.")
    if args.csv:
        prepare_folder(args.csv, name="--csv")
    period = period.known_at(datetime.datetime.now(datetime.UTC))
    survey = ArtifactoryHook(args.conn_id).survey([repository], images)
    rows = _find(survey, repository, images, period)
    show([_row(row, args.output) for row in rows], args.output)
    if args.csv:

        def write(file: TextIO) -> None:
            file.write(write_csv(COLUMNS, (tuple(row.as_dict().values()) for row in rows)))

        say(f"All is in {write_file(args.csv, write)}.")
    say(_headline(rows))
    return DONE


def _find(survey: Survey, repository: str, images: Patterns, period: Period) -> list[TrailRow]:
    try:
        with open_session() as session:
            told = read_promotions(session, AnybodysEvents(), repository, period, may_read_runs=True)
            return make_trail(
                survey,
                (one for one in told if images.match(one.target.rpartition(":")[0].partition("/")[2])),
                period=period,
                find_makers=lambda runs: find_makers(session, runs, readable_dags=None, may_read_runs=True),
            )
    except TooManyEvents as error:
        raise Usage(str(error)) from error
    except SQLAlchemyError as error:
        raise OSError(
            f"Airflow's database could not be asked for its events ({type(error).__name__}): run the command where "
            "the scheduler or the API server runs, with their configuration."
        ) from error


def _headline(rows: Sequence[TrailRow]) -> str:
    tellers = {teller: sum(row.told_by == teller for row in rows) for teller in ("both", "record", "event")}
    differing = sum(bool(row.disagreement) for row in rows)
    return (
        f"{count(len(rows), 'promotion')}: {tellers['both']:,} told by records and events, {tellers['record']:,} by "
        f"records alone, {tellers['event']:,} by events alone; of {differing:,}, they contradict each other."
    )


def _row(row: TrailRow, output: str) -> dict[str, Any]:
    told = row.as_dict()
    if is_for_programs(output):
        return told
    made = told["by"] or " ".join(filter(None, (told["started"], told["dag"])))
    return {
        "time": told["time"],
        "kind": row.kind,
        "target": row.target,
        "digest": show_digest(row.digest, output),
        "from": row.source.partition("/")[0],
        "by": made,
        "told by": row.told_by,
        "disagreement": row.disagreement,
    }
