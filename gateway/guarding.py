"""A call before its capability's guards: what goes in, what comes out, and what the caller sees."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.answer import WITHHELD, Answered
from gateway.call import HttpError
from gateway.exchange import Failure, FailureKind, Said
from gateway.serving import Serving
from opslayer.capability import Capability, ColumnType
from opslayer.guards.holdback import HoldBack
from opslayer.guards.looked import Looked
from opslayer.guards.panel import Session, Side
from opslayer.guards.shape import Shape, ShapeError
from opslayer.records import Interaction, Status

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
SPOKEN = ("user", "tool", "function")
"""Roles in whose name somebody else than the application speaks."""
MESSAGES = 1_000
MASK = re.compile(r"\[[A-Z_]{0,16}[0-9]{0,6}$")
"""A mask that may be cut in two at the end of a piece."""


@dataclass(slots=True)
class Guarding:
    """One call's sitting with the panel."""

    capability: Capability
    session: Session
    shape: Shape
    _cut: str = ""
    """The end of a piece that may be half of a mask."""

    @classmethod
    def of(cls, serving: Serving) -> Guarding:
        """A new sitting."""
        return cls(serving.capability, serving.panel.session(), serving.panel.shape)

    @property
    def lines(self) -> list[str]:
        """What guards found so far."""
        return self.session.lines

    def rows(self, given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows in the contract's shape, their texts as guards left them.

        Raises HttpError 400 with everything that is wrong with any row, and Blocked.
        """
        rows, problems = [], []
        for place, row in enumerate(given):
            try:
                rows.append(self.shape.read(row))
            except ShapeError as error:
                where = f"row {place}: " if len(given) > 1 else ""
                problems += [where + one for one in error.problems]
        if problems:
            raise HttpError(400, "invalid_input", "; ".join(problems[:50]))
        texts = self.capability.columns_of(ColumnType.TEXT, ColumnType.CATEGORY)
        for row in rows:
            for name in texts:
                if isinstance(row[name], str):
                    row[name] = self.session.look(row[name], "input")
        return rows

    def messages(self, given: Any) -> list[dict[str, Any]]:
        """A conversation as guards left it; raises HttpError 400, and Blocked."""
        problems = wrong_messages(given)
        if problems:
            raise HttpError(400, "invalid_messages", "; ".join(problems[:50]))
        return [self._message(message) for message in given]

    def _message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        spoken = message["role"] in SPOKEN
        content = message.get("content")
        if isinstance(content, str):
            content = self.session.look(content, "input", spoken=spoken)
        elif content is not None:
            content = [self._part(part, spoken) for part in content]
        kept = {name: message[name] for name in ("name", "tool_call_id") if name in message}
        kept = self._masked(kept)
        if message.get("tool_calls"):
            kept["tool_calls"] = self._calls(message["tool_calls"], "input")
        return {"role": message["role"], "content": content, **kept}

    def _part(self, part: Mapping[str, Any], spoken: bool) -> dict[str, Any]:
        """A part of a message: its text is talk, all else in it is not."""
        return {
            self._masked(name): self.session.look(value, "input", spoken=spoken)
            if name == "text" and isinstance(value, str)
            else self._masked(value)
            for name, value in part.items()
        }

    def _masked(self, value: Any, side: Side = "input") -> Any:
        """A value without personal data in any of its texts, however deep: names, ids and addresses
        are kept as well."""
        if isinstance(value, str):
            return self.session.mask(value, side)
        if isinstance(value, dict):
            return {
                self._masked(name, side): self._masked(one, side) for name, one in value.items()
            }
        return [self._masked(one, side) for one in value] if isinstance(value, list) else value

    def _calls(self, calls: Any, side: Side) -> list[Any]:
        """Tool calls with their arguments as guards left them."""
        found: list[Any] = self._masked(calls, side)
        for one in found:
            function = one.get("function") if isinstance(one, dict) else None
            if isinstance(function, dict) and isinstance(function.get("arguments"), str):
                function["arguments"] = self.session.look(function["arguments"], side, spoken=False)
        return found

    def conversation(self, given: Any) -> dict[str, Any]:
        """A chat's input: the messages, and for a trained one what the user said last."""
        messages = self.messages(given)
        found: dict[str, Any] = {"messages": messages}
        if self.capability.predictor:
            last = next(one for one in reversed(messages) if one["role"] == "user")
            (column,) = self.capability.inputs
            try:
                found |= self.shape.read({column: text_of(last)})
            except ShapeError as error:
                raise HttpError(400, "invalid_input", str(error)) from None
        return found

    def prompt(self, given: Any, count: Any) -> dict[str, Any]:
        """An image's input; raises HttpError 400, and Blocked."""
        if not isinstance(given, str) or not given.strip():
            raise HttpError(400, "invalid_prompt", "prompt: write what is to be drawn")
        if len(given) > 4_000:
            raise HttpError(
                400, "invalid_prompt", f"prompt: has {len(given)} characters, 4000 may be"
            )
        return {"prompt": self.session.look(given, "input"), "n": count or 1}

    def check(self, said: Said) -> None:
        """Let guards look at an answer; raises Failure MALFORMED for its shape, and Blocked."""
        if isinstance(said.output.get("reply"), str):
            said.output["reply"] = self.session.look(said.output["reply"], "output")
        if said.output.get("tool_calls"):
            said.output["tool_calls"] = self._calls(said.output["tool_calls"], "output")
        try:
            self.shape.check_answer(said.output)
        except ShapeError as error:
            raise Failure(FailureKind.MALFORMED, str(error), status=502) from None

    def hold_back(self) -> HoldBack:
        """A stream's output before the panel."""
        return self.session.hold_back()

    def restored(self, output: Mapping[str, Any]) -> dict[str, Any]:
        """An answer as the caller sees it."""
        if isinstance(output.get("reply"), str):
            return {**output, "reply": self.session.restore(output["reply"])}
        return dict(output)

    def restore_piece(self, text: str) -> str:
        """A piece of a stream as the caller sees it; half a mask waits for its other half."""
        if not self.session.panel.rules.pii.reversible:
            return text
        text, self._cut = self._cut + text, ""
        half = MASK.search(text)
        if half:
            text, self._cut = text[: half.start()], text[half.start() :]
        return self.session.restore(text)

    def restore_end(self) -> str:
        """What still waited."""
        text, self._cut = self._cut, ""
        return text

    def again(self, interaction: Interaction) -> Answered:
        """An earlier answer, as this caller sees it."""
        if interaction.status is Status.REFUSED:
            return Answered(interaction, "content_filter", {"reply": WITHHELD})
        return Answered(interaction, "stop", self.restored(interaction.output))


def wrong_messages(given: Any) -> list[str]:
    """Everything that is wrong with a conversation."""
    if not isinstance(given, list) or not 1 <= len(given) <= MESSAGES:
        return [f"messages: write a list of 1 to {MESSAGES} messages"]
    problems = []
    for place, message in enumerate(given):
        where = f"messages[{place}]"
        if not isinstance(message, dict):
            problems.append(f"{where}: write an object with role and content")
            continue
        if message.get("role") not in ROLES:
            problems.append(f"{where}.role: write one of {', '.join(ROLES)}")
        if not _is_content(message.get("content"), bool(message.get("tool_calls"))):
            problems.append(f"{where}.content: write a string, or a list of parts with their text")
        if not isinstance(message.get("tool_calls", []), list | None):
            problems.append(f"{where}.tool_calls: write a list")
    if not problems and not any(one["role"] == "user" and text_of(one).strip() for one in given):
        problems.append("messages: the user says nothing; write a message with role user")
    return problems


def _is_content(content: Any, may_be_absent: bool) -> bool:
    if content is None:
        return may_be_absent
    if isinstance(content, str):
        return "\0" not in content
    return isinstance(content, list) and all(
        isinstance(part, dict) and isinstance(part.get("text", ""), str) for part in content
    )


def text_of(message: Mapping[str, Any]) -> str:
    """A message's text, of whatever parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content)
    return str(content or "")


def refusal(looked: Looked) -> HttpError:
    """What a caller hears whose input was blocked."""
    if "unavailable" in looked.counts:
        return HttpError(
            503,
            "guard_unavailable",
            f"the guard {looked.guard} can't look at it now",
            retry_after=5,
        )
    return HttpError(400, "content_filter", f"the input was refused by the guard {looked.guard}")
