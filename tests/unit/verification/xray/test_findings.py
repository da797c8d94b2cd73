"""The Xray check without an Xray: what it takes, what counts, and that no answer whatever is read as a good one."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.artifactory.answers import Answer
from artifactory_provider.artifactory.errors import UnexpectedAnswer
from artifactory_provider.artifactory.xray_answers import (
    XrayFinding,
    read_scan_status,
    read_spot,
    read_summaries,
    read_violations,
    read_watches,
)
from artifactory_provider.verification import XrayCheck, check_from_dict, check_to_dict
from artifactory_provider.verification.xray.exceptions import read_exceptions, sort_out
from artifactory_provider.verification.xray.terms import SEVERITIES, list_findings, rank_of

DAY = datetime.date(2026, 11, 27)
ENTRY = {"id": "CVE-2024-0001", "owner": "security", "expires": "2026-11-27"}

names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,40}", fullmatch=True)
entries = st.builds(
    lambda name, owner, day, reason: {"id": name, "owner": owner, "expires": day.isoformat(), "reason": reason},
    ids,
    names,
    st.dates(),
    names,
)


@given(
    st.sampled_from([None, *SEVERITIES]),
    st.none() | names,
    st.none() | names,
    st.lists(entries, unique_by=lambda entry: entry["id"].upper()),
    st.booleans(),
    st.booleans(),
)
def test_an_xray_check_survives_the_way_through_json(
    severity: str | None, watch: str | None, policy: str | None, given_entries: list[Any], alone: bool, checked: bool
) -> None:
    check = XrayCheck(
        severity=severity if watch or policy else severity or "Low",
        watch=watch,
        policy=policy,
        exceptions=tuple(given_entries),
        platforms_only=alone,
        check_watch=checked,
    )
    document = json.loads(json.dumps(check_to_dict(check)))
    assert document["kind"] == "xray"
    assert check_from_dict(document) == check


def test_what_it_asks_is_in_its_name() -> None:
    assert XrayCheck().name == "xray severity=High"
    assert XrayCheck(severity=None, watch="prod", policy="no-high").name == "xray watch=prod policy=no-high"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"severity": "high"}, "'high' is no severity of Xray's"),
        ({"severity": ""}, "is no severity"),
        ({"severity": 7}, "7 is no severity"),
        ({"severity": None}, "needs a severity, a watch or a policy"),
        ({"watch": ""}, "needs the name of a watch"),
        ({"watch": "  "}, "needs the name of a watch"),
        ({"watch": "a\nb"}, "needs the name of a watch"),
        ({"watch": "x" * 201}, "needs the name of a watch"),
        ({"watch": True}, "True is a boolean, not the name of a watch: quote it"),
        ({"policy": 1.5}, "1.5 is a number, not the name of a policy: quote it"),
        ({"platforms_only": "no"}, "platforms_only is true or false"),
        ({"check_watch": 0}, "check_watch is true or false"),
        ({"exceptions": None}, "Exceptions are a list of objects"),
        ({"exceptions": {"id": "CVE-1"}}, "Exceptions are a list of objects"),
        ({"exceptions": "CVE-1"}, "Exceptions are a list of objects"),
        ({"exceptions": ("CVE-1",)}, "is an object with id, owner, expires"),
        ({"exceptions": ({},)}, "lacks id, owner, expires"),
        ({"exceptions": ({**ENTRY, "until": "2027-01-01"},)}, "unknown fields: until"),
        ({"exceptions": ({"id": "CVE-1", "owner": "x", "expires": "2026-11-27", 1: 2},)}, "unknown fields: 1"),
        ({"exceptions": ({**ENTRY, "id": ""},)}, "needs id"),
        ({"exceptions": ({**ENTRY, "id": "CVE 1"},)}, "is no identifier"),
        ({"exceptions": ({**ENTRY, "id": "*"},)}, "is no identifier"),
        ({"exceptions": ({**ENTRY, "id": 1},)}, "1 is a number"),
        ({"exceptions": ({**ENTRY, "owner": " "},)}, "needs owner"),
        ({"exceptions": ({**ENTRY, "owner": None},)}, "None is not an exception's owner"),
        ({"exceptions": ({**ENTRY, "reason": "a\nb"},)}, "needs reason"),
        ({"exceptions": ({**ENTRY, "reason": "x" * 201},)}, "needs reason"),
        ({"exceptions": ({**ENTRY, "expires": "2026-02-30"},)}, "which is no day: write YYYY-MM-DD"),
        ({"exceptions": ({**ENTRY, "expires": "20261127"},)}, "which is no day"),
        ({"exceptions": ({**ENTRY, "expires": "2026-W48-5"},)}, "which is no day"),
        ({"exceptions": ({**ENTRY, "expires": "2026-11-27T00:00:00"},)}, "which is no day"),
        ({"exceptions": ({**ENTRY, "expires": "never"},)}, "which is no day"),
        ({"exceptions": ({**ENTRY, "expires": DAY},)}, "2026-11-27 is a date"),
        ({"exceptions": (ENTRY, {**ENTRY, "id": "cve-2024-0001"})}, "two exceptions for CVE-2024-0001"),
    ],
)
def test_a_check_that_cannot_mean_what_it_says_is_refused_when_it_is_made(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        XrayCheck(**fields)


def test_what_is_given_as_exceptions_cannot_be_changed_afterwards() -> None:
    entry = dict(ENTRY)
    check = XrayCheck(exceptions=(entry,))
    entry["expires"] = "2999-01-01"
    assert check.exceptions == (ENTRY,)


@pytest.mark.parametrize(
    ("day", "counts"),
    [("2026-11-28", True), ("2026-11-27", True), ("2026-11-26", False), ("0001-01-01", False)],
)
def test_an_exception_counts_until_the_end_of_its_last_day(day: str, counts: bool) -> None:
    exceptions = read_exceptions([{**ENTRY, "expires": day}])
    finding = XrayFinding("XRAY-1", ("CVE-2024-0001",), "High")
    found = sort_out([finding], exceptions, DAY)
    assert found.counting == (() if counts else (finding,))
    assert (len(found.excepted), len(found.expired)) == ((1, 0) if counts else (0, 1))


@pytest.mark.parametrize(
    ("finding", "is_covered"),
    [
        (XrayFinding("XRAY-1", (), "High"), True),
        (XrayFinding("xray-1", ("CVE-9",), "High"), True),
        (XrayFinding("XRAY-2", ("CVE-1",), "High"), True),
        (XrayFinding("XRAY-2", ("cve-1", "CVE-2"), "High"), True),
        (XrayFinding("XRAY-2", ("CVE-1", "CVE-9"), "High"), False),
        (XrayFinding("XRAY-2", ("CVE-1", ""), "High"), False),
        (XrayFinding("XRAY-2", ("",), "High"), False),
        (XrayFinding("XRAY-2", (), "High"), False),
        (XrayFinding("", (), "High"), False),
        (XrayFinding("CVE-10", ("CVE-11",), "High"), False),
    ],
)
def test_an_exception_covers_an_issue_or_all_of_its_vulnerabilities(finding: XrayFinding, is_covered: bool) -> None:
    exceptions = read_exceptions([{**ENTRY, "id": name} for name in ("XRAY-1", "CVE-1", "CVE-2")])
    assert (sort_out([finding], exceptions, DAY).counting == ()) is is_covered


def test_an_exception_that_has_expired_does_not_spoil_one_that_counts() -> None:
    issue, cve = {**ENTRY, "id": "XRAY-1", "expires": "2020-01-01"}, {**ENTRY, "id": "CVE-1"}
    found = sort_out([XrayFinding("XRAY-1", ("CVE-1",), "High")], read_exceptions([issue, cve]), DAY)
    assert (found.counting, [one.id for one in found.excepted], found.expired) == ((), ["CVE-1"], ())


@given(st.lists(st.builds(XrayFinding, st.text(), st.lists(st.text()).map(tuple), st.text()), min_size=1, max_size=30))
def test_every_finding_is_counted_and_the_worst_come_first(findings: list[XrayFinding]) -> None:
    assert list_findings(findings).startswith(f"{len(findings)} finding")
    assert len(list_findings(findings)) < 600
    critical, low = XrayFinding("worst", (), "Critical"), XrayFinding("least", (), "Unknown")
    told = list_findings([*[low] * 5, critical])
    assert told == "6 findings: worst (Critical), least (Unknown), least (Unknown), least (Unknown) and 2 more"


def test_a_word_that_is_no_severity_is_worse_than_the_worst() -> None:
    ranks = [rank_of(word) for word in SEVERITIES]
    assert ranks == sorted(set(ranks))
    assert all(rank_of(word) > ranks[-1] for word in ("Major", "critical", ""))


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("default/docker-dev/team/app/1.0/", "docker-dev/team/app/1.0"),
        ("default/docker-dev/team/app/1.0/manifest.json", "docker-dev/team/app/1.0"),
        ("/art-1/docker-dev/app/1/list.manifest.json", "docker-dev/app/1"),
        ("default/app/1", "app/1"),
        ("default", None),
        ("default/", None),
        ("", None),
        (None, None),
        ({"path": "default/a/b"}, None),
    ],
)
def test_the_folder_of_an_image_is_read_from_all_ways_to_write_it(path: object, folder: str | None) -> None:
    spot = read_spot(path)
    assert (spot and spot.path) == folder


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "artifacts",
                    "errors",
                    "general",
                    "sha256",
                    "path",
                    "issues",
                    "identifier",
                    "overall",
                    "details",
                    "status",
                    "sca",
                    "total_violations",
                    "violations",
                    "impacted_artifacts",
                    "matched_policies",
                    "policy",
                    "general_data",
                    "project_resources",
                    "resources",
                    "assigned_policies",
                    "name",
                    "cves",
                    "severity",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@pytest.mark.parametrize("read", [read_summaries, read_scan_status, read_violations, read_watches])
@given(document=json_values)
def test_any_json_is_read_or_said_to_be_unexpected(read: Any, document: Any) -> None:
    answer = Answer("POST /xray/api", 200, {}, json.dumps(document).encode())
    said = ""
    try:
        read(answer)
    except UnexpectedAnswer as error:
        said = str(error)
    assert not said or "instead of" in said
