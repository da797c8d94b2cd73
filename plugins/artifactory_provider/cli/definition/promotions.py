"""The commands ``validate``, ``plan``, ``promote`` and ``rollback``."""

from __future__ import annotations

from artifactory_provider.cli.airflow_internals import Arg, positive_int
from artifactory_provider.cli.definition.shared import (
    ARG_CONN_ID,
    ARG_FOLDER,
    ARG_IMAGES,
    ARG_ON_CONFLICT,
    ARG_REASON,
    make_command,
)

_VALIDATE = make_command(
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

_PLAN = make_command(
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
_PROMOTE = make_command(
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
_ROLLBACK = make_command(
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

COMMANDS = (_VALIDATE, _PLAN, _PROMOTE, _ROLLBACK)
