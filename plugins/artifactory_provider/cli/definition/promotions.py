"""The commands ``validate``, ``plan``, ``promote`` and ``rollback``."""

from __future__ import annotations

from artifactory_provider.cli.airflow_internals import Arg, positive_int
from artifactory_provider.cli.definition.shared import (
    ARG_AS,
    ARG_CONN_ID,
    ARG_FOLDER,
    ARG_ON_CONFLICT,
    ARG_REASON,
    ARGS_PATTERNS,
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
    "plan.plan",
    "Show the promotions that a run would make",
    Arg(("repository",), help="The repository that is promoted from", metavar="REPOSITORY"),
    Arg(("target",), help="The repository that is promoted to", metavar="TARGET"),
    *ARGS_PATTERNS,
    ARG_ON_CONFLICT,
    Arg(("--save",), help="A file to save the plan in, for promote --plan", metavar="FILE"),
    ARG_FOLDER,
    ARG_CONN_ID,
    more=(
        "Nothing is changed. What a hold, a rejection, a stop, the policy or a pipeline's stage forbids now is "
        "refused; checks and approvals are asked for when it is promoted."
    ),
    example="plan docker-dev docker-qa --image 'payments/*' --versions '>=1.4 <2' --save plan.json",
)
_PROMOTE = make_command(
    "promote",
    "promote.promote",
    "Promote tags, whole images, what patterns mean, or a saved plan",
    Arg(
        ("references",),
        nargs="*",
        help=(
            "What is promoted: repository/image:tag, repository/image for all its tags, or a repository, with patterns "
            "as plan has them; and, last, the target: a repository, or repository/image[:tag]"
        ),
        metavar="REFERENCE",
    ),
    Arg(("--plan",), help="A plan that was saved by plan --save; - for standard input", metavar="FILE"),
    *ARGS_PATTERNS,
    ARG_ON_CONFLICT,
    Arg(
        ("--at-once",),
        help="How many requests are under way at a time (default: 32)",
        type=positive_int(allow_zero=False),
        default=32,
    ),
    ARG_AS,
    ARG_FOLDER,
    ARG_CONN_ID,
    more=(
        "Each is pinned to the digest that it shows, or that the plan has; then the target has to show what it showed "
        "when it was planned. All rules of the policy hold, and what the stages of the pipelines in the folder ask of "
        "their own images: checks, windows, approvals. Images are copied."
    ),
    example=(
        "promote docker-dev/payments/api:1.4.2 docker-qa\n"
        "promote docker-dev docker-qa --image 'payments/*' --versions '>=1.4 <2'\n"
        "promote --plan plan.json --as alice"
    ),
)
_ROLLBACK = make_command(
    "rollback",
    "promote.rollback",
    "Give a tag back what it showed before its last promotion",
    Arg(("tag",), help="The tag; with a digest, that is gone back to", metavar="REPOSITORY/IMAGE:TAG[@DIGEST]"),
    ARG_REASON,
    Arg(("--no-hold",), help="Do not hold the tag on it", action="store_true"),
    ARG_AS,
    ARG_CONN_ID,
    more=(
        "That promotion must have kept a backup. The tag is held on it then, until somebody lifts the hold. A tag that "
        "was rolled back already is left as it is: only a digest goes further back, or brings back what was taken out."
    ),
    example="rollback docker-prod/payments/api:1.4 --reason 'loses orders'",
)

COMMANDS = (_VALIDATE, _PLAN, _PROMOTE, _ROLLBACK)
