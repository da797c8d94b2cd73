"""Reading what starts a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from artifactory_provider.pipelines.model import Starts
from artifactory_provider.policy.fields import Fields
from artifactory_provider.policy.recurrences import check_cron
from artifactory_provider.policy.zones import Zone

if TYPE_CHECKING:
    from artifactory_provider.pipelines.model import Push
    from artifactory_provider.policy.document import Node
    from artifactory_provider.policy.problems import Problems

START_FIELDS = ("nightly", "timezone", "after", "on_push", "on_verdict")
PUSHES = ("webhook", "watcher")
PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
"""What Airflow reads as a cron expression beside five fields."""
MOST_ASSETS = 100
LONGEST_ASSET = 1500
_NO_ASSETS = frozenset({"self", "context"})


def read_starts(node: Node, problems: Problems) -> Starts:
    """Read what starts a pipeline.

    :param node: the object.
    :param problems: where to note what is wrong.
    """
    fields = Fields(node, problems, START_FIELDS)
    schedule = fields.read(fields.get("nightly"), check_schedule)
    zone = fields.read(fields.get("timezone"), Zone)
    if fields.is_given("timezone") and not fields.is_given("nightly"):
        fields.add(node, "A timezone is whose clock nightly is about: add nightly, or leave timezone out.")
    return Starts(
        schedule=schedule,
        timezone=zone.name if zone is not None else Starts.timezone,
        after=_read_assets(fields),
        on_push=cast("Push | None", fields.read_choice(fields.get("on_push"), PUSHES)),
        on_verdict=fields.read_switch(fields.get("on_verdict")) is True,
    )


def check_schedule(text: str) -> str:
    """Return a cron expression, or one of the names that Airflow has for some.

    :param text: such as ``0 2 * * *`` or ``@daily``.
    :raises ValueError: when it is neither.
    """
    if text.startswith("@"):
        if text not in PRESETS:
            raise ValueError(f"There is no {text!r:.60}: give five fields, as in '0 2 * * *', or {', '.join(PRESETS)}.")
        return text
    return check_cron(text)


def _read_assets(fields: Fields) -> tuple[str, ...]:
    node = fields.get("after")
    parts = fields.read_list(node)
    if node is not None and len(parts) > MOST_ASSETS:
        fields.add(node, f"There are {len(parts):,} assets: at most {MOST_ASSETS} are read.")
        return ()
    names = [fields.read(part, _check_asset) for part in parts]
    return tuple(dict.fromkeys(name for name in names if name is not None))


def _check_asset(name: str) -> str:
    if name in _NO_ASSETS or len(name) > LONGEST_ASSET:
        raise ValueError(f"{name!r:.80} is no name of an asset: give another, of at most {LONGEST_ASSET:,} characters.")
    return name.strip()
