"""P15: 200 of 1,000 subjects are erased, twenty of the erasures killed in the middle.

Every subject says a word that nobody else says: in chats through the running gateway, in rows,
labels, corrections, what a shadow answered, reviews, and in calls that ingest put aside; two models
learn from them, windows are judged and drawn. Then every byte at rest is searched, also inside of
what is packed, and what is left of the others is compared with what there was.
`SUBJECTS=100 ERASED=20 KILLS=5` for a quick look.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, "tests")

import httpx
import numpy as np
from at_rest import hits
from serving import serving
from upstream import upstream

from benchmarks.bars import Bar, finish, say
from benchmarks.kills import dies
from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.records import (
    Cause,
    CauseKind,
    Erasure,
    Feedback,
    Interaction,
    Recipe,
    Shadow,
    Version,
    digest_of,
)
from opslayer.settings import Settings
from opslayer.stores import Stores
from opslayer.stores.events import Said
from opslayer.stores.secret import installation_secret, subject_hash

SUBJECTS = int(os.environ.get("SUBJECTS", "1000"))
ERASED = int(os.environ.get("ERASED", "200"))
KILLS = int(os.environ.get("KILLS", "20"))
CALLS = 3
"""Of each subject, to the shop; every tenth subject's last one is none that ingest takes."""
TALKS = 60
"""Subjects who chat through the gateway, half of them to be erased."""
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=60)
SHOP = """\
name: shop
kind: classification
inputs:
  size: {type: number}
  colour: {type: category, choices: [red, blue]}
  city: {type: category, missing: true}
  note: {type: text, missing: true}
target: answer
classes: [yes, no]
training: {estimator: sklearn.linear_model.LogisticRegression, params: {max_iter: 100}}
gate: {metric: accuracy, min_labels: 60, slices: [city, colour]}
monitor: {window: 7d, report: always}
"""
DESK = """\
name: desk
kind: chat
fallback: [{{rule: {{constant: A colleague will answer you.}}}}]
upstreams: [{{name: main, pool: main, base_url: "{url}/v1", model: ok}}]
"""


def name(number: int) -> str:
    """Whom the application means."""
    return f"person-{digest_of('name', number)}"


def word(number: int) -> str:
    """What only this subject says."""
    return f"quokka-{digest_of('word', number)}"


@dataclass(frozen=True)
class House:
    """One installation, and where it lies."""

    root: Path
    stores: Stores

    @property
    def home(self) -> Path:
        """Everything at rest."""
        return self.root / "home"

    @property
    def shop(self) -> Capability:
        """The capability that learns."""
        return load_capability("shop", self.root / "configs")

    def hashed(self, number: int) -> str:
        """A subject as the stores know it."""
        return subject_hash(installation_secret(Settings()), "", name(number))


def build(root: Path) -> House:
    """An empty installation with a shop that predicts and a desk that chats."""
    os.environ.update(OPSLAYER_HOME=str(root / "home"), OPSLAYER_CONFIGS=str(root / "configs"))
    folder = root / "configs" / "capabilities"
    folder.mkdir(parents=True)
    (folder / "shop.yaml").write_text(SHOP)
    return House(root, Stores.at(Settings()))


def asked(house: House, number: int, call: int) -> list[Said]:
    """A call of a subject, what came true of it, and a shadow's answer to its copy."""
    draw = np.random.default_rng((number, call))
    id = f"call-{number:05}-{call}"
    at = START + timedelta(days=50) * ((number * CALLS + call) / (SUBJECTS * CALLS))
    size, colour = float(draw.normal()), str(draw.choice(["red", "blue"]))
    truth = "yes" if size + (colour == "red") + draw.normal() / 4 > 0.5 else "no"
    broken = number % 10 == 0 and call == CALLS - 1
    inputs = {
        "size": word(number) if broken else size,
        "colour": colour,
        "city": word(number) if number % 20 == call else str(draw.choice(["oslo", "rome"])),
        "note": f"{word(number)} wants {colour} goods",
    }
    of = {"capability": "shop", "event_time": at}
    output = {"value": truth, "note": word(number)}
    return [
        Interaction(
            id=id, subject=house.hashed(number), variant="constant", release=1, input=inputs,
            output=output, **of,
        ),
        Feedback(
            id=f"told-{id}", interaction_id=id, kind="true_value",  # type: ignore[arg-type]
            value=truth, known_time=at, **of,
        ),
        Feedback(
            id=f"said-{id}", interaction_id=id, kind="correction",  # type: ignore[arg-type]
            value=word(number), known_time=at, **of,
        ),
        Shadow(id=id, variant="model-2", release=1, output=output, **of),
    ]  # fmt: skip


def fill(house: House) -> None:
    """Every subject's calls taken in, judged and drawn, and two models that learn from them."""
    from opslayer.steps.facets import tag_calls
    from opslayer.steps.ingest import ingest
    from opslayer.steps.monitor import monitor
    from opslayer.steps.report import report

    shop, stores, now = house.shop, house.stores, datetime.now(UTC)
    for number in range(SUBJECTS):
        records = [one for call in range(CALLS) for one in asked(house, number, call)]
        stores.events.append(records, "benchmark")
    ingest(shop, stores, now)
    tag_calls(shop, stores, now)
    for day in (25, 35):
        learn(house, START + timedelta(days=day))
    verdicts = monitor(shop, stores, now)
    say(f"{len(report(shop, stores, verdicts))} windows drawn")


def learn(house: House, at: datetime) -> None:
    """Train on what was known at a moment; the newest serves."""
    from opslayer.steps.judge import judge
    from opslayer.steps.promote import Promotion, promote
    from opslayer.steps.snapshot import split, take
    from opslayer.steps.train import TrainingOrder, train
    from opslayer.steps.validate import validate

    shop, stores = house.shop, house.stores
    cause = Cause(capability="shop", kind=CauseKind.PERSON, about=f"at {at}", at=at)
    cut = split(shop, stores, at, 60)
    exam = take(shop, stores, at, Recipe.EXAM, cut)
    rows = take(shop, stores, at, Recipe.ALL, cut)
    validate(shop, rows, stores, at)
    version = train(shop, rows, stores, TrainingOrder(cause, Recipe.ALL, exam))
    judge(shop, version, cause, stores)
    newest = stores.ledger.releases.newest("shop")
    decision = Promotion(newest.number if newest else 0, "ann", "newer", None, (), at)
    promote(shop, version, stores, decision)


def talk(house: House, numbers: Sequence[int]) -> None:
    """Chat through the running gateway, with a key for repeats, and say what was wrong."""
    with upstream() as address:
        file = house.root / "configs" / "capabilities" / "desk.yaml"
        file.write_text(DESK.format(url=address))
        with serving(house.home, house.root / "configs") as served:
            for number in numbers:
                said = f"I am {name(number)} and say {word(number)}"
                body = {"model": "desk", "messages": [{"role": "user", "content": said}]}
                headers = {
                    "X-Opslayer-Subject": name(number),
                    "Idempotency-Key": f"key of {word(number)}",
                }
                url = f"{served.url}/v1/chat/completions"
                answer = httpx.post(url, json=body, headers=headers, timeout=60)
                answer.raise_for_status()
                told = {
                    "interaction_id": answer.headers["x-opslayer-interaction"],
                    "kind": "correction",
                    "value": word(number),
                }
                httpx.post(f"{served.url}/v1/feedback", json=told, timeout=60).raise_for_status()


def erase(who: str, retrain: bool = False) -> None:
    """As the privacy officer does."""
    from commands import execute

    words = ["erase", who, "--reason", "they asked", "--json"]
    with redirect_stdout(StringIO()) as said:
        code = execute([*words, "--retrain"] if retrain else words)
    if code:
        raise RuntimeError(f"erase {who} ended with {code}: {said.getvalue()[:2000]}")


def learnt_from(house: House) -> dict[int, set[int]]:
    """By subject, the model versions whose training set holds a row of theirs, row by row."""
    from opslayer.steps.snapshot import load

    found: dict[int, set[int]] = {}
    versions: list[Version] = house.stores.ledger.versions.all("shop")
    for version in versions:
        for row_id in load(house.shop, version.snapshot, house.stores).row_ids:
            found.setdefault(int(str(row_id).split("-")[1]), set()).add(version.version)
    return found


def of_others(house: House, erased: set[int]) -> dict[str, Any]:
    """Every row of everybody else in the lake and the log."""
    lake, kept = house.stores.lake, {}
    for table in ("rows", "answers", "tags", "snapshots", "facets"):
        for row in lake.query(house.shop, f"SELECT * FROM {table}", (table,)).to_pylist():
            owner = int(row["row_id"].split("-")[1])
            if owner not in erased:
                kept[f"{table} {json.dumps(row, default=str, sort_keys=True)}"] = owner
    positions: dict[str, int] = {}
    while (batch := house.stores.events.read("shop", positions)).events:
        positions = batch.positions
        ours = [one for one in batch.events if int(one.id.split("call-")[1][:5]) not in erased]
        kept |= {f"{one.kind} {one.id} {one.text}": 0 for one in ours}
    return kept


@dataclass
class Tally:
    """What came of it."""

    killed: int = 0
    left: int = 0
    """Places outside of models that a receipt names where something of the erased rests."""
    left_after: int = 0
    """Such places once the models were replaced."""
    lost: int = 0
    wrong_models: int = 0
    seconds: float = 0.0


def run(house: House, tally: Tally) -> None:
    """Erase, search, compare."""
    draw = random.Random(15)
    gone = draw.sample(range(SUBJECTS), ERASED)
    talkers = [*gone[: TALKS // 2], *(n for n in range(TALKS) if n not in gone)][:TALKS]
    fill(house)
    talk(house, talkers)
    before, models = of_others(house, set(gone)), learnt_from(house)
    planted = hits(house.home, [word(gone[0])])
    say(f"the word of one subject rested in {len(planted)} places before: {planted[:8]}")
    began = perf_counter()
    for count, number in enumerate(gone):
        if count < KILLS:
            tally.killed += dies(draw.randint(1, 30), erase, name(number))
        erase(name(number))
        if count % 20 == 19:
            say(f"{count + 1} erased, {tally.killed} killed on the way")
    tally.seconds = (perf_counter() - began) / ERASED
    look(house, gone, models, tally)
    after = of_others(house, set(gone))
    tally.lost = len(before.keys() ^ after.keys())
    # One whom what serves has learnt from: for any other nothing is to be replaced.
    erase(name(max(gone, key=lambda number: max(models.get(number, {0})))), retrain=True)
    for number in gone:
        forget_all(house, number)
    words = [text for number in gone for text in (word(number), name(number))]
    found = hits(house.home, words)
    tally.left_after = len(found)
    say(f"after the models were replaced: {found[:5]}")


def look(house: House, gone: Sequence[int], models: dict[int, set[int]], tally: Tally) -> None:
    """Search everything at rest, and compare every receipt with the training sets."""
    words = [text for number in gone for text in (word(number), name(number))]
    found = [one for one in hits(house.home, words) if "model.skops" not in one]
    tally.left = len(found)
    for one in found[:10]:
        say(f"LEFT: {one}")
    for number in gone:
        receipts: list[Erasure] = house.stores.ledger.erasures.of(house.hashed(number))
        named = {one for receipt in receipts for one in receipt.models.get("shop", ())}
        if named != models.get(number, set()):
            tally.wrong_models += 1
            say(f"{name(number)}: named {named}, learnt from by {models.get(number)}")


def forget_all(house: House, number: int) -> None:
    """Let go of the models that a subject's receipts name; nothing needs them any more."""
    from opslayer.steps.forget import forget

    for receipt in house.stores.ledger.erasures.of(house.hashed(number)):
        forget(receipt, house.stores)


def main() -> int:
    """Run it and print the bars."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        run(build(Path(folder)), tally)
    say(f"{tally.seconds:.2f} s an erasure, {tally.killed} of them killed first")
    return finish(
        "erasure",
        ERASED,
        [
            Bar("left_outside_of_named_models", tally.left, "<= 0", of=ERASED),
            Bar("left_once_models_were_replaced", tally.left_after, "<= 0", of=ERASED),
            Bar("lost_of_others", tally.lost, "<= 0", of=(SUBJECTS - ERASED) * CALLS),
            Bar("receipts_with_wrong_models", tally.wrong_models, "<= 0", of=ERASED),
            Bar("killed_in_the_middle", tally.killed, f">= {max(1, KILLS // 2)}"),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
