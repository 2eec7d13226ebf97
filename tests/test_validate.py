"""The data contract check: what it refuses, what it lets pass, and what it keeps."""

from __future__ import annotations

import json
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.dirty_windows import CAPABILITY, NOW, TARGET, clean, framed, stored
from opslayer.capability import Capability
from opslayer.errors import ValidationFailed
from opslayer.frame import Frame
from opslayer.judgement import leak
from opslayer.judgement.checks import Check, Result
from opslayer.judgement.contract import check
from opslayer.records import (
    Recipe,
    Release,
    Variant,
    VerdictKind,
    Version,
)
from opslayer.steps.validate import validate
from opslayer.stores import Stores


def breaches(checks: list[Check]) -> set[tuple[str, str | None]]:
    return {(item.code, item.column) for item in checks if item.result is Result.FAILED}


def with_values(rows: pd.DataFrame, column: str, value: object, every: int = 1) -> pd.DataFrame:
    return rows.assign(
        **{column: rows[column].where(np.arange(len(rows)) % every > 0, value)}  # type: ignore[arg-type]
    )


def test_clean_rows_pass_every_check_against_clean_rows() -> None:
    checks = check(CAPABILITY, framed(clean()), framed(clean(seed=1)))
    assert {item.result for item in checks} == {Result.PASSED}


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("flag", 0.5, "boolean"),
        ("count", 1.5, "whole"),
        ("colour", "mauve", "choices"),
        ("note", "x" * 10_001, "length"),
        ("count", np.nan, "missing"),
        ("amount", -np.inf, "infinite"),
        (TARGET, None, "target-missing"),
    ],
)
def test_one_bad_value_fails_its_check_and_no_other(column: str, value: object, code: str) -> None:
    rows = clean()
    rows.loc[7, column] = value
    assert breaches(check(CAPABILITY, framed(rows))) == {(code, column)}


def test_a_value_outside_the_declared_range_fails() -> None:
    inputs = {**CAPABILITY.inputs, "amount": {"type": "number", "min": 0, "max": 100}}
    ranged = changed(inputs=inputs)
    rows = clean()
    rows.loc[7, "amount"] = 100.5
    (failed,) = [item for item in check(ranged, framed(rows)) if item.result is Result.FAILED]
    assert (failed.code, failed.observed) == ("range", 1)
    assert "1 of 600 values are not between 0 and 100" in failed.sentence


def changed(**sections: object) -> Capability:
    return Capability.model_validate({**CAPABILITY.model_dump(exclude_unset=True), **sections})


def test_a_label_of_no_declared_class_fails() -> None:
    rows = with_values(clean(), TARGET, "maybe", every=50)
    checks = check(changed(classes=("yes", "no")), framed(rows))
    assert breaches(checks) == {("classes", TARGET)}


def test_a_constant_column_warns_and_does_not_stop() -> None:
    checks = check(CAPABILITY, framed(clean().assign(count=3.0)))
    warned = {(item.code, item.column) for item in checks if item.result is Result.WARNING}
    assert warned == {("constant", "count")}
    assert not breaches(checks)


@pytest.mark.parametrize("column", ["amount", "colour"])
def test_an_empty_column_that_may_be_missing_warns(column: str) -> None:
    rows = clean()
    rows[column] = pd.Series([None] * len(rows), dtype=rows[column].dtype)
    checks = check(CAPABILITY, framed(rows))
    warned = {(item.code, item.column) for item in checks if item.result is Result.WARNING}
    assert warned == {("all-missing", column)}
    assert not breaches(checks)


def test_more_missing_values_than_in_the_reference_fail() -> None:
    rows = with_values(clean(), "amount", np.nan, every=4)
    assert breaches(check(CAPABILITY, framed(rows), framed(clean(seed=1)))) == {
        ("missing-share", "amount")
    }


def test_a_missing_share_like_the_reference_passes_in_999_of_1000_draws() -> None:
    # The allowance is 0.05 and three standard errors, so a breach needs far more than 3 sigma.
    from opslayer.judgement.rules import missing_rule

    rng = np.random.default_rng(0)
    breached = 0
    for _ in range(1_000):
        now, before = (pd.Series(np.where(rng.random(300) < 0.3, np.nan, 1.0)) for _ in range(2))
        most = 1 - missing_rule("amount", "c0", now, before).options["mostly"]
        breached += now.isna().mean() > most
    assert breached <= 1


def test_levels_new_since_the_reference_fail_beyond_what_is_natural() -> None:
    rows = with_values(clean(), "shop", "a new shop", every=4)
    assert breaches(check(CAPABILITY, framed(rows), framed(clean(seed=1)))) == {
        ("unseen-levels", "shop")
    }


def test_levels_that_are_always_new_are_natural() -> None:
    rng = np.random.default_rng(99)  # another than that of the inputs
    rows, before = clean(5_000), clean(5_000, seed=1)
    for frame in (rows, before):
        frame["shop"] = pd.Series([f"s{n}" for n in rng.integers(0, 2_000, 5_000)], dtype=object)
    assert not breaches(check(CAPABILITY, framed(rows), framed(before)))


def test_a_number_that_stands_still_since_the_reference_fails() -> None:
    checks = check(CAPABILITY, framed(clean().assign(amount=50.0)), framed(clean(seed=1)))
    assert breaches(checks) == {("became-constant", "amount")}


def test_a_class_that_vanished_fails_by_name() -> None:
    before = with_values(clean(seed=1), TARGET, "maybe", every=5)
    checks = check(CAPABILITY, framed(clean()), framed(before))
    (failed,) = [item for item in checks if item.result is Result.FAILED]
    assert failed.code == "class-vanished"
    assert "maybe" in failed.sentence


def test_a_target_in_another_unit_fails() -> None:
    regression = changed(kind="regression", gate={"metric": "mae"})
    rng = np.random.default_rng(99)  # another than that of the inputs
    rows, before = (clean(seed=seed).assign(label=rng.normal(20, 5, 600)) for seed in (0, 1))
    assert not breaches(check(regression, framed(rows), framed(before)))
    fahrenheit = rows.assign(label=rows["label"] * 1.8 + 32)
    assert breaches(check(regression, framed(fahrenheit), framed(before))) == {
        ("target-mean", TARGET)
    }


def test_a_regression_target_that_never_varies_fails() -> None:
    regression = changed(kind="regression", gate={"metric": "mae"})
    assert breaches(check(regression, framed(clean().assign(label=1.0)))) == {
        ("target-constant", TARGET)
    }


def test_an_input_the_snapshot_was_taken_without_is_judged_as_missing() -> None:
    frame = framed(clean())
    older = Frame(
        frame.row_ids,
        frame.features.drop(columns=["count", "shop"]),
        frame.target,
        frame.event_time,
        frame.known_time,
    )
    checks = check(CAPABILITY, older, framed(clean(seed=1)))
    assert ("missing", "count") in breaches(checks)
    assert not breaches(check(CAPABILITY, framed(clean()), older))


# Label leaks


def told(column: object, target: object) -> float:
    return leak.share_told(pd.Series(column), pd.Series(target))


def test_a_copy_of_the_class_is_found_however_it_is_written() -> None:
    label = pd.Series(np.random.default_rng(0).choice(["yes", "no"], 600), dtype=object)
    for copy in (
        label,
        label.str.upper(),
        (label == "yes") * 1.0,
        (label == "yes").where(label == "yes"),
    ):
        assert leak.share_told(copy, label) == 1


def test_a_number_that_crosses_a_line_with_the_class_is_found() -> None:
    amount = np.random.default_rng(0).normal(size=2_000)
    assert told(amount, np.where(amount > 0.3, "yes", "no")) >= leak.COPY["class"]


@pytest.mark.parametrize(
    "write", [lambda y: y, lambda y: 3 - y / 7, np.exp, lambda y: y.round(4).astype(str)]
)
def test_a_copy_of_a_number_is_found_in_any_unit(write: object) -> None:
    target = pd.Series(np.random.default_rng(0).normal(size=600))
    assert leak.share_told(write(target), target) >= leak.COPY["number"]  # type: ignore[operator]


def test_an_identifier_is_no_copy_of_the_label() -> None:
    # Each level once: a table of them would know the label of every row it was learnt on.
    label = np.random.default_rng(0).choice(["yes", "no"], 600)
    assert told([f"id {n}" for n in range(600)], label) <= 0.1


def test_columns_without_a_leak_are_never_taken_for_one() -> None:
    # 0 of 300 columns, whatever their levels: the bar of 0.98 lies far from chance.
    rng = np.random.default_rng(0)
    label = pd.Series(rng.choice(["a", "b", "c"], 300), dtype=object)
    columns = [
        pd.Series(rng.integers(0, levels, 300)) for levels in (2, 20, 300) for _ in range(100)
    ]
    assert (
        max(leak.share_told(column.astype(str), label) for column in columns) < leak.HINT["class"]
    )


def test_an_hour_ago_is_no_copy_of_now(real_data: Path) -> None:
    taxi = pd.read_csv(real_data / "nab_taxi" / "nyc_taxi.csv.gz")["value"].astype(float)
    assert leak.share_told(taxi.shift(1), taxi) < leak.HINT["number"]


def test_real_columns_do_not_give_the_label_away(real_data: Path) -> None:
    elec = pd.read_csv(real_data / "elec2" / "elec.csv.gz")
    label = elec["class"].astype(str)
    shares = [leak.share_told(elec[name], label) for name in elec.columns if name != "class"]
    assert max(shares) < leak.HINT["class"]


def test_few_rows_say_nothing_about_leaks() -> None:
    assert np.isnan(told([1.0, 0.0] * 10, ["yes", "no"] * 10))


# The step


def test_a_passing_snapshot_leaves_a_verdict_its_numbers_and_a_page(stores: Stores) -> None:
    snapshot = stored(stores, clean())
    verdict = validate(CAPABILITY, snapshot, stores, NOW)
    assert (verdict.kind, verdict.outcome) == (VerdictKind.VALIDATION, "passed")
    assert stores.ledger.verdicts.get(verdict.id) == verdict
    kept = stores.reports.path("dirty", f"validation/{snapshot.digest}.json")
    result = json.loads(kept.read_text())
    assert result["snapshot"] == snapshot.digest
    assert len(result["checks"]) == len(verdict.numbers["checks"]) > 20
    assert kept.with_suffix(".html").exists()


def test_a_failing_snapshot_is_refused_after_everything_was_kept(stores: Stores) -> None:
    rows = with_values(clean(), "flag", 0.5, every=60).assign(count=1.5)
    snapshot = stored(stores, rows)
    with pytest.raises(ValidationFailed) as refused:
        validate(CAPABILITY, snapshot, stores, NOW)
    page = stores.reports.path("dirty", f"validation/{snapshot.digest}.html")
    assert "boolean (flag)" in str(refused.value)
    assert "whole (count)" in str(refused.value)
    assert str(page) in str(refused.value)
    (verdict,) = stores.ledger.verdicts.list("dirty", VerdictKind.VALIDATION)
    assert verdict.outcome == "failed"
    assert "whole (count), boolean (flag)" in verdict.reason
    assert "10 of 600 values are neither true nor false" in page.read_text()


def test_validating_twice_judges_once(stores: Stores) -> None:
    snapshot = stored(stores, clean())
    first = validate(CAPABILITY, snapshot, stores, NOW)
    assert validate(CAPABILITY, snapshot, stores, NOW + timedelta(days=1)) == first
    assert len(stores.ledger.verdicts.list("dirty")) == 1


def test_a_mended_contract_judges_the_same_rows_anew(stores: Stores) -> None:
    snapshot = stored(stores, clean().assign(count=1.5))
    with pytest.raises(ValidationFailed):
        validate(CAPABILITY, snapshot, stores, NOW)
    mended = changed(inputs={**CAPABILITY.inputs, "count": {"type": "number"}})
    assert validate(mended, snapshot, stores, NOW).outcome == "passed"


def test_the_reference_is_what_the_champion_learnt_from(stores: Stores) -> None:
    quiet, broken = clean(), with_values(clean(seed=2), "amount", np.nan, every=3)
    half = framed(quiet).event_time.iloc[-1] + timedelta(seconds=1)
    snapshot = stored(stores, pd.concat([quiet, broken], ignore_index=True), until=half)
    assert snapshot.rows == len(quiet)
    release(stores, snapshot.digest)
    from opslayer.steps.snapshot import take

    later = take(CAPABILITY, stores, NOW, Recipe.ALL, NOW)
    with pytest.raises(ValidationFailed, match=r"missing-share \(amount\)"):
        validate(CAPABILITY, later, stores, NOW)
    (verdict,) = stores.ledger.verdicts.list("dirty", VerdictKind.VALIDATION)
    assert verdict.numbers["reference"] == snapshot.digest


def release(stores: Stores, digest: str) -> None:
    """A champion, as the ledger knows one, that was trained on a snapshot."""
    stores.ledger.versions.add(
        Version(
            settings="as ever",
            capability="dirty", version=1, run_id="run", recipe=Recipe.ALL, snapshot=digest,
            exam=digest, cut=NOW, trained_at=NOW, cause="cause", manifest={},
        )
    )  # fmt: skip
    stores.ledger.releases.publish(
        Release(
            capability="dirty", number=1, parent=0, at=NOW, by="loop", reason="first",
            variants=(Variant(name="model-1", model_version=1),),
        )
    )  # fmt: skip


class Tags(HTMLParser):
    """Which elements and attributes a page really has."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen |= {tag, *(f"@{name}" for name, _ in attrs)}


def test_no_value_of_the_data_and_no_markup_of_a_name_reaches_a_report(stores: Stores) -> None:
    from opslayer.reports import validation_page

    hostile = "</td><script>alert(1)</script><img src=x onerror=alert(2)>"
    capability = changed(inputs={**CAPABILITY.inputs, hostile: {"type": "category"}})
    secret = "jane.doe@example.com"
    rows = with_values(clean(), "note", secret, every=3).assign(**{hostile: f"{secret}<b>"})
    rows.loc[3, "colour"] = secret
    checks = check(capability, framed_with(rows, hostile), framed_with(rows, hostile))
    assert ("choices", "colour") in breaches(checks)
    result = {
        "capability": "dirty", "snapshot": "0", "rows": 600, "since": "2024-01-01",
        "until": "2024-01-02", "as_of": "2024-01-02", "reference": None, "outcome": "failed",
        "reason": str(checks[0]), "checks": [item.as_dict() for item in checks],
    }  # fmt: skip
    html = validation_page.draw(result)
    assert secret not in html
    assert secret not in json.dumps(result)
    assert not Tags(html).seen & {"script", "img", "@onerror", "@src"}
    assert hostile not in html


def framed_with(rows: pd.DataFrame, column: str) -> Frame:
    frame = framed(rows)
    features = frame.features.assign(**{column: rows[column].astype(object)})
    return Frame(frame.row_ids, features, frame.target, frame.event_time, frame.known_time)
