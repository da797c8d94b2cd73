"""Artifactory's webhooks: a pushed tag, or a property on a manifest, becomes an event that starts runs.

The only route without a login of Airflow's: a delivery shows that it comes from the server, by the secret of an Airflow
connection. It is answered at once, without a request to Artifactory; what is not known to be recorded is answered with
an error, so that Artifactory sends it again.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import time
from typing import TYPE_CHECKING

from fastapi import FastAPI, HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from artifactory_provider.artifactory.errors import InvalidSettings
from artifactory_provider.hooks.connections import WebhookSecret, webhook_secret_of
from artifactory_provider.web.airflow_internals import AirflowLacks
from artifactory_provider.web.airflow_recording import DatabaseDown, Recorded, read_extra, record
from artifactory_provider.web.deliveries import NotForUs, read_delivery
from artifactory_provider.web.limits import SecretCache, TokenBuckets

if TYPE_CHECKING:
    from artifactory_provider.web.airflow_recording import TagEvent

log = logging.getLogger(__name__)

app = FastAPI(title="Artifactory webhooks", docs_url=None, redoc_url=None, openapi_url=None)

HEADER = "X-JFrog-Event-Auth"
LARGEST = 64 * 1024
SLOWEST = 10.0
"""Seconds that a delivery may take to arrive."""
_RATE, _BURST = 50.0, 200
_LONGEST_ID = 250
_REFUSING = 0.05
"""Seconds that the answer to who shows no secret waits, so that guessing is slow; it keeps nobody else waiting."""
_QUIET = 60.0
"""Seconds between two warnings of refused deliveries."""
_NOBODYS = WebhookSecret(secrets.token_hex(32), is_signed=True)
"""What is compared with where there is no secret: so that such a connection answers like any other."""

cache = SecretCache(lambda conn_id: _read_secret(conn_id))
buckets = TokenBuckets(rate=_RATE, burst=_BURST)
_refusals = {"told": float("-inf")}


@app.post("/{conn_id}")
async def receive(conn_id: str, request: Request) -> dict[str, str]:
    """Take a delivery, and say what became of it.

    :param conn_id: the Airflow connection whose secret it shows.
    :param request: the delivery.
    """
    body = await _read_body(request)
    await _authenticate(conn_id, request.headers.get(HEADER, ""), body)
    pause = buckets.take(conn_id)
    if pause:
        raise HTTPException(
            429, f"More than {_RATE:g} deliveries a second: send it again.", {"Retry-After": str(pause)}
        )
    try:
        event = read_delivery(body)
    except NotForUs as reason:
        return {"result": "not for us", "reason": str(reason)}
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    became = await _record(event)
    return {"result": became.name.lower(), "reason": f"{event.key}: {became.value}"}


async def _read_body(request: Request) -> bytes:
    """Return the body, unless it is too large or too slow."""
    too_large = HTTPException(413, f"A delivery has at most {LARGEST} bytes.", {"Connection": "close"})
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 9 or int(length) > LARGEST):
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST):
            async for part in request.stream():
                body += part
                if len(body) > LARGEST:
                    raise too_large
    except TimeoutError:
        raise HTTPException(408, f"A delivery arrives within {SLOWEST:g} seconds.", {"Connection": "close"}) from None
    except ClientDisconnect:
        raise HTTPException(400, "The delivery has ended before its end.") from None
    return bytes(body)


async def _authenticate(conn_id: str, shown: str, body: bytes) -> None:
    """Refuse a delivery that does not show the connection's secret; the answer tells nothing of why.

    Whoever does not know a secret can only make this compute: they use up no delivery of those who do.
    """
    try:
        is_name = 0 < len(conn_id) <= _LONGEST_ID and conn_id.isprintable()
        known = await cache.find(conn_id) if is_name else None
    except (AirflowLacks, DatabaseDown, TimeoutError) as error:
        log.warning("A webhook could not be checked: %s: %s", type(error).__name__, error)
        raise HTTPException(503, "Airflow cannot tell now: send it again.", {"Retry-After": "5"}) from error
    secret = known or _NOBODYS
    key = secret.secret.encode(errors="surrogatepass")
    wanted = hmac.digest(key, body, "sha256").hex().encode() if secret.is_signed else key
    if not hmac.compare_digest(shown.encode("latin-1", "replace"), wanted) or known is None:
        _tell_refusal(conn_id)
        await asyncio.sleep(_REFUSING)
        raise HTTPException(401, "This delivery does not show that it may be sent here.")


def _tell_refusal(conn_id: str) -> None:
    now = time.monotonic()
    if now - _refusals["told"] >= _QUIET:
        _refusals["told"] = now
        log.warning(
            "A webhook to %.80r was refused: unknown connection, no webhook_secret, or another secret.", conn_id
        )


async def _record(event: TagEvent) -> Recorded:
    try:
        became = await run_in_threadpool(record, event)
    except DatabaseDown as error:
        log.warning("A webhook could not be recorded: %s. Artifactory is told to send it again.", error)
        raise HTTPException(503, "It could not be recorded: send it again.", {"Retry-After": "5"}) from error
    except AirflowLacks as error:
        log.error("%s", error, exc_info=error)
        raise HTTPException(503, str(error)) from error
    log.info("Webhook: %s on %s: %s.", event.key, event.asset[0], became.value)
    return became


def _read_secret(conn_id: str) -> WebhookSecret | None:
    """Return the secret of a connection, None where it has none that can be used."""
    extra = read_extra(conn_id)
    try:
        return None if extra is None else webhook_secret_of(extra)
    except InvalidSettings as error:
        log.warning("Webhooks to %.80r are refused: %s", conn_id, error)
        return None
