from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.verification.subjects import make_evidence, make_subject

from artifactory_provider.artifactory.errors import InvalidSettings
from artifactory_provider.artifactory.manifests import OCI_MANIFEST, Descriptor
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.verification import (
    HttpCheck,
    HttpService,
    State,
    Subject,
    check_from_dict,
    check_to_dict,
)
from artifactory_provider.verification.http.request_templates import fill_body, fill_endpoint

DIGEST = f"sha256:{'a' * 64}"
ONE: dict[str, Any] = {"conn_id": "load-tests", "endpoint": "results/{digest}", "passed": "status == 'passed'"}
MANY: dict[str, Any] = {**ONE, "endpoint": "results", "method": "POST", "many": True}

images = st.from_regex(r"[a-z0-9]{1,8}([._/-][a-z0-9]{1,8}){0,3}", fullmatch=True)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)


def subject_of(image: str, tag: str) -> Subject:
    return Subject(ImageReference("docker-dev", image, tag, DIGEST), Descriptor(DIGEST, OCI_MANIFEST))


@given(images, tags)
def test_each_field_is_one_segment_of_the_path_and_comes_back_as_it_was(image: str, tag: str) -> None:
    filled = fill_endpoint("a/{repository}/{image}/{tag}?d={digest}", subject_of(image, tag))
    path, _, query = filled.partition("?")
    assert [unquote(segment) for segment in path.split("/")] == ["a", "docker-dev", image, tag]
    assert unquote(query) == f"d={DIGEST}"


@given(images, tags)
def test_fields_in_a_body_come_back_as_they_were(image: str, tag: str) -> None:
    subject = subject_of(image, tag)
    fields = {"repository": "docker-dev", "image": image, "tag": tag, "digest": DIGEST}
    body = '{"what": "{image}:{tag}", "digest": "{digest}", "deep": {"in": ["{repository}"]}}'
    assert json.loads(fill_body(body, [subject])) == {
        "what": f"{image}:{tag}",
        "digest": DIGEST,
        "deep": {"in": ["docker-dev"]},
    }
    assert json.loads(fill_body('{"of": {subjects}}', [subject, subject])) == {"of": [fields, fields]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conn_id": ""}, "needs conn_id"),
        ({"endpoint": "results/{image}/{tag}"}, "does not name {digest}"),
        ({"endpoint": "results/{Digest}"}, "has the field {Digest}"),
        ({"endpoint": "results/{digest}/{env}"}, "has the field {env}"),
        ({"endpoint": "https://elsewhere.example/{digest}"}, "no path below the URL"),
        ({"endpoint": "//elsewhere.example/{digest}"}, "no path below the URL"),
        ({"endpoint": "a/../{digest}"}, "no path below the URL"),
        ({"endpoint": "a b/{digest}"}, "no path below the URL"),
        ({"endpoint": "a/{digest}#there"}, "no path below the URL"),
        ({"endpoint": "a/{digest:>10}"}, "no path below the URL"),
        ({"endpoint": None}, "endpoint is a text"),
        ({"method": "DELETE"}, "method is one of"),
        ({"method": "POST"}, "A GET has no body, and a POST or PUT has one"),
        ({"body": "{}"}, "A GET has no body"),
        ({"method": "POST", "body": "{digest}"}, "makes no JSON"),
        ({"method": "POST", "body": "'{digest}'"}, "makes no JSON"),
        ({"method": "POST", "body": '["{subjects}"]'}, "has the field {subjects}"),
        ({"method": "POST", "body": {"digest": "{digest}"}}, "body is JSON as a text"),
        ({"passed": ""}, "JMESPath expression"),
        ({"passed": "status = 'passed'"}, "no JMESPath expression"),
        ({"failed": "eval(status)"}, "calls eval()"),
        ({"message": "a."}, "no JMESPath expression"),
        ({"failed_statuses": (404,)}, "different statuses"),
        ({"failed_statuses": (500,)}, "different statuses"),
        ({"failed_statuses": (401,)}, "different statuses"),
        ({"pending_statuses": (200,)}, "different statuses"),
        ({"pending_statuses": ("404",)}, "different statuses"),
        ({"timeout": 0}, "number of seconds"),
        ({"timeout": 101}, "at most 100 seconds"),
    ],
)
def test_a_check_that_could_not_work_is_refused_when_the_dag_is_read(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is looked at below
        HttpCheck(**{**ONE, **changes})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "GET"}, "with many, method is POST or PUT"),
        ({"endpoint": "results/{digest}"}, "has the field {digest} that it cannot have here: it may have none"),
        ({"body": '{"digest": "{digest}"}'}, "has the field {digest}"),
        ({"body": '{"all": true}'}, "does not name {subjects}"),
        ({"body": '{"all": "{subjects}"}'}, "makes no JSON"),
        ({"results": "["}, "no JMESPath expression"),
    ],
)
def test_a_check_of_many_that_could_not_work_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is looked at below
        HttpCheck(**{**MANY, **changes})
    assert message in str(caught.value)


def test_a_check_is_named_after_its_connection_and_survives_the_way_through_json() -> None:
    full = HttpCheck(
        **{**MANY, "failed": "status == 'failed'", "pending": "!status", "message": "text", "results": "results"},
        failed_statuses=[422],
        pending_statuses=[],
        timeout=5,
    )
    for check in (HttpCheck(**ONE), full):
        assert check.name == "load-tests"
        assert check_from_dict(json.loads(json.dumps(check_to_dict(check)))) == check
        assert hash(check)
    assert HttpCheck(**ONE, name="load").name == "load"


async def test_where_there_are_no_connections_nothing_passes() -> None:
    [verdict] = await HttpCheck(**ONE).find_verdicts(make_evidence(), [make_subject()])
    assert (verdict.state, verdict.reason) == (
        State.UNREADABLE,
        "load-tests cannot be asked: there are no connections here.",
    )


@pytest.mark.parametrize(
    "headers", [{"X-Key": "a\r\nX-Other: b"}, {"X Key": "a"}, {"": "a"}, {"X-Key": "ä"}, {"X:": "a"}]
)
def test_headers_that_could_not_be_sent_are_refused_without_showing_their_values(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidSettings, match="cannot be sent") as caught:
        HttpService(base_url="https://tests.example", headers=headers)
    assert not any(value in str(caught.value) for value in headers.values() if len(value) > 1)


def test_what_is_secret_of_a_service_stands_in_no_text_of_it() -> None:
    service = HttpService(
        base_url="https://tests.example", headers={"X-Key": "s3cret"}, proxy="http://me:s3cret@proxy.example:3128"
    )
    assert "s3cret" not in repr(service)
