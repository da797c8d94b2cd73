"""The sensor that waits for the verdicts on many images in one task."""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.operators.lineage import LineageOperator
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.sensors.verification import check_checks
from artifactory_provider.tasks.arguments import is_known
from artifactory_provider.tasks.forms import as_list
from artifactory_provider.tasks.metrics import count_waits, time_waits
from artifactory_provider.triggers.verification import BatchVerificationTrigger
from artifactory_provider.verification.check import check_to_dict
from artifactory_provider.verification.properties import PropertyCheck

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from artifactory_provider.verification.check import Check

LARGEST_BATCH = 5000
"""How many images one task waits for: what it hands on stays about a megabyte."""
_SHOWN = 20
_LONGEST = 366 * 86400.0


class ArtifactoryBatchVerificationSensor(LineageOperator, BaseOperator):
    """Wait in one task until the verdicts on many images are known, or the time is over; then hand on what has passed.

    The result is ``{"passed": ["repository/image:tag@digest", …], "held": [{"reference", "status", "reason"}, …]}``.
    A late or failing verdict holds up nobody: it is one of ``held``. The task fails when nothing has passed, or as
    ``on_held`` says.

    :param images: ``repository/image:tag`` or ``repository/image:tag@digest`` each, 5,000 at most. (templated)
    :param checks: what must be true of each digest; by default ``test.status`` must be ``passed``.
    :param poke_interval: seconds between two looks, at least half a second.
    :param timeout: seconds after which it goes on with what has passed by then; all are looked at once.
    :param superseded: what happens when a tag is moved: ``fail`` holds it back, ``follow`` waits for its new digest,
        and takes no digests.
    :param on_held: what images that have not passed lead to: ``go_on``, or ``fail`` after all have been waited for.
    :param artifactory_conn_id: the Airflow connection. (templated)
    :param kwargs: what every operator takes.
    :raises ValueError: when an argument makes no sense; for plain values at parse time.
    """

    template_fields: Sequence[str] = ("images", "artifactory_conn_id")
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        images: Sequence[str],
        checks: Sequence[Check] = (PropertyCheck(),),
        poke_interval: float | datetime.timedelta = 60,
        timeout: float | datetime.timedelta = 4 * 3600,
        superseded: Literal["fail", "follow"] = "fail",
        on_held: Literal["go_on", "fail"] = "go_on",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.images = images
        self.checks = check_checks(checks)
        self.poke_interval = _seconds(poke_interval, "poke_interval")
        self.timeout = _seconds(timeout, "timeout")
        self.superseded = superseded
        self.on_held = on_held
        if superseded not in {"fail", "follow"} or on_held not in {"go_on", "fail"}:
            raise ValueError("superseded is 'fail' or 'follow', and on_held is 'go_on' or 'fail'.")
        if is_known(images):
            self._references()

    def execute(self, context: Context) -> Any:
        """Wait in the triggerer; where there is nothing to wait for, hand on nothing."""
        references = self._references()
        if not references:
            self.log.info("There are no images to wait for.")
            return {"passed": [], "held": []}
        now = time.time()
        until = datetime.datetime.fromtimestamp(now + self.timeout, tz=datetime.UTC)
        count_waits((reference.repository, "verdict") for reference in references)
        self.log.info(
            "Waiting for %s of %s images, until %s.",
            ", ".join(check.name for check in self.checks),
            f"{len(references):,}",
            f"{until:%Y-%m-%d %H:%M:%S} UTC",
        )
        self.defer(
            trigger=BatchVerificationTrigger(
                artifactory_conn_id=self.artifactory_conn_id,
                references=[str(reference) for reference in references],
                checks=[check_to_dict(check) for check in self.checks],
                poke_interval=self.poke_interval,
                until=until.isoformat(sep=" ", timespec="seconds"),
                follow=self.superseded == "follow",
            ),
            method_name=self.execute_complete.__name__,
            kwargs={"since": now},
        )
        return None

    def execute_complete(
        self, context: Context, event: Mapping[str, Any] | None = None, since: float | None = None
    ) -> dict[str, Any]:
        """Take the trigger's event."""
        if since is not None:
            waited = datetime.timedelta(seconds=time.time() - since)
            time_waits((key, "verdict", waited) for key in {one.repository for one in self._references()})
        if event is None or not isinstance(event.get("passed"), list) or not isinstance(event.get("held"), list):
            raise AirflowFailException("The trigger ended without a result: clear the task to wait again.")
        passed, held = event["passed"], event["held"]
        self._note_lineage(passed, held)
        for one in held:
            self.log.warning("Held back (%s): %s: %s", one["status"], one["reference"], one["reason"])
        self.log.info("%s of %s images have passed.", f"{len(passed):,}", f"{len(passed) + len(held):,}")
        if held and (self.on_held == "fail" or not passed):
            shown = "\n".join(f"  {one['reference']}: {one['reason']}" for one in held[:_SHOWN])
            more = f"\n  … and {len(held) - _SHOWN:,} more" if len(held) > _SHOWN else ""
            raise AirflowFailException(f"{len(held):,} images have not passed their checks:\n{shown}{more}")
        return {"passed": list(passed), "held": list(held)}

    def _note_lineage(self, passed: Sequence[str], held: Sequence[Mapping[str, Any]]) -> None:
        self._server = self._hook().settings().base_url
        names = [check.name for check in self.checks]
        failed = dict.fromkeys(names, False) if len(names) == 1 else {}
        self._verified = [
            *((ImageReference.parse(one), dict.fromkeys(names, True)) for one in passed),
            # Which of several checks one has failed is not handed on.
            *((ImageReference.parse(one["reference"]), failed if one["status"] == "failed" else {}) for one in held),
        ]

    def _references(self) -> list[ImageReference]:
        references = [ImageReference.parse(text) for text in as_list(self.images, name="images")]
        if any(reference.tag is None for reference in references):
            raise InvalidPromotion("Each image needs a tag: repository/image:tag.")
        if self.superseded == "follow" and any(reference.digest for reference in references):
            raise InvalidPromotion("superseded='follow' takes whatever digest a tag shows: leave the digests out.")
        if len(references) > LARGEST_BATCH:
            raise InvalidPromotion(
                f"One task waits for {LARGEST_BATCH:,} images at most, not for {len(references):,}: map it over parts."
            )
        return list(dict.fromkeys(references))


def _seconds(value: object, name: str) -> float:
    """Return a span of time in seconds, as Airflow's own sensors take it."""
    seconds = value.total_seconds() if isinstance(value, datetime.timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= _LONGEST:
        raise ValueError(f"{name} is a timedelta or a number of seconds from 0 to a year, not {value!r:.60}.")
    return float(seconds)
