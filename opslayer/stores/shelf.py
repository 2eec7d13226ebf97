"""The shelf: copies of released models' files on this machine, so that a start asks no registry.

Every file is checked against the ledger's manifest at each load, whoever wrote it: what differs is
fetched anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from time import time
from typing import TYPE_CHECKING

from opslayer.errors import UntrustedModel
from opslayer.records import Version, digest_of
from opslayer.stores.folder import remove_folder
from opslayer.stores.manifest import unseal
from opslayer.stores.models import Models, Serialization, build

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

ASIDE = ".new-"
HOUR = 3600
"""Seconds after which whoever was putting something here has died."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of models, and where those that are not in it come from."""

    folder: Path
    models: Models

    def load(self, version: Version, serialization: Serialization = "skops") -> Pipeline:
        """A version's pipeline, from here if its files are whole, else from the registry.

        Raises what `Models.load` raises.
        """
        return build(self._contents(version), serialization)

    def keep_only(self, versions: Sequence[Version]) -> None:
        """Take away all that is not one of these versions, nor being put here right now."""
        wanted = {self._place(version).name for version in versions}
        with suppress(OSError):
            for place in self.folder.iterdir():
                busy = place.name.startswith(ASIDE) and time() - place.stat().st_mtime < HOUR
                if place.name not in wanted and not busy:
                    shutil.rmtree(place, ignore_errors=True)

    def drop(self, version: Version) -> None:
        """Take a version away, if it is here. Raises StoreError where it stays."""
        remove_folder(self._place(version))

    def _contents(self, version: Version) -> dict[str, bytes]:
        place = self._place(version)
        if place.is_dir():
            with suppress(UntrustedModel, OSError):
                return unseal(place, version.manifest)
            shutil.rmtree(place, ignore_errors=True)
        contents = self.models.contents(version)
        self._put(place, contents)
        return contents

    def _put(self, place: Path, contents: dict[str, bytes]) -> None:
        """Keep a copy, whole or not at all; a full disk costs only the next start some time."""
        aside: str | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            aside = mkdtemp(prefix=ASIDE, dir=self.folder)
            for name, content in contents.items():
                path = Path(aside, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            os.rename(aside, place)
        except OSError:
            if aside is not None:
                shutil.rmtree(aside, ignore_errors=True)

    def _place(self, version: Version) -> Path:
        return self.folder / digest_of(version.capability, *sorted(version.manifest.items()))
