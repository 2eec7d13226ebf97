"""The demo's last act: somebody ships a bad model, and it is undone before anybody looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from commands.calls import chat, post, rows_of
from opslayer.capability import Kind
from opslayer.errors import Refused

if TYPE_CHECKING:
    from flows.replay import Past
    from opslayer.records import Release, Version
    from opslayer.stores import Stores

MOST = 3_000
"""Calls within which it is undone."""
NEWEST = 500
"""Rows that are asked about, again and again."""
SHOWN = 100
"""Calls between two lines of progress."""
DUMMIES = {
    Kind.REGRESSION: "sklearn.dummy.DummyRegressor",
    Kind.CLASSIFICATION: "sklearn.dummy.DummyClassifier",
}
"""Models that have learnt nothing: whatever is asked, they say the same."""


def mishap(past: Past, url: str, tell: Callable[[str], None]) -> dict[str, Any] | None:
    """Put a model that has learnt nothing on trial, call, say how it was, until it is undone.

    What came of it, for the demo's summary; None for a picture, of which nobody says what was
    wrong.
    """
    if past.capability.kind is Kind.IMAGE:
        return None
    begun = time.monotonic()
    version = _bad_version(past)
    tried = _ship(past, version)
    assert tried.canary is not None
    tell(
        f"Release {tried.number}: somebody ships model-{version.version}, which has learnt "
        f"nothing, to {tried.canary.share:.0%} of the subjects; calls come, and what came true …"
    )
    calls = answered = spared = 0
    for calls, headers in enumerate(_calls(past, url), start=1):
        answered += headers["X-Opslayer-Variant"] == tried.canary.variant.name
        spared += "X-Opslayer-Fallback" in headers
        if calls % SHOWN == 0:
            stood = f", {spared} in which another stood in for it" if spared else ""
            tell(f"  {calls} calls, {answered} answered by {tried.canary.variant.name}{stood}")
        if (undone := _undone(past.stores, tried)) is not None:
            tell(f"  release {undone.number}: {undone.reason}")
            return {
                "variant": tried.canary.variant.name,
                "calls": calls,
                "answered_by_it": answered,
                "another_stood_in": spared,
                "release": undone.number,
                "reason": undone.reason,
                "seconds": round(time.monotonic() - begun, 1),
            }
    raise Refused(f"{calls} calls did not undo {tried.canary.variant.name}: this is a fault")


def _bad_version(past: Past) -> Version:
    """Registered like any other, on the newest training set."""
    from opslayer.records import Cause, CauseKind
    from opslayer.steps.champion import champion
    from opslayer.steps.train import TrainingOrder, train

    capability, stores = past.capability, past.stores
    serving = champion(capability, stores)
    assert serving is not None
    assert capability.training is not None
    dummy = {"estimator": DUMMIES[capability.task], "params": {}}
    spoilt = capability.model_copy(
        update={"training": capability.training.model_copy(update=dummy)}
    )
    cause = Cause(
        capability=capability.name,
        kind=CauseKind.PERSON,
        about="a model that has learnt nothing",
        at=datetime.now(UTC),
        by="demo",
    )
    learnt = stores.ledger.snapshots.get(capability.name, serving.snapshot)
    exam = stores.ledger.snapshots.get(capability.name, serving.exam)
    return train(spoilt, learnt, stores, TrainingOrder(cause, serving.recipe, exam))


def _ship(past: Past, version: Version) -> Release:
    from opslayer.steps.canary import begin
    from opslayer.steps.promote import Promotion, model_variant

    newest = past.stores.ledger.releases.newest(past.capability.name)
    assert newest is not None
    decision = Promotion(
        parent=newest.number,
        by="demo",
        reason="it is Friday, and it looked fine",
        cause=None,
        evidence=(),
        at=datetime.now(UTC),
    )
    return begin(past.capability, model_variant(version), past.stores, decision)


def _calls(past: Past, url: str) -> Iterator[Mapping[str, str]]:
    """Call as one subject after another with rows that were lived; yields each reply's headers."""
    known = past.rows[past.rows["label"].notna()].tail(NEWEST)
    for number in range(MOST):
        row = known.iloc[number % len(known)]
        asked = {name: row[name] for name in past.capability.columns}
        path, body = (chat if past.capability.kind is Kind.CHAT else rows_of)(
            past.capability, asked
        )
        _, headers = post(url + path, body, {"X-Opslayer-Subject": f"demo-{number}"})
        truth = row["label"]
        said = {
            "interaction_id": headers["X-Opslayer-Interaction"],
            "kind": "true_value",
            "value": truth.item() if hasattr(truth, "item") else truth,
        }
        post(f"{url}/v1/feedback", said)
        yield headers


def _undone(stores: Stores, tried: Release) -> Release | None:
    newest = stores.ledger.releases.newest(tried.capability)
    return newest if newest is not None and newest.canary is None else None
