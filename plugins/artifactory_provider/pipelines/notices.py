"""Reading who is told what of a pipeline's runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast, get_args

from artifactory_provider.pipelines.model import Event, Notify
from artifactory_provider.policy.fields import Fields

if TYPE_CHECKING:
    from artifactory_provider.policy.document import Node
    from artifactory_provider.policy.problems import Problems

NOTIFY_FIELDS = ("connection", "on", "to")
EVENTS: tuple[Event, ...] = get_args(Event)
ADDRESS = re.compile(r"^[^\s@,;<>\"()\[\]\\:]+@[^\s@,;<>\"()\[\]\\:]+$")
LONGEST_ADDRESS = 254
MOST_ADDRESSES = 50
LONGEST_CONNECTION = 250
_CONNECTION = re.compile(rf"[\w#!()\-.:/\\]{{1,{LONGEST_CONNECTION}}}")


def read_notify(node: Node, problems: Problems) -> Notify | None:
    """Read who is told what.

    :param node: the object.
    :param problems: where to note what is wrong.
    """
    fields = Fields(node, problems, NOTIFY_FIELDS)
    advice = "Name the Airflow connection of the receiver."
    connection = fields.read(fields.require("connection", advice), check_connection)
    events = [fields.read_choice(part, EVENTS) for part in fields.read_list(fields.get("on"))]
    parts = fields.read_list(fields.get("to"))
    if len(parts) > MOST_ADDRESSES:
        fields.add(node, f"There are {len(parts):,} addresses: at most {MOST_ADDRESSES} are read.")
        return None
    to = [fields.read(part, check_address) for part in parts]
    if connection is None:
        return None
    told = cast("tuple[Event, ...]", tuple(dict.fromkeys(event for event in events if event is not None)))
    addresses = tuple(dict.fromkeys(address for address in to if address is not None))
    return Notify(connection=connection, events=told or EVENTS, to=addresses)


def check_address(text: str) -> str:
    """Return an address of e-mail.

    :param text: such as ``team@example.com``.
    :raises ValueError: when it is none.
    """
    if len(text) > LONGEST_ADDRESS or not text.isprintable() or not ADDRESS.fullmatch(text):
        raise ValueError(f"{text!r:.80} is no address: give one such as team@example.com, without a name.")
    return text


def check_connection(text: str) -> str:
    """Return the id of a connection.

    :param text: the id.
    :raises ValueError: when it is none.
    """
    if not _CONNECTION.fullmatch(text):
        raise ValueError(f"{text!r:.80} is no id of a connection: letters, digits and '_', for instance, make one.")
    return text
