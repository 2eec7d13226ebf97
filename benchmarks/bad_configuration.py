"""P19: bad configuration is refused clearly.

2,000 mutations of valid capability files: each key and value is deleted, renamed, written twice
or swapped for another type, and the text itself is damaged. Each goes through `opslayer config
check`; a sample of them in a process of its own, as a person would run it.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bars import Bar, finish, say
from commands import execute
from opslayer.configuration.document import parse

CAPABILITIES = Path(__file__).parents[1] / "configs" / "capabilities"
MUTATIONS = 2000
IN_OWN_PROCESS = 25
"""Each start takes a second."""

RICH = """\
name: support-triage
kind: classification
inputs:
  body: {type: text, max_length: 4000}
  channel: {type: category, choices: [mail, chat, 1], missing: true}
  age_days: {type: integer, min: 0, max: 3650}
  paid: {type: boolean}
  score: {type: number, min: -1.5, max: 1e3, missing: true}
target: queue
classes: [billing, bug, other]
sources:
  - {name: tickets, path: "data/*.csv", event_time: opened, known_time: closed, id: ticket}
  - name: archive
    query: select * from tickets
    url: "postgresql://${TICKETS_HOST}/support"
    cursor: opened
    event_time: opened
labels:
  delay: 2d
  rules:
    - {name: refunds, when: {column: body, matches: "(?i)refund|invoice"}, value: billing}
    - {name: chatty, when: {column: channel, equals: chat}, value: other, confidence: 0.6}
    - {name: old, when: {column: age_days, above: 400}, value: bug}
    - {name: low, when: {column: score, below: -1}, value: other}
training:
  estimator: sklearn.linear_model.LogisticRegression
  params: {C: 0.5, max_iter: 200}
  serialization: skops
  seed: 7
gate:
  metric: log_loss
  alpha: 0.05
  slices: [channel, paid]
  min_labels: 400
  min_disagreements: 25
  block: 12h
monitor: {window: 7d, schedule: "30 5 * * 1", false_alarms_per_100_windows: 2, report: always}
retrain:
  policy: on-drop
  cooldown: 12h
  budget: {runs: 4, per: 2w}
  every: 6
  price: 12.5
  drop: 0.03
release: {canary: 0.2, max_harm: 0.02}
guards: {input: [shape], output: [shape]}
webhooks:
  - {name: pager, url: "https://example.com/hooks?at=7", secret_env: PAGER_SECRET}
  - {name: chat, url: "http://10.0.0.7:8065/hooks/", secret_env: CHAT_SECRET, events: [release]}
fallback: [previous_release, {rule: {constant: other}}]
"""

SWAPS: tuple[Any, ...] = (
    "text", "", "5", "yes", "a\nb\x1b[2J", "x" * 20_000, "\u2028", 7, -1, 0, 1.5, 10**300, 10**400,
    math.nan, math.inf, True, False, None, [], ["a", 1], [[]], {}, {"a": 1}, {"a": {"b": []}},
)  # fmt: skip


class Pairs(list[tuple[str, Any]]):
    """A mapping that may hold a key twice."""


@dataclass(frozen=True)
class Mutant:
    """A damaged file."""

    what: str
    make: Callable[[], bytes]
    """Writes it: of many mutants only some are looked at."""
    never_valid: bool
    """Whether Opslayer must refuse it: a right file can't come of this mutation."""

    @property
    def content(self) -> bytes:
        """The file's bytes."""
        return self.make()


def pairs(data: Any) -> Any:
    """Plain data with every mapping as pairs."""
    if isinstance(data, dict):
        return Pairs((key, pairs(value)) for key, value in data.items())
    return [pairs(value) for value in data] if isinstance(data, list) else data


def places(data: Any, here: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Where every key and list item stands, as positions."""
    for index, item in enumerate(data):
        yield (*here, index)
        inner = item[1] if isinstance(data, Pairs) else item
        if isinstance(inner, list):
            yield from places(inner, (*here, index))


def emit(data: Any, indent: int = 0) -> str:
    """Flow YAML with one item per line."""
    space = " " * (indent + 1)
    if isinstance(data, Pairs):
        lines = [f"{space}{json.dumps(key)}: {emit(value, indent + 1)}" for key, value in data]
        return "{\n" + ",\n".join(lines) + "\n" + space[1:] + "}" if lines else "{}"
    if isinstance(data, list):
        lines = [space + emit(value, indent + 1) for value in data]
        return "[\n" + ",\n".join(lines) + "\n" + space[1:] + "]" if lines else "[]"
    if isinstance(data, float) and not math.isfinite(data):
        return ".nan" if math.isnan(data) else ".inf"
    return json.dumps(data, ensure_ascii=False) if isinstance(data, str) else json.dumps(data)


def mutants(text: str, seed: int) -> list[Mutant]:
    """Every mutation of a valid file, in an order that the seed gives."""
    draw = random.Random(seed)
    data = pairs(parse("valid", text).data)
    found = [mutant for place in places(data) for mutant in _at(pairs(_plain(data)), place)] + list(
        _damaged(text, draw)
    )
    draw.shuffle(found)
    return found


def _plain(data: Any) -> Any:
    if isinstance(data, Pairs):
        return {key: _plain(value) for key, value in data}
    return [_plain(value) for value in data] if isinstance(data, list) else data


def _at(data: Any, place: tuple[int, ...]) -> Iterator[Mutant]:
    keys, above = _names(data, place)
    *_, last = place
    item, where = above[last], ".".join(keys)

    def mutant(what: str, items: list[Any], never: bool = False) -> Mutant:
        return Mutant(f"{what} {where}", lambda: _with(data, above, items), never)

    yield mutant("delete", above[:last] + above[last + 1 :], where in ("name", "kind", "training"))
    if not isinstance(above, Pairs):
        yield mutant("twice", [*above[: last + 1], *above[last:]])
        for swap in SWAPS:
            yield mutant(f"{swap!r:.20} for", [*above[:last], pairs(swap), *above[last + 1 :]])
        return
    key, value = item
    free = (keys[:1] == ["inputs"] and len(keys) == 2) or "params" in keys[:-1]
    for name in (key[:-1], key + "x", key.upper(), key[::-1], f"{key}\n\x1b[2J", "é" * 40):
        renamed = [*above[:last], (name, value), *above[last + 1 :]]
        yield mutant(f"rename to {name!r:.20}", renamed, not free and name != key)
    yield mutant("twice", [*above, (key, value)], never=True)
    for swap in SWAPS:
        swapped = [*above[:last], (key, pairs(swap)), *above[last + 1 :]]
        yield mutant(f"{swap!r:.20} for", swapped)


def _with(data: Any, above: Any, items: list[Any]) -> bytes:
    """The file in which a mapping or list of it has these items."""
    kept = list(above)
    above[:] = items
    content = emit(data).encode()
    above[:] = kept
    return content


def _names(data: Any, place: tuple[int, ...]) -> tuple[list[str], Any]:
    """The keys on the way to a place, and the mapping or list that holds it."""
    names = []
    for depth, index in enumerate(place):
        above = data
        data = above[index]
        names.append(data[0] if isinstance(above, Pairs) else str(index))
        data = data[1] if isinstance(above, Pairs) else data
        if depth == len(place) - 1:
            return names, above
    raise IndexError(place)


def _damaged(text: str, draw: random.Random) -> Iterator[Mutant]:
    def mutant(what: str, content: bytes, never: bool = False) -> Mutant:
        return Mutant(what, lambda: content, never)

    raw = text.encode()
    for line in range(text.count("\n")):
        lines = text.splitlines(keepends=True)
        yield mutant(f"tab in line {line}", _line(lines, line, "\t"))
        yield mutant(f"quote in line {line}", _line(lines, line, '"'))
        yield mutant(f"brace in line {line}", _line(lines, line, "{"))
        yield mutant(f"alias in line {line}", _line(lines, line, "*"))
        yield mutant(f"tag in line {line}", _line(lines, line, "!!python/object "))
        cut = draw.randrange(len(raw))
        yield mutant(f"cut at byte {cut}", raw[:cut])
        spot = draw.randrange(len(raw))
        flipped = raw[:spot] + bytes([raw[spot] ^ (1 << draw.randrange(8))]) + raw[spot + 1 :]
        yield mutant(f"bit in byte {spot}", flipped)
    for what, content in WHOLE:
        yield mutant(what, content, never=True)


def _line(lines: list[str], number: int, before: str) -> bytes:
    return "".join([*lines[:number], before + lines[number], *lines[number + 1 :]]).encode()


WHOLE = (
    ("empty", b""),
    ("comment alone", b"# nothing\n"),
    ("null", b"null\n"),
    ("list", b"- name: x\n"),
    ("scalar", b"bike\n"),
    ("latin-1", "name: b\u00e4r\n".encode("latin-1")),
    ("utf-16", "name: x\n".encode("utf-16")),
    ("zeros", b"\0" * 100),
    ("too large", b"# \n" * 400_000),
    ("deep", b"name: " + b"[" * 5000),
    ("two documents", b"name: x\n---\nname: y\n"),
    ("directive", b"%YAML 1.1\n---\nname: x\n"),
    ("own alias", b"name: &a [*a]\n"),
    ("alias bomb", b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (98 + n, 98 + n, b", ".join([b"*%c" % (97 + n)] * 9)) for n in range(9)
    )),
    ("surrogate", b'name: "\\ud800"\n'),
    ("mapping as key", b"? {a: 1}\n: x\n"),
    ("tagged key", b"!!python/name:os.system x: 1\n"),
)  # fmt: skip


@dataclass
class Score:
    """What the mutants did."""

    files: int = 0
    refused: int = 0
    tracebacks: int = 0
    problems: int = 0
    unclear: int = 0
    """Problems without a file, a line of that file, a field or a sentence, or of several lines."""
    let_through: int = 0
    """Mutants that can't be right and were accepted."""


def judge(mutant: Mutant, path: Path, score: Score, log: list[str]) -> None:
    """Run `opslayer config check` on one mutant in this process."""
    path.write_bytes(mutant.content)
    out, err = io.StringIO(), io.StringIO()
    score.files += 1
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = execute(["config", "check", str(path), "--json"])
    except BaseException as error:
        score.tracebacks += 1
        log.append(f"{mutant.what}: {type(error).__name__}: {error}")
        return
    said = json.loads(out.getvalue())
    if code == 0:
        score.let_through += mutant.never_valid
        if mutant.never_valid:
            log.append(f"{mutant.what}: accepted")
        return
    score.refused += 1
    lines = mutant.content.count(b"\n") + 1
    for problem in said["error"]["problems"] or [{}]:
        score.problems += 1
        if not _is_clear(problem, path, lines):
            score.unclear += 1
            log.append(f"{mutant.what}: {problem}")


def _is_clear(problem: dict[str, Any], path: Path, lines: int) -> bool:
    text = f"{problem.get('field')}{problem.get('message')}"
    return (
        problem.get("file") == str(path)
        and 1 <= problem.get("line", 0) <= lines
        and bool(problem.get("field") and problem.get("message"))
        and not re.search(r"[\x00-\x1f\x7f\u2028]|Traceback|pydantic", text)
        and len(text) < 4000
    )


def in_own_process(mutant: Mutant, path: Path) -> str | None:
    """Run the command as a person would; what was wrong with its end, or None."""
    path.write_bytes(mutant.content)
    command = [sys.executable, "-c", "from commands import main; main()", "config", "check"]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode not in (0, 1) or "Traceback" in said:
        return f"{mutant.what}: exit {done.returncode}: {said[-300:]}"
    clear = all(line.startswith(f"{path}:") for line in done.stderr.splitlines())
    return None if clear else f"{mutant.what}: {done.stderr[-300:]}"


def population(seed: int, count: int) -> list[tuple[str, Mutant]]:
    """Mutants of every valid file with the name each claims, equally many of each."""
    texts = [("support-triage", RICH)]
    texts += [(path.stem, path.read_text()) for path in sorted(CAPABILITIES.glob("*.yaml"))]
    drawn = [[(name, one) for one in mutants(text, seed)] for name, text in texts]
    turns = [
        group[turn] for turn in range(max(map(len, drawn))) for group in drawn if turn < len(group)
    ]
    return turns[:count]


def main() -> int:
    """Judge every mutant; the exit code, 1 if a bar is missed."""
    score, log, ends = Score(), list[str](), list[str]()
    chosen = population(seed=19, count=MUTATIONS)
    every = len(chosen) // IN_OWN_PROCESS
    started = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, mutant) in enumerate(chosen):
            path = Path(folder) / f"{name}.yaml"
            judge(mutant, path, score, log)
            if number % every == 0:
                started += 1
                ends += filter(None, [in_own_process(mutant, path)])
                say(f"{number + 1} mutants: {score.refused} refused with {score.problems} problems")
    for line in [*log, *ends][:40]:
        say(line)
    return finish(
        "bad-configuration",
        score.files,
        [
            Bar("tracebacks", score.tracebacks, "== 0", score.files),
            Bar("problems without file, line and key", score.unclear, "== 0", score.problems),
            Bar("accepted though never right", score.let_through, "== 0", score.files),
            Bar("wrong ends of a process of its own", len(ends), "== 0", started),
            Bar("refused", score.refused, ">= 1000"),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
