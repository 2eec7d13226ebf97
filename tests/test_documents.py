"""What README and its like name is there: commands, options, targets, paths, routes, variables."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from composed import ROOT
from test_environment import ours

import commands
from gateway.table import table

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "infra/README.md")
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
