"""`opslayer doctor`: is this installation well, and what to do where it is not."""

from __future__ import annotations

from commands.context import context
from commands.output import AsJson, show


def doctor(*, as_json: AsJson = False) -> int:
    """Check this installation, and say what to do.

    Looks at the machine, the files in configs/, the stores and the Prefect server. Changes
    nothing. Exits with 1 if anything that is needed does not work.
    """
    import os
    from datetime import UTC, datetime

    from opslayer.steps.doctor import Health, Installation, examine

    installation = Installation(context().settings, datetime.now(UTC), dict(os.environ))
    findings = examine(installation)
    show(findings, as_json, "Examined", columns=("status", "code", "message", "way_out"))
    return 1 if any(finding.status is Health.FAILURE for finding in findings) else 0
