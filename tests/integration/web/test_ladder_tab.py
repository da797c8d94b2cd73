"""The tab of a run that shows its images on their way: with 10,000 of them, with odd ones, and to whom."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from tests.integration.web.test_plan_tab import RUN, api_server, headers, store

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.pipelines.standing import LadderReport, Position
from artifactory_provider.tasks.ladders import LADDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi.testclient import TestClient

    from artifactory_provider.pipelines.standing import Standing

__all__ = ["api_server", "headers"]

PAGE = f"/artifactory/ladders/backfill/{quote(RUN, safe='')}"
HOSTILE = "<script>alert(1)</script>"
STAGES = ("dev", "qa", "prod")


def told(*images: tuple[str, int, Standing, str], unselected: Sequence[Sequence[str]] = ()) -> dict[str, Any]:
    moment = datetime.datetime(2026, 11, 1, 2, tzinfo=datetime.UTC)
    positions = tuple(
        Position(
            reference=ImageReference(f"docker-{STAGES[level]}", image, "1.0", f"sha256:{number:064x}"),
            level=level,
            standing=standing,
            since=moment,
            reason=reason,
        )
        for number, (image, level, standing, reason) in enumerate(images)
    )
    return {LADDER: LadderReport(stages=STAGES, positions=positions, at=moment).as_dict(unselected=unselected)}


def test_each_image_is_shown_with_its_stage_and_what_it_waits_for_what_needs_somebody_first(
    api_server: TestClient, headers: dict[str, str]
) -> None:
    images: list[tuple[str, int, Standing, str]] = [
        ("payments/api", 2, "arrived", ""),
        ("payments/web", 1, "waiting", "qa.test.status is not set."),
        ("billing/api", 0, "failed", f"test.status is {HOSTILE}"),
    ]
    store("running", told(*images, unselected=[["old/image", "no released version"]]))
    listed = api_server.get(f"{PAGE}.json", headers=headers).json()
    table = api_server.get(f"{PAGE}.csv", params={"q": "billing"}, headers=headers)

    assert not listed["is_over"]
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.splitlines() == [
        "image,tag,digest,stage,standing,reason,since",
        f"billing/api,1.0,{'0' * 12},dev,failed,test.status is {HOSTILE},2026-11-01T02:00:00+00:00",
    ]
    assert [(one["image"], one["stage"], one["standing"]) for one in listed["images"]] == [
        ("billing/api", "dev", "failed"),
        ("old/image", "dev", "failed"),
        ("payments/web", "qa", "waiting"),
        ("payments/api", "prod", "arrived"),
    ]
    assert listed["images"][2]["reason"] == "qa.test.status is not set."
    assert listed["counts"] == {
        "failed": 2, "late": 0, "refused": 0, "waiting": 1, "climbing": 0, "superseded": 0, "arrived": 1,
    }  # fmt: skip


def test_ten_thousand_images_are_paged_searched_and_filtered_on_the_server(
    api_server: TestClient, headers: dict[str, str]
) -> None:
    store("success", told(*((f"team/app-{number}", 1, "waiting", "not yet") for number in range(10_000))))
    page = api_server.get(f"{PAGE}.json", headers=headers)
    assert (len(page.json()["images"]), page.json()["counts"]["waiting"]) == (200, 10_000)
    assert len(page.text) < 60_000
    assert len(api_server.get(f"{PAGE}.csv", headers=headers).text.splitlines()) == 10_001
    found = api_server.get(f"{PAGE}.json", params={"q": "APP-9999", "standing": "waiting"}, headers=headers).json()
    assert (found["found"], found["images"][0]["image"]) == (1, "team/app-9999")
    rest = api_server.get(f"{PAGE}.json", params={"start": 9_990, "limit": 1000}, headers=headers).json()
    assert len(rest["images"]) == 10
    none = api_server.get(f"{PAGE}.json", params={"standing": "arrived"}, headers=headers).json()
    assert (none["found"], none["images"]) == (0, [])


def test_what_a_later_task_says_of_an_image_counts(api_server: TestClient, headers: dict[str, str]) -> None:
    first, second = told(("a", 1, "arrived", "")), told(("a", 2, "arrived", ""))
    store("success", first)
    from artifactory_provider.web import ladders

    reports = [first[LADDER], second[LADDER]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladders, "read_xcoms", lambda *_, **__: reports)
        [image] = api_server.get(f"{PAGE}.json", headers=headers).json()["images"]
    assert image["stage"] == "prod"


@pytest.mark.parametrize("document", [None, [], "x", {"stages": ["a"], "reasons": [], "rows": [[1, 2]], "at": 0}, 7])
def test_what_is_no_report_is_said_and_never_an_error_of_the_server(
    api_server: TestClient, headers: dict[str, str], document: Any
) -> None:
    store("failed", {LADDER: document})
    answer = api_server.get(f"{PAGE}.json", headers=headers)
    assert answer.status_code == 503
    assert "cannot be read" in answer.json()["detail"]


def test_nobody_sees_it_without_logging_in_and_a_run_that_is_not_there_is_said(
    api_server: TestClient, headers: dict[str, str]
) -> None:
    store("success", told(("a", 1, "waiting", "secret")))
    for kind in ("json", "csv"):
        assert api_server.get(f"{PAGE}.{kind}").status_code == 401
        assert api_server.get(f"{PAGE}x.{kind}", headers=headers).status_code == 404
        assert api_server.get(f"{PAGE}.{kind}", params={"standing": "odd"}, headers=headers).status_code == 422
