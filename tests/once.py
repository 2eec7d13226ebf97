"""What several files need and no test changes: made once in a run, by whoever asks first.

Workers and the processes that tests start find what another one made, or wait while it is made.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

FOLDER = "TESTS_MADE_ONCE"
"""The variable that names the run's folder."""


def once(name: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make` has filled; not to be written to."""
    root = Path(os.environ.get(FOLDER) or _own().name)
    root.mkdir(parents=True, exist_ok=True)
    made, done = root / name, root / f"{name}.done"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            make(made)
            done.touch()
    return made


@cache
def _own() -> tempfile.TemporaryDirectory[str]:
    """A folder of this process alone, for a script that is run by hand."""
    return tempfile.TemporaryDirectory(prefix="opslayer-tests-")
