"""A capability's file is read whole, or everything wrong with it is told at its line."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opslayer.capability import Capability
from opslayer.configuration import check, load_all, load_capability, read
from opslayer.configuration.document import MOST_VALUES
from opslayer.errors import ConfigError, NotFound, Problem

HEAD = """\
name: shop
kind: regression
inputs: {size: {type: number}, colour: {type: category, choices: [red, blue]}}
target: price
training: {estimator: sklearn.linear_model.Ridge}
gate: {metric: mae}
"""
CLASSES = """\
name: shop
kind: classification
inputs: {size: {type: number}, colour: {type: category, choices: [red, blue]}}
target: price
training: {estimator: sklearn.linear_model.LogisticRegression}
gate: {metric: accuracy}
"""


def problems(tmp_path: Path, text: str | bytes, name: str = "shop.yaml") -> list[Problem]:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return check(path)


def told(tmp_path: Path, text: str | bytes) -> dict[str, tuple[int, str]]:
    found = problems(tmp_path, text)
    assert len({problem.field for problem in found}) == len(found), found
    return {problem.field: (problem.line, problem.message) for problem in found}


def capability(tmp_path: Path, text: str) -> Capability:
    folder = tmp_path / "capabilities"
    folder.mkdir(exist_ok=True)
    (folder / "shop.yaml").write_text(text)
    return load_capability("shop", tmp_path)


def test_every_shipped_capability_is_right() -> None:
    assert load_all(Path(__file__).parents[1] / "configs")


def test_a_right_file_becomes_a_capability(tmp_path: Path) -> None:
    found = capability(tmp_path, HEAD + "labels: {delay: 24h}\n")
    assert found.columns == ("size", "colour")
    assert found.labels.delay == timedelta(hours=24)


def test_all_problems_come_at_once_each_at_its_line(tmp_path: Path) -> None:
    text = """\
name: shop
kind: regresion
inputs:
  size: {type: number, min: abc, mx: 3}
  colour: {type: colour}
  colour: {type: text}
target: size
surces: []
labels:
  delay: 24
  rules:
    - name: big
      when: {column: weight, above: 3}
      value: 5
training: {estimator: sklearn.linear_model.Ridge, params: []}
gate:
  metric: may
  slices:
    - size
    - weihgt
"""
    found = told(tmp_path, text)
    lines = {field: line for field, (line, _) in found.items()}
    assert lines == {
        "kind": 2,
        "inputs.size.min": 4,
        "inputs.size.mx": 4,
        "inputs.colour.type": 5,
        "inputs.colour": 6,
        "target": 7,
        "surces": 8,
        "labels.delay": 10,
        "labels.rules[0].when": 13,
        "training.params": 15,
        "gate.metric": 17,
        "gate.slices[1]": 20,
    }
    assert "did you mean regression?" in found["kind"][1]
    assert "did you mean max?" in found["inputs.size.mx"][1]
    assert "did you mean sources?" in found["surces"][1]
    assert found["inputs.size.min"][1] == "'abc' is text; must be a number"


def test_a_part_that_is_wrong_by_itself_starts_no_second_problem(tmp_path: Path) -> None:
    text = HEAD.replace("target: price", "target: [price]").replace("mae}", "mae, alpha: x}")
    assert set(told(tmp_path, text)) == {"target", "gate.alpha"}
    wrong_type = HEAD.replace("type: number", "type: nothing") + (
        "labels: {rules: [{name: r, when: {column: size, above: 1}, value: 2}]}\n"
    )
    assert set(told(tmp_path, wrong_type)) == {"inputs.size.type"}


@pytest.mark.parametrize(
    ("line", "field", "sentence"),
    [
        ("retrain: {budget: {runs: '5'}}", "retrain.budget.runs", "take the quotes away"),
        ("retrain: {budget: {runs: true}}", "retrain.budget.runs", "must be a whole number"),
        ("retrain: {budget: {runs: 5.5}}", "retrain.budget.runs", "must be a whole number"),
        ("retrain: {price: true}", "retrain.price", "must be a number"),
        ("retrain: {price: .inf}", "retrain.price", "finite"),
        ("retrain: {price: 1e999}", "retrain.price", "finite"),
        ("retrain: {cooldown: 1 day}", "retrain.cooldown", "a whole number and a unit"),
        ("retrain: {cooldown: 99999w}", "retrain.cooldown", "at most 3660d"),
        ("retrain: {cooldown: \u0661d}", "retrain.cooldown", "a whole number and a unit"),
        ("monitor: {window: 0d}", "monitor.window", "longer than 0"),
        ("monitor: {schedule: '0 6 * *'}", "monitor.schedule", "five cron fields"),
        ("monitor: {schedule: '0 6 31 4,6 *'}", "monitor.schedule", "day-of-month"),
        ("release: {canary: 1.5}", "release.canary", "at most 1"),
        ("guards: {input: [faces]}", "guards.input[0]", "must be one of shape, pii"),
        ("fallback: [previous]", "fallback[0]", "did you mean previous_release?"),
        ("fallback: [{rule: {constant: [1]}}]", "fallback[0].rule.constant", "is a list"),
        ("fallback: [{rule: {constant: x}}]", "fallback[0].rule.constant", "a number"),
        ("sources: [{name: a, path: 'http://x/y', event_time: t}]", "sources[0].path", "s3://"),
        ("sources: [{name: a, query: q, event_time: t}]", "sources[0]", "needs url and cursor"),
        ("sources: [{name: a, path: x}]", "sources[0].event_time", "is missing"),
        ("sources: {name: a}", "sources", "must be a list"),
        ("labels: 5", "labels", "'5' is a number; must be a mapping"),
        ("labels:", "labels", "is empty; must be a mapping"),
    ],
)
def test_a_wrong_value_is_told_with_what_is_allowed(
    tmp_path: Path, line: str, field: str, sentence: str
) -> None:
    found = told(tmp_path, f"{HEAD}{line}\n")
    assert set(found) == {field}
    assert found[field][0] == HEAD.count("\n") + 1
    assert sentence in found[field][1]


@pytest.mark.parametrize(
    ("line", "field", "sentence"),
    [
        ("classes: [one]", "classes", "at least two"),
        ("classes: [a, a, b]", "classes", "a twice"),
        ("fallback: [{rule: {constant: 0}}]", "fallback[0].rule.constant", "in quotes"),
        (
            "classes: [a, b]\nfallback: [{rule: {constant: c}}]",
            "fallback[0].rule.constant",
            "c is no class; use a, b",
        ),
        (
            "labels: {rules: [{name: r, when: {column: colour, equals: 1}, value: x}]}",
            "labels.rules[0].when",
            "text, in quotes",
        ),
        (
            "labels: {rules: [{name: r, when: {column: colour, matches: '(a'}, value: x}]}",
            "labels.rules[0].when.matches",
            "RE2",
        ),
        (
            "labels: {rules: [{name: r, when: {column: colour, matches: '(?=a)'}, value: x}]}",
            "labels.rules[0].when.matches",
            "RE2",
        ),
        (
            "labels: {rules: [{name: r, when: {column: size, above: 1, below: 2}, value: x}]}",
            "labels.rules[0].when",
            "exactly one",
        ),
    ],
)
def test_what_a_classification_may_answer_is_checked(
    tmp_path: Path, line: str, field: str, sentence: str
) -> None:
    found = told(tmp_path, f"{CLASSES}{line}\n")
    assert set(found) == {field}
    assert sentence in found[field][1]


def test_words_and_numbers_as_choices_are_the_text_that_was_written(tmp_path: Path) -> None:
    text = CLASSES.replace("[red, blue]", "[no, on, 007, 1.50, true, 2020-01-01]")
    found = capability(tmp_path, text + "classes: [yes, no, 1]\n")
    choices = found.inputs["colour"].choices
    assert choices == ("no", "on", "007", "1.50", "true", "2020-01-01")
    assert found.classes == ("yes", "no", "1")


def test_an_input_may_be_called_by_any_word_or_number(tmp_path: Path) -> None:
    text = HEAD.replace("{size:", "{no: {type: boolean}, 2020: {type: number}, size:")
    assert capability(tmp_path, text).columns == ("no", "2020", "size", "colour")


def test_a_name_with_a_control_character_is_refused_and_shown_harmlessly(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, HEAD.replace("{size:", '{"a\\n\\e[2Jb": {type: number}, size:'))
    assert "without control characters" in found.message
    assert str(found).isprintable()


def test_the_password_of_a_url_is_not_repeated(tmp_path: Path) -> None:
    source = "{name: a, event_time: t, path: 'postgresql://me:secret@host/db'}"
    (found,) = problems(tmp_path, f"{HEAD}sources: [{source}]\n")
    assert "secret" not in found.message


CHAT = b"name: shop\nkind: chat\n"
"""A chat that nothing answers, which is told on line 1 beside all else."""


@pytest.mark.parametrize(
    ("content", "line", "sentence"),
    [
        (b"", 1, "is empty"),
        (b"# nothing\n", 1, "is empty"),
        (b"- a\n- b\n", 1, "must be a mapping"),
        (b"just words\n", 1, "must be a mapping"),
        ("name: b\u00e4r\n".encode("latin-1"), 1, "not UTF-8"),
        (b"name: shop\nkind: \xff\n", 2, "not UTF-8"),
        (b"# " + b"x" * 1_000_000, 1, "larger than"),
        (b"name: shop\n\tkind: chat\n", 2, "tab"),
        (b"name: shop\nkind: [chat\n", 3, "is not YAML"),
        (b"name: shop\nkind: *nothing\n", 2, "nothing"),
        (b"name: shop\n---\nname: shop\n", 2, "second document"),
        (b"%YAML 1.1\n---\nname: shop\n", 1, "directives"),
        (b"name: shop\x00\n", 1, "control character"),
        (b"name: " + b"[" * 1000 + b"\n", 1, "nested deeper"),
        (CHAT + b"labels: !!python/object:os.system {}\n", 3, "the tag"),
        (CHAT + b"labels: &a {rules: *a}\n", 3, "contains itself"),
        (b'name: "\\ud800"\nkind: chat\n', 1, "surrogate"),
        (CHAT + b"name: shop\n", 3, "occurs twice, first on line 1"),
        (CHAT + b"? [a]\n: 1\n", 3, "stands as a key"),
    ],
)
def test_what_is_no_usable_yaml_is_refused_at_its_line(
    tmp_path: Path, content: bytes, line: int, sentence: str
) -> None:
    found = problems(tmp_path, content)
    assert any(sentence in problem.message for problem in found), found
    others = [problem for problem in found if problem.field != "upstreams"]
    assert all(problem.line == line and problem.field for problem in others)


def test_aliases_that_multiply_are_bounded(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
    )
    (found,) = problems(tmp_path, bomb)
    assert str(MOST_VALUES) in found.message


def test_an_alias_of_a_shared_part_may_be_used(tmp_path: Path) -> None:
    text = HEAD.replace("{size: {type: number}", "{size: &n {type: number}, weight: *n")
    assert capability(tmp_path, text).columns == ("size", "weight", "colour")


def test_a_file_must_be_called_as_its_capability(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, HEAD, "store.yaml")
    assert (found.field, found.line) == ("name", 1)
    assert "must be store" in found.message


def test_a_yml_file_is_refused_rather_than_overlooked(tmp_path: Path) -> None:
    (tmp_path / "capabilities").mkdir()
    (tmp_path / "capabilities" / "shop.yml").write_text(HEAD)
    with pytest.raises(ConfigError, match=r"rename the file to shop\.yaml"):
        load_all(tmp_path)


def test_an_unreadable_file_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    assert "can't be read" in check(tmp_path / "absent.yaml")[0].message
    assert "can't be read" in check(tmp_path)[0].message


def test_an_unknown_capability_names_what_there_is_and_what_was_meant(tmp_path: Path) -> None:
    capability(tmp_path, HEAD)
    with pytest.raises(NotFound, match=r"no capability shp .*there are shop; did you mean shop\?"):
        load_capability("shp", tmp_path)
    with pytest.raises(NotFound, match="no capability"):
        load_capability("../capabilities/shop", tmp_path)
    with pytest.raises(NotFound, match="OPSLAYER_CONFIGS"):
        load_capability("shop", tmp_path / "elsewhere")


def test_loading_all_tells_the_problems_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "capabilities").mkdir()
    for name in ("one", "two"):
        (tmp_path / "capabilities" / f"{name}.yaml").write_text(f"name: {name}\nkind: x\n")
    with pytest.raises(ConfigError) as caught:
        load_all(tmp_path)
    assert {os.path.basename(problem.file) for problem in caught.value.problems} == {
        "one.yaml",
        "two.yaml",
    }


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "shop.yaml"
    path.write_bytes(content)
    reading = read(path)
    assert reading.capability is None
    assert reading.problems


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=":-[]{}&*!?|>%@`'\"#, \n\tabc1.~<=", max_size=40))
def test_any_yaml_like_text_is_read_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "shop.yaml"
    path.write_text(HEAD + text)
    reading = read(path)
    lines = (HEAD + text).count("\n") + 1
    assert (reading.capability is None) == bool(reading.problems)
    assert all(1 <= problem.line <= lines and problem.field for problem in reading.problems)
