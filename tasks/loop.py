"""The steps of the loop as Prefect tasks."""

from __future__ import annotations

from datetime import timedelta

from opslayer import steps
from tasks.policy import step

SHORT = timedelta(minutes=10)
HOUR = timedelta(hours=1)
LONG = timedelta(hours=6)
"""For what reads everything there is, or fits a model to it."""

ingest = step(LONG, steps.ingest.ingest)
tag = step(HOUR, steps.tag.tag)
cut = step(SHORT, steps.succession.cut)
take = step(HOUR, steps.snapshot.take)
validate = step(HOUR, steps.validate.validate)
train = step(LONG, steps.train.train)
judge = step(HOUR, steps.judge.judge)
settle = step(SHORT, steps.settle.settle)
follow = step(SHORT, steps.promote.follow)
monitor = step(HOUR, steps.monitor.monitor)
decide = step(SHORT, steps.decide.decide)
report = step(HOUR, steps.report.report)
