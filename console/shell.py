"""The frame of every page of the console, and forms.

Pages load nothing but their own style sheet and script, from here; what people or models wrote goes
through `text` and is read, never run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from starlette.responses import HTMLResponse, Response

from console.entry import Reviewer
from opslayer.reports.page import STYLE, Markup, text

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
NAV = (("/", "Overview"), ("/interactions", "Find an answer"))
SCRIPT = Path(__file__).with_name("console.js").read_text("utf-8")
SHEET = STYLE + Path(__file__).with_name("console.css").read_text("utf-8")


def document(
    title: str, parts: Iterable[str], who: Reviewer | None, status: int = 200
) -> HTMLResponse:
    """A whole page; `title` is plain text, the parts are HTML."""
    html = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)} \N{MIDDLE DOT} Opslayer</title>\n"
        '<link rel="stylesheet" href="/static/console.css">\n'
        '<link rel="icon" href="data:,">\n<script src="/static/console.js" defer></script>\n'
        '</head>\n<body>\n<a class="skip" href="#main">Skip to the content</a>\n'
        f"{_top(who)}<main id=\"main\">\n<h1>{text(title)}</h1>\n" + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )  # fmt: skip
    return HTMLResponse(html, status, HEADERS)


def _top(who: Reviewer | None) -> str:
    if who is None:
        return '<header><span class="brand">Opslayer</span></header>\n'
    links = "".join(f'<li><a href="{href}">{words}</a></li>' for href, words in NAV)
    out = form("/sign-out", [], "Sign out") if who.by_key else ""
    return (
        '<header><a class="brand" href="/">Opslayer</a>'
        f'<nav aria-label="Main"><ul>{links}</ul></nav>'
        f'<span class="who">{text(who.name)}</span>{out}</header>\n'
    )


def link(href: str, words: object) -> Markup:
    """A link to a place of ours; `href` is made of names that hold nothing but letters."""
    return Markup(f'<a href="{text(href)}">{text(words)}</a>')


def links(pairs: Sequence[tuple[str, object]], label: str) -> Markup:
    """Links beside each other."""
    items = "".join(f"<li>{link(*pair)}</li>" for pair in pairs)
    return Markup(f'<nav class="links" aria-label="{text(label)}"><ul>{items}</ul></nav>')


def form(action: str, fields: Iterable[str], button: str) -> Markup:
    """A form that is sent to a place of ours."""
    return sheet(action, [*fields, f'<button type="submit">{text(button)}</button>'])


def pressed(name: str, value: object, label: str, key: str = "") -> Markup:
    """A button that says one thing, and the key that presses it."""
    shown = f"<kbd>{text(key)}</kbd> " if key else ""
    by_key = f' data-key="{text(key)}"' if key else ""
    return Markup(
        f'<button type="submit" name="{text(name)}" value="{text(str(value))}"{by_key}>'
        f"{shown}{text(label)}</button>"
    )


def sheet(action: str, inside: Iterable[str]) -> Markup:
    """A form that each of its own buttons sends."""
    return Markup(f'<form method="post" action="{text(action)}">{"".join(inside)}</form>')


def hidden(name: str, value: object) -> Markup:
    """A value that goes along."""
    return Markup(f'<input type="hidden" name="{text(name)}" value="{text(str(value))}">')


def words(name: str, label: str, *, secret: bool = False, value: str = "") -> Markup:
    """A line that has to be filled in."""
    kind = "password" if secret else "text"
    return Markup(
        f'<label>{text(label)} <input type="{kind}" name="{text(name)}" value="{text(value)}" '
        f'required maxlength="500" autocomplete="off"></label>'
    )


def choice(name: str, label: str, options: Sequence[tuple[object, object]]) -> Markup:
    """One of several: values, and what they are called."""
    inside = "".join(
        f'<option value="{text(str(value))}">{text(called)}</option>' for value, called in options
    )
    return Markup(f'<label>{text(label)} <select name="{text(name)}">{inside}</select></label>')


def sent(content: str, media: str) -> Response:
    """A file of ours."""
    return Response(content, media_type=media, headers={**HEADERS, "Cache-Control": "max-age=60"})
