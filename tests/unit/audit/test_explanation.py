"""What an audit says of a tag can be compared with what Airflow says: its times are in UTC, as they claim."""

from __future__ import annotations

import datetime

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.audit.explanation import describe_origin
from artifactory_provider.audit.survey import StandingTag

EAST = datetime.timezone(datetime.timedelta(hours=2))


def test_times_of_a_server_elsewhere_are_told_in_utc() -> None:
    place = ImageReference("docker-qa", "app", "1", f"sha256:{'1' * 64}")
    pushed = datetime.datetime(2026, 3, 1, 1, 30, tzinfo=EAST)
    tag = StandingTag(place, False, "", pushed, pushed, "jane", 1, {}, (), None)
    told = describe_origin(tag)
    assert told == "It was pushed by jane at 2026-02-28 23:30 UTC, and stands there since 2026-02-28 23:30 UTC."
