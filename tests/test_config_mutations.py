"""Whatever is done to a valid file, it is a capability or it is refused clearly (P19, small)."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bad_configuration import RICH, Score, emit, judge, pairs, places, population
from opslayer.configuration import read
from opslayer.configuration.document import parse


def test_the_file_that_is_mutated_is_valid_and_uses_every_section(tmp_path: Path) -> None:
    path = tmp_path / "support-triage.yaml"
    path.write_text(RICH)
    assert read(path).problems == ()
    path.write_text(emit(pairs(parse("valid", RICH).data)))
    assert read(path).problems == ()
    assert sum(1 for _ in places(pairs(parse("valid", RICH).data))) > 100


@pytest.mark.parametrize("seed", [1, 2])
def test_mutations_end_in_a_capability_or_in_clear_problems(tmp_path: Path, seed: int) -> None:
    score, log = Score(), list[str]()
    for name, mutant in population(seed, 120):
        judge(mutant, tmp_path / f"{name}.yaml", score, log)
    assert (score.tracebacks, score.unclear, score.let_through) == (0, 0, 0), log
    assert score.refused > 70


def test_the_judge_sees_a_mutant_that_should_have_been_refused(tmp_path: Path) -> None:
    score, log = Score(), list[str]()
    mutant = population(1, 1)[0][1]
    valid = type(mutant)("nothing", RICH.encode, never_valid=True)
    judge(valid, tmp_path / "support-triage.yaml", score, log)
    assert score.let_through == 1
