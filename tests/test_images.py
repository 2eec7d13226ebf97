"""The Dockerfile, as far as can be told without building it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from composed import INFRA, ROOT
from dockerfile_parse import DockerfileParser

FILE = INFRA / "docker" / "Dockerfile"


def stages() -> dict[str, list[tuple[str, str]]]:
    """Each stage's instructions."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for one in DockerfileParser(path=str(FILE), cache_content=True).structure:
        if one["instruction"] == "FROM":
            name = one["value"].rpartition(" AS ")[2]
            found[name] = []
        if name:
            found[name].append((one["instruction"], one["value"]))
    return found


STAGES = stages()


def sources() -> set[str]:
    """What is copied from the project."""
    copied = [value for one in STAGES.values() for kind, value in one if kind == "COPY"]
    return {path for value in copied if "--from" not in value for path in value.split()[:-1]}


def test_everything_it_copies_is_there_and_is_let_through() -> None:
    ignore = FILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    let_through = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    assert sources() == let_through
    assert all((ROOT / path).exists() for path in sources())


def test_stages_build_on_stages_that_there_are() -> None:
    for name, lines in STAGES.items():
        base = lines[0][1].partition(" AS ")[0]
        assert base == "${PYTHON}" or base in STAGES, name
        for kind, value in lines:
            if kind == "COPY" and value.startswith("--from="):
                assert value.split()[0].removeprefix("--from=") in STAGES


def test_it_installs_the_lock_with_hashes_and_only_the_extras_of_a_role() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installs = {
        name: [value for kind, value in lines if kind == "RUN" and "uv sync" in value]
        for name, lines in STAGES.items()
    }
    for role in ("gateway", "pipeline"):
        for line in installs[f"{role}-packages"]:
            assert "--locked" in line
            assert "--no-dev" in line
            extras = re.findall(r"--extra (\S+)", line)
            assert extras == [role, "postgres", *(["scale"] if role == "pipeline" else [])]
            assert set(extras) <= set(project["optional-dependencies"])
    pips = [value for one in STAGES.values() for _, value in one if "pip install" in value]
    assert all("--require-hashes" in value for value in pips)
    assert len(pips) == 1


def test_its_packages_are_the_projects() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    named = set(packages["targets"]["wheel"]["packages"])
    assert {path for path in sources() if (ROOT / path / "__init__.py").exists()} == named


def test_its_installer_is_the_makefiles_by_its_hashes() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "UV_PINNED := infra/docker/uv.txt" in makefile
    assert "--require-hashes -r $(UV_PINNED)" in makefile
    pinned = (FILE.parent / "uv.txt").read_text()
    assert re.search(r"^uv==\d+\.\d+\.\d+ ", pinned, re.MULTILINE)
    # A wheel for each system that a developer or an image has, and what they are built from.
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", pinned)) > 10


def test_its_python_is_one_that_the_project_takes_and_has_a_patch_version() -> None:
    (line,) = [text for text in FILE.read_text().splitlines() if text.startswith("ARG PYTHON=")]
    version = re.match(r"ARG PYTHON=python:(3)\.(\d+)\.\d+-", line)
    assert version
    assert 11 <= int(version[2]) <= 13


def test_nothing_runs_as_root() -> None:
    for name in ("gateway", "pipeline"):
        assert STAGES[name][0][1].startswith("runtime AS")
    assert ("USER", "10001") in STAGES["runtime"]
    assert not [line for name in ("gateway", "pipeline") for line in STAGES[name] if "USER" in line]


def test_no_secret_and_no_state_is_baked_in() -> None:
    text = Path(FILE).read_text()
    assert not re.search(r"SECRET|PASSWORD|TOKEN|ADMIN_KEY", text)
    assert not {path for path in sources() if path.startswith(".")}
