"""Evaluate: a candidate and the champion answer the same held-back rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from opslayer.capability import METRICS, Capability, ColumnType, Metric
from opslayer.records import Version
from opslayer.steps.predict import answers, constant_prediction
from opslayer.stores import Stores
from opslayer.windows import window_indices

if TYPE_CHECKING:
    from opslayer.frame import Frame
    from opslayer.judgement.gate import Exam
    from opslayer.judgement.losses import Answers
    from opslayer.learners.prediction import Prediction


def evaluate(
    capability: Capability, candidate: Version, champion: Version | None, stores: Stores
) -> Exam:
    """Both models' answers to the candidate's exam, for the gate to judge.

    Only rows that neither was trained on count; that may leave none. Without a champion the
    candidate is held against a constant (`constant_prediction`). Blocks are numbers of
    `gate.block` spans since the epoch, slices the columns of `gate.slices`, levels that the file
    does not declare by their rank. The comparison is kept as `comparison.json` in the candidate's
    MLflow run. Raises what `score` raises, and StoreError where the exam's rows are gone.
    """
    from opslayer.judgement.gate import Exam
    from opslayer.steps.snapshot import load

    assert capability.gate is not None
    rows = unseen(load(capability, candidate.exam, stores), candidate, champion)
    if champion is None:
        learnt = load(capability, candidate.snapshot, stores)
        incumbent = constant_prediction(capability, learnt, len(rows))
    else:
        incumbent = answers(capability, champion, rows, stores)
    exam = Exam(
        truth=rows.target.to_numpy(),
        champion=_answers(incumbent),
        candidate=_answers(answers(capability, candidate, rows, stores)),
        blocks=window_indices(rows.event_time, capability.gate.block),
        slices={name: _slice(capability, rows, name) for name in capability.gate.slices},
    )
    against = f"model-{champion.version}" if champion else "constant"
    stores.models.note(candidate, "comparison", comparison(capability, exam, against))
    return exam


def _slice(capability: Capability, rows: Frame, name: str) -> np.ndarray:
    from opslayer.judgement.levels import level_names

    column, spec = rows.features[name], capability.inputs[name]
    if spec.type is not ColumnType.CATEGORY:
        return np.asarray(column)
    named = column.map(level_names(column, spec.choices or ())).astype(object)
    return np.asarray(named.where(column.notna(), None))


def unseen(rows: Frame, candidate: Version, champion: Version | None) -> Frame:
    """The rows of the candidate's exam that the champion was not trained on either.

    A champion cut no later than the candidate has seen none of them (`opslayer.steps.snapshot`);
    of a later one, only the rows from its own cut on are sure.
    """
    if champion is None or champion.cut <= candidate.cut:
        return rows
    keep = (rows.event_time >= champion.cut).to_numpy()
    return replace(
        rows,
        row_ids=rows.row_ids[keep],
        features=rows.features[keep],
        target=rows.target[keep],
        event_time=rows.event_time[keep],
        known_time=rows.known_time[keep],
    )


def comparison(capability: Capability, exam: Exam, against: str) -> dict[str, Any]:
    """Both models' metrics on all rows of an exam and on each slice, as plain JSON values."""
    from opslayer.judgement.slices import groups

    every = np.arange(len(exam.truth))
    return {
        "against": against,
        "rows": len(exam.truth),
        "metrics": _both(capability, exam, every),
        "slices": [
            {"column": column, "value": value, "rows": len(rows)} | _both(capability, exam, rows)
            for column, values in exam.slices.items()
            for value, rows in groups(values).items()
        ],
    }


def _both(capability: Capability, exam: Exam, rows: np.ndarray) -> dict[str, dict[str, Any]]:
    """Metric name to each side's value; without those that an answer doesn't allow."""
    from opslayer.judgement.losses import metric

    sides = {"champion": exam.champion, "candidate": exam.candidate}
    sure = all(side.probabilities is not None for side in sides.values())
    names = [name for name in METRICS[capability.task] if sure or name is not Metric.LOG_LOSS]
    return {
        name.value: {
            side: metric(name, exam.truth[rows], _take(answers, rows))
            for side, answers in sides.items()
        }
        for name in names
    }


def _take(answers: Answers, rows: np.ndarray) -> Answers:
    given = answers.probabilities
    part = None if given is None else given[rows]
    return replace(answers, values=answers.values[rows], probabilities=part)


def _answers(said: Prediction) -> Answers:
    from opslayer.judgement.losses import Answers

    return Answers(said.values, said.probabilities, said.classes)
