"""Reports that flows have drawn, each in a frame that can reach nothing."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import FileResponse, Response

from console.desk import Desk
from console.parts import places
from console.shell import link
from opslayer.errors import NotFound
from opslayer.reports.page import Markup, heading, paragraph, text

SHOWN = 30
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


def parts(desk: Desk, name: str) -> list[str]:
    """The page's parts: the newest report in a frame, and the others by name."""
    desk.capability(name)
    found = _pages(desk, name)
    if not found:
        way = f"No report was drawn yet: run `opslayer run watch_production {name}`."
        return [places(name), paragraph(way, "empty")]
    newest = _address(name, found[0])
    items = "".join(f"<li>{link(_address(name, one), one)}</li>" for one in found[:SHOWN])
    return [
        places(name),
        heading(f"The newest: {found[0]}"),
        Markup(
            f'<iframe sandbox="allow-scripts" src="{text(newest)}" '
            f'title="Report {text(found[0])} of {text(name)}"></iframe>'
        ),
        heading("All reports, the newest first"),
        Markup(f"<ul>{items}</ul>"),
    ]


def _pages(desk: Desk, name: str) -> list[str]:
    """Every report's page below the capability's folder, the newest first."""
    root = desk.stores.reports.root / name
    found = [one for one in root.rglob("*.html") if one.name != "evidently.html"]
    found.sort(key=lambda one: one.stat().st_mtime, reverse=True)
    return [one.relative_to(root).as_posix() for one in found]


def _address(name: str, page: str) -> str:
    return f"/reports/{name}/{page}"


def file(desk: Desk, name: str, path: str) -> Response:
    """A report's file as it lies; NotFound for what is no file of the capability's reports."""
    desk.capability(name)
    root = (desk.stores.reports.root / name).resolve()
    wanted = Path(root, path).resolve()
    if not wanted.is_relative_to(root) or not wanted.is_file():
        raise NotFound(f"there is no report {path[:128]!r} of {name}")
    return FileResponse(wanted, headers=SANDBOX)
