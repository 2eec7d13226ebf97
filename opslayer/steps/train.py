"""Train: fit one model on a snapshot, examine it on held-back rows, register it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from opslayer.capability import METRICS, Capability, Kind, Metric
from opslayer.records import Cause, Recipe, Snapshot, Version
from opslayer.stores import Stores

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from sklearn.pipeline import Pipeline

    from opslayer.frame import Frame
    from opslayer.learners.prediction import Prediction


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """For what, and judged on which rows, a model is trained."""

    cause: Cause
    recipe: Recipe
    exam: Snapshot
    """The held-back rows."""

    @property
    def as_of(self) -> datetime:
        """The moment as of which labels are known: that of the cause, however late it runs."""
        return self.cause.at


def train(
    capability: Capability, snapshot: Snapshot, stores: Stores, order: TrainingOrder
) -> Version:
    """The version trained for a cause and recipe; the one in the ledger if there is one.

    A training that was killed anywhere leaves nothing that counts: done again, it fits the same
    model, registers it once, and clears away what was left. Raises NotEnoughData, ConfigError,
    Refused (the rows or the estimator don't allow it), NotFound or StoreError.
    """
    version = _kept(capability, stores, order) or _fit(capability, snapshot, stores, order)
    stores.models.keep_only(version)  # for one in the ledger, too: a kill may have come before it
    return version


def _kept(capability: Capability, stores: Stores, order: TrainingOrder) -> Version | None:
    """The version in the ledger for a cause and recipe, if any."""
    made = stores.ledger.versions.for_cause(capability.name, order.cause.id)
    return next((version for version in made if version.recipe is order.recipe), None)


def _fit(
    capability: Capability, snapshot: Snapshot, stores: Stores, order: TrainingOrder
) -> Version:
    """Fit a model, register it, and return the version that the ledger has then.

    A worker that lost the cause unnoticed may end its training meanwhile: it clears this attempt
    away while it is written, which then fails anywhere. Its version is the one that counts.
    """
    from opslayer.learners.tabular import fit
    from opslayer.steps.snapshot import load

    learnt = stores.ledger.snapshots.get(capability.name, snapshot.digest)
    model = fit(capability, load(capability, snapshot.digest, stores))
    try:
        made = _register(capability, snapshot, stores, order, model)
    except Exception:
        if kept := _kept(capability, stores, order):
            return kept
        raise
    return stores.ledger.versions.add(made, learnt)


def _register(
    capability: Capability,
    snapshot: Snapshot,
    stores: Stores,
    order: TrainingOrder,
    model: Pipeline,
) -> Version:
    from opslayer.learners.tabular import predict
    from opslayer.steps.pictures import picture_metrics, seen
    from opslayer.steps.snapshot import load
    from opslayer.stores.registration import Registration

    exam = load(capability, order.exam.digest, stores)
    drawn = capability.kind is Kind.IMAGE
    said = seen(model, exam) if drawn else predict(model, exam.features)
    metrics = exam_metrics(capability, exam, said)
    if drawn:
        metrics |= picture_metrics(model, load(capability, snapshot.digest, stores), exam)
    registered = stores.models.register(
        Registration(
            capability=capability,
            model=model,
            cause=order.cause.id,
            snapshot=snapshot,
            exam=order.exam,
            as_of=order.as_of,
            rows_at=stores.lake.address(capability, "snapshots"),
            metrics=metrics,
            figures=_figures(capability, exam, said, model),
        )
    )
    return Version(
        capability=capability.name,
        version=registered.version,
        run_id=registered.run_id,
        recipe=order.recipe,
        settings=capability.settings,
        snapshot=snapshot.digest,
        exam=order.exam.digest,
        cut=snapshot.until,
        trained_at=order.as_of,
        cause=order.cause.id,
        manifest=registered.manifest,
        metrics=metrics,
    )


def exam_metrics(capability: Capability, exam: Frame, said: Prediction) -> dict[str, float]:
    """Every metric of the kind that the answers allow, by its name; empty without rows."""
    from opslayer.judgement.losses import Answers, metric

    answers = Answers(said.values, said.probabilities, said.classes)
    values = {
        name.value: metric(name, exam.target.to_numpy(), answers)
        for name in METRICS[capability.task]
        if name is not Metric.LOG_LOSS or said.probabilities is not None
    }
    return {name: value for name, value in values.items() if value is not None}


def _figures(
    capability: Capability, exam: Frame, said: Prediction, model: Pipeline
) -> dict[str, Figure]:
    from opslayer.learners.figures import draw, draw_importance
    from opslayer.learners.importance import importance

    assert capability.training is not None
    truth = exam.target.to_numpy(dtype=object if capability.task is Kind.CLASSIFICATION else float)
    figures = draw(capability.task, truth, said, exam.event_time.to_numpy())
    if rise := importance(model, exam.features, truth, capability.training.seed):
        figures["importance"] = draw_importance(rise)
    return figures
