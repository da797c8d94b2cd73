"""The command line: `artifactory-sandbox serve`, and what looks after a data directory."""

from __future__ import annotations

import argparse
import inspect
import ipaddress
import logging
import resource
import sqlite3
import ssl
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from artifactory_sandbox import __version__
from artifactory_sandbox.access import hash_password, is_password
from artifactory_sandbox.config import DEFAULT_PASSWORD, Config, ConfigError, load_config
from artifactory_sandbox.journal import log_to_stderr
from artifactory_sandbox.metadata import IncompatibleDataError
from artifactory_sandbox.seeding import SEEDER, SeedError, seed, select_tags
from artifactory_sandbox.server import ListenError, Server, base_url, listen
from artifactory_sandbox.service import DATABASE, Service
from artifactory_sandbox.upkeep import check, collect_garbage, export

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

# Of the database, the log and the libraries.
_OTHER_FILES = 200
_log = logging.getLogger(__name__)


class UsageError(Exception):
    """A command that cannot be carried out as it was given."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    :param arguments: without the program's name; None takes them from the process.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except (UsageError, ConfigError, ListenError, SeedError, IncompatibleDataError) as error:
        print(f"artifactory-sandbox: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    """Make the parser; each command is called and described as its function is."""
    parser = argparse.ArgumentParser(
        prog="artifactory-sandbox",
        description="An Artifactory-compatible Docker registry on one machine, for development and tests.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="where everything is kept; serve and seed make it"
    )
    data.add_argument("--config", type=Path, metavar="FILE", help="YAML: repositories, users, permissions")
    images = argparse.ArgumentParser(add_help=False, parents=[data])
    images.add_argument("--repository", required=True, help="key of the Docker repository, e.g. docker-dev")
    images.add_argument("--image", action="append", default=[], metavar="GLOB", help="only these images; repeatable")
    shared = {_serve: [data], _seed: [images], _hash_password: [], _check: [data], _gc: [data], _export: [images]}
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for run, parents in shared.items():
        name, text = run.__name__[1:].replace("_", "-"), inspect.getdoc(run) or ""
        command = commands.add_parser(name, help=text.partition(".")[0], description=text, parents=parents)
        command.set_defaults(run=run)
    serve, fill, take_out = (commands.choices[name] for name in ("serve", "seed", "export"))
    serve.add_argument("--port", type=_port, default=8081, help="port to listen on, 0 for a free one (8081)")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    tls = ("CERTIFICATE", "KEY")
    serve.add_argument("--tls", nargs=2, type=Path, metavar=tls, help="speak HTTPS, with these PEM files")
    serve.add_argument("--verbose", action="store_true", help="log each request to stderr, as a line of JSON")
    fill.add_argument("--tags-per-image", type=_count, metavar="N", help="only the N highest versions of each image")
    fill.add_argument("--user", default=SEEDER, metavar="NAME", help=f"who has pushed them, as it says ({SEEDER})")
    fill.add_argument("files", nargs="+", type=Path, metavar="FILE", help="promotion manifest")
    take_out.add_argument("target", type=Path, metavar="DIRECTORY", help="where to write; made if missing")
    return parser


def _serve(options: argparse.Namespace) -> None:
    """Answer requests until stopped.

    Until SIGTERM or Ctrl-C, that is. Prints one line with the URL once it is ready. Without --config there are the
    Docker repositories docker-dev, docker-qa, docker-staging and docker-prod, and one user, admin, with the password
    'password'.
    """
    config = load_config(options.config)
    if options.tls:
        _check_tls(*options.tls)
    with listen(options.host, options.port) as listener:
        service = _open(options, config, makes_data=True)
        log_to_stderr(has_requests=options.verbose)
        _warn_of_default_password(config, listener)
        _allow_files(config.limits.connections)
        url = base_url(listener, is_secure=bool(options.tls))
        ready = f"Artifactory sandbox ready at {url} (data in {options.data})"
        Server(service, listener, partial(print, ready, flush=True), tls=options.tls).run()


def _warn_of_default_password(config: Config, listener: socket.socket) -> None:
    address: str = listener.getsockname()[0]
    if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return
    stored = {name: user.password.get_secret_value() for name, user in config.users.items()}
    names = [name for name, password in stored.items() if is_password(DEFAULT_PASSWORD, password)]
    if names:
        who, reason = ", ".join(names), f"{address} is no loopback address: others may reach it"
        _log.warning("%s still has the default password, and %s; name another one with --config", who, reason)


def _allow_files(connections: int) -> None:
    """Let the process open as many files as its connections can need, where it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + _OTHER_FILES
    if resource.RLIM_INFINITY != soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _check_tls(certificate: Path, key: Path) -> None:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except OSError as error:
        raise UsageError(f"cannot use {certificate} with {key}: {error.strerror or error}") from None


def _seed(options: argparse.Namespace) -> None:
    """Fill a repository from promotion manifests.

    Makes a small image for each digest of promotion manifests (YAML lists of 'name' and 'dmap': digest -> tags) and
    stores it under its tags. The same digest always makes the same image, so seeding again changes nothing. With
    'created' (tag -> moment) an image was pushed in the past. A server may be running on the same directory.
    """
    config = load_config(options.config)
    known = [key for key, one in config.repositories.items() if one.is_docker and one.is_writable]
    if options.repository not in known:
        raise UsageError(f"{options.repository!r} is no local Docker repository; there are: {', '.join(known)}")
    tags = select_tags(options.files, images=options.image, per_image=options.tags_per_image)
    if options.image and not tags:
        raise UsageError(f"no image matches {' '.join(options.image)}: nothing was seeded")
    with closing(_open(options, config, makes_data=True)) as service:
        made = seed(service, options.repository, tags, user=options.user)
    print(f"Seeded {options.repository}: {made.tags} tags of {made.images} images, {made.digests} distinct digests.")


def _hash_password(options: argparse.Namespace) -> None:
    """Print what stands in a configuration instead of a password.

    Reads a password from standard input and prints its hash, for 'password' in a configuration.
    """
    password = sys.stdin.readline().rstrip("\n")
    if not password:
        raise UsageError("a password is read from standard input, and there was none")
    print(hash_password(password))


def _check(options: argparse.Namespace) -> int:
    """Find contents that are missing or altered.

    Reads all contents and sees whether they fit their digests, and whether all parts of all manifests are there.
    Prints a line for each problem; ends with code 1 if there is one. A server may be running.
    """
    with closing(_open(options, load_config(options.config))) as service:
        problems = list(check(service))
    print("\n".join([*problems, f"{len(problems)} problems." if problems else "All is well."]))
    return 1 if problems else 0


def _gc(options: argparse.Namespace) -> None:
    """Remove contents that nothing needs.

    That is what no image needs, and uploads that were never finished. The server must have been stopped.
    """
    with closing(_open(options, load_config(options.config), is_alone=True)) as service:
        count, size = collect_garbage(service)
    print(f"Removed {count} files, {size} bytes.")


def _export(options: argparse.Namespace) -> None:
    """Write images as an OCI image layout.

    Writes the images of a repository into a directory that skopeo and others read as oci:DIRECTORY:IMAGE:TAG. A server
    may be running.
    """
    with closing(_open(options, load_config(options.config))) as service:
        try:
            count = export(service, options.target, options.repository, options.image)
        except OSError as error:
            raise UsageError(f"cannot write to {options.target}: {error.strerror}") from None
    if not count:
        wanted = " ".join(["image", *options.image])
        raise UsageError(f"{options.repository!r} has no {wanted}: nothing was exported")
    print(f"Exported {count} tags to {options.target}.")


def _open(options: argparse.Namespace, config: Config, *, makes_data: bool = False, is_alone: bool = False) -> Service:
    """Open the data directory; what only looks after one makes none."""
    data: Path = options.data
    if not makes_data and not (data / DATABASE).is_file():
        raise UsageError(f"{data} holds no data of a sandbox: name the directory that 'serve' or 'seed' has made")
    try:
        return Service(data, config, is_alone=is_alone)
    except BlockingIOError:
        reason = "stop the sandbox first" if is_alone else "wait for its end"
        raise UsageError(f"another process is using the data directory {data}: {reason}") from None
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", str(error))
        raise UsageError(f"cannot use the data directory {data}: {reason}") from None


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError("expected a number from 1 on")
    return int(text)
