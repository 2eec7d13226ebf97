"""The Prefect server that this machine is told to use, if any."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from opslayer.errors import StoreError


@contextmanager
def answering() -> Iterator[None]:
    """Say plainly that the named server is away; raises StoreError instead of Prefect's errors."""
    from httpx import HTTPError

    try:
        yield
    except (HTTPError, RuntimeError) as error:
        url = os.environ.get("PREFECT_API_URL")
        away = isinstance(error, HTTPError) or "Failed to reach API" in str(error)
        if not url or not away:
            raise
        raise StoreError(
            f"the Prefect server at {re.sub(r'//[^/@]*@', '//', url)} does not answer: start it "
            "(opslayer up), or unset PREFECT_API_URL to run without a server"
        ) from error
