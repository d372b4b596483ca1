"""Servers on this machine that messages are sent to: one that takes JSON over HTTP, and one that takes mail."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class HttpReceiver(ThreadingHTTPServer):
    """Keeps the bodies of all requests; answers with `status`, after `delay` seconds."""

    daemon_threads = True

    def __init__(self, status: int = 200, delay: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.status, self.delay = status, delay
        self.bodies: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        """Its address, with a secret in it."""
        return f"json://me:hunter2@127.0.0.1:{self.server_port}"


class _Taker(BaseHTTPRequestHandler):
    server: HttpReceiver

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        time.sleep(self.server.delay)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class MailReceiver(socketserver.ThreadingTCPServer):
    """Speaks as much of SMTP as a client needs, and keeps the text of each mail."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Mailbox)
        self.mails: list[str] = []

    @property
    def address(self) -> str:
        """Its address."""
        port = self.server_address[1]
        return f"mailto://127.0.0.1:{port}/?smtp=127.0.0.1&mode=insecure&from=recs@example.com&to=ops@example.com"


class _Mailbox(socketserver.StreamRequestHandler):
    server: MailReceiver

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline():
            command = line.strip().upper()
            if command == b"DATA":
                self._say("354 go on")
                text = []
                while (part := self.rfile.readline()).strip() != b".":
                    text.append(part.decode())
                self.server.mails.append("".join(text))
            elif command == b"QUIT":
                self._say("221 bye")
                return
            self._say("250 ok")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    """Let a server run in a thread inside this context."""
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
