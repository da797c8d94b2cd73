"""The credentials that are good at this moment: those of the connection, or what they were renewed to."""

from __future__ import annotations

import asyncio
import datetime
import logging
import math
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.authentication import Anonymous, Basic, Bearer, RefreshableToken
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.tokens import Lifetime, lifetime_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_provider.artifactory.authentication import Authentication, Renewable

log = logging.getLogger(__name__)

_FOREVER = Lifetime(-math.inf, math.inf)
_NEVER = Lifetime(-math.inf, -math.inf)
_PART_OF_REST = 0.25


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new access token.

    :param bearer: the token.
    :param renewable: what the next one is asked for with.
    :param seconds: how long it is good; None where neither the server nor the token said so.
    """

    bearer: Bearer
    renewable: Renewable
    seconds: float | None


class FixedCredentials:
    """Credentials that stay as they are.

    :param authentication: who is asking.
    """

    is_renewable = False

    def __init__(self, authentication: Authentication) -> None:
        self._authentication = authentication

    async def get(self, _refused: Authentication | None = None) -> Authentication:
        """Return the credentials."""
        return self._authentication

    def explain(self, refused: Authentication) -> str | None:
        """Return what a 401 is about and what to do, if that is known."""
        if isinstance(refused, Anonymous):
            return (
                "No credentials were sent, and the server does not let everybody do this: give the connection login "
                "and password, or a token."
            )
        token = refused.token if isinstance(refused, Bearer) else refused.password if isinstance(refused, Basic) else ""
        lifetime = lifetime_of(token)
        if lifetime is None or time.time() < lifetime.end:
            return None
        return f"The token of the connection has expired{_show_moment(lifetime.end)}: put a new one there."


class RenewedCredentials:
    """An access token that is renewed before it expires and when the server refuses it.

    May be shared by all threads and event loops of a process: what asks for a token while another one is on its way
    waits for that one. Asking is done in a thread of its own, which needs none of theirs.

    :param renewable: what tokens are asked for with.
    :param ask: asks for one; it may block.
    :param clock: the time in seconds since the epoch.
    """

    is_renewable = True

    def __init__(
        self, renewable: Renewable, ask: Callable[[Renewable], IssuedToken], *, clock: Callable[[], float] = time.time
    ) -> None:
        self.ask = ask
        self._renewable = renewable
        self._clock = clock
        self._lock = threading.Lock()
        self._renewal: Future[Bearer] | None = None
        self._bearer: Bearer | None = None
        self._lifetime = _NEVER
        if isinstance(renewable, RefreshableToken) and renewable.access_token:
            self._bearer = Bearer(renewable.access_token)
            self._lifetime = lifetime_of(renewable.access_token) or _FOREVER
        self._due = self._lifetime.renewal

    async def get(self, refused: Authentication | None = None) -> Authentication:
        """Return a token that is good, renewed if that is due.

        :param refused: what the server has just refused: another one is wanted.
        :raises ArtifactoryError: when there is none to be had.
        """
        wanted = self._find_or_renew(refused)
        if wanted.done():
            return wanted.result()
        # Who is cancelled here leaves the others waiting for their token.
        return await asyncio.shield(asyncio.wrap_future(wanted))

    def forget_renewal(self) -> None:
        """Forget what was on its way: in a forked process it never arrives."""
        self._lock = threading.Lock()
        self._renewal = None

    def explain(self, _refused: Authentication) -> str | None:
        """Return what a 401 is about that came for a new token, too."""
        return (
            "A new token was refused, too: check that it is valid for this server, and who it stands for (the "
            "identity mapping of the OIDC provider, or the user of the refresh token)."
        )

    def _find_or_renew(self, refused: Authentication | None) -> Future[Bearer]:
        with self._lock:
            if refused is not None and refused is self._bearer:
                self._bearer = None
            if self._renewal is not None and not self._renewal.done():
                return self._renewal
            if self._bearer is not None and self._clock() < self._due:
                good: Future[Bearer] = Future()
                good.set_result(self._bearer)
                return good
            pool = ThreadPoolExecutor(1, "artifactory-token")
            self._renewal = pool.submit(self._renew)
            pool.shutdown(wait=False)
            return self._renewal

    def _renew(self) -> Bearer:
        try:
            issued = self.ask(self._renewable)
        except ArtifactoryError as error:
            with self._lock:
                left = self._lifetime.end - self._clock()
                if self._bearer is None or left <= 0:
                    raise
                log.warning("%s The token in use is good for %.0f s still.", error, left)
                self._due = self._clock() + left * _PART_OF_REST
                return self._bearer
        log.info("Artifactory gave a new access token.")
        with self._lock:
            # Its life counts from now by the clock on this side, which the server's need not agree with.
            now = self._clock()
            self._lifetime = _FOREVER if issued.seconds is None else Lifetime(now, now + issued.seconds)
            self._due = self._lifetime.renewal
            self._renewable, self._bearer = issued.renewable, issued.bearer
        return issued.bearer


Credentials = FixedCredentials | RenewedCredentials


def _show_moment(seconds: float) -> str:
    try:
        return f" on {datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d at %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return ""
