"""Rules judged by Great Expectations, on this machine alone and without keeping a value."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from opslayer.judgement.checks import Check, Result
from opslayer.judgement.rules import Rule

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult

NO_SAMPLES = {"result_format": "BASIC", "partial_unexpected_count": 0}
"""Counts only: a sample of unexpected values would carry personal data into the report."""


def judge(rules: Sequence[Rule], table: pd.DataFrame) -> list[Check]:
    """One check per rule, in order. `table` holds the columns that the rules' options name.

    An ephemeral context: no project folder, no Data Docs, no checkpoint, no progress bars. A fresh
    one each time costs 10 ms, and keeps neither the data nor a name from another thread's run.
    """
    import great_expectations as gx
    from great_expectations import expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": table})
    suite = gx.ExpectationSuite(
        name="contract",
        expectations=[
            getattr(expectations, rule.expectation)(**rule.options, meta={"rule": position})
            for position, rule in enumerate(rules)
        ],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = batch.validate(suite, result_format=NO_SAMPLES).results
    found = {result.expectation_config.meta["rule"]: result for result in results}
    return [_check(rule, found[position]) for position, rule in enumerate(rules)]


def _check(rule: Rule, result: ExpectationValidationResult) -> Check:
    if _raised(result.exception_info):
        # Its message may quote a value, so it is not passed on.
        sentence = "Great Expectations could not look at it."
        return Check(rule.code, rule.column, Result.NOT_JUDGED, sentence, allowed=rule.allowed)
    seen = _seen(result.result)
    observed = seen[rule.observes]
    if result.success:
        return Check(rule.code, rule.column, Result.PASSED, rule.claim, observed, rule.allowed)
    sentence = rule.fault.format(**seen)
    return Check(rule.code, rule.column, rule.breach, sentence, observed, rule.allowed)


def _raised(info: dict[str, Any]) -> bool:
    """GX gives one such record, or one per metric that raised."""
    records = [info] if "raised_exception" in info else info.values()
    return any(record.get("raised_exception") for record in records)


def _seen(result: dict[str, Any]) -> dict[str, Any]:
    count = result.get("unexpected_count") or 0
    total = (result.get("element_count") or 0) - (result.get("missing_count") or 0)
    value = result.get("observed_value")
    number = float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
    share = count / total if total else 0.0
    return {"count": count, "total": total, "share": share, "value": number, "observed": number}
