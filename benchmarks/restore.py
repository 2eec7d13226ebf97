"""P31, P3: a backup of a house in use brings back all of it, and so does an earlier version's data.

1. A home of the first schema, with a log of CALLS calls: backed up as it is, restored as this
   version's; killed at every statement of its migration; a later schema is refused.
2. A gateway of two workers under load, with an ingest that never rests: BACKUPS backups, one after
   the other; then the home is deleted and each is restored elsewhere.
3. Backup and restore killed before every write of a database and every file that is made, renamed
   or removed; STEP=10 tries every tenth point.

`CALLS=2000 BACKUPS=2 STEP=20` for a quick look.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.bars import Bar, finish, say
from benchmarks.first_home import make_first_home
from benchmarks.gateway import free_port, module, running
from benchmarks.kills import dies, dies_at_file
from benchmarks.load import percentile
from benchmarks.predictor import COLUMNS, make_predictor
from opslayer.configuration import load_capability
from opslayer.errors import OpslayerError
from opslayer.settings import Settings
from opslayer.steps.ingest import ingest
from opslayer.steps.trace import verify
from opslayer.stores import Stores
from opslayer.stores.archive import opened
from opslayer.stores.ledger.database import close

CALLS = int(os.environ.get("CALLS", "100000"))
BACKUPS = int(os.environ.get("BACKUPS", "10"))
STEP = int(os.environ.get("STEP", "1"))
CLIENTS = 8
BETWEEN = 2.0
"""Seconds from one backup to the next."""


def opslayer(home: Path, configs: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run the command line on a home."""
    told = {"OPSLAYER_HOME": str(home), "OPSLAYER_CONFIGS": str(configs)}
    command = [sys.executable, "-m", "commands", *map(str, words)]
    environment = {**os.environ, **told}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def stores_at(home: Path) -> Stores:
    """The stores of a home."""
    return Stores.at(Settings(home=home))


# ---------------------------------------------------------------------- an earlier version's data


def entries(home: Path) -> Counter[tuple[str, str]]:
    """The kind and id of every entry of the log, how often it is there."""
    with closing(sqlite3.connect(home / "opslayer.db")) as connection:
        rows = connection.execute("SELECT kind, id FROM events")
        return Counter((str(kind), str(id)) for kind, id in rows)


def migrate(home: str) -> None:
    """Bring a home to this schema, as its first use does."""
    stores_at(Path(home)).ledger.releases.newest("grown")


def upgraded(folder: Path) -> list[Bar]:
    """The bars of the first schema's data."""
    home, file, new = folder / "first", folder / "first.backup", folder / "first-new"
    wanted = Counter(make_first_home(home, CALLS))
    begun = time.perf_counter()
    failed = opslayer(home, folder, "backup", "--output", file).returncode
    took = time.perf_counter() - begun
    failed += opslayer(home, folder, "restore", file, "--into", new).returncode
    say(f"first schema: {sum(wanted.values()):,} entries, backed up in {took:.1f} s")
    found = entries(new) if not failed else Counter()
    release = stores_at(new).ledger.releases.newest("grown") if not failed else None
    found_about = stores_at(new).events.answered_by("grown", ["constant"], 1)[0] if release else 0
    spoilt, points = killed_migrations(folder)
    refused = later_refused(folder, new)
    return [
        Bar("entries of the first schema lost or doubled", len((wanted - found) | (found - wanted)),
            "== 0", sum(wanted.values())),
        Bar("of its answers not found by who gave them", CALLS - found_about, "== 0", CALLS),
        Bar("migrations killed that lost something", spoilt, "== 0", points),
        Bar("later schemas not refused, in a backup or a home", 2 - refused, "== 0", 2),
    ]  # fmt: skip


def killed_migrations(folder: Path) -> tuple[int, int]:
    """Migrations killed at each write after which something was missing, and how many were."""
    source, home = folder / "small", folder / "killed"
    wanted, spoilt, point = Counter(make_first_home(source, 500)), 0, 1
    while True:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(source, home)
        died = dies(point, migrate, str(home))
        spoilt += entries(home) != wanted
        migrate(str(home))
        spoilt += entries(home) != wanted
        close(stores_at(home).events.url)
        if not died:
            break
        point += 1
        home = folder / f"killed-{point}"
    say(f"migration killed at {point - 1} writes: {spoilt} spoilt")
    return spoilt, point - 1


def later_refused(folder: Path, new: Path) -> int:
    """How many of two later schemas were refused by name: in a backup, and in a home."""
    home = folder / "later"
    shutil.copytree(new, home)
    with closing(sqlite3.connect(home / "opslayer.db")) as connection, connection:
        connection.execute("UPDATE opslayer_version SET version_num = '0999'")
    opslayer(home, folder, "backup", "--output", folder / "later.backup")
    into = folder / "later-new"
    said = opslayer(home, folder, "restore", folder / "later.backup", "--into", into)
    refused = said.returncode == 1 and "0999" in said.stderr and not into.exists()
    opened_home = opslayer(home, folder, "export", "erasures")
    return int(refused) + int(opened_home.returncode == 1 and "0999" in opened_home.stderr)


# --------------------------------------------------------------------------------- a house in use


@dataclass
class Heard:
    """What the clients were told."""

    ids: list[str] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    """By what was heard instead of an answer."""
    put_off: int = 0
    """Calls that were asked to come again later: a busy machine sheds, and nothing is lost."""
    took: list[float] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    taken_in: int = 0


def client(url: str, heard: Heard) -> None:
    """Call, and say what came true of it, until the end."""
    body = {"dataframe_records": [dict.fromkeys(COLUMNS, 0.5)]}
    with httpx.Client(base_url=url, timeout=30) as http:
        while not heard.stopped.is_set():
            begun, reply = time.perf_counter(), None
            try:
                reply = http.post("/v1/capabilities/grown/invocations", json=body)
                id = reply.headers["x-opslayer-interaction"]
                told = {"interaction_id": id, "kind": "true_value", "value": 1.5}
                http.post("/v1/feedback", json=told).raise_for_status()
            except (httpx.HTTPError, KeyError) as error:
                said = getattr(error, "response", reply)
                if said is not None and "retry-after" in said.headers:
                    heard.put_off += 1
                    heard.stopped.wait(float(said.headers["retry-after"]))
                    continue
                words = f"{said.status_code} {said.text}" if said is not None else repr(error)
                heard.failures[words] += 1
                continue
            heard.took.append(time.perf_counter() - begun)
            heard.ids.append(id)


def keep_ingesting(home: Path, configs: Path, heard: Heard) -> None:
    """Take in what is logged, again and again."""
    spec, stores = load_capability("grown", configs), stores_at(home)
    while not heard.stopped.is_set():
        heard.taken_in += ingest(spec, stores, datetime.now(UTC)).counts.stored


def in_use(folder: Path) -> tuple[Heard, list[tuple[Path, int]], dict[str, Any]]:
    """Back a home up while it is in use; what was heard, and each backup with how many answers had
    been heard before it; and every interaction by id, in the end."""
    home, configs = folder / "home", folder / "configs"
    make_predictor(home, configs)
    port, heard, made = free_port(), Heard(), []
    told = {"OPSLAYER_HOME": str(home), "OPSLAYER_CONFIGS": str(configs)}
    process = module("commands", "serve", "--port", port, "--workers", 2, **told)
    with running(process, f"http://127.0.0.1:{port}/readyz") as there:
        assert there, "no gateway"
        works = [(client, (f"http://127.0.0.1:{port}", heard)) for _ in range(CLIENTS)]
        threads = [threading.Thread(target=work, args=words) for work, words in works]
        threads.append(threading.Thread(target=keep_ingesting, args=(home, configs, heard)))
        for thread in threads:
            thread.start()
        while not heard.ids:
            time.sleep(0.1)
        for number in range(BACKUPS):
            time.sleep(BETWEEN)
            known, file = len(heard.ids), folder / f"{number}.backup"
            begun = time.perf_counter()
            said = opslayer(home, configs, "backup", "--output", file)
            took = time.perf_counter() - begun
            assert said.returncode == 0, said.stderr
            say(f"backup {number}: {known:,} answers known, {took:.1f} s with the process's start")
            made.append((file, known))
        heard.stopped.set()
        for thread in threads:
            thread.join()
    say(f"{len(heard.ids):,} answers, {heard.taken_in:,} taken in, {heard.put_off} put off, "
        f"not answered {dict(heard.failures)}, "
        f"call and feedback p99 {percentile(heard.took, 0.99) * 1000:.0f} ms")  # fmt: skip
    return heard, made, exported(home, configs)


def exported(home: Path, configs: Path) -> dict[str, Any]:
    """Every interaction by id; an id that is there twice is `doubled`."""
    file = home.with_suffix(".jsonl")
    said = opslayer(home, configs, "export", "interactions", "grown", "--output", file)
    assert said.returncode == 0, said.stderr
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    found = {row["id"]: row for row in rows}
    assert len(found) == len(rows), "an interaction is there twice"
    return found


def brought_back(folder: Path) -> list[Bar]:
    """The bars of a house in use, once it was lost."""
    heard, made, before = in_use(folder)
    shutil.rmtree(folder / "home")
    count: Counter[str] = Counter()
    for file, known in made:
        count.update(look(folder, file, set(heard.ids[:known]), before))
    trials = sum(known for _, known in made)
    return [
        Bar("restores that failed", count["failed"], "== 0", len(made)),
        Bar("acknowledged before the backup, and lost", count["lost"], "== 0", trials),
        Bar("interactions that differ", count["differ"], "== 0", trials),
        Bar("calls that are no row after an ingest, or two", count["rows"], "== 0", trials),
        Bar("models or training sets that can't be read", count["dangling"], "== 0", len(made)),
        Bar(
            "calls that failed while backups were taken, not put off",
            heard.failures.total(),
            "== 0",
            len(heard.ids),
        ),
    ]


def look(folder: Path, file: Path, known: set[str], before: dict[str, Any]) -> Counter[str]:
    """Restore a backup elsewhere, and count what is wrong."""
    home, configs = folder / file.stem, folder / "configs"
    begun = time.perf_counter()
    said = opslayer(home, configs, "restore", file, "--into", home)
    took = time.perf_counter() - begun
    if said.returncode:
        say(f"{file.name}: {said.stderr}")
        return Counter(failed=1)
    after = exported(home, configs)
    lost, differ = known - set(after), [id for id in after if after[id] != before.get(id)]
    spec, stores = load_capability("grown", configs), stores_at(home)
    ingest(spec, stores, datetime.now(UTC))
    sql = "SELECT row_id FROM rows WHERE source = 'interactions'"
    rows = Counter(stores.lake.query(spec, sql, ("rows",))["row_id"].to_pylist())
    wrong = (rows - Counter(after.keys())) | (Counter(after.keys()) - rows)
    dangling = 0
    for version in stores.ledger.versions.all("grown"):
        try:
            stores.models.load(version)
            dangling += not verify(spec, stores, version.snapshot)["equal"]
        except OpslayerError as error:
            say(f"{file.name}: {error}")
            dangling += 1
    say(f"{file.name}: restored in {took:.1f} s, {len(after):,} interactions")
    shutil.rmtree(home)
    return Counter(lost=len(lost), differ=len(differ), rows=len(wrong), dangling=dangling)


# ------------------------------------------------------------------------------------- the killing


def make(home: str, file: str) -> None:
    """Back up, in a process that may die of it."""
    _quietly(["backup", "--output", file], home)


def bring_back(home: str, file: str) -> None:
    """Replace a home by its backup, in a process that may die of it."""
    _quietly(["restore", file, "--replace", "--reason", "a try"], home)


def _quietly(words: list[str], home: str) -> None:
    from commands import execute

    os.environ["OPSLAYER_HOME"] = home
    with open(os.devnull, "w") as nowhere:
        sys.stdout = nowhere
        assert execute(words) == 0


def killed(folder: Path) -> list[Bar]:
    """The bars of backups and restores that were killed."""
    source = folder / "source"
    wanted = Counter(make_first_home(source, 200))
    half, backups = killed_backups(folder, source)
    file = folder / "whole.backup"
    assert opslayer(source, folder, "backup", "--output", file).returncode == 0
    between, restores = killed_restores(folder, source, file, wanted)
    return [
        Bar("backups killed that left half a backup, or kept the next away", half, "== 0", backups),
        Bar("restores killed that left neither old nor new, or could not be asked again",
            between, "== 0", restores),
    ]  # fmt: skip


def killed_backups(folder: Path, source: Path) -> tuple[int, int]:
    """Backups killed at every point: how many went wrong, of how many."""
    out, wrong, point, died = folder / "out", 0, 1, True
    while died:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        died = dies_at_file(point, make, str(source), str(out / "one.backup"))
        for path in out.glob("*.backup"):
            wrong += not is_whole(path)
        again = opslayer(source, folder, "backup", "--output", out / "two.backup").returncode
        left = [path.name for path in out.iterdir() if not path.name.endswith(".backup")]
        wrong += bool(again or left)
        point += STEP
    say(f"backup killed at {(point - 1) // STEP} points: {wrong} wrong")
    return wrong, (point - 1) // STEP


def is_whole(path: Path) -> bool:
    """Whether every part of a backup is what its manifest says."""
    with suppress(OpslayerError), opened(path) as archive:
        return all(archive.read(name) is not None for name in archive.manifest.parts)
    return False


def killed_restores(
    folder: Path, source: Path, file: Path, wanted: Counter[tuple[str, str]]
) -> tuple[int, int]:
    """Restores killed at every point: how many went wrong, of how many."""
    wrong, point, died = 0, 1, True
    while died:
        place = folder / f"at-{point}"
        shutil.copytree(source, place / "home")
        died = dies_at_file(point, bring_back, str(place / "home"), str(file))
        if (place / "home").exists():  # the old one or the new one, and nothing between
            wrong += entries(place / "home") != wanted
        if died:
            words = ("restore", file, "--replace", "--reason", "again")
            wrong += bool(opslayer(place / "home", folder, *words).returncode)
        wrong += entries(place / "home") != wanted
        wrong += any("restoring" in path.name for path in place.iterdir())
        shutil.rmtree(place)
        point += STEP
    say(f"restore killed at {(point - 1) // STEP} points: {wrong} wrong")
    return wrong, (point - 1) // STEP


def main() -> int:
    """Run all three parts; 1 if a bar is missed."""
    os.environ.pop("OPSLAYER_SECRET", None)
    bars: list[Bar] = []
    for part in (upgraded, brought_back, killed):
        with tempfile.TemporaryDirectory(prefix="opslayer-restore-") as name:
            bars += part(Path(name))
    return finish("restore", CALLS, bars)


if __name__ == "__main__":
    sys.exit(main())
