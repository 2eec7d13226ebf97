"""Variants that answer in this process: a model of our own, a painter, a fixed rule."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.exchange import Failure, FailureKind, Question, Said
from gateway.predict import Batcher, Model
from opslayer.capability import Capability, Kind
from opslayer.records import Usage, Value

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

log = logging.getLogger("opslayer.gateway")

GREY = 128


class Whole:
    """An answer that comes all at once; as a stream it is one piece."""

    async def say(self, question: Question) -> Said:
        """The whole answer; raises Failure."""
        raise NotImplementedError

    async def stream(self, question: Question) -> AsyncIterator[str | Said]:
        """The reply as one piece, and the whole answer."""
        said = await self.say(question)
        if reply := said.output.get("reply"):
            yield str(reply)
        yield said


@dataclass(frozen=True, slots=True)
class ModelAnswerer(Whole):
    """A model version of our own: a predictor, or a chat that knows intents and their replies."""

    capability: Capability
    model: Model
    batcher: Batcher

    async def say(self, question: Question) -> Said:
        """The prediction; raises Failure UNSURE below the capability's bound."""
        try:
            output = await self.batcher.predict(self.model, question.input)
        except Exception as error:  # a model may raise anything
            log.error("%s: the model failed: %s", self.capability.name, type(error).__name__)
            raise Failure(FailureKind.OUTAGE, "the model failed on this input") from error
        self._check_sure(output)
        if self.capability.kind is Kind.CHAT:
            output = {**output, "reply": self._reply(output["value"])}
        return Said(output)

    def _check_sure(self, output: dict[str, Any]) -> None:
        bound = self.capability.answer.unsure_below
        shares = output.get("probabilities")
        if bound is not None and shares and max(shares.values()) < bound:
            raise Failure(
                FailureKind.UNSURE,
                f"the likeliest answer has a probability of {max(shares.values()):.2f}, and "
                f"answer.unsure_below is {bound:g}",
                status=503,
            )

    def _reply(self, value: str) -> str:
        reply = self.capability.answer.replies.get(value)
        if reply is None:
            raise Failure(FailureKind.EMPTY, f"answer.replies says nothing for {value}", status=503)
        return reply


@dataclass(frozen=True, slots=True)
class ImageAnswerer(Whole):
    """A generative model of our own, drawing what a prompt names."""

    capability: Capability
    model: Pipeline

    async def say(self, question: Question) -> Said:
        """As many pictures as asked; raises Failure BAD_REQUEST for a prompt that names nothing."""
        from opslayer.learners.images import subjects_of

        prompt = str(question.input["prompt"])
        subjects = subjects_of(prompt, self.capability)
        if not subjects:
            known = ", ".join(self.capability.classes or ())
            raise Failure(
                FailureKind.BAD_REQUEST,
                f"prompt: names nothing that can be drawn; name one of {known}",
                status=400,
            )
        count = int(question.input.get("n") or 1)
        wanted = [subjects[place % len(subjects)] for place in range(count)]
        images = await asyncio.to_thread(self._draw, wanted, question.id)
        return Said({"images": images, "value": wanted}, usage=Usage())

    def _draw(self, wanted: list[str], id: str) -> list[str]:
        """PNG in base64; the interaction's id is the seed, so that it can be drawn again."""
        from opslayer.learners.images import draw, png

        assert self.capability.image is not None
        drawn = draw(self.model, wanted, seed=int(id[:32], 16) % 2**32)
        rules = self.capability.image
        return [base64.b64encode(png(pixels, rules)).decode() for pixels in drawn]


@dataclass(frozen=True, slots=True)
class RuleAnswerer(Whole):
    """The fixed rule, which can't fail."""

    capability: Capability
    constant: Value

    async def say(self, question: Question) -> Said:
        """The constant, in the shape of the capability's answers."""
        if self.capability.kind is Kind.CHAT:
            return Said({"reply": "" if self.constant is None else str(self.constant)})
        if self.capability.kind is Kind.IMAGE:
            count = int(question.input.get("n") or 1)
            return Said({"images": [self._blank()] * count})
        return Said({"value": self.constant})

    def _blank(self) -> str:
        """A picture of one grey, as large as the capability's pictures are."""
        from io import BytesIO

        from PIL import Image

        rules, out = self.capability.image, BytesIO()
        size = (rules.width * rules.scale, rules.height * rules.scale) if rules else (256, 256)
        Image.new("L", size, GREY).save(out, "PNG", optimize=False)
        return base64.b64encode(out.getvalue()).decode()
