"""The shell of every page of ours, and the few things pages are made of.

Whatever comes from data or configuration goes through `text`, so that it is read and never run;
the page's own policy forbids scripts and connections besides. No page loads anything from afar.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, Protocol

from opslayer.judgement.checks import shown

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self' file:; base-uri 'none'"

STYLE = """
:root { color-scheme: light dark; --ink: #1d2327; --soft: #5d676e; --line: #dfe3e6;
  --paper: #fcfcfb; --band: #f3f4f3; --accent: #a63d0f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ea; --soft: #9aa5ab; --line: #333a3f;
  --paper: #15181a; --band: #1d2124; --accent: #ff9d6b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; font-weight: 650; margin: 0 0 .4rem;
  overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; font-weight: 650; margin: 2.4rem 0 .6rem; }
p { max-width: 46rem; margin: .5rem 0; overflow-wrap: anywhere; }
.lead { font-size: 1.1rem; }
.soft, small { color: var(--soft); font-size: .875rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.25rem; margin: 1rem 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
.wide:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { padding: .5rem .75rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
tr:last-child > td, tr:last-child > th { border-bottom: 0; }
thead th { background: var(--band); color: var(--soft); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 500; overflow-wrap: anywhere; min-width: 7rem; }
td { min-width: 4rem; }
td.w { min-width: 15rem; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.mark { color: var(--accent); font-weight: 650; }
.word { white-space: nowrap; }
details > summary { cursor: pointer; margin: 2.4rem 0 .6rem; font-size: 1.1rem; font-weight: 650; }
details > summary > h2 { display: inline; font-size: inherit; }
iframe { width: 100%; height: 80vh; border: 1px solid var(--line); border-radius: .5rem;
  background: #fff; }
svg { display: block; }
svg .then { fill: var(--soft); opacity: .35; }
svg .now { fill: none; stroke: var(--accent); stroke-width: 1.5; }
@media (max-width: 40rem) { main { padding: 1.25rem .9rem 3rem; } h1 { font-size: 1.3rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; } }
@media print { .wide { overflow: visible; } }
"""


class Shelf(Protocol):
    """Where finished files go; `opslayer.stores.reports.Reports` is one."""

    def write(self, capability: str, name: str, content: str | dict[str, Any]) -> Path:
        """Write one file whole and say where it lies."""


class Markup(str):
    """Text that is HTML already; everything else is escaped."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Any value as HTML that only shows it; numbers to four digits, None as a dash."""
    if isinstance(value, Markup):
        return value
    return Markup(escape(_written(value), quote=True))


def _written(value: object) -> str:
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        whole = value.is_integer() or abs(value) >= 1e4
        return f"{value:,.0f}" if whole and abs(value) < 1e15 else f"{value:.4g}"
    return str(value).encode("utf-8", "replace").decode()  # a lone surrogate can't be written


def name(value: str) -> Markup:
    """A column's or class's name on one line."""
    return text(shown(value))


def page(title: str, *parts: str) -> str:
    """A whole document; `title` is plain text, the parts are HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def heading(words: object, level: int = 2) -> Markup:
    """A heading."""
    return Markup(f"<h{level}>{text(words)}</h{level}>")


def paragraph(words: object, style: str = "") -> Markup:
    """A paragraph; `style` is a class of ours: `lead` or `soft`."""
    return Markup(f'<p class="{style}">{text(words)}</p>' if style else f"<p>{text(words)}</p>")


def facts(pairs: Iterable[tuple[str, object]]) -> Markup:
    """Names and values, one below the other."""
    rows = "".join(f"<dt>{text(key)}</dt><dd>{text(value)}</dd>" for key, value in pairs)
    return Markup(f"<dl>{rows}</dl>")


def mark(word: object, *, stands_out: bool) -> Markup:
    """A word, in the accent where a person should look; never by colour alone."""
    if stands_out:
        return Markup(f'<span class="mark word">● {text(word)}</span>')
    return Markup(f'<span class="word">{text(word)}</span>')


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """A table whose first column names the row; columns that begin with `#` hold numbers,
    with `~` sentences."""
    styles = [STYLES.get(head[:1], "") for head in heads]
    top = "".join(
        f'<th scope="col"{style}>{text(head.lstrip("#~"))}</th>'
        for head, style in zip(heads, styles, strict=True)
    )
    body = "".join(f"<tr>{_cells(row, styles)}</tr>\n" for row in rows)
    return Markup(
        f'<div class="wide" role="region" tabindex="0" aria-label="{text(caption)}">'
        f"<table><thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


STYLES = {"#": ' class="n"', "~": ' class="w"'}


def _cells(row: Sequence[object], styles: Sequence[str]) -> str:
    first, *others = row
    cells = "".join(
        f"<td{style}>{text(value)}</td>" for value, style in zip(others, styles[1:], strict=True)
    )
    return f'<th scope="row">{text(first)}</th>{cells}'
