"""What README and its like name is there: commands, options, targets, paths, routes, variables."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from composed import ROOT
from cyclopts import CycloptsError
from test_environment import ours

import commands
from gateway.table import table

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "infra/README.md")
MANUAL = "docs/commands.md"
SAID = {
    "NAME": "support-chat", "TIME": "2026-01-02", "FOLDER": "aside", '"…"': "a reason",
    "EXPERIMENT": "tone", "ID": "0" * 44,
}  # fmt: skip
"""What stands for a placeholder; the others stand for themselves."""
QUICK = ("keys", "config", "status", "release", "experiment", "webhooks", "feedback", "restore")
"""Verbs that need neither a model nor a flow; of those that wait for Ctrl-C, none."""
DONE = ("keys create", "config check", "status", "webhooks list", "release list")
"""What is done in an empty home; all else is refused there, with a reason."""
ADVICE = (*DOCUMENTS, "infra/prometheus/alerts.yml", "infra/prometheus/prometheus.yml")
MADE = (".venv", ".tools", ".opslayer", "infra/compose/.env", "infra/compose/secrets/")
"""What is not in git: it is made by a machine or a person."""
PLACEHOLDERS = {"NAME", "DIGEST", "WINDOW", "FILE"}
ENDINGS = r"\.(?:py|md|ya?ml|conf|json|ipynb|txt|toml|lock|sql)"


def spans(document: str) -> list[str]:
    """All that stands as code: between backticks, and in indented lines."""
    # A drawing in a fence is no code, and its three backticks would turn inside and outside around.
    text = re.sub(r"^```.*?^```", "", (ROOT / document).read_text(), flags=re.M | re.S)
    indented = document.endswith(".md")
    lines = [line.strip() for line in text.splitlines() if indented and line.startswith("    ")]
    said = re.findall(r"`([^`]+)`", text)
    return [re.sub(r"\s+", " ", one.replace("\\|", "|")) for one in said] + lines


@cache
def kept() -> set[str]:
    """Every file and folder in git, and those about to be."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    files = done.stdout.split("\n")
    return {str(parent) for one in files for parent in (Path(one), *Path(one).parents)}


def commanded(span: str) -> list[list[str]]:
    """Every `opslayer …` in a span, as words; of alternatives `a|b` each."""
    found: list[list[str]] = []
    if span.startswith("kubectl"):  # where it is a namespace
        return found
    for text in re.findall(r"(?:^|[ ;&(])opslayer ((?:[a-z]+|--)[^#`;&]*)", span):
        words = text.split()
        several = next((one for one in words[:2] if "|" in one), None)
        for choice in several.split("|") if several else [None]:
            found.append([choice if one == several and choice else one for one in words])
    return found


@pytest.mark.parametrize("document", ADVICE)
def test_every_command_and_option_that_it_names_is_there(document: str) -> None:
    for span in spans(document):
        for words in commanded(span):
            if words[0].startswith("--"):
                continue
            assert words[0] in commands.VERBS, span
            app = commands.build(words)
            _, apps, rest = app.parse_commands(words)
            command = apps[-1]
            if [name for name in command if not name.startswith("-")]:
                assert not rest or not re.fullmatch(r"[a-z]+", rest[0]), span
                continue
            options = {name for one in command.assemble_argument_collection() for name in one.names}
            asked = [one.partition("=")[0] for one in words if re.match(r"--[a-z]", one)]
            assert set(asked) <= options | {"--help"}, span


def whole(document: str) -> list[list[str]]:
    """The commands of a document that are more than a verb's name, with something for each
    placeholder."""
    found = [words for span in spans(document) for words in commanded(span)]
    said = [
        [SAID.get(word, word) for word in words] for words in found if words[0] in commands.VERBS
    ]
    return [words for words in said if not _is_mention(words)]


def _is_mention(words: list[str]) -> bool:
    """Whether it is a verb that is spoken of, and needs more to be a command."""
    _, apps, rest = commands.build(words).parse_commands(words)
    if apps[-1].default_command is None:
        return not rest
    needs = [one for one in apps[-1].assemble_argument_collection() if one.required]
    return bool(needs) and not rest


def test_every_command_that_is_written_out_is_one_that_the_command_line_takes() -> None:
    every = [words for document in DOCUMENTS for words in whole(document)]
    assert len(every) > 30
    for words in every:
        commands.build(words).parse_args(words, exit_on_error=False, print_error=False)
    with pytest.raises(CycloptsError):
        commands.build().parse_args(
            ["release", "rollback", "x", "--because", "y"], exit_on_error=False, print_error=False
        )


def test_commands_that_need_nothing_heavy_do_what_the_documents_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a home with nothing in it: done, or refused with a sentence; never wrong use."""
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(ROOT / "configs"))
    monkeypatch.chdir(tmp_path)
    asked = {tuple(words) for document in DOCUMENTS for words in whole(document)}
    quick = sorted(words for words in asked if words[0] in QUICK and "--follow" not in words)
    assert len(quick) > 8
    for words in quick:
        code = commands.execute(words)
        said = capsys.readouterr()
        assert code == (0 if " ".join(words).startswith(DONE) else 1), (words, said.err)
        assert said.out if code == 0 else said.err.strip(), words
        assert "Traceback" not in said.err


def test_the_manual_is_the_command_lines_own_and_names_every_verb(tmp_path: Path) -> None:
    made, kept_page = tmp_path / "commands.md", (ROOT / MANUAL).read_text()
    # In a process of its own: a verb's help is another one once its command line was built.
    subprocess.run([sys.executable, "-m", "commands.manual", made], cwd=ROOT, check=True)
    assert kept_page == made.read_text(), "make manual"
    for verb in commands.VERBS:
        assert f"\n## opslayer {verb}\n" in kept_page


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_target_and_benchmark_that_it_names_is_there(document: str) -> None:
    targets = re.findall(r"^([\w./]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for span in spans(document):
        for target in re.findall(r"(?:^|[ ;&(])make ([a-z./][\w./]*)", span):
            assert target in targets, span
        for name in re.findall(r"make bench NAME=(\w+)", span):
            assert f"benchmarks/{name}.py" in kept(), span


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_it_names_is_there(document: str) -> None:
    looks_like = rf"[\w.][\w./-]*(?:{ENDINGS}|/)"
    for span in spans(document):
        for word in re.split(r"[ :]", span):
            path = word.strip("…,()\"'")
            if not re.fullmatch(looks_like, path) or PLACEHOLDERS & set(re.split(r"[./]", path)):
                continue
            if path.startswith(MADE) or path in {"saved.png"}:
                continue
            bare = path.rstrip("/")
            assert any(one == bare or one.endswith(f"/{bare}") for one in kept()), path


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_route_and_variable_that_it_names_is_there(document: str) -> None:
    routes = [re.sub(r"\\{\w+\\}", "[^/]+", re.escape(one.path)) for one in table(cast(Any, None))]
    for span in spans(document):
        for path in re.findall(r"(?:^|GET |POST )(/[\w/{}-]+)$", span):
            if not path.startswith(("/srv/", "/tmp", "/proc")):
                assert any(re.fullmatch(one, path) for one in routes), path
        assert set(re.findall(r"\bOPSLAYER_[A-Z_]+\b", span)) <= ours(), span


def test_a_document_that_names_what_is_not_there_would_be_found() -> None:
    assert commanded("run `x`; opslayer nonsense --all") == [["nonsense", "--all"]]
    assert commanded("opslayer export interactions|labels NAME") == [
        ["export", "interactions", "NAME"], ["export", "labels", "NAME"],
    ]  # fmt: skip
    assert "nonsense" not in commands.VERBS
    assert "gateway/nonsense.py" not in kept()
