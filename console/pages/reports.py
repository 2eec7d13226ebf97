"""Reports that flows have drawn, each in a frame that can reach nothing."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from starlette.responses import FileResponse, Response

from console.desk import Desk
from console.parts import moment, places
from console.shell import link
from opslayer.errors import NotFound
from opslayer.reports.page import Markup, heading, paragraph, text

SHOWN = 30
HEAD = 4096
"""Bytes of a page in which its title stands."""
TITLE = re.compile(r"<title>([^<]*)</title>")
SANDBOX = {
    # A report is made of data: whatever it holds runs in an origin of its own and calls nobody.
    "Content-Security-Policy": (
        "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "font-src data:; script-src 'unsafe-inline' 'unsafe-eval'; frame-src 'self'; "
        "base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Drawn(NamedTuple):
    """A report's page."""

    address: str
    name: str
    """What it is about, and when it was drawn."""


def parts(desk: Desk, name: str) -> list[str]:
    """The page's parts: the newest report in a frame, and the others by name."""
    desk.capability(name)
    found = _pages(desk, name)
    if not found:
        way = f"No report was drawn yet: run `opslayer run watch_production {name}`."
        return [places(name), paragraph(way, "empty")]
    newest = found[0]
    items = "".join(f"<li>{link(one.address, one.name)}</li>" for one in found)
    return [
        places(name),
        heading(f"The newest: {newest.name}"),
        Markup(
            f'<iframe sandbox="allow-scripts" src="{text(newest.address)}" '
            f'title="Report {text(newest.name)} of {text(name)}"></iframe>'
        ),
        heading("All reports, the newest first"),
        Markup(f"<ul>{items}</ul>"),
    ]


def _pages(desk: Desk, name: str) -> list[Drawn]:
    """The newest reports' pages below the capability's folder, the newest first."""
    root = desk.stores.reports.root / name
    found = [one for one in root.rglob("*.html") if one.name != "evidently.html"]
    found.sort(key=_drawn, reverse=True)
    return [
        Drawn(f"/reports/{name}/{one.relative_to(root).as_posix()}", _name(one, root))
        for one in found[:SHOWN]
    ]


def _drawn(page: Path) -> float:
    """When it was; 0 for one that has just been removed."""
    try:
        return page.stat().st_mtime
    except OSError:
        return 0.0


def _name(page: Path, root: Path) -> str:
    """Its title and when it was drawn; one without a title is named by its place."""
    place = page.relative_to(root).as_posix()
    try:
        with page.open(encoding="utf-8", errors="replace") as file:
            title = TITLE.search(file.read(HEAD))
    except OSError:
        return place
    about = html.unescape(title[1]) if title else place
    return f"{about} ({moment(datetime.fromtimestamp(_drawn(page), UTC))})"


def file(desk: Desk, name: str, path: str) -> Response:
    """A report's file as it lies; NotFound for what is no file of the capability's reports."""
    desk.capability(name)
    root = (desk.stores.reports.root / name).resolve()
    wanted = Path(root, path).resolve()
    if not wanted.is_relative_to(root) or not wanted.is_file():
        raise NotFound(f"there is no report {path[:128]!r} of {name}")
    return FileResponse(wanted, headers=SANDBOX)
