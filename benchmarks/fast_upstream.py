"""An OpenAI-compatible upstream that answers at once: what a gateway adds is then all there is.

`python -m benchmarks.fast_upstream PORT [SECONDS]`, which it takes for each answer.
"""

from __future__ import annotations

import asyncio
import json
import sys

COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "mock",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Your bike is at the station. " * 8},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 40, "completion_tokens": 60, "total_tokens": 100},
}
BODY = json.dumps(COMPLETION).encode()
REPLY = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY)
) + BODY

THINKS = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0


class Answer(asyncio.Protocol):
    """Answers every request on a connection with the same completion."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller has come."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self.buffer += data
        while True:
            head = self.buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            length = 0
            for line in self.buffer[:head].lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            if len(self.buffer) < head + 4 + length:
                return
            self.buffer = self.buffer[head + 4 + length :]
            if THINKS:
                asyncio.get_running_loop().call_later(THINKS, self.transport.write, REPLY)
            else:
                self.transport.write(REPLY)


async def serve(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1])))
