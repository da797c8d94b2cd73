"""The forms in which receivers take a message: what stands in it stays text, and neither links nor calls anybody."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from artifactory_provider.notifications.messages import Message

_SLACK_LONGEST_TITLE, _SLACK_LONGEST = 150, 2900
"""A header of Slack's has at most 150 characters, a section 3,000."""
_SLACK_CONTROLS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_HEADERS_LONGEST = 120


def slack_form(message: Message) -> dict[str, Any]:
    """Return a message as a Slack incoming webhook takes it: blocks of plain text, and a line of links.

    Slack's control characters are escaped, and plain text knows neither formats nor mentions; see
    https://docs.slack.dev/messaging/formatting-message-text.

    :param message: the message, shortened.
    """
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _slack_text(_fit(message.title))}]
    blocks += [{"type": "section", "text": _slack_text(part)} for part in _join(message.lines)]
    if message.links:
        links = " · ".join(f"<{_slack_url(link.url)}|{_escape(link.text)}>" for link in message.links)
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": links, "verbatim": True}})
    return {
        "text": _escape(message.title),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": blocks,
    }


def teams_form(message: Message) -> dict[str, Any]:
    """Return a message as a Teams workflow takes it that posts what a webhook brings: an Adaptive Card.

    Text blocks would read Markdown, text runs do not; see https://adaptivecards.io/explorer/TextRun.html.

    :param message: the message, shortened.
    """
    title = {"type": "TextRun", "text": message.title, "weight": "bolder", "size": "medium"}
    body = [_teams_block(title), *(_teams_block({"type": "TextRun", "text": line}) for line in message.lines)]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": link.text, "url": link.url} for link in message.links],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def mail_form(message: Message) -> tuple[str, str]:
    """Return a message as subject and HTML of an e-mail.

    :param message: the message, shortened.
    """
    lines = [f"<p><b>{html.escape(message.title)}</b></p>"]
    lines += [f"<p>{html.escape(line)}</p>" for line in message.lines]
    if message.links:
        links = [f'<a href="{html.escape(link.url)}">{html.escape(link.text)}</a>' for link in message.links]
        lines.append(f"<p>{' · '.join(links)}</p>")
    subject = message.title if len(message.title) <= _HEADERS_LONGEST else f"{message.title[: _HEADERS_LONGEST - 1]}…"
    return subject, "\n".join(lines)


def _slack_text(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": _escape(text), "emoji": False}


def _escape(text: str) -> str:
    return text.translate(_SLACK_CONTROLS)


def _fit(title: str) -> str:
    """Return a headline that Slack takes, which counts an escaped character as several."""
    while len(_escape(title)) > _SLACK_LONGEST_TITLE:
        title = f"{title[:-2]}…"
    return title


def _slack_url(url: str) -> str:
    """Return an address that does not end the link it stands in."""
    return _escape(url).replace("|", "%7C")


def _join(lines: tuple[str, ...]) -> list[str]:
    """Return lines in as few texts as Slack's limit allows once they are escaped."""
    parts: list[str] = []
    for line in lines:
        if parts and len(_escape(f"{parts[-1]}\n{line}")) <= _SLACK_LONGEST:
            parts[-1] = f"{parts[-1]}\n{line}"
        else:
            parts.append(line)
    return parts


def _teams_block(run: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [run]}
