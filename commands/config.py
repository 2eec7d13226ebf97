"""`opslayer config check`: everything wrong with the files in configs/, at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from commands.context import context
from commands.output import AsJson, show
from opslayer.errors import ConfigError

if TYPE_CHECKING:
    from opslayer.configuration import Reading

app = App(name="config", help="Check the files in configs/.")


@app.command
def check(*names: str, as_json: AsJson = False) -> None:
    """Check capability files and say everything that is wrong with them.

    Exits with 1 if anything is, each problem as `file:line: field: message`.

    Parameters
    ----------
    names
        Capabilities, or files by their path; every file in configs/ without any.
    """
    from opslayer.configuration import read
    from opslayer.steps.doctor.declared import problems

    readings = [read(path) for path in _paths(names)]
    found = [problem for reading in readings for problem in problems(reading)]
    if found:
        raise ConfigError(found)
    show([_row(reading) for reading in readings], as_json, "Capabilities, all right")


def _row(reading: Reading) -> dict[str, object]:
    capability = reading.capability
    assert capability is not None
    return {
        "capability": capability.name,
        "kind": capability.kind.value,
        "inputs": len(capability.inputs),
        "sources": len(capability.sources),
        "file": reading.document.file,
    }


def _paths(names: tuple[str, ...]) -> list[Path]:
    from opslayer.configuration import files
    from opslayer.errors import NotFound

    configs = context().settings.configs
    if names:
        return [_path(name, configs) for name in names]
    found = files(configs)
    if not found:
        raise NotFound(
            f"there is no capability in {configs / 'capabilities'}: run this from the folder that "
            "holds configs/, or set OPSLAYER_CONFIGS"
        )
    return found


def _path(name: str, configs: Path) -> Path:
    from opslayer.configuration import find

    if "/" in name or name.endswith((".yaml", ".yml")):
        return Path(name)
    return find(name, configs)
