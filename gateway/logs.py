"""The gateway's log: one JSON object a line on standard error, and never what anybody said.

A line holds ids, names from the configuration, numbers and sentences of ours. Of an exception that
nobody foresaw only its type and the places in our code are told: its text could hold a payload or a
secret.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

from opslayer.records import Interaction

calls = logging.getLogger("opslayer.calls")


class JsonLines(logging.Formatter):
    """A record as one line of JSON, whatever is in it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line: control characters are escaped, so that no text begins another one."""
        said: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        said |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            said["error"] = type(record.exc_info[1]).__name__
            said["trace"] = places(record.exc_info[1])
        return json.dumps(said, ensure_ascii=True, default=str)


def places(error: BaseException) -> list[str]:
    """Where an error came from: file, line and function, without a value."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


def configure(level: str = "info") -> None:
    """Let everything that this process logs go to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("opslayer").setLevel(level.upper())


def line(interaction: Interaction, trace: str | None) -> None:
    """One line for an answered call; `trace` is the id of the trace that it is in."""
    if calls.isEnabledFor(logging.INFO):
        fields = {
            "interaction": interaction.id,
            "capability": interaction.capability,
            "variant": interaction.variant,
            "release": interaction.release,
            "status": interaction.status.value,
            "fallback": interaction.fallback,
            "ms": interaction.latency_ms,
            "tenant": interaction.tenant,
        }
        if trace:
            fields["trace_id"] = trace
        calls.info("call", extra={"fields": fields})
