"""The steps of the loop as Prefect tasks."""

from __future__ import annotations

from datetime import timedelta

from opslayer.steps.decide import decide as decide_step
from opslayer.steps.examine import examine as examine_step
from opslayer.steps.expire import expire as expire_step
from opslayer.steps.expire import expire_aside as expire_aside_step
from opslayer.steps.facets import tag_calls as tag_calls_step
from opslayer.steps.improve import improve as improve_step
from opslayer.steps.ingest import ingest as ingest_step
from opslayer.steps.judge import judge as judge_step
from opslayer.steps.monitor import monitor as monitor_step
from opslayer.steps.notify import notice as notice_step
from opslayer.steps.promote import follow as follow_step
from opslayer.steps.propose import propose as propose_step
from opslayer.steps.rated import gather as gather_step
from opslayer.steps.report import report as report_step
from opslayer.steps.settle import settle as settle_step
from opslayer.steps.snapshot import take as take_step
from opslayer.steps.succession import cut as cut_step
from opslayer.steps.tag import tag as tag_step
from opslayer.steps.train import train as train_step
from opslayer.steps.validate import validate as validate_step
from tasks.policy import step

SHORT = timedelta(minutes=10)
HOUR = timedelta(hours=1)
LONG = timedelta(hours=6)
"""For what reads everything there is, or fits a model to it."""

expire = step(LONG, expire_step)
expire_aside = step(HOUR, expire_aside_step)
ingest = step(LONG, ingest_step)
tag = step(HOUR, tag_step)
tag_calls = step(HOUR, tag_calls_step)
cut = step(SHORT, cut_step)
take = step(HOUR, take_step)
validate = step(HOUR, validate_step)
train = step(LONG, train_step)
judge = step(HOUR, judge_step)
settle = step(SHORT, settle_step)
follow = step(SHORT, follow_step)
notice = step(SHORT, notice_step)
monitor = step(HOUR, monitor_step)
decide = step(SHORT, decide_step)
report = step(HOUR, report_step)
gather = step(SHORT, gather_step)
propose = step(HOUR, propose_step)
examine = step(HOUR, examine_step)
improve = step(SHORT, improve_step)
