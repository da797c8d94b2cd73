from __future__ import annotations

import datetime
import json
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.artifactory.answers import Answer, refusal
from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    AuthenticationFailed,
    NotArtifactory,
    NotFound,
    PermissionDenied,
    RateLimited,
    RequestRefused,
    ServerFailed,
    UnexpectedAnswer,
    UnsupportedRepository,
)


def answer(status: int, body: Any = b"", **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer("POST /artifactory/api/x", status, {k.replace("_", "-"): v for k, v in headers.items()}, content)


def said(message: str) -> dict[str, Any]:
    return {"errors": [{"status": 400, "message": message}]}


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (202, UnexpectedAnswer, "no proxy answers in its place"),
        (302, UnexpectedAnswer, "It redirects to"),
        (400, RequestRefused, "will not do this"),
        (401, AuthenticationFailed, "check login and password or token"),
        (403, PermissionDenied, "needs Deploy on 'docker-qa'"),
        (404, NotFound, "nothing at this path"),
        (405, RequestRefused, "will not do this"),
        (407, AuthenticationFailed, "proxy asks for credentials"),
        (413, RequestRefused, "will not do this"),
        (429, RateLimited, "ask less often"),
        (500, ServerFailed, "try again later"),
        (501, RequestRefused, "never does this"),
        (504, ServerFailed, "try again later"),
        (599, ServerFailed, "try again later"),
    ],
)
def test_each_status_is_a_typed_error_that_says_what_was_tried_and_what_to_do(
    status: int, kind: type[ArtifactoryError], advice: str
) -> None:
    error = refusal(answer(status, said("The server's own words.")), needs="Deploy on 'docker-qa'")
    assert type(error) is kind
    assert str(error).startswith(f"POST /artifactory/api/x answered {status}: The server's own words. ")
    assert advice in str(error)
    assert (error.status, error.endpoint, error.detail) == (
        status,
        "POST /artifactory/api/x",
        "The server's own words.",
    )


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (said("Forbidden"), "Forbidden"),
        ({"errors": [{"code": "DENIED", "message": "denied", "detail": None}]}, "denied"),
        ({"errors": [{"message": "one"}, {"message": "two"}]}, "one; two"),
        ({"messages": [{"level": "ERROR", "message": "cannot"}]}, "cannot"),
        ({"error": "invalid_client", "error_description": "bad token"}, "bad token"),
        ({"error": "invalid_client"}, "invalid_client"),
        (b"just text\r\n in lines", "just text in lines"),
        (b"<html><head><title>502 Bad\nGateway</title>", "502 Bad Gateway"),
        (b"<!DOCTYPE html><html><body>no title", None),
        (b"", None),
        (b"\xff\xfe\x00", "\ufffd\ufffd\ufffd"),
        (b"\x1b[31mred\x07", "\ufffd[31mred\ufffd"),
        ({"errors": [{"message": "\ud800"}]}, "\ufffd"),
        ({"errors": [None, 1, {}]}, None),
        ({"errors": "text"}, None),
        ([1, 2], None),
        ({}, None),
    ],
)
def test_the_servers_own_words_are_found_in_every_shape_of_error(body: Any, detail: str | None) -> None:
    assert answer(500, body).detail == detail


def test_a_long_answer_is_shortened() -> None:
    assert len(answer(500, b"x" * 1_000_000).detail or "") == 500


def test_a_repository_that_is_refused_as_no_docker_repository_is_an_error_of_its_own() -> None:
    error = refusal(answer(400, said("Unsupported V2 repository request for 'docker-release-repository'")))
    assert isinstance(error, UnsupportedRepository)
    assert "docker-release-repository" in str(error)
    assert "check its key" in str(error)


def test_an_image_that_xray_blocks_is_not_reported_as_a_missing_permission() -> None:
    words = "Artifact download request rejected: app/1/manifest.json was not downloaded due to the download blocking "
    error = refusal(
        answer(403, said(f"{words}policy configured in Xray for docker-dev.")), needs="Read on 'docker-dev'"
    )
    assert isinstance(error, RequestRefused)
    assert "Xray blocks this image" in str(error)
    assert "needs Read" not in str(error)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://login.example.com/sso?token=s3cret", "https://login.example.com/sso:"),
        ("https://user:s3cret@login.example.com/#s3cret", "https://login.example.com/:"),
        ("/ui/login", "/ui/login:"),
        ("http://[broken?s3cret", "an unnamed place:"),
        ("", "an unnamed place:"),
    ],
)
def test_a_redirect_is_named_without_what_may_be_secret_in_it(location: str, shown: str) -> None:
    error = refusal(answer(302, Location=location))
    assert f"redirects to {shown}" in str(error)
    assert "s3cret" not in str(error)


def test_a_secret_in_a_successful_answer_is_shown_in_nothing_that_is_said_about_it() -> None:
    echoed = answer(200, b"Authorization: Basic YWJj", Content_Type="text/YWJj", Server="YWJj").hide(("YWJj",))
    assert echoed.content == b"Authorization: Basic YWJj"
    for error in (echoed.unexpected("JSON, not YWJj"), echoed.not_artifactory("JSON, not YWJj")):
        assert "YWJj" not in str(error) + str(error.detail)


@pytest.mark.parametrize(
    ("headers", "is_one"),
    [
        ({"X-JFrog-Version": "Artifactory/7.117.1 81701900"}, True),
        ({"X-JFrog-Version": "Artifactory/7.x-SNAPSHOT"}, True),
        ({"X-Artifactory-Id": "1:2"}, True),
        ({"X-Artifactory-Node-Id": "node-1"}, True),
        ({"Server": "Artifactory/6.23.0"}, True),
        ({"Server": "nexus/3.70.0"}, False),
        ({"Server": "nginx", "Docker-Distribution-Api-Version": "registry/2.0"}, False),
        ({}, False),
    ],
)
def test_an_artifactory_is_known_by_its_headers(headers: dict[str, str], is_one: bool) -> None:
    error = answer(404, **headers).not_artifactory("'OK'")
    assert isinstance(error, NotArtifactory) is not is_one
    assert str(error).startswith("This does not look like an Artifactory") is not is_one
    assert ("nexus/3.70.0" in str(error)) is (headers.get("Server") == "nexus/3.70.0")


def test_secrets_that_a_server_sends_back_are_struck_out() -> None:
    echoed = answer(502, "Authorization: Basic YWJj with pässwörd".encode()).redact(("YWJj", "pässwörd"))
    assert echoed.detail == "Authorization: Basic *** with ***"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (json.dumps({"errors": [{"message": 'pässwörd"\\ is wrong'}]}).encode(), "application/json"),
        (b"<html><title>p&auml;ssw&#246;rd&quot;\\ is wrong</title>", "text/html"),
    ],
)
def test_secrets_that_a_server_sends_back_in_code_are_struck_out(body: bytes, content_type: str) -> None:
    assert answer(400, body, Content_Type=content_type).redact(('pässwörd"\\',)).detail == "*** is wrong"


def test_a_very_short_password_does_not_strike_out_half_of_every_message() -> None:
    assert answer(500, b"a banana").redact(("a", "")).detail == "a banana"


@pytest.mark.parametrize(
    ("body", "content_type", "described"),
    [
        (b"", "application/json", "an empty body"),
        (b"  <HTML>", "", "an HTML page"),
        (b"x", "text/html;charset=utf-8", "an HTML page"),
        (b"x", "text/plain", "text/plain"),
        (b"x", "", "untyped content"),
        (b"x", "text/\udcff\0", "text/��"),
        (b"x", "x" * 9000, "x{499}…"),
    ],
)
def test_what_came_instead_of_json_is_named(body: bytes, content_type: str, described: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=f"answered 200 with {described} instead of JSON: check that"):
        answer(200, body, Content_Type=content_type).json()


@pytest.mark.parametrize("body", [b"[" * 100_000, b"1" * 10_000, b"\xff", b"{", b"NaN1"])
def test_hostile_json_is_an_unexpected_answer(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswer):
        answer(200, body).json()
    assert answer(500, body).detail


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0), ("7", 7), (" 120 ", 120), ("", None), ("-1", None), ("1.5", None), ("soon", None), ("٣", 3)],
)
def test_retry_after_is_read_as_seconds(value: str, seconds: float | None) -> None:
    assert answer(429, Retry_After=value).retry_after == seconds


def test_retry_after_is_read_as_a_date_and_never_lies_in_the_past() -> None:
    now = datetime.datetime.now(datetime.UTC)
    later = answer(429, Retry_After=format_datetime(now + datetime.timedelta(hours=1), usegmt=True)).retry_after
    assert later == pytest.approx(3600, abs=60)
    assert answer(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT").retry_after == 0
    assert answer(429, Retry_After="Wed, 21 Oct 2015 07:28:00").retry_after == 0


@given(st.text() | st.from_regex(r"\w{3}, \d{1,6} \w{3} \d{1,6} \d\d:\d\d:\d\d [+-]\d{1,20}", fullmatch=True))
def test_any_retry_after_is_a_number_of_seconds_or_passed_over(value: str) -> None:
    seconds = answer(429, Retry_After=value).retry_after
    assert seconds is None or seconds >= 0
