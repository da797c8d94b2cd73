"""A server that sends back what it was sent, and an HTTP library whose errors hold what they were sent."""

from __future__ import annotations

import asyncio
import base64
import logging
import traceback
from typing import TYPE_CHECKING

import pytest
from tests.integration.conftest import PASSWORD
from tests.integration.raw_server import raw_server

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.hooks.artifactory import ArtifactoryHook

if TYPE_CHECKING:
    from collections.abc import Callable

BASIC = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
APP = ImageReference("docker-dev", "app", "1")


def body_after_head(head: bytes) -> bytes:
    """Answer HEAD with a body, which no client expects: it takes it for the next answer."""
    authorization = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"authorization"))
    return b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(authorization) + 2, authorization + b"\r\n")


def header_line(head: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + head.partition(b"\r\n")[2].replace(b": ", b" ", 1) + b"{}"


def no_http(head: bytes) -> bytes:
    return head.partition(b"\r\n")[2]


def plain_text(head: bytes) -> bytes:
    """Answer with success what is no answer of the API."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(head) + head


def bad_length(head: bytes) -> bytes:
    authorization = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"authorization"))
    return b"HTTP/1.1 200 OK\r\nContent-Length: " + authorization + b"\r\n\r\n"


def reachable(error: BaseException | None) -> list[BaseException]:
    """All errors that lead from one to the next, whether they are shown or not."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in found:
            found.append(one)
            waiting += [one.__cause__, one.__context__]
    return found


@pytest.mark.parametrize("answer", [body_after_head, header_line, no_http, plain_text, bad_length])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_no_error_leads_to_the_headers_that_were_sent(
    answer: Callable[[bytes], bytes],
    method: str,
    connect: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    errors: list[ArtifactoryError] = []
    with raw_server(answer) as url:
        made = ServerSettings(
            base_url=url, authentication=Basic("admin", PASSWORD), attempts=2, longest_pause=0.01, timeout=2
        )
        async with ArtifactoryClient(made) as client:
            for _ in range(3):
                try:
                    await (client.descriptor(APP) if method == "HEAD" else client.version())
                except ArtifactoryError as error:
                    errors.append(error)
        connect(host=url, extra={"timeout": 2})
        for _ in range(3):
            try:
                await asyncio.to_thread(ArtifactoryHook(method=method).run, "api/system/version")
            except ArtifactoryError as error:
                errors.append(error)
    assert errors
    shown = caplog.text
    for seen in errors:
        shown += "".join(traceback.format_exception(seen))
        shown += "".join(repr(one) + repr(one.args) + repr(vars(one)) for one in reachable(seen))
    assert BASIC not in shown
    assert PASSWORD not in shown
