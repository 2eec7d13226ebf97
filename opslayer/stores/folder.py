"""Removing what must not stay."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opslayer.errors import StoreError


def remove_folder(path: Path) -> None:
    """Remove a folder with all that is in it, whoever else is at it; one that is gone stays gone.

    Raises StoreError where something of it stays.
    """

    def failed(_: Callable[..., Any], __: str, error: Any) -> None:
        if not isinstance(error[1], FileNotFoundError):
            raise error[1]

    try:
        shutil.rmtree(path, onerror=failed)
    except OSError as error:
        raise StoreError(f"{path} can't be removed: {error.strerror or error}") from error
