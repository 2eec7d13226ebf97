"""Make a data folder of a backup: checked, brought up to this code's schema, cleaned of whoever was
erased since, and only then given its name.

All of it happens in a folder beside, so that a kill leaves what was there, and asking again starts
anew. Whoever was erased after the backup does not come back: the receipts of the folder that is
replaced, of those that earlier restores set aside, and of a list from elsewhere are carried out
again on what the backup holds.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TextIO

from opslayer.errors import Refused, StoreError
from opslayer.records import Erasure
from opslayer.settings import DATABASE, TRACKING, Settings
from opslayer.steps.erase import Find, Order, erase
from opslayer.steps.forget import forget
from opslayer.stores import Stores
from opslayer.stores.archive import Manifest, alone, opened
from opslayer.stores.journal import Journal, drain
from opslayer.stores.journal.segment import sync_folder
from opslayer.stores.last_backup import LastBackup
from opslayer.stores.ledger.database import close, forget_changes
from opslayer.stores.ledger.erasures import Tombstone, tombstones_at
from opslayer.stores.ledger.migrate import HEAD
from opslayer.stores.relocation import Move
from opslayer.stores.secret import fingerprint, installation_secret
from opslayer.stores.tracking import bring_forward

STAGE, REPLACED = "restoring", "replaced"
RECEIPT = 2**20
"""Characters of a receipt in a list, at most."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be restored, and who wants it."""

    file: Path
    by: str
    reason: str
    at: datetime
    former: Path | None = None
    """The data folder of this machine, where the backup is restored into another one."""
    replace: bool = False
    """Whether the data folder may be there: it is set aside then."""
    erasures: Path | None = None
    """A list of receipts from elsewhere: `opslayer export erasures`."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A data folder that was restored."""

    home: Path
    taken: datetime
    """What the backup is of: later calls are not in it."""
    covers: tuple[str, ...]
    elsewhere: tuple[str, ...]
    erased: int
    """Subjects that had been erased since, and were erased again."""
    learnt: dict[str, tuple[int, ...]]
    """By capability, model versions that had learnt from them and are still there."""
    erasures_known: bool
    """Whether any data folder, or a list, said who was erased since; else some may be back."""
    aside: Path | None
    """Where the folder that was replaced lies now."""


def restore(wish: Wish, settings: Settings, at: Callable[[Path], Stores], find: Find) -> Restored:
    """Restore a backup as the data folder of the settings; `at` gives the stores of a folder.

    Raises Refused for a file that is no whole backup, is newer than this code or is of another
    secret, and for a data folder that is not empty; StoreError where the disk or a store fails.
    Nothing is changed then.
    """
    home = settings.root
    with opened(wish.file) as archive, alone(home.parent):
        manifest = archive.manifest
        _check(manifest, wish, settings)
        graves, known = _graves(wish, home, manifest)
        stage = home.with_name(f".{home.name}.{STAGE}")
        shutil.rmtree(stage, ignore_errors=True)  # of one that was killed
        try:
            archive.unpack(stage)
            work = _Work(settings, stage, manifest, at(stage))
            receipts = work.prepare(graves, find)
            work.finish(wish)
            aside = _give_name(stage, home, wish.at)
        except OSError as error:
            raise StoreError(f"{stage} can't be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    learnt = _learnt(receipts)
    told = (manifest.taken, manifest.covers, manifest.elsewhere)
    return Restored(home, *told, len(receipts), learnt, known, aside)


def _check(manifest: Manifest, wish: Wish, settings: Settings) -> None:
    """Raise Refused with everything that speaks against it at once."""
    home, said = settings.root, []
    if manifest.revision > HEAD:
        said.append(
            f"{wish.file} has schema {manifest.revision}, and this Opslayer knows schemas up to "
            f"{HEAD}: install Opslayer {manifest.opslayer} or a newer one"
        )
    for part in sorted(set(manifest.elsewhere) ^ set(settings.elsewhere)):
        variable = f"OPSLAYER_{part}_url".upper()
        if part in manifest.elsewhere:
            said.append(f"{part} is not in the backup: restore it, and set {variable} to it")
        else:
            said.append(f"{part} is in the backup, and {variable} names another one: unset it")
    if home.exists() and not home.is_dir():
        said.append(f"{home} is a file: set OPSLAYER_HOME to a folder")
    elif home.is_dir() and any(home.iterdir()):
        if not wish.replace:
            said.append(
                f"{home} is not empty: restore --into another folder, or --replace it, with a "
                "--reason; it is set aside then, not removed"
            )
        journal = Journal(home / "journal")
        if any(journal.is_written(writer) for writer in journal.writers()):
            said.append(f"a gateway is answering from {home}: stop it first")
    if said:
        raise Refused("\n".join(said))


def _graves(wish: Wish, home: Path, manifest: Manifest) -> tuple[list[Tombstone], bool]:
    """Who was erased, as every data folder here and a list from elsewhere know it; and whether
    there was any of these."""
    homes = {wish.former or home, home, *home.parent.glob(f"{home.name}.{REPLACED}-*")}
    found: dict[str, Tombstone] = {}
    known = wish.erasures is not None
    for one in sorted(homes):
        path = one / DATABASE
        known |= path.is_file()
        try:
            there = tombstones_at(path) if path.is_file() else []
        except StoreError as error:
            raise Refused(
                f"who was erased since the backup is not known, for {error}. Move {one} away, and "
                "give the receipts with --erasures if you have them (opslayer export erasures)"
            ) from error
        found.update((grave.id, grave) for grave in there)
    if wish.erasures is not None:
        found.update((grave.id, grave) for grave in _listed(wish.erasures, manifest.secret))
    return list(found.values()), known


def _listed(path: Path, secret: str) -> Iterator[Tombstone]:
    """The receipts in a list. Raises Refused for a line that is none, or of other subjects."""
    with path.open(errors="replace") as file:
        yield from _receipts(path, file, secret)


def _receipts(path: Path, file: TextIO, secret: str) -> Iterator[Tombstone]:
    for number, line in enumerate(iter(partial(file.readline, RECEIPT), ""), 1):
        try:
            said = json.loads(line)  # of one that is longer, this is a part, and no receipt
            of = said.pop("secret")
            grave = Tombstone.model_validate(said)
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise Refused(
                f"{path}:{number}: no receipt as `opslayer export erasures` writes them"
            ) from error
        if of != secret:
            raise Refused(f"{path}:{number}: its subjects are hashed with another secret")
        yield grave


@dataclass(frozen=True, slots=True)
class _Work:
    """A data folder on its way to its place."""

    settings: Settings
    stage: Path
    manifest: Manifest
    stores: Stores

    def prepare(self, graves: Sequence[Tombstone], find: Find) -> list[Erasure]:
        """Bring it to this code's schemas, carry the journal on, and erase again; the receipts of
        those who were there."""
        self._check_secret()
        if self._tracking.is_file():
            Move(Path(self.manifest.home), self.stage, self.stage).run(self._tracking)
            bring_forward(self._tracking)
        erasures = self.stores.ledger.erasures
        known = {one.id: one.done for one in erasures.all()}
        for grave in graves:
            if not known.get(grave.id):
                erasures.take_over(grave)
        drain(self.stores.journal, self.stores.events)
        removed = {grave.id for grave in graves if grave.forget}
        return self._erase(removed, find)

    def finish(self, wish: Wish) -> None:
        """Let its paths be those of its place, and make it durable."""
        url, home = self.stores.events.url, self.settings.root
        forget_changes(url)
        close(url)
        if self._tracking.is_file():
            Move(self.stage, home, self.stage).run(self._tracking)
        LastBackup(
            taken=self.manifest.taken,
            file=str(wish.file.resolve()),
            restored=wish.at,
            by=wish.by,
            reason=wish.reason,
        ).write(self.stage)
        for path in self.stage.rglob("*"):
            sync_folder(path)
        sync_folder(self.stage)

    @property
    def _tracking(self) -> Path:
        return self.stage / TRACKING

    def _check_secret(self) -> None:
        staged = self.settings.model_copy(update={"home": self.stage})
        if fingerprint(installation_secret(staged)) != self.manifest.secret:
            raise Refused(
                "the backup's subjects are hashed with another secret: set OPSLAYER_SECRET to what "
                "it was when the backup was taken, or unset it where it was not set then"
            )

    def _erase(self, removed: Set[str], find: Find) -> list[Erasure]:
        ledger, present, done = self.stores.ledger.erasures, self.stores.events.subjects(), []
        for receipt in ledger.all():
            if receipt.done:
                continue
            if receipt.subject not in present:
                ledger.keep(receipt.model_copy(update={"done": True}))
                continue
            order = Order(receipt.by, receipt.reason, receipt.at)
            again = erase(receipt.subject, find, self.stores, order)
            done.append(forget(again, self.stores) if receipt.id in removed else again)
        return done


def _learnt(receipts: Sequence[Erasure]) -> dict[str, tuple[int, ...]]:
    """The models that had learnt from whoever was erased again, and are still there."""
    left: dict[str, set[int]] = {}
    for one in receipts:
        for name, numbers in one.models.items():
            left.setdefault(name, set()).update(set(numbers) - {*one.forgotten.get(name, ())})
    return {name: tuple(sorted(numbers)) for name, numbers in left.items() if numbers}


def _give_name(stage: Path, home: Path, at: datetime) -> Path | None:
    """Put it in its place; returns where what was there lies now. Killed between the two renames,
    the next restore finds the receipts of what was set aside."""
    aside = None
    if home.is_dir() and any(home.iterdir()):
        aside = home.with_name(f"{home.name}.{REPLACED}-{at:%Y%m%dT%H%M%S%fZ}")
        os.rename(home, aside)
    os.rename(stage, home)
    sync_folder(home.parent)
    return aside
