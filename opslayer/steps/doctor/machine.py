"""Python, packages, the data folder and the secret."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from opslayer.steps.doctor.check import Check, Finding, Health, Installation

SUPPORTED = ((3, 11), (3, 13))
ROOM_NEEDED = 200_000_000
"""Bytes: one training's snapshot, model and report pages of 4 MB, several times."""
ROOM_WANTED = 2_000_000_000


def _python(_: Installation) -> Iterator[Finding]:
    if not SUPPORTED[0] <= sys.version_info[:2] <= SUPPORTED[1]:
        (low, high) = (f"{major}.{minor}" for major, minor in SUPPORTED)
        found = f"Python {sys.version_info[0]}.{sys.version_info[1]} is not supported"
        yield Finding("python", Health.FAILURE, found, f"install Python {low} to {high}")


def _packages(_: Installation) -> Iterator[Finding]:
    try:
        lines = requires("opslayer") or []
    except PackageNotFoundError:
        found = "opslayer runs from a folder and is not installed, so versions can't be checked"
        yield Finding("packages", Health.WARNING, found, "install it: pip install opslayer")
        return
    for line in lines:
        yield from _package(Requirement(line))


def _package(wanted: Requirement) -> Iterator[Finding]:
    if wanted.marker and not wanted.marker.evaluate({"extra": "pipeline"}):
        return
    optional = wanted.marker is not None and "extra" in str(wanted.marker)
    name = "opslayer[pipeline]" if optional else "opslayer"
    try:
        there = version(wanted.name)
    except PackageNotFoundError:
        status = Health.WARNING if optional else Health.FAILURE
        what = f"{wanted.name} is not installed" + (", so no flow runs here" if optional else "")
        yield Finding("packages", status, what, f"pip install '{name}'")
        return
    if not wanted.specifier.contains(there, prereleases=True):
        found = f"{wanted.name} is {there}, and {wanted.specifier} is needed"
        yield Finding("packages", Health.FAILURE, found, f"pip install '{wanted.name}'")


def _folder(installation: Installation) -> Iterator[Finding]:
    root = installation.settings.root
    near = _nearest_folder(root)
    if not root.is_dir() and (root.exists() or not near.is_dir()):
        found = f"{root} can't be a folder: there is a file in its place"
        yield Finding("data-folder", Health.FAILURE, found, "set OPSLAYER_HOME to a folder")
        return
    try:
        with tempfile.TemporaryFile(dir=near) as file:
            file.write(b"opslayer")
    except OSError as error:
        found = f"{near} can't be written to ({error.strerror})"
        way_out = f"give this user the right to write to {root}, or set OPSLAYER_HOME"
        yield Finding("data-folder", Health.FAILURE, found, way_out)


def _room(installation: Installation) -> Iterator[Finding]:
    near = _nearest_folder(installation.settings.root)
    free = shutil.disk_usage(near).free
    if free < ROOM_WANTED:
        status = Health.FAILURE if free < ROOM_NEEDED else Health.WARNING
        found = f"{free / 1e9:.1f} GB are free on the disk of {near}"
        yield Finding("disk", status, found, "free some, or set OPSLAYER_HOME to another disk")


def _nearest_folder(root: Path) -> Path:
    """The data folder, or the folder it will be made in."""
    while not root.exists() and root != root.parent:
        root = root.parent
    return root if root.is_dir() else root.parent


CHECKS = (
    Check("python", "Python's version is supported", _python),
    Check("packages", "every package is there in the wanted version", _packages),
    Check("data-folder", "the data folder can be written to", _folder),
    Check("disk", "there is room on the disk", _room),
)
