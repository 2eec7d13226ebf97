"""The programs in benchmarks/ can be run: nobody runs all of them at every change."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOUGHT = """
import ast, importlib.util, pathlib, benchmarks
here = {folder: pathlib.Path(folder).resolve() for folder in ("benchmarks", "tests", "examples")}
waiting, looked, missing = [*here["benchmarks"].glob("*.py")], set(), []
while waiting:
    path = waiting.pop()
    looked.add(path)
    for node in ast.walk(ast.parse(path.read_text())):
        module = node.module if isinstance(node, ast.ImportFrom) else None
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        names += [module] if module else []
        names += [f"{module}.{one.name}" for one in node.names] if module in here else []
        for name in names:
            package, _, rest = name.partition(".")
            try:
                spec = importlib.util.find_spec(name if package in here else package)
            except ModuleNotFoundError:
                spec = None
            if spec is None:
                missing.append(f"{path.name}: {name}")
            elif spec.origin and pathlib.Path(spec.origin).parent in here.values():
                waiting += {pathlib.Path(spec.origin)} - looked
print(len(looked), *missing, sep="\\n")
"""
"""Looks for every module that a program imports, late ones and those of tests that it uses too."""


def test_every_program_finds_what_it_imports() -> None:
    command = [sys.executable, "-c", SOUGHT]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    looked, *missing = said.splitlines()
    assert missing == []
    assert int(looked) > len([*(ROOT / "benchmarks").glob("*.py")])
