"""An OpenAI-compatible upstream with every fault of the promises, chosen by the model's name.

`python -m benchmarks.fault_upstream PORT`. A model called `f06` answers as fault 6 says, `ok` as it
should. `GET /calls` counts the calls by model, `GET /open` the calls that are under way.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

SAID = "Your bike is ready at the station by the river, please unlock it with the app. "
PIECES = [SAID[at : at + 8] for at in range(0, len(SAID), 8)]
CARD = "4111 1111 1111 1111"
Writer = asyncio.StreamWriter


def completion(content: str | None = SAID, **changes: Any) -> dict[str, Any]:
    """A whole completion."""
    message = {"role": "assistant", "content": content}
    return {
        "id": "c1",
        "object": "chat.completion",
        "model": "mock",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30},
        **changes,
    }


def chunk(piece: str = "", finish: str | None = None, **changes: Any) -> bytes:
    """One event of a stream."""
    choice = {"index": 0, "delta": {"content": piece} if piece else {}, "finish_reason": finish}
    body = {"id": "c1", "object": "chat.completion.chunk", "choices": [choice], **changes}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def reply(status: int, body: bytes, kind: str = "application/json", *headers: str) -> bytes:
    """A whole HTTP response."""
    lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def as_json(status: int, body: Any, *headers: str) -> bytes:
    """A JSON response."""
    return reply(status, json.dumps(body).encode(), "application/json", *headers)


STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


@dataclass
class Faults:
    """The server, and what it counted."""

    calls: Counter[str] = field(default_factory=Counter)
    under_way: int = 0

    async def handle(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        """Answer the calls of one connection."""
        try:
            while (asked := await self._read(reader)) is not None:
                path, body = asked
                if path in ("/calls", "/open"):
                    said = dict(self.calls) if path == "/calls" else {"open": self.under_way}
                    writer.write(as_json(200, said))
                    continue
                self.calls[body["model"]] += 1
                self.under_way += 1
                try:
                    if not await self._answer(body, writer, reader):
                        break
                finally:
                    self.under_way -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> tuple[str, Any] | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return None
        path = head.split(" ", 2)[1]
        length = next(
            (
                int(line.split(":")[1])
                for line in head.lower().split("\r\n")
                if line.startswith("content-length:")
            ),
            0,
        )
        raw = await reader.readexactly(length)
        return path, json.loads(raw) if raw else {}

    async def _answer(self, body: Any, writer: Writer, reader: asyncio.StreamReader) -> bool:
        """Answer one call; whether the connection goes on."""
        name, streamed = body["model"].split("-")[0], bool(body.get("stream"))
        if name in WHOLE:
            writer.write(WHOLE[name])
            await writer.drain()
            return True
        if name in ACTS:
            await ACTS[name](writer, reader, body)
            return False
        if streamed:
            await send(writer, [chunk(piece) for piece in PIECES] + END)
            return False
        writer.write(as_json(200, completion()))
        await writer.drain()
        return True


END = [
    chunk(finish="stop"),
    chunk(choices=[], usage={"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}),
    b"data: [DONE]\n\n",
]


async def send(writer: Writer, events: list[bytes], pause: float = 0.0) -> None:
    """Send a stream."""
    writer.write(STREAM)
    for event in events:
        writer.write(event)
        await writer.drain()
        if pause:
            await asyncio.sleep(pause)


async def reset(writer: Writer, _: Any, __: Any) -> None:
    """4: the connection is cut before headers."""
    writer.transport.abort()


async def silent(_: Writer, reader: asyncio.StreamReader, __: Any) -> None:
    """5, 10: nothing comes until the caller leaves."""
    await reader.read()


async def truncated(writer: Writer, _: Any, __: Any) -> None:
    """13: a body that ends before its end."""
    body = json.dumps(completion()).encode()
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body[: len(body) // 2])
    await writer.drain()


async def cut(writer: Writer, _: Any, body: Any) -> None:
    """22: a stream that is cut after some chunks (its text longer than any hold-back)."""
    if not body.get("stream"):
        return await truncated(writer, _, body)
    await send(writer, [chunk(piece) for piece in PIECES * 8])
    return None


async def dripping(writer: Writer, _: Any, body: Any) -> None:
    """23: one byte a second."""
    whole = chunk("x" * 200) if body.get("stream") else json.dumps(completion()).encode()
    writer.write(
        STREAM
        if body.get("stream")
        else b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
    )
    for byte in whole:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)


async def forbidden(writer: Writer, _: Any, body: Any) -> None:
    """24: a card number in pieces."""
    text = f"{SAID}The card is {CARD} as you said. {SAID}"
    if not body.get("stream"):
        writer.write(as_json(200, completion(text)))
        return
    await send(writer, [chunk(letter) for letter in text] + END)


async def disordered(writer: Writer, _: Any, body: Any) -> None:
    """25: no usage, a chunk twice, roles and empty deltas between."""
    if not body.get("stream"):
        said = completion()
        del said["usage"]
        writer.write(as_json(200, said))
        return
    events = [chunk(piece) for piece in PIECES]
    await send(writer, [events[0], chunk(), *events, chunk(finish="stop"), b"data: [DONE]\n\n"])


async def unstructured(writer: Writer, _: Any, __: Any) -> None:
    """17: an answer that is no JSON, whatever schema was asked for."""
    writer.write(as_json(200, completion("this is no JSON")))


async def slow(writer: Writer, reader: asyncio.StreamReader, _: Any) -> None:
    """21: an answer that takes long enough for the caller to leave."""
    try:
        await asyncio.wait_for(reader.read(), 5)
    except TimeoutError:
        writer.write(as_json(200, completion()))


ACTS: dict[str, Callable[[Writer, asyncio.StreamReader, Any], Awaitable[None]]] = {
    "f04": reset, "f05": silent, "f10": silent, "f13": truncated, "f17": unstructured,
    "f21": slow, "f22": cut, "f23": dripping, "f24": forbidden, "f25": disordered,
}  # fmt: skip
WHOLE: dict[str, bytes] = {
    "f06": as_json(500, {"error": {"message": "boom"}}),
    "f07": reply(502, b"<html>bad gateway</html>", "text/html"),
    "f08": as_json(503, {"error": {"message": "busy"}}, "retry-after: 1"),
    "f09": as_json(429, {"error": {"message": "quota"}}, "retry-after: 1"),
    "f11": reply(200, b""),
    "f12": as_json(200, completion(choices=[])),
    "f14": reply(200, b"hello"),
    "f15": as_json(200, {"error": {"message": "boom", "code": "server_error"}}),
    "f16": reply(200, json.dumps(completion()).encode(), "text/html"),
    "f18": as_json(400, {"error": {"message": "maximum context length is 8 tokens",
                                   "code": "context_length_exceeded"}}),
    "f19": as_json(401, {"error": {"message": "Incorrect API key provided: sk-canary-1234"}}),
    "f20": as_json(200, completion(choices=[{
        "index": 0, "finish_reason": "content_filter",
        "message": {"role": "assistant", "content": None, "refusal": "I can't help with that."},
    }])),
}  # fmt: skip


async def serve(port: int) -> None:
    """Serve until killed."""
    faults = Faults()
    server = await asyncio.start_server(faults.handle, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
