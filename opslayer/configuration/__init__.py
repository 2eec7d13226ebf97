"""Reading `configs/capabilities/`: a capability, or every problem of its file at once.

`document` reads the YAML and remembers lines, `sentences` turns what the model refuses into plain
sentences, `reading` puts them together.
"""

from __future__ import annotations

from pathlib import Path

from opslayer.capability import Capability
from opslayer.configuration.nearest import nearest
from opslayer.configuration.reading import Reading, read
from opslayer.errors import ConfigError, NotFound, Problem

__all__ = ["Reading", "check", "files", "find", "load_all", "load_capability", "nearest", "read"]


def load_capability(name: str, configs: Path) -> Capability:
    """The capability declared in `configs/capabilities/NAME.yaml`.

    Raises NotFound, naming what there is, and ConfigError with every problem of the file.
    """
    reading = read(find(name, configs))
    if reading.capability is None:
        raise ConfigError(reading.problems)
    return reading.capability


def find(name: str, configs: Path) -> Path:
    """The file that declares a capability; NotFound names what there is."""
    there = {path.stem: path for path in files(configs)}
    if name not in there:
        raise NotFound(_not_there(name, sorted(there), configs))
    return there[name]


def load_all(configs: Path) -> list[Capability]:
    """Every capability of the folder, by name; ConfigError with the problems of all files."""
    readings = [read(path) for path in files(configs)]
    problems = [problem for reading in readings for problem in reading.problems]
    if problems:
        raise ConfigError(problems)
    return [reading.capability for reading in readings if reading.capability]


def check(path: Path) -> list[Problem]:
    """Every problem of one file at once, in the order of its lines; none if it can be used."""
    return list(read(path).problems)


def files(configs: Path) -> list[Path]:
    """The capability files of the folder, by name. `.yml` counts, so that it can be refused."""
    folder = configs / "capabilities"
    return sorted(path for path in folder.glob("*.y*ml") if path.suffix in (".yaml", ".yml"))


def _not_there(name: str, there: list[str], configs: Path) -> str:
    folder = configs / "capabilities"
    if not there:
        return f"no capability {name}: there is no file in {folder}; OPSLAYER_CONFIGS names configs"
    return f"no capability {name} in {folder}; there are {', '.join(there)}{nearest(name, there)}"
