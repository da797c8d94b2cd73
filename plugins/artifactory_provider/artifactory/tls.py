"""TLS contexts, each shared by all connections that are made in the same way.

To make one takes tens of milliseconds of CPU and most of a megabyte: OpenSSL reads and parses every authority that the
system trusts. So each is made once a process, and once more when one of its files has changed: a renewed certificate
counts without a restart.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeAlias

from artifactory_provider.artifactory.errors import InvalidSettings

_MOST = 32
_DEFAULT = ssl.get_default_verify_paths()
_ENVIRONMENT = (_DEFAULT.openssl_cafile_env, _DEFAULT.openssl_capath_env, "SSLKEYLOGFILE")

_Stamp: TypeAlias = tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """What a TLS context is made of, besides the environment.

    :param verify: whether the server's certificate is verified.
    :param ca_file: a PEM file of certificate authorities to trust instead of the system's.
    :param client_certificate: a PEM file with the client certificate, for mutual TLS.
    :param client_key: a PEM file with its key, where the certificate file does not hold it.
    """

    verify: bool = True
    ca_file: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None

    def make_context(self) -> ssl.SSLContext:
        """Return a new context, its files read now.

        :raises InvalidSettings: when a certificate file is missing or unreadable.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.client_certificate:
                # With a password, if only an empty one, OpenSSL does not ask for it on the terminal.
                context.load_cert_chain(self.client_certificate, self.client_key, password="")
        except (OSError, ValueError) as error:
            raise InvalidSettings(
                f"The certificate files of the connection cannot be used ({error}): "
                "check ca_file, client_certificate and client_key."
            ) from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def stamps(self) -> tuple[_Stamp, ...]:
        """Return what tells whether a file that a context is made of has changed."""
        authorities = [self.ca_file] if self.ca_file else _system_authorities()
        own = [path for path in (self.client_certificate, self.client_key) if path]
        return tuple(map(_stamp, (*authorities, *own)))


class _SharedContexts:
    """The contexts of this process, the last used ones last."""

    def __init__(self) -> None:
        self._known: OrderedDict[object, tuple[tuple[_Stamp, ...], ssl.SSLContext]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, settings: TlsSettings) -> ssl.SSLContext:
        key = (settings, *map(os.environ.get, _ENVIRONMENT))
        with self._lock:
            # Taken before the files are read: what changes meanwhile is seen the next time.
            stamps = settings.stamps()
            known = self._known.pop(key, None)
            if known is None or known[0] != stamps:
                known = stamps, settings.make_context()
            self._known[key] = known
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
            return known[1]

    def reset_lock(self) -> None:
        """Replace the lock: in a forked process nobody is left to release it."""
        self._lock = threading.Lock()


_contexts = _SharedContexts()
os.register_at_fork(after_in_child=_contexts.reset_lock)


def shared_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return the context that all connections with these settings share. It must not be changed.

    :param settings: what it is made of.
    :raises InvalidSettings: when a certificate file is missing or unreadable.
    """
    return _contexts.get(settings)


def _system_authorities() -> list[str]:
    """Return the file and the folders that OpenSSL reads authorities from, whether they are there or not."""
    file = os.environ.get(_DEFAULT.openssl_cafile_env, _DEFAULT.openssl_cafile)
    folders = os.environ.get(_DEFAULT.openssl_capath_env, _DEFAULT.openssl_capath)
    return [file, *folders.split(os.pathsep)]


def _stamp(path: str) -> _Stamp:
    try:
        found = os.stat(path)  # noqa: PTH116 - asked for at every connection
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
