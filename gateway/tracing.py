"""Traces over OTLP: one span for each answer, and one for every upstream that was asked for it.

Off unless OpenTelemetry's own variables name a collector; until then its libraries are not even
loaded, and a caller's `traceparent` is merely handed on. Spans hold names from the configuration,
numbers, ids and words of closed sets, never what anybody said: a collector is a sink like any
other. For the same reason `tracestate`, where anything may stand, ends here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import threading
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gateway.exchange import Said, Trace
from opslayer.capability import Capability, Kind, Upstream
from opslayer.records import Interaction, Status

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

log = logging.getLogger("opslayer.gateway")

COLLECTOR = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOL = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN = "http/protobuf"
TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
"""As W3C's Trace Context writes it; later versions may add to it, which we then don't know."""
FLUSH = 5.0
"""Seconds that a worker which stops waits for its last spans to leave."""
FINISHES = frozenset({"stop", "length", "tool_calls", "content_filter"})
OPERATION = {Kind.CHAT: "chat", Kind.IMAGE: "generate_content"}
"""The conventions' names for what is done; a model of numbers has none there."""


class Tracing:
    """Begins the trace of each call; without a collector, those that only hand on."""

    def __init__(self) -> None:
        self.provider: TracerProvider | None = None
        self.tracer: Tracer | None = None

    def start(self) -> None:
        """Send spans from now on, if the environment says where to."""
        if not wanted(os.environ):
            return
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say is stronger than this name.
        named = Resource({"service.name": "opslayer-gateway"})
        named = named.merge(Resource({"service.version": version("opslayer")}))
        # At exit it would wait once more, and longer than `stop` did.
        self.provider = TracerProvider(
            resource=named.merge(_said_by_environment()), shutdown_on_exit=False
        )
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self.tracer = self.provider.get_tracer("opslayer.gateway")

    async def stop(self) -> None:
        """Send what is left, as far as the collector takes it in time."""
        if self.provider is not None:
            # A collector that never answers holds this thread; it must not hold the process.
            thread = threading.Thread(target=self.provider.shutdown, daemon=True)
            thread.start()
            await asyncio.to_thread(thread.join, FLUSH)
            if thread.is_alive():
                log.warning("the collector took no spans for %g s: the last ones are lost", FLUSH)

    def begin(self, headers: Mapping[bytes, bytes], capability: Capability) -> Trace:
        """The trace of one call, in its caller's if that names one."""
        parent = parent_of(headers)
        if self.tracer is None:
            return Trace(parent)
        return Spans(self.tracer, parent, capability)


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether spans are to be sent."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp") == "none":
        return False
    if not any(environment.get(name) for name in COLLECTOR):
        return False
    said = next((environment[name] for name in PROTOCOL if environment.get(name)), SPOKEN)
    if said != SPOKEN:
        log.error("no traces: %s is %s, and %s is spoken here", PROTOCOL[1], said, SPOKEN)
    return said == SPOKEN


def _said_by_environment() -> Any:
    from opentelemetry.sdk.resources import OTELResourceDetector

    return OTELResourceDetector().detect()


def parent_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The caller's `traceparent`; None where there is none that is well formed."""
    given = headers.get(b"traceparent")
    if given is None:
        return None
    text = given.decode("latin-1")
    return text if TRACEPARENT.fullmatch(text) else None


class Spans(Trace):
    """A call's span, and the one of the upstream that is being asked."""

    def __init__(self, tracer: Tracer, parent: str | None, capability: Capability) -> None:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        super().__init__(parent)
        self._tracer, self._operation = tracer, OPERATION.get(capability.kind, "predict")
        context = TraceContextTextMapPropagator().extract({"traceparent": parent} if parent else {})
        self._span = tracer.start_span(
            f"{self._operation} {capability.name}", context, SpanKind.SERVER
        )
        self._asked: Span | None = None
        self._error: str | None = None

    @property
    def traceparent(self) -> str | None:
        """The span of the upstream that is asked, for it to continue."""
        context = (self._asked or self._span).get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    @property
    def id(self) -> str | None:
        """The trace's id, by which log lines and spans are joined."""
        return f"{self._span.get_span_context().trace_id:032x}"

    def ask(self, upstream: Upstream) -> None:
        """An upstream is asked from now on."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        self._asked = self._tracer.start_span(
            f"{self._operation} {upstream.model}",
            set_span_in_context(self._span),
            SpanKind.CLIENT,
            {**_of_upstream(upstream), "gen_ai.operation.name": self._operation},
        )

    def heard(self, outcome: str, said: Said | None = None) -> None:
        """It answered, or failed in the way that the outcome names."""
        span, self._asked = self._asked, None
        if span is None:
            return
        if said is not None:
            span.set_attributes(_of_answer(said))
        _close(span, None if outcome == "ok" else outcome)

    def answered(self, interaction: Interaction) -> None:
        """What came of the call; said once more, and too late, where its caller has gone."""
        if not self._span.is_recording():
            return
        self._span.set_attributes(_of_interaction(interaction))
        if interaction.status in (Status.FAILED, Status.INCOMPLETE, Status.ABANDONED):
            self._error = interaction.status.value

    def end(self, status: int, code: str | None = None) -> None:
        """The call is over, however it went."""
        self.heard("cancelled")  # one that is asked still: its caller has gone
        if status:
            self._span.set_attribute("http.response.status_code", status)
        unanswered = None if status else Status.ABANDONED.value
        _close(self._span, code or self._error or unanswered)


def _close(span: Span, error: str | None) -> None:
    from opentelemetry.trace import StatusCode

    if error is not None:
        span.set_attribute("error.type", error)
        span.set_status(StatusCode.ERROR)
    span.end()


PROVIDERS = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "api.mistral.ai": "mistral_ai",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
}
"""The conventions' names of those whom an address gives away; others go by their name here."""
PORTS = {"https": 443, "http": 80}


def _of_upstream(upstream: Upstream) -> dict[str, Any]:
    place = urlsplit(upstream.base_url)
    host = place.hostname or ""
    azure = host.endswith(".openai.azure.com")
    return {
        "gen_ai.provider.name": "azure.ai.openai" if azure else PROVIDERS.get(host, upstream.name),
        "gen_ai.request.model": upstream.model,
        "opslayer.upstream": upstream.name,
        "server.address": host,
        "server.port": place.port or PORTS.get(place.scheme, 0),
    }


def _of_answer(said: Said) -> dict[str, Any]:
    return {
        "gen_ai.usage.input_tokens": said.usage.input,
        "gen_ai.usage.output_tokens": said.usage.output,
        "gen_ai.response.finish_reasons": [said.finish if said.finish in FINISHES else "other"],
    }


def _of_interaction(one: Interaction) -> dict[str, Any]:
    found: dict[str, Any] = {
        "opslayer.capability": one.capability,
        "opslayer.release": one.release,
        "opslayer.variant": one.variant,
        "opslayer.interaction": one.id,
        "opslayer.status": one.status.value,
        "opslayer.cost": one.cost,
    }
    return {**found, "opslayer.fallback": one.fallback} if one.fallback else found
