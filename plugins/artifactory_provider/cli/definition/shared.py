"""What several commands share: arguments, and the help that each of them has."""

from __future__ import annotations

from artifactory_provider.cli.airflow_internals import (
    ARG_OUTPUT,
    ARG_VERBOSE,
    ActionCommand,
    Arg,
    lazy_load_command,
    positive_int,
)

_MODULES = "artifactory_provider.cli"
_EXIT_CODES = """\
exit codes:
  0    done
  1    failed: the message says what was tried, what came back, and what to do
  2    what was asked for makes no sense; nothing was changed
  3    refused by a rule: a hold, a rejection, a stop, the policy, a check that has failed; found by an audit
  4    not yet: a verdict is pending
  130  interrupted by Ctrl-C"""

ARG_CONN_ID = Arg(("--conn-id",), help="The Airflow connection", default="artifactory_default")
ARG_PIPELINE_CONN_ID = Arg(("--conn-id",), help="The Airflow connection (default: that of the pipeline)")
ARG_REASON = Arg(("--reason",), help="Why, in one line; it is written down with your name", required=True)
ARG_AS = Arg(
    ("--as",),
    dest="on_behalf_of",
    help="For whom a robot does this: written down beside the operating system's user; it gives no right",
    metavar="NAME",
)
ARG_TAG = Arg(("tag",), help="repository/image:tag", metavar="REPOSITORY/IMAGE:TAG")
ARG_FOLDER = Arg(("--folder",), help="The folder of the pipeline files (pipelines in Airflow's DAGs folder)")
ARG_ON_CONFLICT = Arg(
    ("--on-conflict",),
    help="What happens where the target tag shows another digest: fail, overwrite, backup (default: fail)",
    choices=("fail", "overwrite", "backup"),
    metavar="(fail, overwrite, backup)",
    default="fail",
)
ARG_IMAGES = Arg(
    ("--image",),
    help="A pattern of image names, such as 'payments/*'; several times for several",
    action="append",
    metavar="PATTERN",
)
ARG_REPOSITORIES = Arg(
    ("--repository",),
    help="A pattern of repositories; several times for several (default: all)",
    action="append",
    metavar="PATTERN",
)
ARG_PIPELINE = Arg(("--pipeline",), help="The pipeline whose stages are meant", metavar="NAME")
ARG_ORIGIN = Arg(
    ("--origin",),
    help="Who or what starts the promotion: person, schedule, event, backfill, rollback (default: person)",
    choices=("person", "schedule", "event", "backfill", "rollback"),
    metavar="(person, schedule, event, backfill, rollback)",
    default="person",
)
ARG_TARGETS = Arg(
    ("--target",),
    help="What the rules say of a promotion to it: repository/image:tag; several times for several",
    action="append",
    metavar="REPOSITORY/IMAGE:TAG",
)
ARG_AT = Arg(("--at",), help="At which moment, such as 2026-12-24T12:00+01:00 (default: now)", metavar="MOMENT")
ARG_POLICY_FILE = Arg(("file",), help="The policy as YAML or JSON; - for standard input", metavar="FILE")
ARGS_PATTERNS = (
    ARG_IMAGES,
    Arg(("--exclude-image",), help="A pattern of images that are not meant", action="append", metavar="PATTERN"),
    Arg(("--tag",), help="A pattern of tags, such as '1.4.*'", action="append", metavar="PATTERN"),
    Arg(("--exclude-tag",), help="A pattern of tags that are not meant", action="append", metavar="PATTERN"),
    Arg(("--versions",), help="A range of versions, such as '>=1.4 <2'", metavar="RANGE"),
    Arg(("--property",), help="A property that the manifest has", action="append", metavar="NAME=VALUE"),
    Arg(("--created-from",), help="Images that were created then or later", metavar="MOMENT"),
    Arg(("--created-before",), help="Images that were created before", metavar="MOMENT"),
    Arg(("--target-image",), help="What images are called there, such as 'mirror/{image}'", metavar="TEMPLATE"),
    Arg(
        ("--target-tag",),
        help="What tags are called there, such as '{version.major}.{version.minor}'",
        action="append",
        metavar="TEMPLATE",
    ),
    Arg(("--largest",), help="How many promotions there may be", type=positive_int(allow_zero=False)),
)


def make_command(
    name: str, place: str, description: str, *args: Arg, example: str, more: str = "", shows: bool = True
) -> ActionCommand:
    """Return a command as Airflow's parser takes it, with an example and the exit codes in its help.

    :param name: what it is called.
    :param place: the module in this room and the function that does its work, such as ``look.status``.
    :param description: what it does, as one sentence without its full stop.
    :param args: its arguments.
    :param example: the arguments of an example, which the tests run; a line each where there are several.
    :param more: what else its help says, as sentences.
    :param shows: whether it shows rows, and so has ``--output``.
    """
    shown = "\n".join(f"  airflow artifactory {line}" for line in example.splitlines())
    shared = (ARG_OUTPUT, ARG_VERBOSE) if shows else (ARG_VERBOSE,)
    return ActionCommand(
        name=name,
        help=description,
        description=f"{description}.{f' {more}' if more else ''}",
        func=lazy_load_command(f"{_MODULES}.{place}"),
        args=(*args, *shared),
        epilog=f"example:\n{shown}\n\n{_EXIT_CODES}",
    )
