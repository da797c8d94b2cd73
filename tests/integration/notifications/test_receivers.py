"""Messages reach their receivers over real HTTP and SMTP; one that is down delays little, and costs no promotion."""

from __future__ import annotations

import datetime
import json
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import TaskInstanceState, conf
from tests.integration.artifactory.authority import Authority
from tests.integration.notifications.receivers import Webhook, serving

from artifactory_provider.notifications import PromotionNotifier, receivers
from artifactory_provider.notifications.spans import find_seconds

if TYPE_CHECKING:
    from tests.integration.notifications.receivers import MailServer

SECRET_PATH = "/services/T0000/B1111/x9secret9x"
HOSTILE = (
    'evil & <!channel> [click](https://evil.test) <at>all</at> <script>"x"</script> @here *b*\r\nBcc: mallory@evil.test'
)
MAIL = {"from_email": "airflow@test.example", "disable_ssl": True, "disable_tls": True}


def context(error: Exception | None = None, **changes: Any) -> Any:
    ti: dict[str, Any] = {
        "dag_id": "nightly",
        "run_id": "manual__2026-01-01T00:00:00+00:00",
        "task_id": "promote",
        "map_index": -1,
        "state": TaskInstanceState.FAILED,
        "start_date": "then",
        "try_number": 1,
        "max_tries": 3,
    }
    return {"ti": SimpleNamespace(**{**ti, **changes}), "task": SimpleNamespace(), "exception": error}


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.test/team")


def test_slack_gets_plain_text_blocks_at_the_webhooks_secret_address(webhook: Webhook, receiver: Any) -> None:
    receiver(host=webhook.url, password=SECRET_PATH.lstrip("/"), extra={"receiver": "slack"})
    PromotionNotifier("people")(context(ValueError(HOSTILE)))

    post = webhook.next()
    assert post.path == SECRET_PATH
    header, *sections, links = post.body["blocks"]
    assert header["text"] == {"type": "plain_text", "text": "Failed: nightly: promote", "emoji": False}
    assert {section["text"]["type"] for section in sections} == {"plain_text"}
    told = "\n".join(section["text"]["text"] for section in sections)
    assert "evil &amp; &lt;!channel&gt; [click](https://evil.test)" in told
    assert "<" not in told
    run = "https://airflow.test/team/dags/nightly/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00"
    assert links["text"]["text"] == f"<{run}/tasks/promote|Task and log> · <{run}|Run>"


def test_a_slack_webhook_connection_of_its_provider_needs_no_extra(webhook: Webhook, receiver: Any) -> None:
    receiver(conn_type="slackwebhook", password=f"{webhook.url}{SECRET_PATH}")
    PromotionNotifier("people")(context(ValueError("no")))
    post = webhook.next()
    assert post.path == SECRET_PATH
    assert "blocks" in post.body


def test_teams_gets_a_card_of_text_runs(webhook: Webhook, receiver: Any) -> None:
    receiver(password=f"{webhook.url}/workflows/1/invoke?sig=s3cr3tsignature", extra={"receiver": "teams"})
    PromotionNotifier("people")(context(ValueError(HOSTILE)))

    post = webhook.next()
    assert post.path == "/workflows/1/invoke?sig=s3cr3tsignature"
    [attachment] = post.body["attachments"]
    card = attachment["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    runs = [run for block in card["body"] for run in block["inlines"]]
    assert {run["type"] for run in runs} == {"TextRun"}
    assert "msteams" not in card
    assert any("<at>all</at>" in run["text"] for run in runs)
    assert [action["type"] for action in card["actions"]] == ["Action.OpenUrl"] * 2


@pytest.mark.parametrize("base_url", [None, "", "airflow.test", "https://", "/airflow", "http://[airflow"])
def test_a_message_without_links_says_why_there_are_none(
    webhook: Webhook, receiver: Any, monkeypatch: pytest.MonkeyPatch, base_url: str | None
) -> None:
    monkeypatch.delenv("AIRFLOW__API__BASE_URL")
    if base_url is not None:
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    receiver(host=webhook.url)
    PromotionNotifier("people")(context(ValueError("\n".join(f"line {number}" for number in range(100)))))
    told = webhook.next().body
    assert told["links"] == {}
    assert told["lines"][0] == "line 0"
    assert told["lines"][-1] == "There are no links to Airflow: [api] base_url does not say its address here."


def test_any_other_webhook_gets_json_with_the_connections_credentials(webhook: Webhook, receiver: Any) -> None:
    receiver(host=f"{webhook.url}/hook", password="a-token", extra={"X-Key": "k3y"})
    PromotionNotifier("people")(context(ValueError("no such image")))

    post = webhook.next()
    assert (post.path, post.headers["authorization"], post.headers["x-key"]) == ("/hook", "Bearer a-token", "k3y")
    assert (post.body["event"], post.body["title"]) == ("failed", "Failed: nightly: promote")
    assert post.body["lines"] == ["no such image", "See to the reason, then clear the task."]
    assert (post.body["dag_id"], post.body["task_id"], post.body["map_index"]) == ("nightly", "promote", -1)


def test_a_mail_goes_to_the_addresses_and_holds_no_header_of_strangers(mail_server: MailServer, receiver: Any) -> None:
    receiver(conn_type="smtp", host="127.0.0.1", port=mail_server.port, extra=MAIL)
    told = context(ValueError(HOSTILE), rendered_map_index="docker-prod/ä:1\r\nBcc: mallory@evil.test")
    PromotionNotifier("people", to=["team@test.example", "lead@test.example"])(told)

    mail = mail_server.next()
    assert (mail.sender, mail.recipients) == ("airflow@test.example", ["team@test.example", "lead@test.example"])
    assert "bcc" not in mail.message
    assert mail.message["subject"] == "Failed: nightly: promote of docker-prod/ä:1 Bcc: mallory@evil.test"
    assert "&lt;script&gt;&quot;x&quot;&lt;/script&gt;" in mail.html
    assert "<script>" not in mail.html
    assert '<a href="https://airflow.test/team/dags/nightly/runs/' in mail.html


def test_addresses_may_stand_in_the_connection(mail_server: MailServer, receiver: Any) -> None:
    extra = {**MAIL, "to": "x@test.example; y@test.example"}
    receiver(conn_type="smtp", host="127.0.0.1", port=mail_server.port, extra=extra)
    PromotionNotifier("people")(context(ValueError("no")))
    assert mail_server.next().recipients == ["x@test.example", "y@test.example"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_is_busy_is_told_once_more(webhook: Webhook, receiver: Any, status: int) -> None:
    receiver(host=webhook.url)
    webhook.statuses = [status]
    PromotionNotifier("people")(context(ValueError("no")))
    assert len(webhook.all()) == 2


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_receiver_that_may_have_the_message_is_not_told_twice(
    webhook: Webhook, receiver: Any, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    receiver(host=webhook.url)
    webhook.statuses = [status]
    PromotionNotifier("people")(context(ValueError("the reason in full")))
    assert len(webhook.all()) == 1
    assert f"It answered {status}" in capsys.readouterr().out


@pytest.mark.parametrize("status", [400, 403, 404, 410, 302])
def test_a_receiver_that_refuses_is_asked_once_and_the_log_has_all(
    webhook: Webhook, receiver: Any, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    receiver(password=f"{webhook.url}{SECRET_PATH}?sig=s3cr3tsignature", extra={"receiver": "teams"})
    webhook.statuses, webhook.says = [status], f"no {SECRET_PATH} of s3cr3tsignature".encode()
    PromotionNotifier("people")(context(ValueError("the reason in full")))

    assert len(webhook.all()) == 1
    log = capsys.readouterr().out
    assert f"Could not be told by connection 'people'. It answered {status}" in log
    assert "the reason in full" in log
    assert "x9secret9x" not in log
    assert "s3cr3tsignature" not in log


def test_a_short_header_is_no_secret_and_a_long_one_is(
    webhook: Webhook, receiver: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver(host=webhook.url, extra={"X-Env": "1", "X-Key": "a-long-key"})
    webhook.statuses, webhook.says = [410], b"gone since 2011, a-long-key"
    PromotionNotifier("people")(context(ValueError("no")))
    assert "It answered 410: gone since 2011, ***." in capsys.readouterr().out


def test_a_mail_servers_answer_shows_no_secret_of_its_connection(
    mail_server: MailServer, receiver: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = {"access_token": "t0ken-of-access", "client_secret": "cl1ent-word"}
    receiver(conn_type="smtp", host="127.0.0.1", port=mail_server.port, extra={**MAIL, **secrets})
    mail_server.refuses = f"no {' '.join(secrets.values())} here"
    PromotionNotifier("people", to=["c@d.example"])(context(ValueError("no")))
    log = capsys.readouterr().out
    assert "no *** *** here" in log
    assert not any(secret in log for secret in secrets.values())


def test_a_receiver_that_is_not_there_fails_nothing_and_names_no_secret(
    receiver: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver(password=f"http://127.0.0.1:9{SECRET_PATH}", extra={"receiver": "slack"})
    PromotionNotifier("people")(context(ValueError("the reason in full")))
    log = capsys.readouterr().out
    assert "there is no server at http://127.0.0.1:9" in log
    assert "the reason in full" in log
    assert "x9secret9x" not in log


def test_a_slow_receiver_costs_a_bounded_time(
    webhook: Webhook, receiver: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receivers, "_SECONDS_A_TRY", 0.3)
    receiver(host=webhook.url)
    webhook.seconds = 5.0
    PromotionNotifier("people")(context(ValueError("the reason in full")))
    assert not webhook.has_answered, "it was waited for"
    assert len(webhook.all()) == 1, "what it did with the message is unknown, so it is not sent again"
    log = capsys.readouterr().out
    assert "had no answer within 0.3 s" in log
    assert "the reason in full" in log


def test_whatever_hangs_is_left_behind(
    mail_server: MailServer, receiver: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__TASK_SUCCESS_OVERTIME", "2")
    mail_server.greets = False
    receiver(
        conn_type="smtp",
        host="127.0.0.1",
        port=mail_server.port,
        extra=MAIL,
    )
    PromotionNotifier("people", to=["c@d.example"])(context(ValueError("the reason in full")))
    log = capsys.readouterr().out
    assert "It has not ended within" in log
    assert "the reason in full" in log


def test_silent_receivers_share_the_time_that_airflow_gives_to_the_end_of_a_task(
    webhook: Webhook, receiver: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__TASK_SUCCESS_OVERTIME", "8")
    receiver(host=webhook.url)
    webhook.seconds = 20.0
    told = context(ValueError("the reason in full"), end_date=datetime.datetime.now(datetime.UTC))
    for _ in range(7):
        PromotionNotifier("people")(told)
    assert not webhook.has_answered, "one of them was waited for"
    assert len(webhook.all()) >= 2, "the second has its turn, too"
    log = capsys.readouterr().out
    assert log.count("the reason in full") == 7
    assert "No time was left for it" in log


def test_the_time_that_airflow_gives_is_not_used_up_however_long_it_is() -> None:
    assert 2 * find_seconds(context()) <= conf.getfloat("core", "task_success_overtime") / 2
    with_end = context(end_date=datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=4))
    assert 2.9 < find_seconds(with_end) <= 3
    assert find_seconds(context(end_date=datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1))) == 5


def test_a_certificate_that_nobody_vouches_for_is_refused_and_a_named_authority_counts(
    webhook: Webhook, receiver: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    authority = Authority(tmp_path, "unknown")
    issued = authority.issue("127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issued.certificate, issued.key)
    server = Webhook()
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    address = f"{server.url.replace('http', 'https')}{SECRET_PATH}"
    with serving(server):
        receiver(password=address, extra={"receiver": "slack"})
        PromotionNotifier("people")(context(ValueError("first")))
        log = capsys.readouterr().out
        assert "is not trusted" in log
        assert server.all() == []
        receiver(password=address, extra={"receiver": "slack", "verify": str(authority.file)})
        PromotionNotifier("people")(context(ValueError("second")))
        assert server.next().path == SECRET_PATH


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"host": "hooks.test", "password": "a/b", "extra": {"receiver": "slack"}}, "has to begin with https"),
        ({"host": "hooks.test", "extra": {"receiver": "discord"}}, "slack or teams or json, not 'discord'"),
        ({"extra": {"receiver": "teams"}}, "The host is missing"),
        ({"conn_type": "smtp", "host": "mail.test"}, "Nobody is named whom mail goes to"),
        ({"conn_type": "smtp", "host": "mail.test", "extra": {"to": "a@b\nBcc: c@d"}}, "is no address"),
        ({"host": "https://x:99999999/", "password": "s3cr3t-word", "extra": {"receiver": "slack"}}, "is no URL"),
    ],
)
def test_a_connection_that_cannot_work_is_named_in_the_log(
    receiver: Any, capsys: pytest.CaptureFixture[str], fields: dict[str, Any], said: str
) -> None:
    receiver(**fields)
    PromotionNotifier("people")(context(ValueError("the reason in full")))
    log = capsys.readouterr().out
    assert said in log
    assert "the reason in full" in log
    assert "s3cr3t-word" not in log


def test_a_connection_that_is_not_there_is_named_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    PromotionNotifier("nobody")(context(ValueError("the reason in full")))
    log = capsys.readouterr().out
    assert "Could not be told by connection 'nobody'" in log
    assert "the reason in full" in log


async def test_a_deadline_that_is_missed_is_told_in_the_triggerer(webhook: Webhook, receiver: Any) -> None:
    from airflow.triggers.callback import CallbackTrigger

    receiver(host=webhook.url)
    run = {"dag_id": "nightly", "dag_run_id": "scheduled__1"}
    kwargs = {"connection": "people", "context": {"dag_run": run, "deadline": {"deadline_time": "2026-01-01 04:00"}}}
    path = "artifactory_provider.notifications.PromotionNotifier"
    events = [event async for event in CallbackTrigger(path, kwargs).run()]
    assert [event.payload["state"] for event in events] == ["running", "success"], events
    assert webhook.next().body["lines"] == ["The run scheduled__1 has not ended by 2026-01-01 04:00."]


def test_a_deadline_that_is_missed_is_told_by_an_executor(webhook: Webhook, receiver: Any) -> None:
    import structlog
    from airflow.sdk.execution_time.callback_supervisor import execute_callback

    receiver(host=webhook.url)
    run = {"dag_id": "nightly", "dag_run_id": "scheduled__1"}
    kwargs = {"connection": "people", "context": {"dag_run": run, "deadline": {"deadline_time": "2026-01-01 04:00"}}}
    path = "artifactory_provider.notifications.PromotionNotifier"
    ended = execute_callback(path, kwargs, Path(), None, structlog.get_logger())
    assert ended == (True, None)
    assert webhook.next().body["title"] == "Late: nightly"


def test_what_airflow_knows_to_be_secret_is_not_told(webhook: Webhook, receiver: Any) -> None:
    from airflow.sdk.log import mask_secret

    mask_secret("a-password-of-somebody")
    receiver(host=webhook.url)
    PromotionNotifier("people")(context(ValueError("login with a-password-of-somebody failed")))
    assert "a-password-of-somebody" not in json.dumps(webhook.next().body)
