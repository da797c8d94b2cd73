"""The command ``retention``."""

from __future__ import annotations

from artifactory_provider.cli.airflow_internals import Arg, positive_int
from artifactory_provider.cli.definition.shared import ARG_CONN_ID, ARG_IMAGES, ARG_REPOSITORIES, make_command

_RETENTION = make_command(
    "retention",
    "retention.retention",
    "Show which tags nobody needs any more, and delete them",
    Arg(("file",), help="The rules of what may go, as YAML or JSON; - for standard input", metavar="FILE"),
    ARG_REPOSITORIES,
    ARG_IMAGES,
    Arg(("--delete",), help="Delete what is shown, as far as nothing needs it by then", action="store_true"),
    Arg(("--undo",), help="Bring back what lies in the attic of the rules, where its tag is free", action="store_true"),
    Arg(
        ("--largest",),
        help="How many tags may go; a larger plan is refused (default: 1000)",
        type=positive_int(allow_zero=False),
        default=1000,
    ),
    Arg(
        ("--at-once",),
        help="How many requests are under way at a time (default: 16)",
        type=positive_int(allow_zero=False),
        default=16,
    ),
    ARG_CONN_ID,
    more=(
        "Without --delete nothing is changed. What a hold, a rejection, a record, a rollback or a later stage needs is "
        "kept, and shown with the reason; what a stop or the policy forbids is refused."
    ),
    example="retention dags/retention_rules.yaml --image 'payments/*' --delete",
)

COMMANDS = (_RETENTION,)
