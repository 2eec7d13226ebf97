"""Dashboard and alerts ask only for what a gateway counts, in words that Prometheus can read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from commands import VERBS
from gateway.exchange import FailureKind
from gateway.metrics import CODES, Metrics
from opslayer.records import Attempt, Feedback, FeedbackKind, Interaction, Shadow, Status, Usage

INFRA = Path(__file__).parents[1] / "infra"
DASHBOARD = json.loads((INFRA / "grafana" / "gateway.json").read_text())
RULES = YAML(typ="safe").load((INFRA / "prometheus" / "alerts.yml").read_text())
ALERTS: list[dict[str, Any]] = [rule for group in RULES["groups"] for rule in group["rules"]]
SCRAPED = {"up": {"job", "instance"}}
"""What Prometheus itself adds."""
NOW = datetime(2026, 1, 1, tzinfo=UTC)
VALUES = {
    "status": {*Status, "401"},
    "outcome": {"ok", "kept", "left_out", *FailureKind},
    "code": {*CODES, "other"},
    "job": {"gateway"},
}
"""What a label that is compared with a word can hold."""


def page() -> dict[str, set[str]]:
    """Every series' name on a real page of a gateway that has counted all there is, and its
    labels."""
    metrics = Metrics()
    given: dict[str, Any] = {
        "id": "a", "capability": "desk", "variant": "main", "status": Status.ANSWERED,
        "attempts": (Attempt(variant="main", upstream="x", outcome="ok"),), "fallback": "outage",
        "usage": Usage(input=1, output=1), "cost": 0.1, "guards": ("pii:input:mask",),
        "event_time": NOW, "input": "", "output": "",
    }  # fmt: skip
    metrics.interaction(Interaction.model_construct(**{**_defaults(Interaction), **given}))
    metrics.shadow(Shadow.model_construct(**{**_defaults(Shadow), "capability": "desk", "cost": 1}))
    metrics.feedback([Feedback.model_construct(kind=next(iter(FeedbackKind)))])
    metrics.refused("outage", 503)
    metrics.committed(1, 0.001)
    families = text_string_to_metric_families(metrics.page(0, 0).decode())
    found = dict(SCRAPED)
    for sample in (one for family in families for one in family.samples):
        found.setdefault(sample.name, {"job", "instance"}).update(sample.labels)
    return found


def _defaults(record: Any) -> dict[str, Any]:
    return {
        name: field.get_default(call_default_factory=True)
        for name, field in record.model_fields.items()
        if not field.is_required()
    }


PAGE = page()


def expressions() -> Iterator[tuple[str, str]]:
    """Each alert's and each panel's, with its name."""
    for rule in ALERTS:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "5m").replace("$capability", ".*")
            yield f"{panel['title']} {target['refId']}", text


def nodes(expression: Any) -> Iterator[Any]:
    """An expression's syntax tree, from the top."""
    yield expression
    for name in ("expr", "lhs", "rhs", "vector_selector"):
        child = getattr(expression, name, None)
        if child is not None:
            yield from nodes(child)
    for child in getattr(expression, "args", None) or ():
        yield from nodes(child)


@pytest.mark.parametrize(("name", "text"), expressions())
def test_every_expression_asks_for_series_and_labels_that_there_are(name: str, text: str) -> None:
    selectors = []
    for node in nodes(promql.parse(text)):
        if isinstance(node, promql.VectorSelector):
            selectors.append(node)
            assert node.name in PAGE, f"no gateway counts {node.name}"
            for matcher in node.matchers.matchers:
                assert matcher.name in PAGE[node.name], f"{node.name} has no label {matcher.name}"
                if "*" not in matcher.value:
                    assert set(matcher.value.split("|")) <= VALUES[matcher.name], matcher.value
    assert selectors
    labels = set.intersection(*(PAGE[one.name] for one in selectors))
    for grouped in re.findall(r"\bby \(([^)]*)\)", text):
        assert set(re.split(r", *", grouped)) <= labels


def test_nothing_that_is_counted_goes_unshown() -> None:
    shown = " ".join(text for _, text in expressions())
    bare = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in PAGE}
    assert {name for name in bare if name not in shown} == set()


def test_legends_and_sentences_name_labels_that_the_expression_keeps() -> None:
    for rule in ALERTS:
        said = " ".join(rule["annotations"].values())
        kept = _kept(rule["expr"])
        assert set(re.findall(r"\$labels\.(\w+)", said)) <= kept, rule["alert"]
    for target in (one for panel in DASHBOARD["panels"] for one in panel["targets"]):
        named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert named <= _kept(target["expr"]), target["expr"]


def _kept(text: str) -> set[str]:
    """The labels of an expression's result: those it is grouped by, or the series' own."""
    grouped = [set(re.split(r", *", found)) for found in re.findall(r"\bby \(([^)]*)\)", text)]
    if grouped:
        return set.intersection(*grouped) - {"le"}
    names = [name for name in PAGE if re.search(rf"\b{name}\b", text)]
    return set.intersection(*(PAGE[name] for name in names))


def test_every_alert_says_what_is_wrong_and_a_way_out_with_commands_that_there_are() -> None:
    names = [rule["alert"] for rule in ALERTS]
    assert len(set(names)) == len(names)
    for rule in ALERTS:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "way_out"}
        assert all(text.endswith(".") for text in rule["annotations"].values()), rule["alert"]
        verbs = set(re.findall(r"`opslayer (\w+)", rule["annotations"]["way_out"]))
        assert verbs <= set(VERBS)


def test_the_dashboard_has_each_panel_once_and_none_upon_another() -> None:
    panels = DASHBOARD["panels"]
    assert (
        len({one["id"] for one in panels}) == len({one["title"] for one in panels}) == len(panels)
    )
    places = {(one["gridPos"]["x"], one["gridPos"]["y"]) for one in panels}
    assert len(places) == len(panels)
    assert all(one["description"].endswith(".") for one in panels)
