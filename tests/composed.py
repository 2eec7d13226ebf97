"""infra/'s files as the programs that read them see them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
INFRA = ROOT / "infra"
COMPOSE = INFRA / "compose" / "compose.yaml"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def variables() -> dict[str, str | None]:
    """The variables that the compose file asks for, with their defaults."""
    text = "\n".join(line.partition("#")[0] for line in COMPOSE.read_text().splitlines())
    return {name: default if how == "-" else None for name, how, default in VARIABLE.findall(text)}


def compose(given: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The compose file, its variables put in as compose does."""

    def value(found: re.Match[str]) -> str:
        default = found[3] if found[2] == "-" else f"a-{found[1].lower()}"
        return (given or {}).get(found[1], default)

    loaded: dict[str, Any] = YAML(typ="safe").load(VARIABLE.sub(value, COMPOSE.read_text()))
    return loaded


def manifests() -> list[dict[str, Any]]:
    """Every object of infra/kubernetes."""
    found = []
    for path in sorted((INFRA / "kubernetes").glob("*.yaml")):
        found += [one for one in YAML(typ="safe").load_all(path.read_text()) if one]
    return found
