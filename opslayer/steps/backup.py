"""A hot backup of a data folder: everything in it that can't be made again, in one file.

Others write all the while, so the order in which the stores are looked at is what keeps every
pointer whole:

1. The journal before the log. A record moves from the one to the other, so a record that is gone
   from the journal is in the log that is copied later; one that is in both is taken in once.
2. The ledger and the lake at one moment, in which nobody can write the ledger. An ingest says in
   the ledger what it is about to append, appends, and says that it is done. A lake older than the
   ledger would lack rows that are said to be there; a younger one would hold batches whose numbers
   the ledger gives out again, and Delta would take what comes under them for appended. The moment
   is short: Delta's files never change, so only each table's version is looked up in it.
3. MLflow after the ledger. A model is registered first and in the ledger afterwards, so each
   version that the ledger names is there; one more than that is what a killed training leaves.
4. Files of models and reports last: what a database names was written before it was named.

Who is erased meanwhile takes files of the lake away: then it begins anew.

Not in it: configs/, which belong under version control; what the gateway keeps to start faster;
Prefect's record of past runs; logs; the demo.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from opslayer.errors import Refused, StoreError
from opslayer.settings import DATABASE, TRACKING, Settings
from opslayer.stores.archive import Manifest, Writing, writing
from opslayer.stores.delta_files import TableFiles, tables
from opslayer.stores.journal import Journal
from opslayer.stores.last_backup import LastBackup
from opslayer.stores.ledger.frozen import column, copy, frozen
from opslayer.stores.ledger.migrate import VERSION_TABLE
from opslayer.stores.run import ASIDE
from opslayer.stores.secret import FILE as SECRET
from opslayer.stores.secret import fingerprint, installation_secret

ATTEMPTS = 5
"""Times it begins anew because somebody was erased meanwhile."""
INSTEAD = {
    "database": "the ledger and the log lie in the database that {variable} names: use its own "
    "backup (pg_dump), and stop the flows while it and all else are copied",
    "lake": "the lake lies where {variable} says: turn the bucket's versioning on, and restore it "
    "to the moment of the backup of the rest, neither before nor after",
    "mlflow": "MLflow is the server that {variable} names: back up its database and its artefacts "
    "after the rest",
}


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was written."""

    file: Path
    taken: datetime
    bytes: int
    parts: int
    covers: tuple[str, ...]
    elsewhere: tuple[str, ...]


def refuse_elsewhere(settings: Settings, local: bool) -> None:
    """Refuse what can't be backed up or restored as a whole from here: all of it where the database
    is elsewhere, else what is elsewhere unless `local` says that the rest is wanted."""
    away = settings.elsewhere
    if not away or (local and "database" not in away):
        return
    said = [INSTEAD[part].format(variable=variable) for part, variable in away.items()]
    more = "" if "database" in away else "\n--local takes what lies in the data folder"
    raise Refused("\n".join(said) + more)


def backup(settings: Settings, target: Path, at: datetime) -> Backup:
    """Back up the data folder into a file that is not there yet, while it is in use.

    Every call that was acknowledged before is in it. The file holds the installation's secret where
    the data folder does, since without it the log's subjects are found by nobody; it is readable
    for its owner alone. Raises Refused where there is nothing to back up, StoreError where a store
    or the disk does not let it.
    """
    root = settings.root
    if not (root / DATABASE).is_file():
        raise Refused(f"there is nothing to back up at {root}: set OPSLAYER_HOME")
    if target.resolve().is_relative_to(root):
        raise Refused(f"{target} lies in the data folder and would be lost with it: choose another")
    for _ in range(ATTEMPTS):
        with suppress(FileNotFoundError), writing(target) as into:
            manifest = _Backup(settings, into).taken(at)
            break
    else:
        raise StoreError("files of the lake are removed all the time: ask again later")
    with suppress(OSError):  # a full disk costs only what the doctor says
        LastBackup(taken=at, file=str(target.resolve())).write(root)
    size, elsewhere = target.stat().st_size, tuple(settings.elsewhere)
    return Backup(target, at, size, len(manifest.parts), manifest.covers, elsewhere)


@dataclass(frozen=True, slots=True)
class _Backup:
    settings: Settings
    into: Writing

    @property
    def root(self) -> Path:
        return self.settings.root

    def taken(self, at: datetime) -> Manifest:
        """Add every part in the order that the module's first lines give reasons for."""
        self._journal()
        revision, found = self._ledger()
        if (self.root / TRACKING).is_file() and "mlflow" not in self.settings.elsewhere:
            copy(self.root / TRACKING, self.into.aside / TRACKING)
            self.into.add_copy(TRACKING)
        for path in _files(self.root / "models", self.root / "reports"):
            with suppress(FileNotFoundError):  # forgotten, or of a training that came to nothing
                self.into.add(self._name(path), path)
        self._lake(found)
        secret = installation_secret(self.settings)
        if self.settings.secret is None:
            self.into.add(SECRET, self.root / SECRET)
        manifest = self._manifest(at, revision, fingerprint(secret))
        self.into.close(manifest)
        return manifest

    def _journal(self) -> None:
        journal = Journal(self.root / "journal")
        for writer in journal.writers():
            for path in sorted((journal.root / writer).glob("[0-9]*.*")):
                with suppress(FileNotFoundError):  # carried into the log, which is copied later
                    # A segment is given its room at once: what is behind its records is empty.
                    self.into.add_bytes(self._name(path), path.read_bytes().rstrip(b"\0"))

    def _ledger(self) -> tuple[str, Sequence[TableFiles]]:
        target = self.into.aside / DATABASE
        with frozen(self.root / DATABASE) as database:
            local = "lake" not in self.settings.elsewhere
            found = tables(Path(self.settings.lake)) if local else []
            database.release()
            database.copy(target)
        query = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - our own name
        revision = column(target, query)
        if not revision:
            raise Refused(f"{self.root / DATABASE} is no database of Opslayer")
        self.into.add_copy(DATABASE)
        return revision[0], found

    def _lake(self, found: Sequence[TableFiles]) -> None:
        for table in found:
            needed = table.needed()
            for path in (*table.of_log(), *needed):
                self.into.add(self._name(path), path)
            for path in set(table.earlier()) - set(needed):
                with suppress(FileNotFoundError):
                    self.into.add(self._name(path), path)

    def _manifest(self, at: datetime, revision: str, secret: str) -> Manifest:
        parts = dict(self.into.parts)
        return Manifest(
            opslayer=version("opslayer"),
            revision=revision,
            taken=at.astimezone(UTC),
            home=str(self.root),
            secret=secret,
            covers=tuple(sorted({name.partition("/")[0] for name in parts})),
            elsewhere=tuple(self.settings.elsewhere),
            parts=parts,
        )

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _files(*folders: Path) -> Iterator[Path]:
    """Every file below folders that is whole: what is being written has a name with a dot."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            inner = path.relative_to(folder).parts
            hidden = inner[0] == ASIDE or inner[-1].startswith(".")
            if path.is_file() and not path.is_symlink() and not hidden:
                yield path
