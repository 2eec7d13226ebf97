"""A receiver of webhooks over real HTTP: it keeps what it gets, and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from standardwebhooks.webhooks import Webhook as Verifier

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Receiver:
    """What came in, and what is answered."""

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """Statuses of the next answers; 200 after them."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every message, verified by the standard's own library and parsed by CloudEvents'."""
        return [event_of(headers, body) for headers, body in self.got]

    @property
    def ids(self) -> list[str]:
        """The id of every message, those that came twice too."""
        return [headers["webhook-id"] for headers, _ in self.got]


def event_of(headers: dict[str, str], body: bytes, secret: str = SECRET) -> dict[str, Any]:
    """A message's attributes and data; an error for one that is not signed, or no CloudEvent."""
    Verifier(secret).verify(body, headers)
    parsed = from_structured_event(HTTPMessage(headers, body))
    assert parsed.get_id() == headers["webhook-id"]
    return {**json.loads(body), "type": parsed.get_type(), "data": parsed.get_data()}


@contextmanager
def receiving(host: str = "127.0.0.1") -> Iterator[Receiver]:
    """Run a receiver on this machine."""
    receiver, lock = Receiver(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                heard = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append((heard, body))
                status = receiver.answers.pop(0) if receiver.answers else 200
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # who sent it does not read everything
                self.wfile.write(receiver.body)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer((host, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    receiver.url = f"http://{host}:{server.server_port}/hooks/s3cr3t-path"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
