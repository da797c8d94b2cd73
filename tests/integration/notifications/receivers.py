"""Receivers on loopback: a webhook, and a mail server that speaks SMTP."""

from __future__ import annotations

import email
import email.policy
import json
import queue
import socketserver
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

SOON = 20


class Post(NamedTuple):
    path: str
    headers: dict[str, str]
    body: Any


class Webhook(ThreadingHTTPServer):
    """Takes posts; answers with the given statuses first, and 200 from then on."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _PostHandler)
        self.statuses: list[int] = []
        self.seconds = 0.0
        self.says = b""
        self.posts: queue.Queue[Post] = queue.Queue()
        self.has_answered = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next(self) -> Post:
        return self.posts.get(timeout=SOON)

    def all(self) -> list[Post]:
        return [self.posts.get_nowait() for _ in range(self.posts.qsize())]


class _PostHandler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posts.put(Post(self.path, {key.lower(): value for key, value in self.headers.items()}, body))
        time.sleep(self.server.seconds)
        self.server.has_answered = True
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", str(len(self.server.says)))
        self.end_headers()
        self.wfile.write(self.server.says)

    def log_message(self, *arguments: object) -> None:
        pass


class Mail(NamedTuple):
    sender: str
    recipients: list[str]
    message: EmailMessage

    @property
    def html(self) -> str:
        [part] = [part for part in self.message.walk() if part.get_content_type() == "text/html"]
        return str(part.get_content())


class MailServer(socketserver.ThreadingTCPServer):
    """As much of RFC 5321 as a client needs to hand over mail, without TLS."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _MailHandler)
        self.mails: queue.Queue[Mail] = queue.Queue()
        self.greets = True
        self.refuses: str | None = None

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def next(self) -> Mail:
        return self.mails.get(timeout=SOON)


class _MailHandler(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        if not self.server.greets:
            self.rfile.read(1)
            return
        self._say("220 mail.test ESMTP")
        sender, recipients = "", []
        while line := self.rfile.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            match verb.upper():
                case "MAIL" if self.server.refuses is not None:
                    self._say(f"550 {self.server.refuses}")
                    continue
                case "MAIL":
                    sender = rest
                case "RCPT":
                    recipients.append(rest.partition(":")[2].strip("<>"))
                case "DATA":
                    self._say("354 go on")
                    message = email.message_from_bytes(self._read_data(), policy=email.policy.default)
                    self.server.mails.put(Mail(sender.partition(":")[2].split()[0].strip("<>"), recipients, message))
                case "QUIT":
                    self._say("221 bye")
                    return
            self._say("250 mail.test")

    def _read_data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def serving(server: Webhook | MailServer) -> Iterator[None]:
    """Run a server in a thread."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
