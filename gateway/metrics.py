"""What operators count: every label is from a closed set, so that no caller makes new series.

With several workers each writes into files of one folder, and any of them answers for all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from opslayer.records import Feedback, Interaction, Shadow

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that the library reads when it is imported."""
SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
CODES = frozenset({
    "overloaded", "invalid_json", "invalid_input", "invalid_messages", "model_not_found",
    "not_found", "invalid_api_key", "forbidden", "content_filter", "rate_limited", "timeout",
    "outage", "insufficient_quota", "store_away", "internal_error", "body_too_large",
})  # fmt: skip


class Metrics:
    """The counters of one worker."""

    def __init__(self) -> None:
        shared = FOLDER in os.environ
        self.registry = CollectorRegistry()
        self._tally: dict[tuple[Counter, tuple[str, ...]], float] = {}
        self._took: dict[str, list[float]] = {}
        self._commits: list[tuple[int, float]] = []
        own: dict[str, Any] = {"registry": None if shared else self.registry}
        self.answers = Counter(
            "opslayer_interactions",
            "Interactions by how they ended.",
            ["capability", "variant", "status"],
            **own,
        )
        self.seconds = Histogram(
            "opslayer_interaction_seconds",
            "From a question to its answer on disk.",
            ["capability"],
            buckets=SECONDS,
            **own,
        )
        self.fallbacks = Counter(
            "opslayer_fallbacks",
            "Answers of a later variant, by why.",
            ["capability", "kind"],
            **own,
        )
        self.attempts = Counter(
            "opslayer_upstream_attempts", "Deployments asked, by outcome.",
            ["capability", "upstream", "outcome"], **own,
        )  # fmt: skip
        self.tokens = Counter(
            "opslayer_tokens", "Tokens paid for.", ["capability", "direction"], **own
        )
        self.cost = Counter("opslayer_cost", "Money spent.", ["capability", "variant"], **own)
        self.guards = Counter(
            "opslayer_guard_verdicts",
            "What guards found.",
            ["capability", "guard", "action"],
            **own,
        )
        self.shadows = Counter(
            "opslayer_shadow_copies",
            "Copies for a variant nobody is answered by: kept, or left_out.",
            ["outcome"],
            **own,
        )
        self.shadow_cost = Counter(
            "opslayer_shadow_cost", "Money spent on copies, in no other sum.", ["capability"], **own
        )
        self.feedbacks = Counter("opslayer_feedback", "Feedback taken.", ["kind"], **own)
        self.refusals = Counter(
            "opslayer_refused_calls", "Calls that got an error.", ["code", "status"], **own
        )
        self.commits = Histogram(
            "opslayer_commit_seconds", "Making records durable.", buckets=SECONDS, **own
        )
        self.records = Counter("opslayer_records", "Records made durable.", **own)
        live: dict[str, Any] = {**own, "multiprocess_mode": "livesum"} if shared else own
        self.under_way = Gauge("opslayer_calls_under_way", "Calls being answered.", **live)
        self.sheds = Gauge("opslayer_calls_shed", "Calls refused under load.", **live)

    def interaction(self, one: Interaction) -> None:
        """Count an interaction. It shows on the page from the next `flush` on: to write each number
        at once into the file that workers share would cost more than all else that is counted."""
        name = one.capability
        self._add(self.answers, (name, one.variant, one.status.value))
        self._took.setdefault(name, []).append(one.latency_ms / 1000)
        if one.fallback:
            self._add(self.fallbacks, (name, one.fallback))
        for attempt in one.attempts:
            if attempt.upstream:
                self._add(self.attempts, (name, attempt.upstream, attempt.outcome))
        if one.usage.input or one.usage.output:
            self._add(self.tokens, (name, "input"), one.usage.input)
            self._add(self.tokens, (name, "output"), one.usage.output)
        if one.cost:
            self._add(self.cost, (name, one.variant), one.cost)
        for line in one.guards:
            guard, _, rest = line.partition(":")
            self._add(self.guards, (name, guard, rest.split(":")[1]))

    def flush(self) -> None:
        """Let the page show what was counted since the last time."""
        tally, self._tally = self._tally, {}
        for (metric, labels), amount in tally.items():
            metric.labels(*labels).inc(amount)
        took, self._took = self._took, {}
        for name, values in took.items():
            histogram = self.seconds.labels(name)
            for value in values:
                histogram.observe(value)
        for records, seconds in self._commits:
            self.commits.observe(seconds)
            self.records.inc(records)
        self._commits.clear()

    def _add(self, metric: Counter, labels: tuple[str, ...], amount: float = 1) -> None:
        key = (metric, labels)
        self._tally[key] = self._tally.get(key, 0) + amount

    def feedback(self, records: Sequence[Feedback]) -> None:
        """Count feedback."""
        for one in records:
            self.feedbacks.labels(one.kind.value).inc()

    def shadow(self, kept: Shadow | None) -> None:
        """Count a copy; None for one that was left out."""
        self.shadows.labels("left_out" if kept is None else "kept").inc()
        if kept is not None:
            self.shadow_cost.labels(kept.capability).inc(kept.cost)

    def refused(self, code: str, status: int) -> None:
        """Count a call that got an error."""
        self.refusals.labels(code if code in CODES else "other", str(status)).inc()

    def committed(self, records: int, seconds: float) -> None:
        """Count a commit."""
        self._commits.append((records, seconds))

    def page(self, under_way: int, shed: int) -> bytes:
        """All that was counted, as Prometheus reads it; of all workers that share a folder."""
        self.flush()
        self.under_way.set(under_way)
        self.sheds.set(shed)
        if FOLDER not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
