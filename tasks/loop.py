"""The steps of the loop as Prefect tasks."""

from __future__ import annotations

from opslayer.steps import decide as decide_step
from opslayer.steps import ingest as ingest_step
from opslayer.steps import judge as judge_step
from opslayer.steps import monitor as monitor_step
from opslayer.steps import promote as promote_step
from opslayer.steps import report as report_step
from opslayer.steps import settle as settle_step
from opslayer.steps import snapshot as snapshot_step
from opslayer.steps import tag as tag_step
from opslayer.steps import train as train_step
from opslayer.steps import validate as validate_step
from tasks.policy import step

ingest = step(timeout_seconds=6 * 3600)(ingest_step.ingest)
tag = step(timeout_seconds=3600)(tag_step.tag)
split = step(timeout_seconds=600)(snapshot_step.split)
take = step(timeout_seconds=3600)(snapshot_step.take)
validate = step(timeout_seconds=3600)(validate_step.validate)
train = step(timeout_seconds=6 * 3600)(train_step.train)
judge = step(timeout_seconds=3600)(judge_step.judge)
settle = step(timeout_seconds=600)(settle_step.settle)
follow = step(timeout_seconds=600)(promote_step.follow)
monitor = step(timeout_seconds=3600)(monitor_step.monitor)
decide = step(timeout_seconds=600)(decide_step.decide)
report = step(timeout_seconds=3600)(report_step.report)
