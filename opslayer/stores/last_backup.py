"""What a data folder remembers of its backups: the last one, and the one it was restored from."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from opslayer.records import Record, Time

FILE = "last-backup.json"
"""Its name in the data folder."""


class LastBackup(Record):
    """The newest backup of a data folder."""

    taken: Time
    file: str
    restored: Time | None = None
    """When the folder was made of it, if it was."""
    by: str | None = None
    reason: str | None = None

    def write(self, home: Path) -> None:
        """Remember it, as a whole; raises OSError."""
        aside = home / f".{FILE}.{os.getpid()}"
        aside.write_text(self.model_dump_json())
        os.replace(aside, home / FILE)


def last_backup(home: Path) -> LastBackup | None:
    """The newest backup that a data folder remembers, if any."""
    with suppress(OSError, ValidationError):
        return LastBackup.model_validate_json((home / FILE).read_text())
    return None
