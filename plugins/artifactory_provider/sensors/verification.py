"""The sensor that holds an image back until its tests have passed."""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from artifactory_provider.artifactory.errors import TRANSIENT
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.links.artifactory import ArtifactoryImageLink, image_url
from artifactory_provider.operators.lineage import LineageOperator
from artifactory_provider.tasks.arguments import NOT_GIVEN, check_literals, find_given
from artifactory_provider.tasks.metrics import count_waits, time_waits
from artifactory_provider.triggers.verification import VerificationTrigger
from artifactory_provider.verification.check import Check, check_to_dict
from artifactory_provider.verification.outcomes import describe_waiting, list_verdicts
from artifactory_provider.verification.properties import PropertyCheck
from artifactory_provider.verification.verdicts import State
from artifactory_provider.verification.verification import summarize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

VERDICTS_KEY = "verdicts"
"""The XCom that has the verdicts on what has passed: a list of small objects."""


class VerificationFailed(AirflowFailException):
    """The digest failed a check. Trying again would ask about the same digest: no retry follows."""


class VerificationSuperseded(AirflowFailException):
    """The tag was moved while its verdict was waited for: what comes now is about another digest."""


def check_checks(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Return checks when there are some, and all can be written for the triggerer.

    :param checks: the checks.
    :raises ValueError: when they are none, or no list of checks.
    """
    if isinstance(checks, Check):
        raise ValueError(f"checks is a list of checks: write [{checks!r}].")
    if not checks:
        raise ValueError("checks is empty: a verification without a check could never pass.")
    for check in checks:
        check_to_dict(check)
    return tuple(checks)


class ArtifactoryVerificationSensor(LineageOperator, BaseSensorOperator):
    """Wait until what a tag shows has passed its checks, and hand its digest on.

    The result is the digest that passed: give it to the promotion that follows. The sensor holds for this one
    digest. A failing verdict fails the task at once; so does a tag that is moved meanwhile, unless it is to be
    followed. Missing and unreadable verdicts are no pass. The verdicts themselves are the XCom ``verdicts``.

    :param repository: repository key. (templated)
    :param image: image name, without host and repository key. (templated)
    :param tag: tag. (templated)
    :param digest: the digest that is waited for; without it, the one that the tag shows at the first look.
        (templated)
    :param checks: what must be true of the digest; by default ``test.status`` must be ``passed``.
    :param superseded: what happens when the tag is moved: ``fail``, or ``follow``, which waits for its new digest.
    :param write_verdicts: the first part of the names of properties that the verdicts are written to on the manifest
        once all have passed, such as ``verified``: ``verified.<check>``; None writes none. (templated)
    :param deferrable: whether it waits in the triggerer, holding no worker slot.
    :param artifactory_conn_id: the Airflow connection. (templated)
    :param map_index_template: how mapped instances are called in the UI.
    :param kwargs: what every sensor takes; ``retry_policy`` knows which failures are worth another try.
    :raises InvalidReference: when a repository key, image, tag or digest is malformed; for plain values at parse
        time.
    """

    template_fields: Sequence[str] = (
        "repository",
        "image",
        "tag",
        "digest",
        "write_verdicts",
        "artifactory_conn_id",
    )
    operator_extra_links = (ArtifactoryImageLink(),)

    def __init__(
        self,
        *,
        repository: str,
        image: str,
        tag: str,
        digest: str | None = NOT_GIVEN,
        checks: Sequence[Check] = (PropertyCheck(),),
        superseded: Literal["fail", "follow"] = "fail",
        write_verdicts: str | None = None,
        deferrable: bool = True,
        map_index_template: str | None = "{{ task.image }}:{{ task.tag }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(map_index_template=map_index_template, **kwargs)
        self.repository = repository
        self.image = image
        self.tag = tag
        self.digest = None if digest is NOT_GIVEN else digest
        self.checks = check_checks(checks)
        self.superseded = superseded
        self.write_verdicts = write_verdicts
        self.deferrable = deferrable
        self.image_url: str | None = None
        self._digest_is_given = bool(find_given(self, digest=digest))
        if superseded not in {"fail", "follow"}:
            raise ValueError(f"superseded is 'fail' or 'follow', not {superseded!r}.")
        if superseded == "follow" and self._digest_is_given:
            raise ValueError("superseded='follow' takes whatever digest the tag shows: leave digest out.")
        if self.reschedule and not deferrable:
            raise ValueError(
                "mode='reschedule' would forget between two looks which digest it waits for: take deferrable=True, "
                "which holds no worker slot either."
            )
        check_literals(self, self.template_fields)

    def execute(self, context: Context) -> Any:
        """Ask once here; then wait in the triggerer, or here where ``deferrable`` is off."""
        if not self.deferrable:
            return super().execute(context)
        try:
            answer = self.poke(context)
        except AirflowFailException as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise
        if answer:
            return answer.xcom_value
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.timeout)
        count_waits([(self.repository, "verdict")])
        self.defer(
            trigger=VerificationTrigger(
                artifactory_conn_id=self.artifactory_conn_id,
                reference=str(self._reference()),
                checks=[check_to_dict(check) for check in self.checks],
                poke_interval=self.poke_interval,
                follow=self.superseded == "follow",
                until=until.isoformat(sep=" ", timespec="seconds"),
            ),
            method_name=self.execute_complete.__name__,
            kwargs={"since": time.time()},
            timeout=datetime.timedelta(seconds=self.timeout),
        )
        return None

    def poke(self, context: Context) -> PokeReturnValue:
        """Ask once. The first look pins the digest that all later ones are about."""
        hook = self._hook()
        reference = self._reference()
        self._server = hook.settings().base_url
        self.image_url = image_url(self._server, reference)
        try:
            verification = hook.verify(reference, self.checks)
        except TRANSIENT as error:
            self.log.warning("%s Asking again later.", error)
            return PokeReturnValue(is_done=False)
        if verification.state is State.SUPERSEDED and self.superseded == "follow":
            self.log.info("%s Its new digest is waited for.", verification.reason)
            self.digest = None
            return PokeReturnValue(is_done=False)
        self.digest = verification.reference.digest
        if verification.state is State.PENDING:
            self.log.info("%s", describe_waiting(verification))
            return PokeReturnValue(is_done=False)
        status = verification.state.value
        return PokeReturnValue(
            is_done=True,
            xcom_value=self._end(context, status, self.digest, verification.reason, list_verdicts(verification)),
        )

    def execute_complete(
        self, context: Context, event: Mapping[str, Any] | None = None, since: float | None = None
    ) -> str:
        """Take the trigger's event."""
        if since is not None:
            time_waits([(self.repository, "verdict", datetime.timedelta(seconds=time.time() - since))])
        if event is None:
            raise AirflowFailException("The trigger ended without an event: clear the task to wait again.")
        self._server = self._hook().settings().base_url
        self.image_url = image_url(self._server, self._reference())
        status, digest, reason = (event.get(key) for key in ("status", "digest", "reason"))
        return self._end(context, status, digest, reason, event.get("verdicts") or [])

    def _end(
        self,
        context: Context,
        status: str | None,
        digest: str | None,
        reason: str | None,
        verdicts: Sequence[Mapping[str, Any]],
    ) -> str:
        """Return the digest that has passed, its verdicts handed on; or raise what ends the task."""
        seen = ImageReference(self.repository, self.image, self.tag, digest)
        met = {str(one.get("check")): one.get("state") == State.PASSED.value for one in verdicts}
        self._verified = [(seen, met)]
        about = f"({self.repository}/{self.image}:{self.tag}{f'@{digest}' if digest else ''})"
        if status == State.PASSED.value and digest:
            self.log.info("Passed: %s", summarize(seen, reason or ""))
            if ti := context.get("ti"):
                ti.xcom_push(key=VERDICTS_KEY, value=list(verdicts))
            if self.write_verdicts:
                self._hook().write_verdicts(seen, verdicts, prefix=self.write_verdicts)
            return digest
        if status == State.FAILED.value:
            raise VerificationFailed(f"Failed: {reason} {about}")
        if status == State.SUPERSEDED.value:
            raise VerificationSuperseded(f"The tag was moved while it was verified. {reason} {about}")
        raise AirflowFailException(f"The image could not be verified: {reason} {about}")

    def _reference(self) -> ImageReference:
        """Return what is waited for; a digest that was asked for and came empty must not become any digest."""
        if self._digest_is_given and not self.digest:
            raise InvalidReference(
                "A digest was asked for, but its value is empty: the task that should hand it on has handed on "
                "nothing. Check that it ran, and that it returned a digest."
            )
        return ImageReference(self.repository, self.image, self.tag, self.digest)
