"""OpenAI's routes: chat completions (plain and streamed), images, models.

`model` is the capability's name. What Opslayer does not look at itself goes to an upstream as it
came, and does nothing where a model of our own answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.answer import Answered, headers_of
from gateway.body import read_json
from gateway.call import Call, HttpError, encode
from gateway.exchange import Failure
from opslayer.capability import Kind
from opslayer.records import Interaction, Start, Usage

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.guarding import Guarding
    from gateway.serving import Serving

EVENTS = b"text/event-stream; charset=utf-8"
OWN = frozenset({"model", "messages", "stream", "stream_options", "user", "prompt", "n"})
"""Fields of a body that are read here; the others are options."""
IMAGES = 10
"""Pictures in one call, at most: OpenAI's own bound."""


async def chat(gateway: Gateway, call: Call) -> None:
    """POST /v1/chat/completions."""
    raw = await call.body()
    body = await read(raw)
    serving = serving_of(gateway, body, Kind.CHAT)
    if body.get("n", 1) != 1:
        raise HttpError(400, "unsupported_value", "n: write 1 or leave it out; one answer is given")
    await gateway.ask(call, serving, raw, Chat(call, body))


async def images(gateway: Gateway, call: Call) -> None:
    """POST /v1/images/generations."""
    raw = await call.body()
    body = await read(raw)
    serving = serving_of(gateway, body, Kind.IMAGE)
    problems = []
    count = body.get("n")
    if count is not None and (isinstance(count, bool) or count not in range(1, IMAGES + 1)):
        problems.append(f"n: write a whole number from 1 to {IMAGES}")
    if body.get("response_format", "b64_json") != "b64_json":
        problems.append("response_format: write b64_json; pictures are sent, not hosted")
    if body.get("stream"):
        problems.append("stream: pictures are not streamed; leave it out")
    if problems:
        raise HttpError(400, "invalid_value", "; ".join(problems))
    await gateway.ask(call, serving, raw, Images(call, body))


async def models(gateway: Gateway, call: Call) -> None:
    """GET /v1/models."""
    await call.reply(200, encode({"object": "list", "data": [card(one) for one in gateway.board]}))


async def model(gateway: Gateway, call: Call) -> None:
    """GET /v1/models/{name}."""
    await call.reply(200, encode(card(gateway.board.get(call.params["name"]))))


def card(serving: Serving) -> dict[str, Any]:
    """A capability as OpenAI describes a model."""
    release = serving.plan.release
    return {
        "id": serving.capability.name,
        "object": "model",
        "created": int(release.at.timestamp()) if release else 0,
        "owned_by": "opslayer",
    }


async def read(raw: bytes) -> dict[str, Any]:
    """A body as an object; raises HttpError or BodyError."""
    body = await read_json(raw)
    if not isinstance(body, dict):
        raise HttpError(400, "invalid_type", "the body has to be a JSON object")
    for name, right, words in (("stream", bool, "true or false"), ("user", str, "a string")):
        if body.get(name) is not None and not isinstance(body[name], right):
            raise HttpError(400, "invalid_type", f"{name}: write {words}")
    return body


def serving_of(gateway: Gateway, body: dict[str, Any], kind: Kind) -> Serving:
    """What serves the capability that the body names; raises HttpError."""
    name = body.get("model")
    if not isinstance(name, str):
        raise HttpError(400, "missing_required_parameter", "model: write a capability's name")
    serving = gateway.board.get(name)
    if serving.capability.kind is not kind:
        other = {Kind.CHAT: "/v1/chat/completions", Kind.IMAGE: "/v1/images/generations"}
        place = other.get(serving.capability.kind, f"/v2/models/{name}/infer")
        raise HttpError(
            400, "wrong_route", f"model: {name} is {serving.capability.kind}: POST {place}"
        )
    return serving


@dataclass(slots=True)
class Chat:
    """One chat completion: as a whole, or as a `Listener` of a stream."""

    call: Call
    body: dict[str, Any]
    _head: dict[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """What goes to an upstream as it is."""
        return {name: value for name, value in self.body.items() if name not in OWN}

    @property
    def user(self) -> str | None:
        """For whom the answer is, where the body says so."""
        return self.body.get("user")

    def input(self, guarding: Guarding) -> dict[str, Any]:
        """What is asked, as guards left it; raises HttpError, and Blocked."""
        return guarding.conversation(self.body.get("messages"))

    @property
    def stream(self) -> bool:
        """Whether the caller wants it piece by piece."""
        return bool(self.body.get("stream"))

    async def whole(self, answered: Answered) -> None:
        """Reply with the whole completion."""
        interaction = answered.interaction
        choice = {"index": 0, "message": message(answered), "finish_reason": answered.finish}
        completion = {
            **self._about(interaction, "chat.completion"),
            "choices": [{**choice, "logprobs": None}],
            "usage": usage(interaction.usage),
        }
        await self.call.reply(200, encode(completion), headers_of(interaction))

    async def again(self, answered: Answered) -> None:
        """Reply with what the first call with this key was answered, in one piece."""
        if not self.stream:
            return await self.whole(answered)
        await self.begin(answered.interaction, answered.interaction.fallback)
        reply = answered.restored.get("reply")
        if reply and answered.interaction.output:
            await self.text(str(reply))
        return await self.end(answered)

    async def begin(self, start: Start | Interaction, fallback: str | None) -> None:
        """Headers, and the chunk that says who speaks."""
        self._head = self._about(start, "chat.completion.chunk")
        headers = [*headers_of(start, fallback), (b"cache-control", b"no-cache")]
        await self.call.begin(200, headers, EVENTS)
        await self._chunk({"role": "assistant", "content": ""})

    async def text(self, piece: str) -> None:
        """One chunk of text."""
        await self._chunk({"content": piece})

    async def end(self, answered: Answered) -> None:
        """The reason why it ends, usage where it was asked for, and `[DONE]`."""
        reply = answered.restored.get("reply")
        if answered.interaction.output.get("tool_calls"):
            await self._chunk({"tool_calls": indexed(answered.restored["tool_calls"])})
        elif answered.finish == "content_filter" and reply and not answered.interaction.output:
            await self._chunk({"refusal": reply})
        await self._chunk({}, answered.finish)
        options = self.body.get("stream_options")
        if isinstance(options, dict) and options.get("include_usage"):
            last = {**self._head, "choices": [], "usage": usage(answered.interaction.usage)}
            await self.call.piece(b"data: %b\n\n" % encode(last))
        await self.call.end(b"data: [DONE]\n\n")

    async def broke(self, failure: Failure) -> None:
        """An error event, after which nothing follows."""
        error = {"message": str(failure), "type": "server_error", "param": None}
        event = encode({"error": {**error, "code": failure.kind.value}})
        await self.call.end(b"data: %b\n\n" % event)

    async def _chunk(self, delta: Any, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        await self.call.piece(b"data: %b\n\n" % encode({**self._head, "choices": [choice]}))

    def _about(self, record: Interaction | Start, kind: str) -> dict[str, Any]:
        return {
            "id": record.id,
            "object": kind,
            "created": int(record.event_time.timestamp()),
            "model": record.capability,
            "system_fingerprint": f"{record.variant}@{record.release}",
        }


def message(answered: Answered) -> dict[str, Any]:
    """The assistant's message of an answer."""
    output = answered.restored
    reply = output.get("reply")
    if answered.finish == "content_filter":
        return {"role": "assistant", "content": None, "refusal": reply or None}
    found: dict[str, Any] = {"role": "assistant", "content": reply, "refusal": None}
    if output.get("tool_calls"):
        found["tool_calls"] = output["tool_calls"]
    return found


def indexed(calls: Any) -> list[dict[str, Any]]:
    """Tool calls as a chunk has them."""
    return [{"index": index, **one} for index, one in enumerate(calls)]


def usage(spent: Usage) -> dict[str, int]:
    """OpenAI's usage object."""
    return {
        "prompt_tokens": spent.input,
        "completion_tokens": spent.output,
        "total_tokens": spent.input + spent.output,
    }


@dataclass(slots=True)
class Images:
    """One call for pictures."""

    call: Call
    body: dict[str, Any]
    stream: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """What goes to an upstream as it is."""
        return {name: value for name, value in self.body.items() if name not in OWN}

    @property
    def user(self) -> str | None:
        """For whom the answer is, where the body says so."""
        return self.body.get("user")

    def input(self, guarding: Guarding) -> dict[str, Any]:
        """What is asked, as guards left it; raises HttpError, and Blocked."""
        return guarding.prompt(self.body.get("prompt"), self.body.get("n"))

    async def again(self, answered: Answered) -> None:
        """Reply with what the first call with this key was answered."""
        await self.whole(answered)

    async def whole(self, answered: Answered) -> None:
        """Reply with the pictures."""
        interaction = answered.interaction
        if answered.finish == "content_filter":
            said = str(answered.restored.get("reply") or "the pictures were withheld")
            raise HttpError(400, "content_filter", said, headers=headers_of(interaction))
        pictures = [{"b64_json": one} for one in answered.restored["images"]]
        body = {"created": int(interaction.event_time.timestamp()), "data": pictures}
        await self.call.reply(200, encode(body), headers_of(interaction))
