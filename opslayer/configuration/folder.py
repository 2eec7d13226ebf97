"""The capability files as they are now: read again only where one has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from opslayer.capability import Capability
from opslayer.configuration import files, read

Stamp = tuple[int, int]


@dataclass(slots=True)
class Files:
    """A folder of capability files, and what they said last."""

    configs: Path
    _stamps: dict[Path, Stamp] = field(default_factory=dict)
    _known: dict[str, Capability] = field(default_factory=dict)
    _wrong: dict[str, str] = field(default_factory=dict)

    def read(self) -> tuple[Sequence[Capability], Mapping[str, str]]:
        """Every capability, and by name what is wrong with a file.

        A file that was right and is wrong now leaves its capability as it was.
        """
        stamps = self._look()
        for path in self._stamps.keys() - stamps.keys():
            self._known.pop(path.stem, None)
            self._wrong.pop(path.stem, None)
        for path, stamp in stamps.items():
            if self._stamps.get(path) != stamp:
                self._take(path)
        self._stamps = stamps
        return list(self._known.values()), self._wrong

    def _take(self, path: Path) -> None:
        reading = read(path)
        if reading.capability is None:
            self._wrong[path.stem] = "; ".join(str(problem) for problem in reading.problems)
            return
        self._wrong.pop(path.stem, None)
        self._known[path.stem] = reading.capability

    def _look(self) -> dict[Path, Stamp]:
        found = {}
        for path in files(self.configs):
            try:
                stat = path.stat()
            except FileNotFoundError:  # taken away since the folder was listed
                continue
            found[path] = (stat.st_mtime_ns, stat.st_size)
        return found
