"""Hold `uv.lock` against advisories: `python infra/advisories/audit.py` reads the stored list, and
with `refresh` fetches it first from OSV, which holds PyPI's own advisories and GitHub's.

`advisories.json` is that list, cut down to the locked packages and to what says which versions are
meant; `accepted.toml` names findings that are lived with, each with a reason and a day on which the
reason is looked at again. Exits with 1 where something else is found.
"""

from __future__ import annotations

import io
import json
import sys
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

HERE = Path(__file__).parent
LOCK = HERE.parents[1] / "uv.lock"
STORED, ACCEPTED = HERE / "advisories.json", HERE / "accepted.toml"
EVERYTHING = "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"
LARGEST = 512 * 2**20
"""Bytes of the list that is fetched, and of all that it unpacks to, times eight."""
OLD = 30
"""Days from which the stored list is said to be old."""
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """An advisory that means a locked version."""

    id: str
    aliases: tuple[str, ...]
    package: str
    version: str
    summary: str

    @property
    def names(self) -> set[str]:
        """Every id that it goes by."""
        return {self.id, *self.aliases}

    def __str__(self) -> str:
        also = f" ({', '.join(self.aliases)})" if self.aliases else ""
        return f"{self.package} {self.version}: {self.id}{also}: {self.summary}"


def locked(path: Path = LOCK) -> dict[str, set[str]]:
    """Every package of a lock with its versions; the project itself is none."""
    found: dict[str, set[str]] = {}
    for one in tomllib.loads(path.read_text())["package"]:
        if "registry" in one["source"]:
            found.setdefault(canonicalize_name(one["name"]), set()).add(one["version"])
    return found


def findings(records: Iterable[Record], packages: Mapping[str, set[str]]) -> Iterator[Finding]:
    """What a list of OSV records says of packages; one that was withdrawn says nothing."""
    for record in records:
        if record.get("withdrawn"):
            continue
        for affected in record.get("affected", ()):
            name = _name(affected)
            for version in sorted(packages.get(name, ())):
                if means(affected, version):
                    aliases = tuple(record.get("aliases", ()))
                    yield Finding(record["id"], aliases, name, version, record.get("summary", ""))


def _name(affected: Record) -> str:
    package = affected.get("package", {})
    right = package.get("ecosystem", "").partition(":")[0] == "PyPI"
    return canonicalize_name(package.get("name", "")) if right else ""


def means(affected: Record, version: str) -> bool:
    """Whether a version is among those that an OSV record's `affected` entry lists or spans."""
    asked = Version(version)
    if any(_version(one) == asked for one in affected.get("versions", ())):
        return True
    ranges = [one for one in affected.get("ranges", ()) if one.get("type") == "ECOSYSTEM"]
    return any(_spans(one.get("events", ()), asked) for one in ranges)


def _spans(events: Sequence[Mapping[str, str]], asked: Version) -> bool:
    """Whether a version lies in a span that events begin and end, whatever their order."""
    inside = False
    for version, kind in sorted(_bounds(events)):
        if kind == "last_affected":
            inside = inside and asked <= version
        elif asked >= version:
            inside = kind == "introduced"
    return inside


def _bounds(events: Sequence[Mapping[str, str]]) -> Iterator[tuple[Version, str]]:
    for event in events:
        for kind in ("introduced", "fixed", "last_affected"):
            version = _version(event[kind]) if kind in event else None
            if version is not None:
                yield version, kind


def _version(text: str) -> Version | None:
    """A version; None for what a record calls one and PyPI would not."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def unexplained(found: Iterable[Finding], accepted: Sequence[Record], today: date) -> list[str]:
    """Findings without a reason, and reasons that are no reasons any more."""
    said, used = [], set()
    for one in found:
        reasons = [item for item in accepted if item["id"] in one.names]
        used |= {item["id"] for item in reasons}
        if not reasons:
            said.append(f"{one}: take another version, or give a reason in {ACCEPTED.name}")
        elif max(item["until"] for item in reasons) < today:
            said.append(f"{one}: the reason for living with it ended: look at it again")
    said += [
        f"{item['id']} in {ACCEPTED.name} is found no more: take it out"
        for item in accepted
        if item["id"] not in used
    ]
    return said + [f"{item['id']}: its reason is empty" for item in accepted if not item["reason"]]


def cut(record: Record, packages: Mapping[str, set[str]]) -> Record | None:
    """What is kept of a record; None of one that is about no locked package."""
    its = [one for one in record.get("affected", ()) if _name(one) in packages]
    if not its or record.get("withdrawn"):
        return None
    return {
        "id": record["id"],
        "aliases": sorted(record.get("aliases", ())),
        "summary": str(record.get("summary") or record.get("details", ""))[:200],
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": _name(one)},
                "ranges": [at for at in one.get("ranges", ()) if at.get("type") == "ECOSYSTEM"],
                # Where there is a span, the versions in it need not be named one by one.
                "versions": [] if one.get("ranges") else list(one.get("versions", ())),
            }
            for one in its
        ],
    }


def refresh(url: str = EVERYTHING, store: Path = STORED) -> int:
    """Fetch every advisory there is, and keep those about locked packages; how many."""
    # The address is ours, or a test's; what it leads to is bounded and read as data.
    with urllib.request.urlopen(url, timeout=120) as answer:  # noqa: S310
        packed = answer.read(LARGEST + 1)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        if len(packed) > LARGEST or sum(one.file_size for one in archive.infolist()) > 8 * LARGEST:
            raise SystemExit(f"{url} is larger than an advisory list can be")
        records = (json.loads(archive.read(name)) for name in archive.namelist())
        packages = locked()
        kept = [found for record in records if (found := cut(record, packages))]
    kept.sort(key=lambda one: str(one["id"]))
    said = {"source": url, "as_of": datetime.now(UTC).date().isoformat(), "advisories": kept}
    store.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    return len(kept)


def main(words: Sequence[str]) -> int:
    """Check, or refresh and check."""
    if words == ["refresh"]:
        print(f"{refresh()} advisories about locked packages")
    stored, today = json.loads(STORED.read_text()), datetime.now(UTC).date()
    packages = locked()
    accepted = tomllib.loads(ACCEPTED.read_text()).get("accepted", [])
    wrong = unexplained(findings(stored["advisories"], packages), accepted, today)
    as_of = date.fromisoformat(stored["as_of"])
    age = (today - as_of).days
    print(f"{len(packages)} packages, {len(stored['advisories'])} advisories as of {as_of}")
    if age > OLD:
        print(f"that list is {age} days old: `make advisories` fetches it anew")
    print("\n".join(wrong), file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
