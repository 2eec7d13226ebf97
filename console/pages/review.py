"""The tagging queue: one row after the other, said by one key, and how reviewing goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from console.desk import Desk
from console.entry import Reviewer
from console.parts import places
from console.shell import form, hidden, pressed, sheet, words
from opslayer.capability import Capability, Kind
from opslayer.errors import Refused
from opslayer.judgement.agreement import Agreement
from opslayer.reports.page import Markup, facts, heading, paragraph, table
from opslayer.steps import review as step
from opslayer.steps.review import Item
from opslayer.steps.worth import worth

KEYS = "123456789"
"""One for each choice, the likeliest first; who means another one types it."""


def parts(desk: Desk, name: str, who: Reviewer, now: datetime) -> list[str]:
    """The row that is theirs now; NotFound for no such capability."""
    capability, there = desk.capability(name), places(name)
    try:
        item = step.take(capability, desk.stores, step.Reviewer(who.name, now))
    except Refused as refusal:
        return [there, paragraph(str(refusal), "empty")]
    undo = sheet(f"/capabilities/{name}/review", [pressed("do", "undo", "Undo", "u")])
    if item is None:
        way = (
            f"Nothing waits for {who.name}: rows come with calls, or with "
            f"`opslayer run ingest_data {name}`."
        )
        return [there, paragraph(way, "empty"), undo]
    return [there, *_row(name, item, str(capability.target)), undo]


def _row(name: str, item: Item, target: str) -> list[str]:
    action, row = f"/capabilities/{name}/review", hidden("row", item.row_id)
    until = f"{item.until:%H:%M} UTC"
    again = " It is looked at by more than one reviewer." if item.again else ""
    why = f"Here because: {', '.join(item.reasons)}. Yours until {until}.{again}"
    choices = [
        pressed("value", one, one, key) for key, one in zip(KEYS, item.choices, strict=False)
    ]
    said = words("value", f"{target}, typed")
    return [
        paragraph(why, "soft"),
        facts([(column, value) for column, value in item.inputs.items()]),
        facts([] if item.predicted is None else [("The model says", item.predicted)]),
        heading(f"What is the right {target}?"),
        sheet(action, [row, *choices, pressed("do", "skip", "Skip", "s")]),
        form(action, [row, said], "Save"),
    ]


def decide(desk: Desk, name: str, who: Reviewer, asked: Mapping[str, str], now: datetime) -> None:
    """Do what a form says: an answer, skip, or undo. Raises Refused where the row is not theirs."""
    capability, reviewer = desk.capability(name), step.Reviewer(who.name, now)
    if asked.get("do") == "undo":
        step.undo(capability, desk.stores, reviewer)
    elif asked.get("do") == "skip":
        step.skip(capability, desk.stores, reviewer, asked.get("row", ""))
    else:
        said = asked.get("value", "").strip()
        if not said:
            raise Refused("value: say what is right, or skip the row")
        step.answer(capability, desk.stores, reviewer, asked.get("row", ""), said)


def progress(desk: Desk, name: str, now: datetime) -> list[str]:
    """How much was looked at, how far reviewers agree, and what each source is worth."""
    capability, there = desk.capability(name), places(name)
    if not capability.predictor:
        return [there, paragraph(f"{name} learns from no labels: there is no queue.", "empty")]
    found = step.progress(capability, desk.stores, now)
    quality = found.quality
    return [
        there,
        facts(
            [
                ("Waiting", found.waiting),
                ("Answered", found.answered),
                ("Skipped", found.skipped),
                ("Looked at twice", found.twice),
                ("Agreement of all (alpha)", _agreement(found.agreement)),
                *((f"Quality, by the random share: {key}", value)
                  for key, value in (quality._asdict() if quality else {}).items()),
            ]
        ),
        _counts("Reviewer", found.by_reviewer),
        _counts("Why it was looked at", found.by_reason),
        *_worth(desk, capability, now),
    ]  # fmt: skip


def _worth(desk: Desk, capability: Capability, now: datetime) -> list[Markup]:
    """What each source is worth; nothing of numbers, of which none is simply right or wrong."""
    if capability.task is Kind.REGRESSION:
        return []
    sources = worth(capability, desk.stores, now)
    return [
        heading("What each source of tags is worth"),
        _rows([one._asdict() for one in sources.accuracies], "Sources"),
        heading("Where sources contradict each other"),
        _rows(sources.disagreements.to_dict("records"), "Disagreements"),
    ]


def _agreement(found: Agreement) -> str:
    return ", ".join(f"{name} {_number(value)}" for name, value in found._asdict().items())


def _number(value: object) -> str:
    """A number for a person; a dash for none."""
    return f"{value:.3g}" if isinstance(value, (int, float)) else "\N{EN DASH}"


def _counts(what: str, counts: Mapping[str, int]) -> Markup:
    if not counts:
        return Markup("")
    return table(what, (what, "#Rows"), Counter(counts).most_common())


def _rows(rows: list[dict[str, object]], caption: str) -> Markup:
    if not rows:
        return paragraph("Nothing yet.", "soft")
    heads = [str(name).replace("_", " ") for name in rows[0]]
    return table(caption, heads, [tuple(one.values()) for one in rows])
