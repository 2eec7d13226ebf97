"""Check a snapshot against the capability's contract before anything is trained on it."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from opslayer.capability import Capability
from opslayer.errors import ValidationFailed
from opslayer.records import Snapshot, Verdict, VerdictKind, digest_of
from opslayer.steps import snapshot as snapshots
from opslayer.stores import Stores

if TYPE_CHECKING:
    from opslayer.judgement.checks import Check

# As it is imported, Great Expectations sets this logger to tell of each temporary folder, on
# whatever terminal there is; a filter outlives that.
logging.getLogger("great_expectations.data_context.types.base").addFilter(
    lambda record: record.levelno > logging.INFO
)


def validate(
    capability: Capability, snapshot: Snapshot, stores: Stores, as_of: datetime
) -> Verdict:
    """Judge a snapshot; keep the verdict, its JSON and its page; raise if a check failed.

    Compared with the training snapshot of the model that served at `as_of`, where there is one.
    Writes `validation/DIGEST.json` and `.html` first and the verdict last, so that a verdict always
    has its page, and a rerun after a kill repeats both. Returns the ledger's verdict, `passed`.
    Its `about` names the snapshot, the contract and the reference: after a change of the contract
    the same rows are judged anew.

    Raises ValidationFailed, with every failed check and the page's path, after all was kept.
    """
    from opslayer.judgement.contract import check
    from opslayer.reports import validation_page

    reference = reference_of(capability, stores, as_of)
    frame = snapshots.load(capability, snapshot.digest, stores)
    before = snapshots.load(capability, reference, stores) if reference else None
    if before is not None and not len(before.row_ids):
        before = reference = None  # all of it has expired: there is nothing to compare with
    checks = check(capability, frame, before)
    verdict = _verdict(capability, snapshot, checks, reference, as_of)
    result = _result(snapshot, verdict, checks)
    name = f"validation/{snapshot.digest}"
    stores.reports.write(capability.name, f"{name}.json", result)
    page = stores.reports.write(capability.name, f"{name}.html", validation_page.draw(result))
    kept = stores.ledger.verdicts.record(verdict)
    if kept.outcome == "failed":
        raise ValidationFailed(_refusal(capability, snapshot, checks, str(page)))
    return kept


def reference_of(capability: Capability, stores: Stores, as_of: datetime) -> str | None:
    """Digest of the training snapshot of the champion at `as_of`; None where no model served."""
    releases = [
        release for release in stores.ledger.releases.all(capability.name) if release.at <= as_of
    ]
    if not releases or releases[-1].champion.model_version is None:
        return None
    version = releases[-1].champion.model_version
    return stores.ledger.versions.get(capability.name, version).snapshot


def _verdict(
    capability: Capability,
    snapshot: Snapshot,
    checks: list[Check],
    reference: str | None,
    as_of: datetime,
) -> Verdict:
    failed = [check for check in checks if check.result == "failed"]
    warned = [check for check in checks if check.result == "warning"]
    contract = capability.model_dump_json(include={"kind", "inputs", "target", "classes"})
    return Verdict(
        capability=capability.name,
        kind=VerdictKind.VALIDATION,
        about=f"{snapshot.digest}/{digest_of(contract, reference)}",
        outcome="failed" if failed else "passed",
        reason=_reason(failed, warned, len(checks)),
        at=as_of,
        numbers={
            "snapshot": snapshot.digest,
            "reference": reference,
            "rows": snapshot.rows,
            "checks": [_row(check) for check in checks],
        },
    )


def _row(check: Check) -> dict[str, Any]:
    kept = ("code", "column", "result", "observed", "allowed")
    return {key: check.as_dict()[key] for key in kept}


def _reason(failed: list[Check], warned: list[Check], total: int) -> str:
    if failed:
        return f"{len(failed)} of {total} checks failed: {_named(failed)}."
    also = f"; {len(warned)} warned: {_named(warned)}" if warned else ""
    return f"No check of {total} failed{also}."


def _named(checks: list[Check]) -> str:
    """Codes with their columns: `missing (hum, temp), rows`."""
    from opslayer.judgement.checks import shown

    columns: dict[str, list[str]] = {}
    for check in checks:
        columns.setdefault(check.code, []).extend([shown(check.column)] if check.column else [])
    return ", ".join(
        f"{code} ({', '.join(names)})" if names else code for code, names in columns.items()
    )


def _result(snapshot: Snapshot, verdict: Verdict, checks: list[Check]) -> dict[str, Any]:
    """What is kept as JSON and drawn as the page."""
    return {
        "capability": snapshot.capability,
        "snapshot": snapshot.digest,
        "recipe": snapshot.recipe.value,
        "rows": snapshot.rows,
        "since": snapshot.since.isoformat(),
        "until": snapshot.until.isoformat(),
        "as_of": snapshot.as_of.isoformat(),
        "reference": verdict.numbers["reference"],
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "checks": [check.as_dict() for check in checks],
    }


def _refusal(capability: Capability, snapshot: Snapshot, checks: list[Check], page: str) -> str:
    failed = [f"  {check}" for check in checks if check.result == "failed"]
    return "\n".join(
        [
            f"{capability.name}: snapshot {snapshot.digest[:12]} broke its contract, so nothing "
            "was trained:",
            *failed,
            f"The whole table: {page}",
            "Mend the source, or the contract in the capability's file, and run it again.",
        ]
    )
