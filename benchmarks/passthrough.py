"""A bare ASGI application that passes chat completions through, with the gateway's HTTP client.

What any gateway in this language must at least do: read the body, ask, answer. It looks at nothing
and keeps nothing. `python -m benchmarks.passthrough PORT UPSTREAM_PORT`.
"""

from __future__ import annotations

import sys
from typing import Any

import aiohttp
import uvicorn


class Passthrough:
    """The application."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass one request through."""
        if scope["type"] != "http":
            return
        if self.session is None:
            self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {"content-type": "application/json"}
        async with self.session.post(self.upstream, data=body, headers=headers) as reply:
            answer = await reply.read()
        start = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": reply.status, "headers": start})
        await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    app = Passthrough(f"http://127.0.0.1:{sys.argv[2]}/v1/chat/completions")
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False, lifespan="off")
