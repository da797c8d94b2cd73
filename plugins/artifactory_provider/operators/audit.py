"""The operators that audit stages, and by which a person accepts what an audit has found."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk.exceptions import AirflowFailException

from artifactory_provider.audit.acceptances import DEFAULT_ACCEPTANCES_NAME
from artifactory_provider.audit.auditing import AuditScope
from artifactory_provider.audit.event_log import EventLog
from artifactory_provider.audit.reports import AuditReport, headline
from artifactory_provider.operators.base import ArtifactoryOperator
from artifactory_provider.pipelines import read_folder
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.marks import check_reason
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.tasks.acceptances import accept_findings, find_acceptances
from artifactory_provider.tasks.arguments import check_literal
from artifactory_provider.tasks.assets import (
    EVENTS_ARE_READ_OF,
    drift_alias,
    emit_drift,
    image_asset,
    read_events,
    removals_asset,
    repository_alias,
)
from artifactory_provider.tasks.files import prepare_folder, write_file
from artifactory_provider.tasks.forms import as_list, as_moment
from artifactory_provider.tasks.handover import AUDIT, REPORT_SUMMARY
from artifactory_provider.tasks.rules import find_starter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airflow.sdk import Asset, AssetAlias, Context

    from artifactory_provider.audit import Audit

_MOST_EVENTS = 1000
_MOST_IMAGES = 2000


class ArtifactoryAuditOperator(ArtifactoryOperator):
    """Look at all that stands in stages, and report what no promotion explains, what is gone, lost, or against today's
    rules; nothing is changed.

    The report stands on the run's tab *Plan*. Where there are findings that nobody has accepted, an event on the asset
    ``drift_asset()`` says how many, and a ``PromotionNotifier`` tells them in one message. Airflow keeps no event of a
    task that fails: with ``on_findings="fail"`` there is the message alone.

    :param repositories: the keys of the repositories into which only promotions should bring anything: a list, or a
        text with one a line. None for those of all stages but the first of the pipelines in ``folder``. (templated)
    :param images: patterns of the images that are meant; all where none are given. (templated)
    :param folder: the folder of the pipeline files.
    :param csv_path: where all findings are written as CSV, as ``ObjectStoragePath`` takes it. (templated)
    :param json_path: where they are written as JSON. (templated)
    :param on_findings: what findings that nobody has accepted lead to: ``report``, or ``fail``.
    :param artifactory_conn_id: the Airflow connection. (templated)
    :param kwargs: what every operator takes; ``retry_policy`` knows which failures are worth another try.
    :raises InvalidPromotion: when neither repositories nor a folder are given, or an argument makes no sense.
    """

    template_fields: Sequence[str] = ("repositories", "images", "csv_path", "json_path", "artifactory_conn_id")
    ui_color = "#f4efe1"

    def __init__(
        self,
        *,
        repositories: str | Sequence[str] | None = None,
        images: str | Sequence[str] = (),
        folder: Path | str | None = None,
        csv_path: str | None = None,
        json_path: str | None = None,
        on_findings: Literal["report", "fail"] = "report",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.repositories = repositories
        self.images = images
        self.folder = folder
        self.csv_path = csv_path
        self.json_path = json_path
        self.on_findings = on_findings
        if repositories is None and folder is None:
            raise InvalidPromotion("Nothing says what is audited: give repositories, or the folder of the pipelines.")
        if on_findings not in {"report", "fail"}:
            raise InvalidPromotion(f"on_findings is 'report' or 'fail', not {on_findings!r:.60}.")
        self.outlets = [*self.outlets, drift_alias()]

    def execute(self, context: Context) -> dict[str, Any]:
        """Audit, report, and return what it comes to."""
        paths = {"csv_path": self.csv_path, "json_path": self.json_path}
        for name, path in paths.items():
            if path:
                prepare_folder(path, name=name)
        repositories = self._find_repositories()
        now = datetime.datetime.now(datetime.UTC)
        acceptances = find_acceptances(DEFAULT_ACCEPTANCES_NAME)
        found = self._audit(context, repositories, after=now - EVENTS_ARE_READ_OF)
        report = AuditReport.of(found, acceptances, at=now)
        document = report.as_dict()
        for path, write in ((self.csv_path, report.write_csv), (self.json_path, report.write_json)):
            if path:
                self.log.info("Wrote %s.", write_file(path, write))
        ti = context["ti"]
        ti.xcom_push(key=REPORT_SUMMARY, value=report.as_markdown())
        ti.xcom_push(key=AUDIT, value=document)
        self.log.info("%s", headline(document))
        if report.open:
            emit_drift(context, {name: document[name] for name in ("open", "accepted", "counts", "by_repository")})
            if self.on_findings == "fail":
                raise AirflowFailException(
                    f"{headline(document).replace('*', '')} The tab Plan of this run names them."
                )
        return document

    def _find_repositories(self) -> tuple[str, ...]:
        if given := as_list(self.repositories, name="repositories"):
            return given
        if self.folder is None:
            raise InvalidPromotion("The list of repositories is empty: name those that are audited.")
        return read_folder(self.folder).find_targets(self.artifactory_conn_id)

    def _audit(self, context: Context, repositories: Sequence[str], *, after: datetime.datetime) -> Audit:
        patterns = Patterns(as_list(self.images, name="images") or ("*",))
        hook, seen = self._hook(), datetime.datetime.now(datetime.UTC)
        survey = hook.survey(repositories, patterns)
        # Tasks that name their image tell of it on its own asset alone.
        images = survey.images_by_need()
        if len(images) > _MOST_IMAGES:
            self.log.warning(
                "Of %d images, Airflow is asked for the events of %d, those first that have tags without a record.",
                len(images),
                _MOST_IMAGES,
            )
        assets: list[Asset | AssetAlias] = [
            *map(repository_alias, repositories),
            *map(removals_asset, repositories),
            *(image_asset(*image) for image in images[:_MOST_IMAGES]),
        ]
        events = EventLog(read_events(context, assets, after=after, limit=_MOST_EVENTS), seen=seen)
        return hook.audit(AuditScope(repositories=tuple(repositories), images=patterns, events=events), survey)


class ArtifactoryAcceptFindingsOperator(ArtifactoryOperator):
    """Accept findings for a time: they are not told again until it ends. Only a person may, whose name is kept.

    :param findings: the names of the findings, as reports give them: a list, or a text with one a line. (templated)
    :param reason: why, in one line of up to 500 characters. (templated)
    :param until: until when: a moment as ISO 8601, in UTC unless it says otherwise. (templated)
    :param kwargs: what every operator takes.
    :raises InvalidPromotion: when the reason is none; for a plain value at parse time.
    """

    template_fields: Sequence[str] = ("findings", "reason", "until")
    ui_color = "#f4efe1"

    def __init__(
        self, *, findings: str | Sequence[str], reason: str, until: datetime.datetime | str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.findings = findings
        self.reason = reason
        self.until = until
        check_literal(reason, check_reason)

    def execute(self, context: Context) -> list[dict[str, str]]:
        """Accept them, and return the acceptances."""
        starter = find_starter()
        if starter.origin != "person":
            raise InvalidPromotion(f"Only a person accepts findings, and this run is one of {starter.name}.")
        names = as_list(self.findings, name="findings")
        if not names:
            raise InvalidPromotion("No finding is named: take the names from the report.")
        given = accept_findings(
            DEFAULT_ACCEPTANCES_NAME,
            names,
            reason=self.reason,
            by=starter.name,
            until=as_moment(self.until, name="until"),
        )
        for one in given:
            self.log.info("Accepted: %s", one.as_dict())
        return [one.as_dict() for one in given]
