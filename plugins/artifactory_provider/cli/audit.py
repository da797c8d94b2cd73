"""The commands ``audit`` and ``accept``: what stands in stages that nothing explains, and a person's word for it."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from artifactory_provider.audit.acceptances import DEFAULT_ACCEPTANCES_NAME
from artifactory_provider.audit.auditing import AuditScope
from artifactory_provider.audit.event_log import EventLog
from artifactory_provider.audit.reports import AuditReport, headline
from artifactory_provider.cli.folder import find_folder
from artifactory_provider.cli.output import count, is_for_programs, say, show
from artifactory_provider.cli.running import DONE, REFUSED, author, command
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.pipelines import read_folder
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.tasks.acceptances import accept_findings, find_acceptances
from artifactory_provider.tasks.assets import EVENTS_ARE_READ_OF
from artifactory_provider.tasks.files import write_file
from artifactory_provider.tasks.forms import as_moment
from artifactory_provider.web.board.airflow_internals import open_session
from artifactory_provider.web.trail.airflow_internals import TooManyEvents, read_events

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from artifactory_provider.audit.event_log import Event
    from artifactory_provider.audit.findings import Finding


@command(changes=False)
def audit(args: Namespace) -> int:
    """Audit stages, and show the findings."""
    repositories = args.repository or read_folder(find_folder(args.folder)).find_targets(args.conn_id)
    repositories, images = tuple(dict.fromkeys(repositories)), Patterns(tuple(args.image or ("*",)))
    acceptances = find_acceptances(DEFAULT_ACCEPTANCES_NAME)
    hook, seen = ArtifactoryHook(args.conn_id), datetime.datetime.now(datetime.UTC)
    survey = hook.survey(repositories, images)
    events = EventLog(_read_events(repositories, after=seen - EVENTS_ARE_READ_OF), seen=seen)
    found = hook.audit(AuditScope(repositories=repositories, images=images, events=events), survey)
    report = AuditReport.of(found, acceptances, at=datetime.datetime.now(datetime.UTC))
    show([_row(one, args.output) for one in (report.findings if args.accepted else report.open)], args.output)
    if args.csv:
        say(f"All findings are in {write_file(args.csv, report.write_csv)}.")
    say(headline(report.as_dict()))
    return REFUSED if report.open else DONE


@command(changes=True)
def accept(args: Namespace) -> int:
    """Accept findings for a time."""
    given = accept_findings(
        DEFAULT_ACCEPTANCES_NAME,
        args.finding,
        reason=args.reason,
        by=author(args),
        until=as_moment(args.until, name="until"),
    )
    show([one.as_dict() for one in given], args.output)
    say(f"{count(len(given), 'finding')} accepted until {args.until}: then told again.")
    return DONE


def _read_events(repositories: Sequence[str], *, after: datetime.datetime) -> list[Event]:
    """Return what tasks have told of repositories; nothing, and why, where Airflow's database cannot be asked."""
    try:
        with open_session() as session:
            return [event for one in repositories for event in read_events(session, one, after=after)]
    except TooManyEvents as error:
        raise OSError(str(error)) from error
    except SQLAlchemyError as error:
        say(
            f"Airflow's database could not be asked for its events ({type(error).__name__}): promotions without a "
            "record are findings, and what only an event tells of is not missed."
        )
        return []


def _row(finding: Finding, output: str) -> dict[str, Any]:
    row = finding.as_dict()
    shown = ("severity", "finding", "what", "accepted_by", "accepted_until", "accepted_reason")
    return row if is_for_programs(output) else {name: row[name] for name in shown if name[:3] != "acc" or row[name]}
