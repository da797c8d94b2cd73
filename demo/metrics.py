"""A StatsD server that prints what Airflow's metrics are told of promotions, a line each."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta

_PREFIX = "airflow."
_SHOWN = "artifactory."


def print_metrics(port: int) -> None:
    """Print them until this process is ended.

    :param port: the UDP port on loopback that Airflow sends them to.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", port))
        while True:
            line = describe(receiver.recv(65_535).decode(errors="replace"))
            if line:
                print(f"{datetime.now():%H:%M:%S}  {line}")


def describe(packet: str) -> str | None:
    """Return what a StatsD packet says, for people, or None where it is not about promotions.

    :param packet: such as ``airflow.artifactory.waits,repository=docker-qa,reason=verdict:2|c``.
    """
    name, _, rest = packet.partition(":")
    if not name.startswith(_PREFIX + _SHOWN):
        return None
    name, *tags = name.removeprefix(_PREFIX).split(",")
    value, _, kind = rest.partition("|")
    number = timedelta(seconds=round(float(value) / 1000)) if kind == "ms" else value
    return f"{name:<24}{number!s:>18}  {' '.join(tags)}"
