"""What else starts promotions while the night waits: a push, a past night, a person's form, many tags at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.references import ImageReference
from demo.errors import DemoError
from demo.pushing import push
from demo.scenario import DEV, PROD, QA, VERDICT, list_versions, sandbox_client, write_verdict

if TYPE_CHECKING:
    from demo.airflow_api import AirflowApi
    from demo.home import Home
    from demo.report import Progress

PUSHED, PUSHED_TAG = "storefront/web", "1.0.0"
MISSED = "vpa-recommender"
"""The image whose newest version came last, just now: the last night had the one before."""
MANY = "csi-attacher"
WANTED = "controller"
_ENDED = {"success", "failed"}
_A_DAY = timedelta(days=1)


@dataclass
class Start:
    """One start, and the run that it has started.

    :param what: what it was, for people.
    :param dag_id: the DAG.
    :param run_id: the run, once it is there.
    :param state: the run's state.
    :param promotes: what the run is to bring, each with its digest.
    """

    what: str
    dag_id: str
    run_id: str | None = None
    state: str = ""
    promotes: tuple[ImageReference, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether its run has."""
        return self.state in _ENDED


class OtherStarts:
    """The starts beside that by the service catalogue, all at once.

    :param api: Airflow's API.
    :param home: where the sandbox is.
    :param progress: where it says what happens.
    """

    def __init__(self, api: AirflowApi, home: Home, progress: Progress) -> None:
        self._api, self._home, self._progress = api, home, progress
        self._pushed = Start("a build pushes an image", "promote_pushed_on_push")
        self._night = Start("a past night is backfilled", "promote_nightly")
        self._wanted = Start("a person fills in a form", "promote_on_demand")
        self._many = Start("many tags are retagged", "retag_backfill")
        self.all = (self._pushed, self._night, self._wanted, self._many)
        self._has_begun = self._has_verdict = False

    @property
    def have_ended(self) -> bool:
        """Whether the runs of all have."""
        return all(start.has_ended for start in self.all)

    def begin(self) -> None:
        """Begin them, once."""
        if self._has_begun:
            return
        self._has_begun = True
        digest = push(self._home.sandbox_url, DEV, PUSHED, PUSHED_TAG)
        self._pushed.promotes = (ImageReference(PROD, PUSHED, PUSHED_TAG, digest),)
        self._progress.say(f"A build pushes {PUSHED}:{PUSHED_TAG} to {DEV}; the sandbox tells Airflow by a webhook.")
        missed, wanted, many = asyncio.run(self._find_tags())
        self._night.promotes = (replace(missed[-2], repository=PROD),)
        now = datetime.now(UTC)
        self._api.backfill(self._night.dag_id, now - _A_DAY, now, {"images": [MISSED]})
        self._progress.say(f"The last night is backfilled for {MISSED}, whose newest version was not there yet.")
        self._wanted.promotes = (replace(wanted[-2], repository=QA),)
        form = {"image": WANTED, "tag": wanted[-2].tag, "source_repository": DEV, "target_repository": QA}
        self._wanted.run_id = self._api.trigger(self._wanted.dag_id, form)
        self._progress.say(f"Somebody wants {WANTED}:{wanted[-2].tag} in {QA}, now.")
        self._many.promotes = tuple(replace(one, repository=QA) for one in many)
        self._many.run_id = self._api.trigger(self._many.dag_id, {"images": [MANY], "dry_run": False})
        self._progress.say(f"All {len(many)} tags of {MANY} are retagged to {QA} by one run.")

    def act(self) -> None:
        """Look at the runs, and let the tests of what was pushed pass once its run waits for them."""
        if not self._has_begun:
            return
        self._pushed.run_id = self._pushed.run_id or self._api.newest_run(self._pushed.dag_id, "asset_triggered")
        self._night.run_id = self._night.run_id or self._api.newest_run(self._night.dag_id, "backfill")
        for start in self.all:
            if start.run_id is not None and not start.has_ended:
                start.state = self._api.run_state(start.dag_id, start.run_id)
                if start.has_ended:
                    self._progress.say(f"{start.dag_id}, as {start.what}: {start.state}.")
        if not self._has_verdict and self._pushed_waits():
            self._has_verdict = True
            self._progress.say(f"Its run waits in the triggerer for the tests of {PUSHED}, which pass now.")
            asyncio.run(self._pass_tests())

    def _pushed_waits(self) -> bool:
        if self._pushed.run_id is None:
            return False
        tasks = self._api.tasks(self._pushed.dag_id, self._pushed.run_id)
        return any(task.state == "deferred" for task in tasks)

    async def _find_tags(self) -> list[list[ImageReference]]:
        """Return what three images have in dev, each tag with what it shows, the newest last."""
        async with sandbox_client(self._home.sandbox_url) as client:
            return [await list_versions(client, image) for image in (MISSED, WANTED, MANY)]

    async def _pass_tests(self) -> None:
        async with sandbox_client(self._home.sandbox_url) as client:
            await write_verdict(client, ImageReference(DEV, PUSHED, PUSHED_TAG), VERDICT, "passed")

    async def check(self) -> list[ImageReference]:
        """Return what they have brought to prod.

        :raises DemoError: when one of them did not bring what it was to bring.
        """
        async with sandbox_client(self._home.sandbox_url) as client:
            for start in self.all:
                for reference in start.promotes:
                    shown = await client.descriptor(reference.unpinned())
                    if shown is None or shown.digest != reference.digest:
                        found = shown.digest if shown else "nothing"
                        raise DemoError(f"{start.dag_id} ended as {start.state}, and {reference} shows {found}.")
        return [reference for start in self.all for reference in start.promotes if reference.repository == PROD]
