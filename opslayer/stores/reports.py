"""Pages and JSON that a reviewer reads: one folder per capability and judgement."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from opslayer.errors import StoreError


@dataclass(frozen=True, slots=True)
class Reports:
    """The folder of all reports."""

    root: Path

    def path(self, capability: str, name: str) -> Path:
        """Where a report file lies, its folder made: `name` as in `validation/DIGEST.html`."""
        path = self.root / capability / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def expire(self, capability: str, since: datetime) -> int:
        """Remove a capability's files that were written before a moment, and the folders that are
        empty then; returns how many files. Raises StoreError."""
        root, removed = self.root / capability, 0
        try:
            # The deepest first, so that a folder comes after all that was in it.
            for path in sorted(root.rglob("*"), reverse=True):
                if path.is_dir():
                    with suppress(OSError):  # there is something in it
                        path.rmdir()
                elif path.lstat().st_mtime < since.timestamp():
                    path.unlink(missing_ok=True)
                    removed += 1
        except OSError as error:
            raise StoreError(f"reports in {root} can't be removed: {error.strerror}") from error
        return removed

    def write(self, capability: str, name: str, content: str | dict[str, Any]) -> Path:
        """Write text or JSON whole: a reader never sees half a file."""
        text = content if isinstance(content, str) else json.dumps(content, indent=2, default=str)
        path = self.path(capability, name)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
        return path
