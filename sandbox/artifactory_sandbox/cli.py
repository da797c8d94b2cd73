"""The command line: `artifactory-sandbox serve`, and what looks after a data directory."""

from __future__ import annotations

import argparse
import inspect
import sqlite3
import ssl
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from artifactory_sandbox import __version__
from artifactory_sandbox.access import Password
from artifactory_sandbox.config import Config, ConfigError, load_config
from artifactory_sandbox.journal import log_to_stderr
from artifactory_sandbox.metadata import IncompatibleDataError
from artifactory_sandbox.seeding import SeedError, read_promotion_manifest, seed, select_tags
from artifactory_sandbox.server import ListenError, Server, base_url, listen
from artifactory_sandbox.service import DATABASE, Service
from artifactory_sandbox.upkeep import check, collect_garbage, export

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


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
    serve = _add_command(commands, _serve)
    serve.add_argument("--port", type=_port, default=8081, help="port to listen on, 0 for a free one (8081)")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    tls = ("CERTIFICATE", "KEY")
    serve.add_argument("--tls", nargs=2, type=Path, metavar=tls, help="speak HTTPS, with these PEM files")
    serve.add_argument("--verbose", action="store_true", help="log each request to stderr, as a line of JSON")
    fill = _add_command(commands, _seed)
    fill.add_argument("--tags-per-image", type=_count, metavar="N", help="only the N highest versions of each image")
    fill.add_argument("files", nargs="+", type=Path, metavar="FILE", help="promotion manifest")
    _add_command(commands, _hash_password, has_data=False)
    _add_command(commands, _check, makes_data=False)
    _add_command(commands, _gc, makes_data=False)
    take_out = _add_command(commands, _export, makes_data=False)
    take_out.add_argument("target", type=Path, metavar="DIRECTORY", help="where to write; made if missing")
    for one in (fill, take_out):
        one.add_argument("--repository", required=True, help="key of the Docker repository, e.g. docker-dev")
        one.add_argument("--image", action="append", default=[], metavar="GLOB", help="only these images; repeatable")
    return parser


def _add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    run: Callable[[argparse.Namespace], int],
    *,
    has_data: bool = True,
    makes_data: bool = True,
) -> argparse.ArgumentParser:
    """Add a command that is called and described as its function is."""
    text = inspect.getdoc(run) or ""
    parser = commands.add_parser(
        run.__name__.removeprefix("_").replace("_", "-"), help=text.partition(".")[0], description=text
    )
    parser.set_defaults(run=run)
    if has_data:
        kept = "where everything is kept" + ("; made if missing" if makes_data else "")
        parser.add_argument("--data", type=Path, required=True, metavar="DIR", help=kept)
        parser.add_argument("--config", type=Path, metavar="FILE", help="YAML: repositories, users, permissions")
    return parser


def _serve(options: argparse.Namespace) -> int:
    """Answer requests until stopped.

    Until SIGTERM or Ctrl-C, that is. Prints one line with the URL once it is ready. Without --config there are the
    Docker repositories docker-dev, docker-qa, docker-staging and docker-prod, and one user, admin, with the password
    'password'.
    """
    config = load_config(options.config)
    tls = _tls(*options.tls) if options.tls else None
    with listen(options.host, options.port) as listener:
        service = _open(options.data, config)
        log_to_stderr(has_requests=options.verbose)
        url = base_url(listener, is_secure=tls is not None)
        ready = f"Artifactory sandbox ready at {url} (data in {options.data})"
        Server(service, listener, partial(print, ready, flush=True), tls=tls).run()
    return 0


def _tls(certificate: Path, key: Path) -> tuple[Path, Path]:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except OSError as error:
        raise UsageError(f"cannot use {certificate} with {key}: {error.strerror or error}") from None
    return certificate, key


def _seed(options: argparse.Namespace) -> int:
    """Fill a repository from promotion manifests.

    Makes a small image for each digest of promotion manifests (YAML lists of 'name' and 'dmap': digest -> tags) and
    stores it under its tags. The same digest always makes the same image, so seeding again changes nothing. A server
    may be running on the same directory.
    """
    config = load_config(options.config)
    repository = config.repositories.get(options.repository)
    if repository is None or not repository.is_docker or not repository.is_writable:
        known = ", ".join(key for key, one in config.repositories.items() if one.is_docker and one.is_writable)
        raise UsageError(f"{options.repository!r} is no local Docker repository; there are: {known}")
    found = [tag for path in options.files for tag in read_promotion_manifest(path)]
    tags = select_tags(found, images=options.image, per_image=options.tags_per_image)
    if not tags:
        raise UsageError(f"no image matches {' '.join(options.image) or 'in the files'}: nothing was seeded")
    with closing(_open(options.data, config)) as service:
        summary = seed(service, options.repository, tags)
    print(
        f"Seeded {options.repository}: {summary.tags} tags of {summary.images} images, "
        f"{summary.digests} distinct digests."
    )
    return 0


def _hash_password(options: argparse.Namespace) -> int:
    """Print what stands in a configuration instead of a password.

    Reads a password from standard input and prints its hash, for 'password' in a configuration.
    """
    password = sys.stdin.readline().rstrip("\n")
    if not password:
        raise UsageError("a password is read from standard input, and there was none")
    print(Password(password).hashed())
    return 0


def _check(options: argparse.Namespace) -> int:
    """Find contents that are missing or altered.

    Reads all contents and sees whether they fit their digests, and whether all parts of all manifests are there.
    Prints a line for each problem; ends with code 1 if there is one. A server may be running.
    """
    with closing(_reopen(options)) as service:
        problems = list(check(service))
    print("\n".join([*problems, f"{len(problems)} problems." if problems else "All is well."]))
    return 1 if problems else 0


def _gc(options: argparse.Namespace) -> int:
    """Remove contents that nothing needs.

    That is what no image needs, and uploads that were never finished. The server must have been stopped.
    """
    with closing(_reopen(options, is_alone=True)) as service:
        count, size = collect_garbage(service)
    print(f"Removed {count} files, {size} bytes.")
    return 0


def _export(options: argparse.Namespace) -> int:
    """Write images as an OCI image layout.

    Writes the images of a repository into a directory that skopeo and others read as oci:DIRECTORY:IMAGE:TAG. A server
    may be running.
    """
    with closing(_reopen(options)) as service:
        try:
            count = export(service, options.target, options.repository, options.image)
        except OSError as error:
            raise UsageError(f"cannot write to {options.target}: {error.strerror}") from None
    if not count:
        raise UsageError(
            f"{options.repository!r} has no image {' '.join(options.image)}".rstrip() + ": nothing was exported"
        )
    print(f"Exported {count} tags to {options.target}.")
    return 0


def _reopen(options: argparse.Namespace, *, is_alone: bool = False) -> Service:
    """Open a data directory that is there already: what looks after one makes none."""
    if not (options.data / DATABASE).is_file():
        raise UsageError(
            f"{options.data} holds no data of a sandbox: name the directory that 'serve' or 'seed' has made"
        )
    return _open(options.data, load_config(options.config), is_alone=is_alone)


def _open(data: Path, config: Config, *, is_alone: bool = False) -> Service:
    try:
        return Service.open(data, config, is_alone=is_alone)
    except BlockingIOError:
        reason = "stop the sandbox first" if is_alone else "wait for its end"
        raise UsageError(f"another process is using the data directory {data}: {reason}") from None
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
