"""What else is named: the Prefect server, and does it know our capabilities; the engine."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from opslayer.errors import StoreError
from opslayer.loopback import is_loopback
from opslayer.settings import Settings
from opslayer.steps.doctor.check import Check, Finding, Health, Installation

PATIENCE = 3
"""Seconds to wait for an answer."""
PAGE = 200
"""Deployments that Prefect lists at once, its own limit."""


def _prefect(installation: Installation) -> Iterator[Finding]:
    url = installation.environment.get("PREFECT_API_URL", "")
    if not url:
        return
    try:
        _ask(installation, "/health")
        deployed = _deployed(installation)
    except (URLError, ValueError, OSError) as error:
        shown = re.sub(r"//[^/@]*@", "//", url)
        found = f"the Prefect server at {shown} does not answer ({error})"
        way_out = "start it (opslayer up), or unset PREFECT_API_URL to run without a server"
        yield Finding("prefect", Health.FAILURE, found, way_out)
        return
    for capability in installation.capabilities:
        if capability.predictor and capability.name not in deployed:
            found = f"{capability.name} has no deployment on the Prefect server, so nothing runs it"
            yield Finding("prefect", Health.WARNING, found, "opslayer up")


def _deployed(installation: Installation) -> set[str]:
    """The capabilities that some deployment's parameters name."""
    names: set[str] = set()
    offset = 0
    while True:
        body = {"limit": PAGE, "offset": offset}
        page = _ask(installation, "/deployments/filter", body)
        names |= {str((one.get("parameters") or {}).get("capability")) for one in page}
        offset += PAGE
        if len(page) < PAGE:
            return names


def _ask(installation: Installation, path: str, body: dict[str, Any] | None = None) -> Any:
    url = installation.environment["PREFECT_API_URL"].rstrip("/") + path
    if not url.startswith(("http://", "https://")):
        raise ValueError("PREFECT_API_URL must start with http:// or https://")
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **_credentials(installation)}
    request = Request(url, data=data, headers=headers)  # noqa: S310 (the scheme is checked above)
    try:
        with urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
            return json.load(answer)
    except HTTPError as error:
        raise URLError(f"{path} answered {error.code}") from error


def _credentials(installation: Installation) -> dict[str, str]:
    """Prefect's own settings for a server behind a password or a key."""
    login = installation.environment.get("PREFECT_API_AUTH_STRING")
    if login:
        return {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}
    key = installation.environment.get("PREFECT_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _engine(installation: Installation) -> Iterator[Finding]:
    settings = installation.settings
    if settings.engine_url is None:
        return
    from opslayer.engine.cluster import WITHOUT, Cluster

    url = settings.engine_url
    try:
        Cluster(url, settings.lake).examine()
    except StoreError as error:
        way_out = f"start its scheduler and workers, correct OPSLAYER_ENGINE_URL, or {WITHOUT}"
        yield Finding("engine", Health.FAILURE, str(error), way_out)
        return
    here = [f"OPSLAYER_{name}_URL" for name in ("DATABASE", "LAKE") if _local(settings, name)]
    if here and not is_loopback(urlsplit(url).hostname or ""):
        found = f"the engine at {url} works on other machines, and {' and '.join(here)} names none"
        way_out = "give both an address that every worker reaches"
        yield Finding("engine", Health.WARNING, found, way_out)


def _local(settings: Settings, name: str) -> bool:
    """Whether the database, or the lake, is files of this machine."""
    return "://" not in settings.lake if name == "LAKE" else settings.database.startswith("sqlite")


CHECKS = (
    Check("prefect", "no Prefect server is named, or it is there and knows us", _prefect),
    Check("engine", "no engine is named, or it is there and has workers", _engine),
)
