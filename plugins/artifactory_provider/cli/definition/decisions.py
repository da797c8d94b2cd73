"""The commands by which a person decides: ``hold``, ``reject``, ``lift``, ``stop``, ``resume`` and ``accept``."""

from __future__ import annotations

from artifactory_provider.cli.airflow_internals import Arg
from artifactory_provider.cli.definition.shared import (
    ARG_AS,
    ARG_CONN_ID,
    ARG_IMAGES,
    ARG_REASON,
    ARG_REPOSITORIES,
    ARG_TAG,
    make_command,
)

_HOLD = make_command(
    "hold",
    "decide.hold",
    "Hold a tag on what it shows",
    ARG_TAG,
    ARG_REASON,
    ARG_AS,
    ARG_CONN_ID,
    example="hold docker-prod/payments/api:1.4 --reason 'until the audit is over'",
    shows=False,
)
_REJECT = make_command(
    "reject",
    "decide.reject",
    "Reject the digest that a tag shows",
    ARG_TAG,
    ARG_REASON,
    ARG_AS,
    ARG_CONN_ID,
    more="It is not promoted any more, from and to wherever. What shows it goes on showing it.",
    example="reject docker-dev/payments/api:1.4.1 --reason 'CVE-2026-1234'",
    shows=False,
)
_LIFT = make_command(
    "lift",
    "decide.lift",
    "Lift a hold or a rejection",
    Arg(("lifted",), help="hold or rejection", choices=("hold", "rejection"), metavar="(hold, rejection)"),
    ARG_TAG,
    ARG_REASON,
    ARG_AS,
    ARG_CONN_ID,
    example="lift hold docker-prod/payments/api:1.4 --reason 'the audit is over'",
    shows=False,
)
_STOP = make_command(
    "stop",
    "decide.stop",
    "Stop the line",
    ARG_REASON,
    ARG_REPOSITORIES,
    ARG_IMAGES,
    Arg(("--until",), help="When it ends by itself, such as 2026-12-24T12:00+01:00", metavar="MOMENT"),
    Arg(("--also-rollbacks",), help="Stop rollbacks, too", action="store_true"),
    ARG_AS,
    ARG_CONN_ID,
    more=(
        "Nothing is promoted from then on, also by runs that are under way. The order stands in the Variable that the "
        "connection names (artifactory_stop where it names none), and holds for all connections with that Variable. "
        "All orders that stand are shown."
    ),
    example="stop --reason 'the cluster is on fire' --repository docker-prod",
)
_RESUME = make_command(
    "resume",
    "decide.resume",
    "Let the line go on",
    ARG_REASON,
    ARG_REPOSITORIES,
    ARG_AS,
    ARG_CONN_ID,
    more=(
        "It lifts the orders to stop that name one of the repositories, and all where none are given, for all "
        "connections with the Variable of this one (artifactory_stop where it names none)."
    ),
    example="resume --reason 'the fire is out' --repository docker-prod",
)

_ACCEPT = make_command(
    "accept",
    "audit.accept",
    "Accept findings of an audit for a time",
    Arg(("finding",), nargs="+", help="The name of a finding, as audit gives it", metavar="FINDING"),
    ARG_REASON,
    Arg(("--until",), help="When they are told again, such as 2027-03-31", metavar="MOMENT", required=True),
    ARG_AS,
    more="They stand in the Variable artifactory_accepted_findings. One that ends is told again.",
    example=(
        "accept unexplained:docker-qa/payments/api:1.4.2@34378e2735ab --reason 'brought by hand in the outage' "
        "--until 2099-03-31"
    ),
)

COMMANDS = (_HOLD, _REJECT, _LIFT, _STOP, _RESUME, _ACCEPT)
