"""Record what the Celery and FAB providers offer on the command line and in the configuration.

docker-compose.yaml uses both providers, which the official image has and a development environment has not both: FAB
does not fit the lock. The tests compare with this record. Run it again, with a Python that has both providers
(in the built image: `docker compose run --rm --no-deps -v "$PWD/tests:/tests" scheduler python
/tests/unit/deployment/record_provider_interface.py`), when the image's version changes, and keep what it prints
as provider_interface.json.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from importlib import import_module
from typing import Any

import click

COMMANDS = [("celery", "worker"), ("users", "create")]
CELERY_COMMANDS = [("inspect",)]


def main() -> None:
    """Print the record."""
    from airflow.cli.cli_parser import get_parser

    record = {
        "versions": {
            name: importlib.metadata.version(name)
            for name in (
                "apache-airflow",
                "apache-airflow-providers-celery",
                "apache-airflow-providers-fab",
                "celery",
            )
        },
        "options": {
            section: sorted(values["options"])
            for provider in ("celery", "fab")
            for section, values in _provider_info(provider)["config"].items()
        },
        "auth_managers": _provider_info("fab")["auth-managers"],
        "commands": {" ".join(command): _arguments(get_parser(), command) for command in COMMANDS},
        "celery": {" ".join(command): _click_flags(command) for command in CELERY_COMMANDS},
    }
    json.dump(record, sys.stdout, indent=2, sort_keys=True)
    print()


def _provider_info(provider: str) -> dict[str, Any]:
    info: dict[str, Any] = import_module(f"airflow.providers.{provider}.get_provider_info").get_provider_info()
    return info


def _arguments(parser: argparse.ArgumentParser, command: tuple[str, ...]) -> list[str]:
    """Write each argument in a line: its flags, then VALUE if it takes one, then REQUIRED if it must be there."""
    for word in command:
        groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        parser = groups[0].choices[word]
    return sorted(
        " ".join([*action.option_strings, *["VALUE"] * (action.nargs != 0), *["REQUIRED"] * action.required])
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction)
    )


def _click_flags(command: tuple[str, ...]) -> list[str]:
    found: click.Command = import_module("celery.bin.celery").celery
    for word in command:
        assert isinstance(found, click.Group)
        found = found.commands[word]
    return sorted(flag for parameter in found.params for flag in parameter.opts)


if __name__ == "__main__":
    main()
