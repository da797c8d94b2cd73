"""What Airflow's parser reads of the commands; what they do is loaded when one of them runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.cli.airflow_internals import GroupCommand
from artifactory_provider.cli.definition import decisions, looks, policy, promotions, retention

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.cli.airflow_internals import CLICommand


def get_commands() -> Sequence[CLICommand]:
    """Return the commands, for the provider's metadata."""
    return [
        GroupCommand(
            name="artifactory",
            help="Promote Docker images through Artifactory repositories",
            subcommands=(
                *promotions.COMMANDS,
                *looks.COMMANDS,
                *decisions.COMMANDS,
                *retention.COMMANDS,
                *policy.COMMANDS,
            ),
        )
    ]
