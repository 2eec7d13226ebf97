"""The form that asks what serves now about inputs a person makes up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from console.desk import Desk
from opslayer.capability import Capability, ColumnType, Input
from opslayer.errors import OpslayerError
from opslayer.guards.shape import ShapeError
from opslayer.reports.page import Markup, facts, paragraph, text
from opslayer.steps.what_if import Supposed, what_if

ANCHOR = "what-if"
UNKNOWN = "not known"


class Field(NamedTuple):
    """One input column in the form."""

    id: str
    name: str
    column: Input
    written: str
    problem: str


def parts(capability: Capability, row: Mapping[str, Any]) -> list[str]:
    """The form, filled with a row of the lake; empty where a value is missing."""
    there = {name: _written(capability.inputs[name], row.get(name)) for name in capability.inputs}
    return [*_head(capability), _form(capability, there, {})]


def answered(desk: Desk, capability: Capability, form: Mapping[str, str]) -> list[str]:
    """The form as it was sent, with the answer, or with what is wrong beside each field."""
    there = {name: form.get(name, "") for name in capability.inputs}
    row = {name: _read(capability.inputs[name], said) for name, said in there.items()}
    problems: Mapping[str, str] = {}
    try:
        said = _said(capability, what_if(capability, row, desk.stores))
    except ShapeError as refused:
        problems = refused.wrong
        said = _notice(f"The contract refuses {', '.join(problems)}: see beside each field.")
    except OpslayerError as error:
        said = _notice(str(error))
    return [*_head(capability), said, _form(capability, there, problems)]


def _head(capability: Capability) -> list[str]:
    way = f"What would {capability.target} be? What serves now answers, and nothing is logged."
    return [Markup(f'<h2 id="{ANCHOR}">What if</h2>'), paragraph(way, "soft")]


def _said(capability: Capability, found: Supposed) -> Markup:
    line = Markup(
        f"{text(capability.target)}: <strong>{text(found.value)}</strong>, "
        f"says model version {text(found.version)}"
    )
    likely = sorted(found.probabilities.items(), key=lambda pair: -pair[1])
    shares = facts((name, f"{share:.1%}") for name, share in likely) if likely else ""
    return Markup(f'<div class="notice" role="status"><p>{line}.</p>{shares}</div>')


def _notice(sentence: str) -> Markup:
    return Markup(f'<p class="notice" role="alert">{text(sentence)}</p>')


def _form(capability: Capability, there: Mapping[str, str], problems: Mapping[str, str]) -> Markup:
    """What is wrong is said by the contract, here as everywhere: the browser checks nothing."""
    fields = [
        Field(f"{ANCHOR}-{place}", name, column, there[name], problems.get(name, ""))
        for place, (name, column) in enumerate(capability.inputs.items())
    ]
    action = f"/capabilities/{capability.name}/numbers#{ANCHOR}"
    return Markup(
        f'<form method="post" action="{text(action)}" novalidate aria-labelledby="{ANCHOR}">'
        f'{"".join(map(_field, fields))}<button type="submit">Ask</button></form>'
    )


def _field(field: Field) -> str:
    hint, wrong = _hint(field.column), ""
    notes = [f"{field.id}-hint"] if hint else []
    if field.problem:
        notes.append(f"{field.id}-wrong")
        wrong = f'<small class="wrong" id="{field.id}-wrong">{text(field.problem)}</small>'
    told = f'<small id="{field.id}-hint">{text(hint)}</small>' if hint else ""
    return (
        f'<div class="field"><label for="{field.id}">{text(field.name)}</label>'
        f"{_control(field, _attributes(field, notes))}{told}{wrong}</div>"
    )


def _attributes(field: Field, notes: Sequence[str]) -> str:
    found = f'id="{field.id}" name="{text(field.name)}" autocomplete="off"'
    if notes:
        found += f' aria-describedby="{" ".join(notes)}"'
    if field.problem:
        found += ' aria-invalid="true"'
    return found if field.column.missing else f"{found} required"


def _control(field: Field, attributes: str) -> str:
    column, written = field.column, text(field.written)
    if options := _options(column):
        return f"<select {attributes}>{_choices(field, options)}</select>"
    if column.type is ColumnType.TEXT:
        return f'<textarea {attributes} rows="3">\n{written}</textarea>'
    if not column.type.numeric:
        return f'<input type="text" {attributes} value="{written}">'
    low = "" if column.min is None else f' min="{column.min:g}"'
    high = "" if column.max is None else f' max="{column.max:g}"'
    step = "1" if column.type is ColumnType.INTEGER else "any"
    return f'<input type="number" {attributes}{low}{high} step="{step}" value="{written}">'


def _options(column: Input) -> list[tuple[str, str]]:
    """The values that a column may have, and what they are called; none where that is open."""
    if column.type is ColumnType.BOOLEAN:
        return [("true", "yes"), ("false", "no")]
    return [(one, one) for one in column.choices or ()]


def _choices(field: Field, options: list[tuple[str, str]]) -> str:
    """As options; one for no value where there may be none, or what there was is none of them."""
    if field.column.missing or field.written not in dict(options):
        options = [("", UNKNOWN), *options]
    return "".join(
        f'<option value="{text(value)}"{" selected" if value == field.written else ""}>'
        f"{text(called)}</option>"
        for value, called in options
    )


def _hint(column: Input) -> str:
    low = "" if column.min is None else f"from {column.min:g}"
    high = "" if column.max is None else f"to {column.max:g}"
    whole = "whole" if column.type is ColumnType.INTEGER else ""
    missing = "may be empty" if column.missing else ""
    return ", ".join(part for part in (" ".join(filter(None, (whole, low, high))), missing) if part)


def _written(column: Input, value: Any) -> str:
    """A value of the lake as the form's field holds it."""
    import pandas as pd

    if value is None or pd.isna(value):
        return ""
    if column.type is ColumnType.BOOLEAN:
        return "true" if value else "false"
    if column.type.numeric:
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    return str(value)


def _read(column: Input, written: str) -> Any:
    """What a field says, as the contract reads it: what is no number stays as it was written."""
    if not written.strip():
        return None
    if column.type is ColumnType.BOOLEAN:
        return {"true": True, "false": False}.get(written, written)
    if column.type.numeric:
        with suppress(ValueError):
            return float(written)
    return written
