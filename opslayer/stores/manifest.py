"""The SHA-256 of every file of a model: taken before it is stored, checked before it is loaded.

The manifest lies in the ledger, out of reach of whoever can write the model's folder or MLflow's
database. The bytes that were checked are the bytes that are loaded: every file is read once.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath

from opslayer.errors import UntrustedModel

TOLERATED = frozenset({"registered_model_meta"})
"""Written by MLflow beside a model that somebody loads by its registered name; never read here."""

READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Neither follow a link nor wait for the writer of a pipe."""


def seal(folder: Path) -> dict[str, str]:
    """The manifest of a folder: SHA-256 in hex of every file, by its path with `/`."""
    return {name: sha256(_read(folder / name, name)).hexdigest() for name in sorted(_files(folder))}


def unseal(folder: Path, manifest: Mapping[str, str]) -> dict[str, bytes]:
    """The content of every file, each exactly as its manifest says.

    Raises UntrustedModel, naming everything at once, for a changed, missing or further file, a
    link or other irregular file, or a manifest that names a path outside the folder.
    """
    check_names(manifest, _files(folder))
    contents = {name: _read(folder / name, name) for name in manifest}
    changed = [name for name, raw in contents.items() if sha256(raw).hexdigest() != manifest[name]]
    if changed:
        raise UntrustedModel(f"changed since it was registered: {', '.join(sorted(changed))}")
    return contents


def check_names(manifest: Mapping[str, str], found: Iterable[str]) -> None:
    """Raise UntrustedModel unless the manifest's files, all inside the folder, were found alone."""
    names = set(found) - (TOLERATED - set(manifest))
    faults = {
        "outside its folder": [name for name in manifest if not is_inside(name)],
        "not in its manifest": names - set(manifest),
        "missing": set(manifest) - names,
    }
    said = [f"{fault}: {', '.join(sorted(these))}" for fault, these in faults.items() if these]
    if said or not manifest:
        raise UntrustedModel("; ".join(said) or "its manifest is empty")


def is_inside(name: str) -> bool:
    """Whether a path with `/` stays below the folder that it is joined to."""
    path = PurePosixPath(name)
    plain = str(path) == name and not path.is_absolute() and ".." not in path.parts
    return plain and "\\" not in name and "\0" not in name


def _files(folder: Path, below: str = "") -> list[str]:
    """Every file under a folder; UntrustedModel for a link, pipe, socket or device."""
    if not below and folder.is_symlink():
        raise UntrustedModel("its folder is a link")
    names: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = below + entry.name
            if entry.is_dir(follow_symlinks=False):
                names.extend(_files(folder / entry.name, f"{name}/"))
            elif entry.is_file(follow_symlinks=False):
                names.append(name)
            else:
                raise UntrustedModel(f"no regular file: {name}")
    return names


def _read(path: Path, name: str) -> bytes:
    try:
        with open(os.open(path, READ), "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read()
    except OSError as error:
        raise UntrustedModel(f"not readable: {name}: {error.strerror}") from error
    raise UntrustedModel(f"no regular file: {name}")
