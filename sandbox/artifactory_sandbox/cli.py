"""The command line: `artifactory-sandbox serve` and `artifactory-sandbox seed`."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from artifactory_sandbox import __version__
from artifactory_sandbox.config import Config, ConfigError, load_config
from artifactory_sandbox.metadata import IncompatibleDataError
from artifactory_sandbox.seeding import SeedError, read_promotion_manifest, seed, select_tags
from artifactory_sandbox.server import ListenError, Server, base_url, listen
from artifactory_sandbox.service import Service

if TYPE_CHECKING:
    from collections.abc import Sequence


class UsageError(Exception):
    """A command that cannot be carried out as it was given."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    :param arguments: without the program's name; None takes them from the process.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (UsageError, ConfigError, ListenError, SeedError, IncompatibleDataError) as error:
        print(f"artifactory-sandbox: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="artifactory-sandbox",
        description="An Artifactory-compatible Docker registry on one machine, for development and tests.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="answer requests until stopped",
        description="Answer requests until SIGTERM or Ctrl-C. Prints one line with the URL once it is ready. "
        "Without --config there are the Docker repositories docker-dev, docker-qa, docker-staging and "
        "docker-prod, and one user, admin, with the password 'password'.",
    )
    _add_data(serve)
    serve.add_argument("--port", type=_port, default=8081, help="port to listen on, 0 for a free one (8081)")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serve.set_defaults(run=_serve)
    fill = commands.add_parser(
        "seed",
        help="fill a repository from promotion manifests",
        description="Make a small image for each digest of promotion manifests (YAML lists of 'name' and "
        "'dmap': digest -> tags) and store it under its tags. The same digest always makes the same image, so "
        "seeding again changes nothing. A server may be running on the same directory.",
    )
    _add_data(fill)
    fill.add_argument("--repository", required=True, help="key of the Docker repository to fill, e.g. docker-dev")
    fill.add_argument("--image", action="append", default=[], metavar="GLOB", help="only these images; repeatable")
    fill.add_argument("--tags-per-image", type=_count, metavar="N", help="only the N highest versions of each image")
    fill.add_argument("files", nargs="+", type=Path, metavar="FILE", help="promotion manifest")
    fill.set_defaults(run=_seed)
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="where everything is kept; made if missing"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML: repositories, users, permissions")


def _serve(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    listener = listen(options.host, options.port)
    with listener:
        service = _open(options.data, config)

        def say_ready() -> None:
            print(f"Artifactory sandbox ready at {base_url(listener)} (data in {options.data})", flush=True)

        Server(service, listener, say_ready).run_until_signalled()
    return 0


def _seed(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    repository = config.repositories.get(options.repository)
    if repository is None or not repository.is_docker or not repository.is_writable:
        known = ", ".join(key for key, one in config.repositories.items() if one.is_docker and one.is_writable)
        raise UsageError(f"{options.repository!r} is no local Docker repository; there are: {known}")
    found = [tag for path in options.files for tag in read_promotion_manifest(path)]
    tags = select_tags(found, images=options.image, per_image=options.tags_per_image)
    if not tags:
        raise UsageError(f"no image matches {' '.join(options.image) or 'in the files'}: nothing was seeded")
    service = _open(options.data, config)
    try:
        summary = seed(service, options.repository, tags)
    finally:
        service.close()
    print(
        f"Seeded {options.repository}: {summary.tags} tags of {summary.images} images, "
        f"{summary.digests} distinct digests."
    )
    return 0


def _open(data: Path, config: Config) -> Service:
    try:
        return Service.open(data, config)
    except OSError as error:
        raise UsageError(f"cannot use the data directory {data}: {error.strerror}") from None
    except sqlite3.Error as error:
        raise UsageError(f"cannot use the data directory {data}: {error}") from None


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError("expected a number from 1 on")
    return int(text)
