"""The installation's secret: 32 bytes that key every hash of a subject and sign what we cache.

It follows from OPSLAYER_SECRET. Where that is not set, a random secret is made once and kept in the
data folder; replicas on several machines need OPSLAYER_SECRET, so that all of them have the same.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from tempfile import mkstemp

from opslayer.errors import StoreError
from opslayer.settings import Settings

FILE = "secret"
"""Its name in the data folder."""
LENGTH = 64
"""Characters of a secret that was made here: 256 random bits in hex."""


def installation_secret(settings: Settings) -> bytes:
    """The secret of the installation that the settings describe, made now if it has none.

    Raises StoreError where the data folder can't keep one, or what it keeps is damaged.
    """
    said = settings.secret.get_secret_value() if settings.secret else _kept(settings.root / FILE)
    return blake2b(said.encode(), digest_size=32, person=b"opslayer secret").digest()


def subject_hash(secret: bytes, tenant: str, subject: str) -> str:
    """The name under which a subject of a tenant is kept: 32 hex digits.

    Without the secret nobody can tell whose it is, nor that two tenants have one subject.
    """
    words = f"{len(tenant)}:{tenant}{subject}".encode("utf-8", "surrogatepass")
    return blake2b(words, key=secret, digest_size=16, person=b"subject").hexdigest()


def fingerprint(secret: bytes) -> str:
    """What tells one installation's secret from another's, and nothing else of it."""
    return blake2b(key=secret, digest_size=16, person=b"fingerprint").hexdigest()


def _kept(path: Path) -> str:
    try:
        if not path.exists():
            _make(path)
        said = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _lost(path, str(error)) from error
    if len(said) != LENGTH:
        raise _lost(path, f"it has {len(said)} characters and not {LENGTH}")
    return said


def _make(path: Path) -> None:
    """Write a new secret, whole or not at all; the first of several processes wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = mkstemp(dir=path.parent, prefix=".secret-")  # for this user alone: mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(token_hex(LENGTH // 2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)
        _sync(path.parent)
    except FileExistsError:
        pass  # another process was first: its secret counts
    finally:
        os.unlink(aside)


def _sync(folder: Path) -> None:
    """Make a new name in a folder durable: hashes made with a lost secret match nothing later."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lost(path: Path, why: str) -> StoreError:
    return StoreError(
        f"the installation's secret {path} can't be used ({why}): restore it from a backup, or set "
        "OPSLAYER_SECRET; with a new one the subjects stored so far are not recognised"
    )
