"""The table of routes: what the gateway serves, to whom, and in which words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.call import Call
from gateway.protocols import feedback, health, mlflow, ofrep, openai, openapi, v2
from gateway.routes import Needs, Route, Shape
from opslayer.records import FeedbackKind, Role

if TYPE_CHECKING:
    from gateway.app import Gateway

TEXT = {"type": "string"}
ANYTHING: dict[str, Any] = {}
MESSAGE = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
        "content": {"anyOf": [TEXT, {"type": "array", "items": {"type": "object"}}]},
    },
}
CHAT = {
    "type": "object",
    "required": ["model", "messages"],
    "properties": {
        "model": {"type": "string", "description": "a capability's name"},
        "messages": {"type": "array", "minItems": 1, "items": MESSAGE},
        "stream": {"type": "boolean"},
        "user": {"type": "string", "description": "for whom; only its keyed hash is kept"},
        "metadata": {
            "type": "object",
            "additionalProperties": TEXT,
            "description": "what the prompt's placeholders say",
        },
    },
}
IMAGES = {
    "type": "object",
    "required": ["model", "prompt"],
    "properties": {
        "model": {"type": "string", "description": "a capability's name"},
        "prompt": TEXT,
        "n": {"type": "integer", "minimum": 1, "maximum": openai.IMAGES},
        "user": TEXT,
    },
}
TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": TEXT,
        "shape": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "integer"}},
        "datatype": {"enum": ["BYTES", *v2.FORMATS]},
        "data": {"type": "array"},
    },
}
INFER = {
    "type": "object",
    "required": ["inputs"],
    "properties": {"id": TEXT, "inputs": {"type": "array", "minItems": 1, "items": TENSOR}},
}
ROWS = {"type": "array", "minItems": 1, "items": {"type": "object"}}
INVOCATION = {
    "type": "object",
    "properties": {
        "dataframe_split": {
            "type": "object",
            "required": ["columns", "data"],
            "properties": {
                "columns": {"type": "array", "items": TEXT},
                "data": {"type": "array", "items": {"type": "array"}},
            },
        },
        "dataframe_records": ROWS,
        "inputs": {"anyOf": [{"type": "object"}, {"type": "array"}]},
        "instances": {"type": "array"},
    },
}
SAID = {
    "type": "object",
    "required": ["interaction_id", "kind", "value"],
    "properties": {
        "interaction_id": TEXT,
        "kind": {"enum": list(FeedbackKind)},
        "value": {"type": ["string", "number", "boolean", "null"]},
        "event_time": {"type": "string", "format": "date-time"},
        "idempotency_key": TEXT,
        "capability": TEXT,
    },
    "additionalProperties": False,
}
FEEDBACK = {"anyOf": [SAID, {"type": "array", "minItems": 1, "maxItems": 1000, "items": SAID}]}
OBJECT = {"type": "object"}
EVALUATE = {
    "type": "object",
    "properties": {
        "context": {
            "type": "object",
            "properties": {
                "targetingKey": {"type": "string", "description": "for whom; only its hash is kept"}
            },
        }
    },
}

Handle = Callable[["Gateway", Call], Awaitable[None]]


def table(gateway: Gateway) -> tuple[Route, ...]:
    """Every route of a gateway."""

    def on(handle: Handle) -> Callable[[Call], Awaitable[None]]:
        return partial(handle, gateway)

    openai_shape = Shape.OPENAI
    return (
        Route("POST", "/v1/chat/completions", on(openai.chat), Role.CALL,
              "Answer a conversation, as a whole or as a stream.", openai_shape, CHAT, OBJECT),
        Route("POST", "/v1/images/generations", on(openai.images), Role.CALL,
              "Draw what a prompt names, as PNG in base64.", openai_shape, IMAGES, OBJECT),
        Route("GET", "/v1/models", on(openai.models), Needs.KEY,
              "List the capabilities.", openai_shape, None, OBJECT),
        Route("GET", "/v1/models/{name}", on(openai.model), Needs.KEY,
              "Show one capability.", openai_shape, None, OBJECT),
        Route("POST", "/v2/models/{name}/infer", on(v2.infer), Role.CALL,
              "Answer rows of input columns, by the Open Inference Protocol.",
              request=INFER, answer=OBJECT),
        Route("GET", "/v2/models/{name}", on(v2.metadata), Needs.KEY,
              "Describe a capability's inputs and answer.", answer=OBJECT),
        Route("GET", "/v2/models/{name}/ready", on(v2.ready), Needs.KEY,
              "Say whether a capability can answer.", answer=OBJECT, sheds=False),
        Route("GET", "/v2", on(v2.server), Needs.PUBLIC,
              "Name the server.", answer=OBJECT, sheds=False),
        Route("GET", "/v2/health/live", on(health.live), Needs.PUBLIC,
              "Say that the process lives.", answer=OBJECT, sheds=False),
        Route("GET", "/v2/health/ready", on(health.ready), Needs.PUBLIC,
              "Say whether calls are answered.", answer=OBJECT, sheds=False),
        Route("POST", "/v1/capabilities/{name}/invocations", on(mlflow.invocations), Role.CALL,
              "Answer rows of input columns, as MLflow's scoring servers do.",
              request=INVOCATION, answer=OBJECT),
        Route("POST", "/v1/feedback", on(feedback.give), Role.FEEDBACK,
              "Say something about answers: a thumb, a correction, a true value, a click.",
              request=FEEDBACK, answer=OBJECT),
        Route("POST", "/ofrep/v1/evaluate/flags/{key}", on(ofrep.flag), Role.CALL,
              "Say which arm of a user flow a subject is shown.", Shape.OFREP, EVALUATE, OBJECT),
        Route("POST", "/ofrep/v1/evaluate/flags", on(ofrep.flags), Role.CALL,
              "Say every flag for a subject.", Shape.OFREP, EVALUATE, OBJECT),
        Route("GET", "/v1/interactions/{id}", on(feedback.interaction), Role.REVIEW,
              "Say what answered, why, and from which data.", answer=OBJECT),
        Route("GET", "/metrics", on(health.metrics), Needs.KEY,
              "Count calls, answers, failures and money, for Prometheus.", sheds=False),
        Route("GET", "/healthz", on(health.live), Needs.PUBLIC,
              "Say that the process lives.", answer=OBJECT, sheds=False),
        Route("GET", "/readyz", on(health.ready), Needs.PUBLIC,
              "Say whether calls are answered.", answer=OBJECT, sheds=False),
        Route("GET", "/openapi.json", on(openapi.describe), Needs.PUBLIC,
              "Describe this API.", answer=OBJECT),
        Route("GET", "/docs", on(openapi.docs), Needs.PUBLIC,
              "Describe this API, for a person."),
    )  # fmt: skip
