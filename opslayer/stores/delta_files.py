"""Which files make up a Delta table: its log decides, never the folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from opslayer.errors import StoreError

LOG = "_delta_log"
LAST = "_last_checkpoint"
DIGITS = 20
"""Of a version in the name of a file of the log (delta.io/protocol, Delta Log Entries)."""


@dataclass(frozen=True, slots=True)
class TableFiles:
    """The files of a local table as of a version."""

    folder: Path
    version: int

    def of_log(self) -> Iterator[Path]:
        """The log's files up to the version."""
        for path in sorted((self.folder / LOG).iterdir()):
            number = _version(path)
            if number is not None and number <= self.version:
                yield path
        last = self.folder / LOG / LAST
        if last.exists() and int(json.loads(last.read_text())["version"]) <= self.version:
            yield last

    def needed(self) -> list[Path]:
        """The files with the rows of that version. Raises StoreError where the log can't be
        read."""
        import pyarrow as pa
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            table = DeltaTable(str(self.folder), version=self.version)
        except (DeltaError, OSError) as error:
            raise StoreError(f"{self.folder} can't be read: {error}") from error
        return [self._data(name) for name in pa.table(table.get_add_actions())["path"].to_pylist()]

    def earlier(self) -> list[Path]:
        """Files of earlier versions that are still there: lineage reads training sets as they were
        when they were taken."""
        found = set()
        for path in self.of_log():
            if path.suffix == ".json":
                lines = [json.loads(line) for line in path.read_text().splitlines() if line]
                found |= {line["add"]["path"] for line in lines if "add" in line}
        there = (self._data(name) for name in sorted(found))
        return [path for path in there if path.is_file()]

    def _data(self, name: str) -> Path:
        return self.folder / unquote(name)


def tables(lake: Path) -> list[TableFiles]:
    """Every table below a folder, CAPABILITY/TABLE, with its version at this moment."""
    found = []
    for log in sorted(lake.glob(f"*/*/{LOG}")):
        versions = [_version(path) for path in log.iterdir() if path.suffix == ".json"]
        known = [one for one in versions if one is not None]
        if known:
            found.append(TableFiles(log.parent, max(known)))
    return found


def _version(path: Path) -> int | None:
    digits = path.name[:DIGITS]
    return int(digits) if len(digits) == DIGITS and digits.isdigit() else None
