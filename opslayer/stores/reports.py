"""Pages and JSON that a reviewer reads: one folder per capability and judgement."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Reports:
    """The folder of all reports."""

    root: Path

    def path(self, capability: str, name: str) -> Path:
        """Where a report file lies, its folder made: `name` as in `validation/DIGEST.html`."""
        path = self.root / capability / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, capability: str, name: str, content: str | dict[str, Any]) -> Path:
        """Write text or JSON whole: a reader never sees half a file."""
        text = content if isinstance(content, str) else json.dumps(content, indent=2, default=str)
        path = self.path(capability, name)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
        return path
