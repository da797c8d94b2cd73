"""Servers that metrics are sent to: StatsD over UDP, and OTLP over HTTP."""

from __future__ import annotations

import atexit
import contextlib
import gzip
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from airflow.sdk._shared.observability.metrics import otel_logger
from opentelemetry.metrics import get_meter_provider
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics import MeterProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

PREFIX = "airflow."
OURS = "airflow.artifactory."


@dataclass(frozen=True)
class Packet:
    """One StatsD packet.

    :param name: the metric's name, without Airflow's prefix.
    :param tags: its tags, where it has any.
    :param value: the number in it.
    :param kind: ``c`` for a counter, ``ms`` for a time.
    """

    name: str
    tags: tuple[tuple[str, str], ...]
    value: float
    kind: str

    @classmethod
    def read(cls, text: str) -> Packet:
        name, _, rest = text.partition(":")
        name, *tags = name.removeprefix(PREFIX).split(",")
        value, kind = rest.split("|")[:2]
        pairs = (tag.split("=", 1) for tag in tags)
        return cls(name, tuple((key, tag) for key, tag in pairs), float(value), kind)


class StatsdReceiver:
    """A StatsD server on the loopback interface: what was sent has arrived."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self.port: int = opened.getsockname()[1]

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[StatsdReceiver]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 2**20)
            opened.bind(("127.0.0.1", 0))
            opened.setblocking(False)
            yield cls(opened)

    def packets(self) -> list[Packet]:
        """Return what has come of the provider's since the last call."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                text = self._socket.recv(65_535).decode()
                if text.startswith(OURS):
                    found.append(Packet.read(text))
        return found


def sums(packets: list[Packet], name: str) -> dict[tuple[str, ...], float]:
    """Return what a counter has been told, by the values of its tags."""
    told: Counter[tuple[str, ...]] = Counter()
    for packet in packets:
        if packet.name == name:
            told[tuple(value for _, value in packet.tags)] += int(packet.value)
    return dict(told)


@dataclass
class OtlpReceiver:
    """An OpenTelemetry collector on the loopback interface, as far as metrics are concerned.

    :param port: where it listens.
    :param metrics: the provider's metrics of the last export, by name.
    """

    port: int = 0
    metrics: dict[str, Metric] = field(default_factory=dict)

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[OtlpReceiver]:
        received = cls()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                received.take(ExportMetricsServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            received.port = server.server_port
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            try:
                yield received
            finally:
                server.shutdown()
                thread.join()

    def flush(self) -> None:
        """Have Airflow send what it has, as it does at the end of a process."""
        otel_logger.flush_otel_metrics()

    def end(self) -> None:
        """Have Airflow send nothing any more, not even at the end of this process."""
        provider = get_meter_provider()
        assert isinstance(provider, MeterProvider)
        provider.shutdown()
        atexit.unregister(otel_logger.flush_otel_metrics)

    def take(self, request: ExportMetricsServiceRequest) -> None:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                self.metrics |= {one.name: one for one in scope.metrics if one.name.startswith(OURS)}
