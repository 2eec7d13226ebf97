"""Watching: each window judged once, whoever looks and whenever; decisions that can be replayed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from backend import copy_home
from sqlalchemy import Engine, event

from opslayer.capability import Capability, Policy
from opslayer.records import Cause, CauseKind, Verdict, VerdictKind
from opslayer.settings import Settings
from opslayer.steps.answer import answer
from opslayer.steps.ask import Asker, ask
from opslayer.steps.champion import champion
from opslayer.steps.decide import decide
from opslayer.steps.ingest import ingest
from opslayer.steps.memory import recall
from opslayer.steps.monitor import LOOK_BACK, monitor
from opslayer.steps.observe import Span, observe
from opslayer.steps.promote import Rollback, rollback
from opslayer.steps.waiting import waiting
from opslayer.stores import Stores
from opslayer.stores.lake import Lake
from opslayer.stores.ledger.verdicts import Verdicts
from opslayer.windows import window_bounds, window_index
from tests import drifting

DAY = timedelta(days=1)
TRAINED = datetime(2024, 2, 1, tzinfo=UTC)
TURNED = datetime(2024, 2, 15, tzinfo=UTC)
"""From here on the sensors mean the opposite."""


@dataclass
class Plant:
    """An installation with one release, its own copy for each test."""

    spec: Capability
    stores: Stores

    def watch(self, as_of: datetime) -> list[Verdict]:
        return monitor(self.spec, self.stores, as_of)

    def judged(self, kind: VerdictKind) -> dict[int, Verdict]:
        verdicts = self.stores.ledger.verdicts.list(self.spec.name, kind, limit=1000)
        return {v.numbers["window"]: v for v in verdicts if "window" in v.numbers}

    def window(self, moment: datetime) -> int:
        return window_index(moment, self.spec.monitor.window)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant")
    configs = drifting.write(folder, drifting.rows())
    stores = Stores.at(Settings(home=folder / "home", configs=configs))
    settled = drifting.train(drifting.capability(configs), stores, TRAINED)
    assert settled.release is not None, settled.reason
    return folder


@pytest.fixture
def plant(trained: Path, tmp_path: Path) -> Plant:
    copy_home(trained / "home", tmp_path / "home")
    return Plant(
        drifting.capability(trained / "configs"), Stores.at(Settings(home=tmp_path / "home"))
    )


def test_every_window_is_judged_once_however_often_somebody_looks(plant: Plant) -> None:
    late = TURNED + 10 * DAY + timedelta(hours=1)
    first = plant.watch(late)
    assert {verdict.kind for verdict in first} == {
        VerdictKind.ALARM,
        VerdictKind.QUALITY,
        VerdictKind.HARM,
    }
    assert plant.watch(late) == [] == plant.watch(late + timedelta(hours=1))


def test_a_monitor_that_slept_finds_what_one_that_looked_daily_found(
    plant: Plant, trained: Path, tmp_path: Path
) -> None:
    copy_home(trained / "home", tmp_path / "sleeper")
    sleeper = Plant(plant.spec, Stores.at(Settings(home=tmp_path / "sleeper")))
    end = TURNED + 6 * DAY
    for day in range((end - TRAINED).days + 1):
        plant.watch(TRAINED + day * DAY)
    sleeper.watch(end)
    for kind in (VerdictKind.QUALITY, VerdictKind.HARM, VerdictKind.ALARM):
        daily, slept = plant.judged(kind), sleeper.judged(kind)
        assert list(daily) == list(slept)
        assert {k: v.outcome for k, v in daily.items()} == {k: v.outcome for k, v in slept.items()}


def test_a_monitor_that_slept_for_many_windows_skips_none(plant: Plant) -> None:
    """A month of hourly windows is far more than those whose labels are waited for."""
    hourly = {"window": timedelta(hours=1), "report": "never"}
    monitored = plant.spec.monitor.model_copy(update=hourly)
    plant.spec = plant.spec.model_copy(update={"monitor": monitored})
    plant.watch(TRAINED)
    seen = max(plant.judged(VerdictKind.ALARM), default=0)
    plant.watch(TRAINED + 5 * DAY)
    looked = plant.judged(VerdictKind.ALARM)
    assert len(looked) > 2 * LOOK_BACK
    assert sorted(looked) == list(range(min(looked), max(looked) + 1))
    assert min(looked) <= seen + 1 or not seen
    plant.watch(TRAINED + 8 * DAY)
    assert set(looked) <= set(plant.judged(VerdictKind.QUALITY)), "labels come two days late"


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[ZoneInfo]:
    """A machine whose own clock is turned twice a year."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield ZoneInfo("Europe/Berlin")
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("turned", "hours"), [("2024-03-31", 23), ("2024-10-27", 25)])
def test_a_night_in_which_clocks_are_turned_doubles_and_skips_no_window(
    turned: str, hours: int, tmp_path: Path, berlin: ZoneInfo
) -> None:
    """The rows are dated by that clock, with its offset: one hour is missing, or there twice."""
    frame = drifting.rows(days=44, per_day=480)
    day = datetime.fromisoformat(turned).replace(tzinfo=berlin)
    began = pd.Timestamp(day.astimezone(UTC)) - 20 * DAY
    moments = pd.date_range(began, periods=len(frame), freq="3min").tz_convert("Europe/Berlin")
    frame["measured_at"] = [moment.isoformat() for moment in moments]
    configs = drifting.write(tmp_path, frame, drifting.LINE)
    spec, stores = drifting.capability(configs), Stores.at(Settings(home=tmp_path / "home"))
    hourly = spec.monitor.model_copy(update={"window": timedelta(hours=1)})
    soon = spec.labels.model_copy(update={"delay": timedelta(0)})
    plant = Plant(spec.model_copy(update={"monitor": hourly, "labels": soon}), stores)
    drifting.train(plant.spec, stores, began.to_pydatetime() + 19.5 * DAY)
    for hour in (-1, 2, 3, 27):  # by the clock on the wall
        plant.watch((day + timedelta(hours=hour)).astimezone(UTC))
    night = range(plant.window(day), plant.window(day + DAY))
    assert len(night) == hours
    judged = plant.judged(VerdictKind.QUALITY)
    assert [judged[window].numbers["rows"] for window in night] == [20] * hours


@contextmanager
def dying() -> Iterator[None]:
    """Let one thing be committed and no more."""
    left = [1]

    def die(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    event.listen(Engine, "commit", die)
    try:
        yield
    finally:
        event.remove(Engine, "commit", die)


def test_what_a_monitor_that_died_left_undone_the_next_one_does(
    plant: Plant, tmp_path: Path
) -> None:
    late = TRAINED + 6 * DAY
    other = Plant(
        plant.spec, Stores.at(Settings(home=copy_home(tmp_path / "home", tmp_path / "b")))
    )
    whole = {(one.kind, one.about, one.outcome) for one in other.watch(late)}
    deaths = 0
    for _ in whole:
        with suppress(KeyboardInterrupt), dying():
            plant.watch(late)
            deaths -= 1
        deaths += 1
    assert deaths >= len(whole) - 1
    plant.watch(late)
    kept = plant.stores.ledger.verdicts.list(plant.spec.name, limit=1000)
    assert {(one.kind, one.about, one.outcome) for one in kept} >= whole


def test_a_window_is_judged_for_quality_only_once_its_labels_are_in(plant: Plant) -> None:
    end = window_bounds(plant.window(TURNED), plant.spec.monitor.window)[1]
    before = end + plant.spec.labels.delay - timedelta(hours=12)
    plant.watch(before)
    window = plant.window(end) - 1
    assert window in plant.judged(VerdictKind.ALARM)
    assert window not in plant.judged(VerdictKind.QUALITY)
    plant.watch(before + DAY)
    assert plant.judged(VerdictKind.QUALITY)[window].numbers["labelled"] == 120


def test_harm_is_found_after_the_upheaval_and_not_before(plant: Plant) -> None:
    plant.watch(TURNED + 8 * DAY)
    outcomes = {
        window: verdict.outcome for window, verdict in plant.judged(VerdictKind.HARM).items()
    }
    turned = plant.window(TURNED)
    assert {outcome for window, outcome in outcomes.items() if window > turned} == {"harm"}
    calm = [outcome for window, outcome in outcomes.items() if window < turned]
    assert calm.count("harm") <= 1, "a 5 % test may err once in a dozen"


def test_nothing_known_later_is_seen_earlier(plant: Plant) -> None:
    span = Span(TRAINED - 2 * DAY, TRAINED + 20 * DAY)
    seen = observe(plant.spec, plant.stores, span, TRAINED)
    assert seen.event_time.max() <= TRAINED
    known = seen.labelled.event_time.max() + plant.spec.labels.delay
    assert known <= TRAINED


def test_a_clock_that_runs_ahead_ends_no_window_early(plant: Plant) -> None:
    newest = observe(
        plant.spec, plant.stores, Span(TRAINED, TRAINED + 365 * DAY), TRAINED + 365 * DAY
    ).event_time.max()
    plant.watch(newest.to_pydatetime() + DAY)  # inside the window after the last row's
    assert plant.window(newest) not in plant.judged(VerdictKind.ALARM)


def test_a_window_without_rows_is_said_to_be_empty_and_not_judged(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many of them in a row none is looked for on its own."""
    gap = window_bounds(plant.window(TURNED), plant.spec.monitor.window)
    source = Path(str(plant.spec.sources[0].path))
    frame = drifting.rows()
    times = frame["measured_at"].dt.tz_localize(UTC)
    (plant.stores.reports.root.parent / "gap").mkdir()
    path = plant.stores.reports.root.parent / "gap" / source.name
    frame.loc[times >= gap[1], "measured_at"] += 200 * DAY
    frame[(times < gap[0]) | (times >= gap[1])].to_csv(path, index=False)
    spec = plant.spec.model_copy(
        update={"sources": (plant.spec.sources[0].model_copy(update={"path": str(path)}),)}
    )
    fresh = Stores.at(Settings(home=plant.stores.reports.root.parent / "fresh"))
    drifting.train(spec, fresh, TRAINED)
    query, asked = Lake.query, list[str]()

    def counted(self: Lake, capability: Capability, sql: str, tables: Iterable[str]) -> pa.Table:
        asked.append(sql)
        return query(self, capability, sql, tables)

    monkeypatch.setattr(Lake, "query", counted)
    monitor(spec, fresh, TURNED + 208 * DAY)
    judged = Plant(spec, fresh).judged(VerdictKind.QUALITY)
    first = plant.window(TURNED)
    for window in range(first, plant.window(gap[1] + 200 * DAY)):
        assert judged[window].outcome == "not_judged"
        assert "no rows" in judged[window].reason
    assert judged[first + 101].outcome == "measured"
    assert len(asked) < 101, "of as many windows without rows"


def test_quality_is_that_of_what_was_served_where_something_was(plant: Plant) -> None:
    span = Span(*window_bounds(plant.window(TRAINED + 2 * DAY), plant.spec.monitor.window))
    rows = observe(plant.spec, plant.stores, span, span.until)
    asked = rows.features.assign(row_id=rows.row_ids, event_time=rows.event_time)
    answered = answer(plant.spec, asked, plant.stores, "test")
    ingest(plant.spec, plant.stores, span.until)
    plant.watch(span.until + 3 * DAY)
    numbers = plant.judged(VerdictKind.QUALITY)[plant.window(span.since)].numbers
    assert numbers["served"] == len(answered) == 120


def test_before_a_first_release_there_is_nothing_to_watch_and_nothing_to_decide(
    plant: Plant, tmp_path: Path
) -> None:
    fresh = Stores.at(Settings(home=tmp_path / "fresh"))
    assert monitor(plant.spec, fresh, TURNED) == []
    assert decide(plant.spec, fresh, TURNED).cause is None


def test_the_policy_speaks_once_about_each_window_and_opens_one_cause(plant: Plant) -> None:
    late = TURNED + 8 * DAY
    plant.watch(late)
    decided = decide(plant.spec, plant.stores, late)
    assert [verdict.numbers["window"] for verdict in decided.verdicts] == sorted(
        plant.judged(VerdictKind.QUALITY)
    )
    assert decided.cause is not None
    assert decided.cause.kind is CauseKind.HARM
    again = decide(plant.spec, plant.stores, late)
    assert (again.verdicts, again.cause) == ((), None)
    assert [row.cause.id for row in plant.stores.ledger.causes.list(plant.spec.name, "open")] == [
        decided.cause.id
    ]


def test_a_kill_between_the_cause_and_the_policys_verdict_opens_the_same_cause_again(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = TURNED + 8 * DAY
    plant.watch(late)
    newest = max(plant.judged(VerdictKind.QUALITY))
    record = Verdicts.record_next

    class KilledError(BaseException):
        pass

    def die_at_the_newest(self: Verdicts, verdict: Verdict, last: str | None) -> bool:
        if verdict.numbers["window"] == newest:
            raise KilledError
        return record(self, verdict, last)

    monkeypatch.setattr(Verdicts, "record_next", die_at_the_newest)
    with pytest.raises(KilledError):
        decide(plant.spec, plant.stores, late)
    monkeypatch.undo()
    (opened,) = plant.stores.ledger.causes.list(plant.spec.name, "open")
    again = decide(plant.spec, plant.stores, late)
    assert again.cause is not None
    assert again.cause.id == opened.cause.id
    assert len(plant.stores.ledger.causes.list(plant.spec.name, "open")) == 1


def test_never_is_a_policy_that_opens_no_cause(plant: Plant) -> None:
    never = plant.spec.retrain.model_copy(update={"policy": Policy.NEVER})
    spec = plant.spec.model_copy(update={"retrain": never})
    plant.watch(TURNED + 8 * DAY)
    assert decide(spec, plant.stores, TURNED + 8 * DAY).cause is None


def test_a_retrain_after_the_upheaval_is_released_and_does_better(plant: Plant) -> None:
    late = TURNED + 12 * DAY
    plant.watch(late)
    cause = decide(plant.spec, plant.stores, late).cause
    assert cause is not None
    settled = drifting.train(plant.spec, plant.stores, late, cause)
    assert settled.release is not None, settled.reason
    assert settled.release.cause == cause.id
    gate = plant.stores.ledger.verdicts.get(settled.release.evidence[0])
    assert gate is not None
    assert gate.numbers["candidate"] < gate.numbers["champion"]
    new, memory = champion(plant.spec, plant.stores), recall(plant.spec, plant.stores)
    assert new is not None
    assert memory is not None
    assert memory.state.champion == new.version
    assert {member.version for member in memory.state.pool} == {1, 2, 3}


def test_after_a_persons_rollback_the_policy_goes_by_the_ledger(plant: Plant) -> None:
    late = TURNED + 12 * DAY
    plant.watch(late)
    cause = decide(plant.spec, plant.stores, late).cause
    drifting.train(plant.spec, plant.stores, late, cause)
    rollback(plant.spec, plant.stores, Rollback(by="Ada", reason="a feeling", at=late))
    memory = recall(plant.spec, plant.stores)
    assert memory is not None
    assert memory.state.champion == 1


def test_other_settings_have_to_win_and_not_merely_do_no_harm(plant: Plant) -> None:
    assert plant.spec.training is not None
    worse = plant.spec.training.model_copy(update={"params": {"max_iter": 2}})
    spec = plant.spec.model_copy(update={"training": worse})
    settled = drifting.train(spec, plant.stores, TRAINED + 12 * DAY)
    assert settled.release is None
    gate = plant.stores.ledger.verdicts.list(spec.name, VerdictKind.GATE)[0]
    assert gate.numbers["mode"] == "win"
    assert gate.outcome in ("keep", "not_enough_labels")


def test_asking_twice_for_the_same_training_is_one_cause(plant: Plant) -> None:
    first = ask(plant.spec, plant.stores, TURNED, Asker("Ada"))
    again = ask(plant.spec, plant.stores, TURNED + timedelta(minutes=1), Asker("Grace"))
    later = ask(plant.spec, plant.stores, TURNED + 3 * DAY, Asker("Ada"))
    assert first.id == again.id != later.id


def open_cause(plant: Plant, kind: CauseKind, at: datetime) -> Cause:
    cause = Cause(capability=plant.spec.name, kind=kind, about=f"{kind} at {at}", at=at)
    plant.stores.ledger.causes.open(cause)
    return cause


def test_the_loops_open_causes_wait_and_a_persons_do_not(plant: Plant) -> None:
    harm = open_cause(plant, CauseKind.HARM, TURNED)
    open_cause(plant, CauseKind.PERSON, TURNED)
    assert [cause.id for cause in waiting(plant.spec, plant.stores)] == [harm.id]


def test_a_cause_that_a_newer_training_overtook_is_closed_with_the_reason(plant: Plant) -> None:
    old = open_cause(plant, CauseKind.HARM, TRAINED - DAY)
    assert waiting(plant.spec, plant.stores) == []
    row = plant.stores.ledger.causes.get(old.id)
    assert row.status == "refused"
    assert "overtaken by the training of version 1" in str(row.result)


def test_answers_that_change_while_every_input_looks_as_ever_are_an_alarm(tmp_path: Path) -> None:
    rows = drifting.rows(days=120)[: 60 * 60]  # before the sensors turn over
    sensors, level = rows[drifting.COLUMNS].to_numpy(), rows["level"].to_numpy()
    signs = np.sign(np.linalg.lstsq(sensors, level, rcond=None)[0])
    late = (rows["measured_at"] >= "2024-02-12").to_numpy()
    together = np.random.default_rng(4).normal(size=late.sum())
    rows.loc[late, drifting.COLUMNS] = together[:, None] * signs  # each column alone as before
    configs = drifting.write(tmp_path, rows)
    file = configs / "capabilities" / f"{drifting.NAME}.yaml"
    file.write_text(file.read_text().replace("window: 2d", "window: 5d"))
    plant = Plant(
        drifting.capability(configs), Stores.at(Settings(home=tmp_path / "home", configs=configs))
    )
    drifting.train(plant.spec, plant.stores, TRAINED)
    plant.watch(datetime(2024, 2, 29, tzinfo=UTC))
    alarms = plant.judged(VerdictKind.ALARM)
    moved = plant.window(datetime(2024, 2, 12, tzinfo=UTC)) + 1
    assert {alarms[window].outcome for window in alarms if window < moved - 1} == {"quiet"}
    found = alarms[moved + 1]
    assert (found.outcome, found.numbers["inputs_alone"]) == ("alarm", "quiet")
    assert "the champion's answers" in found.reason
