"""What Airflow's parser reads of the commands; what they do is loaded when one of them runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.cli.airflow_internals import (
    ARG_OUTPUT,
    ARG_VERBOSE,
    ActionCommand,
    Arg,
    GroupCommand,
    lazy_load_command,
    positive_int,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.cli.airflow_internals import CLICommand

_MODULES = "artifactory_provider.cli"
_EXIT_CODES = """\
exit codes:
  0    done
  1    failed: the message says what was tried, what came back, and what to do
  2    what was asked for makes no sense; nothing was changed
  3    refused by a rule: a hold, a rejection, a stop, the policy, a check that has failed
  4    not yet: a verdict is pending
  130  interrupted by Ctrl-C"""

ARG_CONN_ID = Arg(("--conn-id",), help="The Airflow connection", default="artifactory_default")
ARG_PIPELINE_CONN_ID = Arg(("--conn-id",), help="The Airflow connection (default: that of the pipeline)")
ARG_REASON = Arg(("--reason",), help="Why, in one line; it is written down with your name", required=True)
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


def _command(
    name: str, place: str, description: str, *args: Arg, example: str, more: str = "", shows: bool = True
) -> ActionCommand:
    shared = (ARG_OUTPUT, ARG_VERBOSE) if shows else (ARG_VERBOSE,)
    return ActionCommand(
        name=name,
        help=description,
        description=f"{description}.{f' {more}' if more else ''}",
        func=lazy_load_command(f"{_MODULES}.{place}"),
        args=(*args, *shared),
        epilog=f"example:\n  airflow artifactory {example}\n\n{_EXIT_CODES}",
    )


_VALIDATE = _command(
    "validate",
    "validate.validate",
    "Check pipeline files, and a policy document",
    Arg(("folder",), nargs="?", help="The folder of the pipeline files (pipelines in Airflow's DAGs folder)"),
    Arg(("--policy",), help="A policy document to check, too", metavar="FILE"),
    more=(
        "All errors are told at once, with file and line. It needs no database and no server. A folder without a "
        "pipeline file is an error; with a policy and no folder, the usual one is checked where it is there."
    ),
    example="validate dags/pipelines --policy policy.yaml",
)

_PLAN = _command(
    "plan",
    "promote.plan",
    "Show the promotions that a run would make",
    Arg(("repository",), help="The repository that is promoted from", metavar="REPOSITORY"),
    Arg(("target",), help="The repository that is promoted to", metavar="TARGET"),
    ARG_IMAGES,
    Arg(("--exclude-image",), help="A pattern of images that are not meant", action="append", metavar="PATTERN"),
    Arg(("--tag",), help="A pattern of tags, such as '1.4.*'", action="append", metavar="PATTERN"),
    Arg(("--exclude-tag",), help="A pattern of tags that are not meant", action="append", metavar="PATTERN"),
    Arg(("--versions",), help="A range of versions, such as '>=1.4 <2'", metavar="RANGE"),
    Arg(("--property",), help="A property that the manifest has", action="append", metavar="NAME=VALUE"),
    Arg(("--created-from",), help="Images that were created then or later", metavar="MOMENT"),
    Arg(("--created-before",), help="Images that were created before", metavar="MOMENT"),
    Arg(("--target-image",), help="What images are called there, such as 'mirror/{image}'", default="{image}"),
    Arg(
        ("--target-tag",),
        help="What tags are called there, such as '{version.major}.{version.minor}'",
        action="append",
        metavar="TEMPLATE",
    ),
    ARG_ON_CONFLICT,
    Arg(("--largest",), help="How many promotions there may be", type=positive_int(allow_zero=False)),
    ARG_FOLDER,
    ARG_CONN_ID,
    more=(
        "Nothing is changed. What a hold, a rejection, a stop, the policy or a pipeline's stage forbids now is "
        "refused; checks and approvals are asked for when it is promoted."
    ),
    example="plan docker-dev docker-qa --image 'payments/*' --versions '>=1.4 <2'",
)
_PROMOTE = _command(
    "promote",
    "promote.promote",
    "Promote tags, or whole images",
    Arg(
        ("source",),
        nargs="+",
        help="repository/image:tag, or repository/image for all its tags",
        metavar="REPOSITORY/IMAGE[:TAG]",
    ),
    Arg(("target",), help="The repository that is promoted to, or repository/image[:tag]", metavar="TARGET"),
    ARG_ON_CONFLICT,
    Arg(
        ("--at-once",),
        help="How many requests are under way at a time (default: 32)",
        type=positive_int(allow_zero=False),
        default=32,
    ),
    ARG_FOLDER,
    ARG_CONN_ID,
    more=(
        "Each is pinned to the digest that it shows. All rules of the policy hold, and what the stages of the "
        "pipelines in the folder ask of their own images: checks, windows, approvals. Images are copied."
    ),
    example="promote docker-dev/payments/api:1.4.2 docker-qa",
)
_ROLLBACK = _command(
    "rollback",
    "promote.rollback",
    "Give a tag back what it showed before its last promotion",
    Arg(("tag",), help="The tag; with a digest, that is gone back to", metavar="REPOSITORY/IMAGE:TAG[@DIGEST]"),
    ARG_REASON,
    Arg(("--no-hold",), help="Do not hold the tag on it", action="store_true"),
    ARG_CONN_ID,
    more=(
        "That promotion must have kept a backup. The tag is held on it then, until somebody lifts the hold. A tag that "
        "was rolled back already is left as it is: only a digest goes further back, or brings back what was taken out."
    ),
    example="rollback docker-prod/payments/api:1.4 --reason 'loses orders'",
)
_STATUS = _command(
    "status",
    "look.status",
    "Show which tags of an image stand in each stage",
    Arg(("image",), help="The image, or one tag of it", metavar="IMAGE[:TAG]"),
    ARG_PIPELINE,
    ARG_FOLDER,
    Arg(
        ("--repository",),
        help="A repository to look in instead of a pipeline's; several times for several",
        action="append",
        metavar="REPOSITORY",
    ),
    Arg(
        ("--limit",),
        help="How many tags are shown of each stage, the newest first; 0 for all (default: 10)",
        type=positive_int(allow_zero=True),
        default=10,
    ),
    ARG_PIPELINE_CONN_ID,
    more="The stages are those of the pipeline that the image is in.",
    example="status payments/api --repository docker-dev --repository docker-qa",
)
_VERIFY = _command(
    "verify",
    "look.verify",
    "Ask the checks about what a tag shows",
    ARG_TAG,
    Arg(
        ("--property",),
        help="A property that has to be there, with the value 'passed' or another; several times for several",
        action="append",
        metavar="NAME[=VALUE]",
    ),
    Arg(("--to",), help="A target whose policy's checks are asked, too", metavar="TARGET"),
    ARG_PIPELINE,
    ARG_FOLDER,
    ARG_PIPELINE_CONN_ID,
    more="Without a property and a target, the checks of the stage are asked that the tag stands in.",
    example="verify docker-dev/payments/api:1.4.2 --property test.status",
)
_DIFF = _command(
    "diff",
    "look.diff",
    "Show the tags that differ between two repositories",
    Arg(("source",), help="The one repository", metavar="FROM"),
    Arg(("target",), help="The other one", metavar="TO"),
    ARG_IMAGES,
    ARG_CONN_ID,
    example="diff docker-dev docker-qa --image 'payments/*'",
)
_HOLD = _command(
    "hold",
    "decide.hold",
    "Hold a tag on what it shows",
    ARG_TAG,
    ARG_REASON,
    ARG_CONN_ID,
    example="hold docker-prod/payments/api:1.4 --reason 'until the audit is over'",
    shows=False,
)
_REJECT = _command(
    "reject",
    "decide.reject",
    "Reject the digest that a tag shows",
    ARG_TAG,
    ARG_REASON,
    ARG_CONN_ID,
    more="It is not promoted any more, from and to wherever. What shows it goes on showing it.",
    example="reject docker-dev/payments/api:1.4.1 --reason 'CVE-2026-1234'",
    shows=False,
)
_LIFT = _command(
    "lift",
    "decide.lift",
    "Lift a hold or a rejection",
    Arg(("lifted",), help="hold or rejection", choices=("hold", "rejection"), metavar="(hold, rejection)"),
    ARG_TAG,
    ARG_REASON,
    ARG_CONN_ID,
    example="lift hold docker-prod/payments/api:1.4 --reason 'the audit is over'",
    shows=False,
)
_STOP = _command(
    "stop",
    "decide.stop",
    "Stop the line",
    ARG_REASON,
    ARG_REPOSITORIES,
    ARG_IMAGES,
    Arg(("--until",), help="When it ends by itself, such as 2026-12-24T12:00+01:00", metavar="MOMENT"),
    Arg(("--also-rollbacks",), help="Stop rollbacks, too", action="store_true"),
    ARG_CONN_ID,
    more=(
        "Nothing is promoted from then on, also by runs that are under way. The order stands in the Variable that the "
        "connection names (artifactory_stop where it names none), and holds for all connections with that Variable. "
        "All orders that stand are shown."
    ),
    example="stop --reason 'the cluster is on fire' --repository docker-prod",
)
_RESUME = _command(
    "resume",
    "decide.resume",
    "Let the line go on",
    ARG_REASON,
    ARG_REPOSITORIES,
    ARG_CONN_ID,
    more=(
        "It lifts the orders to stop that name one of the repositories, and all where none are given, for all "
        "connections with the Variable of this one (artifactory_stop where it names none)."
    ),
    example="resume --reason 'the fire is out' --repository docker-prod",
)
_POLICY_CHECK = _command(
    "check",
    "policy.check",
    "Check a policy document",
    ARG_POLICY_FILE,
    ARG_TARGETS,
    ARG_AT,
    ARG_ORIGIN,
    more="All errors are told at once, with lines. It needs no database and no server.",
    example="policy check policy.yaml --target docker-prod/payments/api:1.4.2 --at 2026-12-24T12:00+01:00",
)
_POLICY_SHOW = _command(
    "show",
    "policy.show_policy",
    "Show the policy that holds, and the orders to stop",
    ARG_TARGETS,
    ARG_AT,
    ARG_ORIGIN,
    ARG_CONN_ID,
    more=(
        "With targets, it shows what each rule says of them. Where the Variable holds no policy, or there is none of "
        "the name that the connection has, nothing is promoted, and this fails."
    ),
    example="policy show --target docker-prod/payments/api:1.4.2",
)
_POLICY_SET = _command(
    "set",
    "policy.set_policy",
    "Set the policy",
    ARG_POLICY_FILE,
    ARG_CONN_ID,
    more="What is no policy is refused, and the one before goes on to hold.",
    example="policy set policy.yaml",
    shows=False,
)
_POLICY = GroupCommand(
    name="policy", help="Check, show and set the policy", subcommands=(_POLICY_CHECK, _POLICY_SHOW, _POLICY_SET)
)


def get_commands() -> Sequence[CLICommand]:
    """Return the commands, for the provider's metadata."""
    return [
        GroupCommand(
            name="artifactory",
            help="Promote Docker images through Artifactory repositories",
            subcommands=(
                *(_VALIDATE, _PLAN, _PROMOTE, _ROLLBACK),
                *(_STATUS, _VERIFY, _DIFF),
                *(_HOLD, _REJECT, _LIFT, _STOP, _RESUME),
                _POLICY,
            ),
        )
    ]
