"""The commands ``policy check``, ``policy show`` and ``policy set``."""

from __future__ import annotations

from artifactory_provider.cli.airflow_internals import GroupCommand
from artifactory_provider.cli.definition.shared import (
    ARG_AS,
    ARG_AT,
    ARG_CONN_ID,
    ARG_ORIGIN,
    ARG_POLICY_FILE,
    ARG_TARGETS,
    make_command,
)

_POLICY_CHECK = make_command(
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
_POLICY_SHOW = make_command(
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
_POLICY_SET = make_command(
    "set",
    "policy.set_policy",
    "Set the policy",
    ARG_POLICY_FILE,
    ARG_AS,
    ARG_CONN_ID,
    more="What is no policy is refused, and the one before goes on to hold.",
    example="policy set policy.yaml",
    shows=False,
)
_POLICY = GroupCommand(
    name="policy", help="Check, show and set the policy", subcommands=(_POLICY_CHECK, _POLICY_SHOW, _POLICY_SET)
)

COMMANDS = (_POLICY,)
