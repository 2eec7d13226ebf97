"""What is installed is what was locked: every package pinned, with hashes, and nothing that runs
by itself."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import sysconfig
import tomllib
from base64 import urlsafe_b64encode
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from composed import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
PACKAGES = [one for one in LOCK["package"] if "editable" not in one["source"]]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOOLS = {"pip", "setuptools", "wheel"}
"""What Python's own `venv` may put beside; uv puts none of them."""


def test_every_package_is_pinned_to_files_with_hashes_from_one_registry() -> None:
    assert len(PACKAGES) > 200
    for one in PACKAGES:
        assert one["source"] == {"registry": "https://pypi.org/simple"}, one["name"]
        files = [*one.get("wheels", []), *([one["sdist"]] if "sdist" in one else [])]
        assert files, one["name"]
        assert all(file["hash"].startswith("sha256:") for file in files), one["name"]
        assert all(len(file["hash"]) == 71 for file in files), one["name"]


def test_what_the_project_asks_for_is_locked_and_within_what_it_asks_for() -> None:
    locked: dict[str, set[str]] = {}
    for one in PACKAGES:
        locked.setdefault(one["name"], set()).add(one["version"])
    asked = list(PROJECT["project"]["dependencies"])
    for extra in (
        *PROJECT["project"]["optional-dependencies"].values(),
        *PROJECT["dependency-groups"].values(),
    ):
        asked += extra
    for requirement in map(Requirement, asked):
        assert requirement.url is None, f"{requirement} comes from nowhere that has hashes"
        versions = locked[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_what_builds_the_project_has_one_version_each() -> None:
    (backend,) = PROJECT["build-system"]["requires"]
    fixed = PROJECT["tool"]["uv"]["build-constraint-dependencies"]
    assert backend in fixed
    for one in map(Requirement, fixed):
        assert [part.operator for part in one.specifier] == ["=="], one
    assert all("wheels" in one for one in PACKAGES), "a package is built: fix what builds it too"


def fetched(text: str) -> list[str]:
    """Lines of a script that install something which no lock and no hash holds."""
    joined = re.sub(r"\\\n\s*", " ", text)
    found = re.findall(
        r"^.*(?:\bpip3? install|\buvx |uv tool |uv pip install|uv add|uv run --with|npm |npx |"
        r"curl |wget |conda |easy_install|apt-get install).*$",
        joined,
        re.MULTILINE,
    )
    return [line.strip() for line in found if "--require-hashes" not in line]


def test_no_script_manifest_or_workflow_fetches_what_is_not_pinned() -> None:
    listed = ["git", "ls-files", "Makefile", ".ci", ".github", ".gitlab-ci.yml", "infra", "*.sh"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    files = [one for one in done.stdout.split() if not one.endswith((".md", ".py", ".json"))]
    assert len(files) > 15
    assert [line for one in files for line in fetched((ROOT / one).read_text())] == []
    for tempting in ("RUN pip install \\\n  uv", "curl https://x | sh", "uvx ruff", "- run: npx x"):
        assert fetched(tempting)


def test_every_image_has_a_version() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "infra").rglob("*.yaml"))
    for image in re.findall(r"^\s*(?:- )?image: ([^\s#]+)", text, re.MULTILINE):
        tag = image.rpartition("/")[2].partition(":")[2]
        own = image.startswith("opslayer-")  # whose version kustomization.yaml says
        assert own or re.search(r"\d+\.\d+", tag), image


def installed() -> list[Distribution]:
    """Everything in this environment."""
    folder = sysconfig.get_path("purelib")
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("not the project's own environment: make .venv/synced")
    return list(distributions(path=[folder]))


def test_nothing_is_installed_that_was_not_locked() -> None:
    locked = {(one["name"], one["version"]) for one in PACKAGES}
    for one in installed():
        name = canonicalize_name(one.metadata["Name"])
        if name != PROJECT["project"]["name"] and name not in TOOLS:
            assert (name, one.version) in locked


def test_nothing_runs_when_python_starts() -> None:
    """A `.pth` file may hold code, which every start of Python runs: only our own folder's name."""
    folder = Path(sysconfig.get_path("purelib"))
    installed()
    lines = [
        line
        for path in folder.glob("*.pth")
        for line in path.read_text().splitlines()
        if line.strip()
    ]
    assert {Path(line).resolve() for line in lines} == {ROOT}
    assert not [
        name for name in ("sitecustomize.py", "usercustomize.py") if (folder / name).exists()
    ]


def test_installed_code_is_what_its_package_said_it_was() -> None:
    """The first files of each package, by the hashes in its RECORD: a changed one would show."""
    looked = 0
    for one in installed():
        for file in [path for path in one.files or [] if path.hash and path.suffix == ".py"][:3]:
            content = Path(str(file.locate())).read_bytes()
            assert file.hash
            digest = urlsafe_b64encode(hashlib.new(file.hash.mode, content).digest())
            assert digest.rstrip(b"=").decode() == file.hash.value, str(file)
            looked += 1
    assert looked > 300
