"""Reads answers of an upstream: whole completions, pictures, and streams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from gateway.exchange import Failure, FailureKind, Said
from gateway.upstreams.faults import from_error
from gateway.upstreams.sse import Events
from gateway.upstreams.wire import Choice, Counts, Reply, decode, usage_of

FILTERED = "content_filter"
DONE = b"[DONE]"


def completion(
    reply: aiohttp.ClientResponse, raw: bytes, messages: list[dict[str, Any]], name: str
) -> Said:
    """A whole chat completion; raises Failure for one that can't be used."""
    said = _reply(reply, raw, name)
    if not said.choices:
        raise Failure(FailureKind.EMPTY, f"upstream {name} answered nothing")
    choice = said.choices[0]
    _check_safe(choice)
    message = choice.message
    if not message.content and not message.tool_calls:
        raise Failure(FailureKind.EMPTY, f"upstream {name} answered nothing")
    output: dict[str, Any] = {"reply": message.content}
    if message.tool_calls:
        output["tool_calls"] = message.tool_calls
    usage = usage_of(said.usage, messages, message.content or "")
    return Said(output, usage=usage, finish=choice.finish_reason or "stop")


def pictures(reply: aiohttp.ClientResponse, raw: bytes, name: str) -> list[str]:
    """Pictures in base64; raises Failure where there are none."""
    said = _reply(reply, raw, name)
    images = [one.b64_json for one in said.data if one.b64_json]
    if not images:
        raise Failure(FailureKind.EMPTY, f"upstream {name} drew nothing")
    return images


def _reply(reply: aiohttp.ClientResponse, raw: bytes, name: str) -> Reply:
    if not raw:
        raise Failure(FailureKind.EMPTY, f"upstream {name} answered nothing")
    if "json" not in reply.content_type:
        kind = reply.content_type[:60]
        raise Failure(FailureKind.MALFORMED, f"upstream {name} answered with {kind}, not JSON")
    said = decode(raw)
    if said.error:
        raise from_error(said.error, name)
    return said


def _check_safe(choice: Choice) -> None:
    refusal = choice.message.refusal or choice.delta.refusal
    if refusal or (choice.finish_reason == FILTERED and not choice.message.content):
        said = refusal or "The model refuses to answer this."
        raise Failure(FailureKind.REFUSED, said, status=200)


@dataclass(slots=True)
class Streamed:
    """One stream as it comes."""

    name: str
    text: str = ""
    """What has come so far."""
    done: bool = False
    """Whether the upstream has said that this is all."""
    reason: str | None = None
    counts: Counts | None = None
    events: Events = field(default_factory=Events)
    raw: int = 0

    def check_kind(self, reply: aiohttp.ClientResponse) -> None:
        """Raise Failure for an answer that is no stream."""
        if reply.content_type != "text/event-stream":
            kind = reply.content_type[:60]
            raise Failure(
                FailureKind.MALFORMED, f"upstream {self.name} answered with {kind}, not a stream"
            )

    def feed(self, raw: bytes) -> Iterator[str]:
        """The pieces of text in what has come, one for each event; raises Failure."""
        for event in self.events.feed(raw):
            self.raw += 1
            if event == DONE:
                self.done = True
                return
            try:
                chunk = decode(event)
            except msgspec.DecodeError:
                raise self._malformed() from None
            if chunk.error:
                raise from_error(chunk.error, self.name)
            self.counts = chunk.usage or self.counts
            piece = "".join(self._take(choice) for choice in chunk.choices[:1])
            self.text += piece
            yield piece

    def _take(self, choice: Choice) -> str:
        if not self.text:
            _check_safe(choice)
        self.reason = choice.finish_reason or self.reason
        return choice.delta.content or ""

    def take_whole(self, said: Said) -> str:
        """An answer that came whole; its text."""
        self.text, self.reason, self.done = str(said.output["reply"] or ""), said.finish, True
        if not said.usage.estimated:
            self.counts = Counts(said.usage.input, said.usage.output)
        return self.text

    def finish(self) -> None:
        """Raise Failure where the stream ended before its end."""
        if not self.done and self.reason is None:
            if not self.raw:
                raise Failure(FailureKind.EMPTY, f"upstream {self.name} answered nothing")
            raise Failure(FailureKind.OUTAGE, f"upstream {self.name} broke off its answer")
        if not self.text:
            raise Failure(FailureKind.EMPTY, f"upstream {self.name} answered nothing")

    def _malformed(self) -> Failure:
        return Failure(
            FailureKind.MALFORMED, f"upstream {self.name} answered with what is no completion"
        )

    def said(self, messages: list[dict[str, Any]]) -> Said:
        """The whole answer."""
        usage = usage_of(self.counts, messages, self.text)
        return Said({"reply": self.text}, usage=usage, finish=self.reason or "stop")
