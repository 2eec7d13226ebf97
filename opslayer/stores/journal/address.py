"""The address of the journal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from opslayer.stores.journal.lock import is_held
from opslayer.stores.journal.segment import LOCK
from opslayer.stores.journal.writer import Writer


@dataclass(frozen=True, slots=True)
class Journal:
    """The address of all writers' folders."""

    root: Path

    def writer(self, name: str) -> Writer:
        """Open a writer's folder; raises StoreError where another process has it, or it can't be
        made."""
        return Writer(self.root / name)

    def writers(self) -> list[str]:
        """The names of all writers that left something."""
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if path.is_dir())

    def is_written(self, name: str) -> bool:
        """Whether a process has a writer's folder open now."""
        return is_held(self.root / name / LOCK)
